"""Each ablation takes away what it says, and nothing else."""

import pytest
import torch

from drawzoo.config import override
from drawzoo.testing import check_reader
from drawzoo.zoo import build, model_config


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
    same = override(config, {"variant": draw.variant, "reader.name": draw.reader.name})
    assert override(same, {"reader.size": 5}) == draw
