"""An encoder that attends over the glimpses so far."""

import pytest
import torch
from drawzoo_transformer.encoder import TransformerEncoder
from selection import quick

import drawzoo
from drawzoo.testing import check_encoder, check_model

MEMORY = 3


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    sizes = drawzoo.Sizes(image=(1, 6, 6), glimpse_shape=(4,), decoder_shape=(5,))
    config = TransformerEncoder.Config(units=8, heads=2, memory=MEMORY)
    encoder = TransformerEncoder(config, sizes).double()
    torch.nn.init.normal_(encoder.age)
    return encoder


def course(encoder, glimpses, h_decs):
    """h_enc of each step, [T, B, U]."""
    state, found = encoder.initial_state(glimpses.shape[1]), []
    for glimpse, h_dec in zip(glimpses, h_decs, strict=True):
        h, state = encoder(glimpse, h_dec, state, None)
        found.append(h)
    return torch.stack(found)


def test_attends_as_torch_does(encoder):
    """The last step's is a row of causal self-attention over all, with the ages' biases."""
    glimpses, h_decs = torch.randn(MEMORY, 2, 4).double(), torch.randn(MEMORY, 2, 5).double()
    tokens = encoder.embed(torch.cat([glimpses, h_decs], dim=2)).transpose(0, 1)
    query, key, value = (
        part.unflatten(2, (2, 4)).transpose(1, 2)
        for part in encoder.of_token(encoder.first_norm(tokens)).chunk(3, dim=2)
    )
    ages = torch.arange(MEMORY)[:, None] - torch.arange(MEMORY)
    bias = encoder.age.T.flip(1)[:, ages.clamp_min(0)].masked_fill(ages < 0, -torch.inf)
    attended = torch.nn.functional.scaled_dot_product_attention(query, key, value, bias)
    y = tokens + encoder.mix(attended.transpose(1, 2).flatten(2))
    expected = encoder.last_norm(y + encoder.mlp(encoder.second_norm(y)))
    torch.testing.assert_close(course(encoder, glimpses, h_decs), expected.transpose(0, 1))


@pytest.mark.parametrize("age", range(MEMORY + 2))
def test_remembers_so_many_glimpses_and_no_more(encoder, age):
    glimpses = torch.randn(2 * MEMORY, 1, 4).double().requires_grad_()
    last = course(encoder, glimpses, torch.randn(2 * MEMORY, 1, 5).double())[-1]
    (gradient,) = torch.autograd.grad(last.square().sum() + last.sum(), glimpses)
    assert bool(gradient[-1 - age].any()) is (age < MEMORY)


def test_state_has_one_size(encoder):
    state = encoder.initial_state(2)
    shapes = [part.shape for part in state]
    for _ in range(MEMORY + 1):
        _, state = encoder(torch.randn(2, 4).double(), torch.randn(2, 5).double(), state, None)
        assert [part.shape for part in state] == shapes


def test_heads_that_do_not_divide_the_units():
    with pytest.raises(ValueError, match="256 units .* 3 heads"):
        TransformerEncoder.Config(heads=3)


@pytest.mark.parametrize("memory", quick([2, 3], 3))
def test_is_sound(memory):
    check_encoder(TransformerEncoder, units=8, heads=2, memory=memory)


def test_model_remembers_all_its_glimpses():
    model = drawzoo.model_config("draw-transformer-mnist")
    assert model.encoder.config["memory"] == model.steps


def test_model_is_sound():
    check_model("draw-transformer-mnist")
