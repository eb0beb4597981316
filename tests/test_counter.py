"""Noise by counting: a function of seed, image and step alone."""

import pytest
import torch

from drawzoo import ConfigError, Counter
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

SMALL = {"steps": 3, "decoder.units": 6, "encoder.units": 7, "latent.size": 5}


@pytest.fixture
def model():
    return build(override(model_config("draw-mnist"), SMALL)).eval()


def test_images_and_steps_do_not_depend_on_how_many_there_are():
    whole = Counter(3).noise(range(7), 4, (2, 3))
    assert torch.equal(whole[:2, 4:6], Counter(3).noise(range(4, 6), 2, (2, 3)))


def test_it_is_standard_normal_and_uncorrelated():
    noise = Counter(1).noise(range(500), 3, (6,)).permute(1, 0, 2).reshape(500, 18).double()
    # Six standard errors of each mean, variance and covariance.
    assert noise.mean(dim=0).abs().max() < 6 / 500**0.5
    covariance = noise.T @ noise / 500
    assert (covariance - torch.eye(18, dtype=torch.float64)).abs().max() < 6 * (2 / 500) ** 0.5


@pytest.mark.parametrize("other", [Counter(1), Counter(2**32), Counter(2**63)])
def test_seeds_differ(other):
    assert not torch.equal(Counter(0).noise(range(1), 1, (9,)), other.noise(range(1), 1, (9,)))


def test_temperature_scales_it():
    cold, noise = (Counter(5, t).noise(range(2), 3, (4,)) for t in (0.5, 1.0))
    assert torch.equal(cold, noise / 2)


@pytest.mark.parametrize("seed, temperature", [(-1, 1), (2**64, 1), (0, -1), (0, float("nan"))])
def test_out_of_range(seed, temperature):
    with pytest.raises(ConfigError, match="choose another"):
        Counter(seed, temperature)


def test_drawings_do_not_depend_on_num_or_steps(model, monkeypatch):
    monkeypatch.setattr("drawzoo.engine.sampling.CHUNK", 3)
    source = Counter(4)
    drawn = model.draw(8, generator=source)
    torch.testing.assert_close(model.sample(8, generator=source), drawn.images[-1])
    torch.testing.assert_close(
        model.draw(5, steps=2, generator=source).canvases, drawn.canvases[:2, :5]
    )
    assert torch.equal(model.prior(8, generator=source), source.noise(range(8), 3, (5,)))


def test_a_batch_may_begin_anywhere(model):
    drawn = model.sample(5, generator=Counter(4))
    torch.testing.assert_close(model.sample(2, generator=Counter(4, first=3)), drawn[3:])


def test_sample_command_draws_in_groups(invoke, tmp_path, monkeypatch):
    run = ("sample", "draw-t1-mnist", "--num", "5", "--rng", "counter", "--no-show", "--out")
    assert invoke(*run, tmp_path / "a.png")[0] == 0
    monkeypatch.setattr("drawzoo.cli.sample.GROUP_NUM", 2)
    assert invoke(*run, tmp_path / "b.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_bound_is_the_same_again(model):
    x = (torch.rand(2, 1, 28, 28) > 0.5).float()
    source = Counter(4)
    first, again = (model.bound(x, generator=source).nats for _ in range(2))
    assert torch.equal(first, again)


def test_sample_command(invoke, tmp_path):
    names = ["a.png", "b.png", "c.png"]
    paths = [tmp_path / name for name in names]
    run = ("sample", "draw-t1-mnist", "--num", "2", "--seed", "3", "--no-show", "--out")
    assert invoke(*run, paths[0], "--rng", "counter")[0] == 0
    assert invoke(*run, paths[1], "--rng", "counter", "--temperature", "1")[0] == 0
    assert invoke(*run, paths[2], "--rng", "counter", "--temperature", "0")[0] == 0
    same, other, cold = (path.read_bytes() for path in paths)
    assert same == other != cold


@pytest.mark.parametrize(
    "where, more", [("x.png", ["--temperature", "1"]), ("shards", ["--rng", "counter"])]
)
def test_sample_command_refuses(invoke, tmp_path, where, more):
    assert invoke("sample", "draw-t1-mnist", "--out", tmp_path / where, *more)[0] == 2
    assert not list(tmp_path.iterdir())
