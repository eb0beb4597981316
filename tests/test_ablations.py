"""Each ablation takes away what it says, and nothing else."""

import pytest
import torch

from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override
from drawzoo.testing import check_encoder, check_reader


def test_error_reader_never_sees_the_image():
    model = build(model_config("draw-erroronly-mnist"))
    generator = torch.Generator().manual_seed(0)
    x, other = torch.rand(2, 3, 1, 28, 28, generator=generator)
    error = torch.randn(3, 1, 28, 28, generator=generator)
    h_dec = torch.randn(3, 256, generator=generator)
    assert model.reader(x, error, h_dec)[0].equal(model.reader(other, error, h_dec)[0])
    assert not model.reader(x, error, h_dec)[0].equal(model.reader(x, error / 2, h_dec)[0])


def test_error_reader_is_sound():
    from drawzoo_ablations.reader import ErrorReader

    check_reader(ErrorReader, size=3)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_fewer_steps_change_nothing_else(steps):
    config = model_config(f"draw-t{steps}-mnist")
    draw = model_config("draw-mnist")
    assert override(config, {"variant": draw.variant, "steps": draw.steps}) == draw
    assert config.steps == steps


def test_error_image_alone_changes_the_reader_alone():
    config, draw = model_config("draw-erroronly-mnist"), model_config("draw-mnist")
    assert config.reader.name == "attention-error"
    same = override(config, {"variant": draw.variant, "reader.name": "drawzoo:attention"})
    assert override(same, {"reader.size": 5}) == draw


class TestNoPrivy:
    def test_no_gradient_from_the_decoder_to_the_encoders_input(self):
        encoder = build(model_config("draw-noprivy-mnist")).encoder
        h_dec = torch.randn(3, 256, requires_grad=True)
        glimpse = torch.randn(3, 50, requires_grad=True)
        h, state = encoder(glimpse, h_dec, encoder.initial_state(3), None)
        total = h.sum() + sum(tensor.sum() for tensor in state)
        to_glimpse, to_decoder = torch.autograd.grad(total, (glimpse, h_dec), allow_unused=True)
        assert to_decoder is None
        assert to_glimpse.abs().min() > 0

    def test_draw_does_have_one(self):
        encoder = build(model_config("draw-mnist")).encoder
        h_dec = torch.randn(3, 256, requires_grad=True)
        h, _ = encoder(torch.randn(3, 50), h_dec, encoder.initial_state(3), None)
        assert torch.autograd.grad(h.sum(), h_dec)[0].abs().min() > 0

    def test_changes_the_encoder_alone(self):
        config, draw = model_config("draw-noprivy-mnist"), model_config("draw-mnist")
        same = override(config, {"variant": "draw", "encoder.name": "drawzoo:lstm"})
        assert override(same, {"encoder.units": 256}) == draw

    def test_encoder_is_sound(self):
        from drawzoo_ablations.encoder import PrivateEncoder

        check_encoder(PrivateEncoder, units=8)


class TestNoAttention:
    def test_has_no_window(self):
        model = build(model_config("draw-noattention-mnist")).eval()
        drawing = model.reconstruct(torch.rand(2, 1, 28, 28).round())
        assert drawing.reads is None and drawing.writes is None

    def test_reads_every_pixel_of_both_images(self):
        model = build(model_config("draw-noattention-mnist"))
        x, error = torch.rand(2, 3, 1, 28, 28)
        glimpse, _ = model.reader(x, error, torch.randn(3, 256))
        assert glimpse.equal(torch.cat([x.flatten(1), error.flatten(1)], dim=1))

    def test_can_write_to_every_pixel_alone(self):
        """The write is a linear map of full rank up to the decoder's units: no window ties it."""
        writer = build(model_config("draw-noattention-mnist")).writer
        h_dec = torch.randn(1, 256)
        rows = torch.autograd.functional.jacobian(lambda h: writer(h)[0].flatten(), h_dec)
        assert torch.linalg.matrix_rank(rows.flatten(1)) == 256

    def test_changes_read_and_write_alone(self):
        config, draw = model_config("draw-noattention-mnist"), model_config("draw-mnist")
        for key in ("steps", "latent", "decoder", "encoder", "likelihood", "image"):
            assert getattr(config, key) == getattr(draw, key)


def test_error_reader_does_not_change_when_image_and_canvas_shift_together():
    model = build(model_config("draw-erroronly-mnist"))
    x, mean = torch.rand(2, 3, 1, 28, 28, dtype=torch.float64) / 2
    h_dec = torch.randn(3, 256, dtype=torch.float64)
    reader = model.reader.double()
    glimpse = reader(x, x - mean, h_dec)[0]
    shifted = reader(x + 0.25, (x + 0.25) - (mean + 0.25), h_dec)[0]
    assert torch.allclose(glimpse, shifted, rtol=0, atol=1e-12)
