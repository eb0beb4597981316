"""GRUs in the place of DRAW's LSTMs."""

import pytest
import torch
from drawzoo_gated.cell import GRU
from drawzoo_gated.decoder import GatedDecoder
from drawzoo_gated.encoder import GatedEncoder

import drawzoo
from drawzoo.testing import check_decoder, check_encoder, check_model


@pytest.fixture
def gru():
    torch.manual_seed(0)
    return GRU(3, 5).double()


def test_agrees_with_torch(gru):
    theirs = torch.nn.GRUCell(3, 5).double()
    with torch.no_grad():
        theirs.weight_ih.copy_(gru.drive.weight)
        theirs.weight_hh.copy_(gru.recurrent.weight)
        theirs.bias_ih.copy_(gru.drive.bias)
        theirs.bias_hh.copy_(gru.recurrent.bias)
    x, h = torch.randn(4, 3).double(), torch.randn(4, 5).double()
    torch.testing.assert_close(gru(h, gru.drive(x)), theirs(x, h))


def test_an_open_update_gate_keeps_the_state(gru):
    with torch.no_grad():
        gru.drive.bias[5:10] = 1e3
    h = torch.randn(4, 5).double()
    torch.testing.assert_close(gru(h, gru.drive(torch.randn(4, 3).double())), h)


def test_unrolled_is_step_by_step():
    sizes = drawzoo.Sizes(image=(1, 6, 6), latent_shape=(3,))
    decoder = GatedDecoder(GatedDecoder.Config(units=5), sizes).double()
    z, canvas = torch.randn(4, 2, 3).double(), torch.zeros(2, 1, 6, 6).double()
    h_dec, (last,) = decoder.unroll(z, decoder.initial_state(2), canvas)
    stepwise, state = drawzoo.Decoder.unroll(decoder, z, decoder.initial_state(2), canvas)
    torch.testing.assert_close(h_dec, stepwise)
    torch.testing.assert_close(last, state[0])


def test_encoder_is_sound():
    check_encoder(GatedEncoder, units=8)


def test_decoder_is_sound():
    check_decoder(GatedDecoder, units=8)


def test_model_is_sound():
    check_model("draw-gru-mnist")
