"""The computations of the analyses, in float64 where it lets a tolerance be tight."""

import math
from types import SimpleNamespace

import pytest
import torch
from drawzoo_analysis import parameters
from drawzoo_analysis.effects import step_effects, step_variants
from drawzoo_analysis.filters import first_filters
from drawzoo_analysis.interpolation import METHODS, interpolate, linear, spherical
from drawzoo_analysis.parameters import bounds_versus, parts
from drawzoo_analysis.path import check_windows, path
from drawzoo_analysis.reconstruction import reconstructions
from torch import nn

from drawzoo.data.images import Images
from drawzoo.engine.latent import Gaussian
from drawzoo.errors import ConfigError
from drawzoo.evaluation.bound import BoundFigure
from drawzoo.schema.figures import facts
from drawzoo.schema.manifest import Published


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def split(num, shape=(1, 6, 5)):
    pixels = torch.randint(256, (num, *shape), dtype=torch.uint8, generator=seeded(2))
    return Images(pixels, None, binarize=True)


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


class TestReconstructions:
    def test_each_belongs_together_and_to_no_other(self, double):
        model, images = double(), split(4)
        results = reconstructions(model, images, seed=5)
        for index, (grey, x, drawing, codes, bound) in enumerate(results):
            assert torch.equal(grey, images.pixels[[index]] / 255)
            assert x.shape == (1, 1, 6, 5) and set(x.unique().tolist()) <= {0, 1}
            assert torch.equal(model.decode(codes.z).canvases, drawing.canvases)
            close(bound.kl, Gaussian(codes.mean, codes.log_std).kl(batch_dims=2))
            assert torch.equal(bound.kl, codes.kl)
            nll = model.likelihood.nats(drawing.canvases[-1], x.double())
            close(bound.reconstruction, nll)
        alone = reconstructions(model, Images(images.pixels[2:3], None, True), seed=5)[0]
        assert torch.equal(alone.drawing.canvases, results[2].drawing.canvases)
        assert torch.equal(alone.x, results[2].x)


class TestInterpolation:
    @pytest.mark.parametrize("num", [2, 5])
    @pytest.mark.parametrize("reader", ["attention", "none"])
    def test_the_ends_are_the_reconstructions(self, double, reader, num):
        model = double(reader=reader, encoder="conv", steps=3)
        first, last = reconstructions(model, split(2))
        drawings = interpolate(model, first.codes.z, last.codes.z, num)
        assert drawings.keys() == METHODS.keys() == {"linear", "spherical"}
        for drawing in drawings.values():
            assert drawing.canvases.shape == (3, num, 1, 6, 5)
            for place, end in ((0, first), (-1, last)):
                assert torch.equal(drawing.canvases[:, place], end.drawing.canvases[:, 0])
                assert torch.equal(drawing.images[:, place], end.drawing.images[:, 0])

    def test_the_ends_of_two_seeds_are_their_drawings(self, double):
        model = double()
        z = [model.prior(1, generator=seeded(seed)) for seed in (1, 2)]
        for drawing in interpolate(model, *z, 4).values():
            for place, seed in ((0, 1), (-1, 2)):
                expected = model.draw(1, generator=seeded(seed))
                assert torch.equal(drawing.canvases[:, place], expected.canvases[:, 0])

    @pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
    def test_the_way_back_is_the_same(self, method):
        a, b = torch.randn(2, 4, 3, 7, dtype=torch.float64)
        for weight in (0.0, 0.2, 0.5, 0.9, 1.0):
            close(method(a, b, weight), method(b, a, 1 - weight))
            close(method(a, a, weight), a)
        assert torch.equal(method(a, b, 0.0), a) and torch.equal(method(a, b, 1.0), b)

    def test_spherical_keeps_lengths_and_turns_evenly(self):
        a, b = nn.functional.normalize(torch.randn(2, 4, 3, 7, dtype=torch.float64), dim=-1)
        whole = (a * b).sum(dim=-1).acos()
        for weight in (0.1, 0.5, 0.8):
            between = spherical(3 * a, 3 * b, weight)
            close(between.norm(dim=-1), torch.full((4, 3), 3.0, dtype=torch.float64))
            close((between / 3 * a).sum(dim=-1).acos(), weight * whole, 1e-9)
            longer = spherical(a, 4 * b, weight).norm(dim=-1)
            close(longer, torch.full_like(longer, 4**weight))
        # A quarter of a circle, by hand.
        x, y = torch.eye(2, dtype=torch.float64)
        close(spherical(x, y, 0.5), torch.full((2,), math.sqrt(0.5), dtype=torch.float64))
        assert (linear(3 * a, 3 * b, 0.5).norm(dim=-1) < 3).all()

    def test_where_there_is_no_great_circle_it_is_linear(self):
        a, zero = torch.randn(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
        for b in (2 * a, -a, zero):
            close(spherical(a, b, 0.25), 0.75 * a + 0.25 * b)
        close(spherical(zero, a, 0.25), 0.25 * a)
        assert torch.equal(spherical(zero, zero, 0.5), zero)


class TestSteps:
    def test_variants_differ_in_one_step_alone(self, double):
        model = double(steps=4)
        z, fresh = model.prior(1, generator=seeded()), model.noise(3, 4, seeded(1))
        images = step_variants(model, z, fresh)
        assert images.shape == (4, 3, 1, 6, 5)
        for t in range(4):
            for v in range(3):
                codes = z.clone()
                codes[t] = fresh[t, v]
                close(images[t, v], model.decode(codes).images[-1, 0])
        close(step_variants(model, z, z), model.decode(z).images[-1].expand(4, 1, 1, 6, 5))

    def test_effects(self, double):
        model, images = double(steps=3), split(20)
        nats, removed, replaced = step_effects(model, images, 7)
        assert nats.shape == removed.shape == replaced.shape == (3, 7)
        assert all((part > 0).all() for part in (nats, removed, replaced))
        assert (removed < 1).all() and (replaced < 1).all()

    def test_a_step_that_is_not_listened_to_has_no_effect(self, double):
        model = double(steps=3)
        with torch.no_grad():
            # The decoder hears nothing of z: its columns come first.
            model.decoder.lstm.gates.weight[:, :2] = 0
        _, removed, replaced = step_effects(model, split(5), 5)
        assert not removed.any() and not replaced.any()


class TestFilters:
    def test_those_of_the_first_convolution(self, double):
        model = double(encoder="conv", image=(3, 9, 14))
        layer, weight = first_filters(model)
        assert weight.shape == (3, 3, 3, 3) and not weight.requires_grad
        assert torch.equal(weight, model.state_dict()[f"{layer}.weight"])

    def test_whatever_the_encoder_calls_it(self, double):
        model = double()
        model.encoder.eyes = nn.ModuleDict({"left": nn.Sequential(nn.Tanh(), nn.Conv2d(1, 2, 5))})
        assert first_filters(model).layer == "encoder.eyes.left.1"

    def test_a_model_without(self, double):
        with pytest.raises(ConfigError, match="tiny-mnist has no filters.*lstm"):
            first_filters(double())


class TestParameters:
    def test_parts_make_up_the_whole(self, double):
        model = double(encoder="conv")
        found = parts(model)
        assert [part.name for part in found] == [
            "initial_canvas",
            "reader",
            "encoder",
            "latent",
            "decoder",
            "writer",
        ]
        everything = nn.utils.parameters_to_vector(model.parameters())
        assert sum(part.parameters for part in found) == everything.numel()
        assert sum(part.norm**2 for part in found) == pytest.approx(
            everything.square().sum().item()
        )
        for part in found:
            assert part.rms == pytest.approx(part.norm / part.parameters**0.5)

    def test_spectra_are_of_the_matrices(self, double):
        model = double(encoder="conv")
        spectra = {name: s for part in parts(model) for name, s in part.spectra.items()}
        for name, values in spectra.items():
            weight = model.state_dict()[name]
            assert values.square().sum().item() == pytest.approx(weight.square().sum().item())
            assert (values.diff() <= 0).all() and len(values) == min(weight.flatten(1).shape)
        matrices = {n for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1}
        assert spectra.keys() == matrices

    def test_a_component_without_parameters_is_no_part(self, double):
        assert "reader" not in {part.name for part in parts(double(reader="none"))}


class TestVersus:
    @pytest.fixture(autouse=True)
    def published(self, monkeypatch):
        def entry(nats):
            figures = [
                facts(
                    BoundFigure(
                        model="m",
                        dataset="mnist",
                        split=where,
                        images=10,
                        nats_mean=value,
                        nats_std=1.0,
                        nats_stderr=0.1,
                        kl=1.0,
                        reconstruction=1.0,
                        seed=0,
                    )
                )
                for where, value in (("train", 1.0), ("test", nats))
            ]
            return Published(repository="u/m", commit=None, parameters=1, files={}, figures=figures)

        entries = {"one": entry(90.0), "two": entry(80.0), "other": entry(85.0)}
        registry = SimpleNamespace(find=lambda kind, name: name)
        monkeypatch.setattr(parameters, "registry", lambda: registry)
        monkeypatch.setattr(parameters, "pinned", entries.get)

    def test_the_figures_against_the_setting(self, tiny):
        result = bounds_versus("steps", {"one": tiny(steps=1), "two": tiny(steps=2)})
        assert result.values == [1, 2]
        assert [figure.nats_mean for figure in result.figures] == [90, 80]
        assert result.also_differ == {}

    def test_other_differences_are_said(self, tiny):
        configs = {"one": tiny(steps=1), "other": tiny(steps=2, reader="whole", latent=3)}
        result = bounds_versus("steps", configs)
        assert result.also_differ.keys() == {"latent.size", "reader.name", "reader.size"}
        assert result.also_differ["reader.name"] == ["attention", "whole"]
        assert bounds_versus("reader.size", configs).values == [2, None]

    @pytest.mark.parametrize(
        "key, names, word",
        [
            ("stps", ("one", "two"), "did you mean steps"),
            ("latent.size", ("one", "two"), "the same in all"),
            ("steps", ("one",), "the same in all"),
            ("steps", ("one", "unpublished"), "unpublished has no published bound"),
            ("steps", ("one", "local-dir:two"), "local-dir:two has no published bound"),
        ],
    )
    def test_mistakes(self, tiny, key, names, word):
        configs = {name: tiny(steps=1 + i) for i, name in enumerate(names)}
        with pytest.raises(ConfigError, match=word):
            bounds_versus(key, configs)


class TestAttention:
    def test_a_path_is_that_of_the_windows(self, double):
        drawing = double(steps=3).draw(4, generator=seeded())
        looks = path(drawing.writes, 2)
        assert len(looks) == 3
        for look, window in zip(looks, drawing.writes, strict=True):
            assert look.gx == window.gx[2] and look.gy == window.gy[2]
            assert look.sigma == pytest.approx(window.variance[2].item() ** 0.5)
            left, top, right, bottom = look.box
            # Pixels are numbered from 1, and boxes counted from 0.
            assert (left + right) / 2 == pytest.approx(look.gx - 0.5)
            assert (top + bottom) / 2 == pytest.approx(look.gy - 0.5)
            assert right - left == pytest.approx((look.size - 1) * look.stride + 2 * look.sigma)

    def test_only_a_model_without_any_window_is_refused(self, double):
        for reader, writer in (("whole", "attention"), ("attention", "whole")):
            model = double(reader=reader, writer=writer)
            check_windows("tiny", reconstructions(model, split(1))[0].drawing)
        model = double(reader="whole", writer="whole")
        with pytest.raises(ConfigError, match="tiny has no attention"):
            check_windows("tiny", reconstructions(model, split(1))[0].drawing)


def test_the_codes_drawn_anew_are_not_made_of_the_numbers_that_binarise(double, monkeypatch):
    model = double()
    asked = []
    noise = type(model).noise
    monkeypatch.setattr(
        type(model),
        "noise",
        lambda self, num, steps, generator: (
            asked.append(generator.get_state()) or noise(self, num, steps, generator)
        ),
    )
    images = Images(torch.zeros(3, *model.config.image, dtype=torch.uint8), None, True)
    step_effects(model, images, 3, seed=7)
    binarising = torch.Generator().manual_seed(7).get_state()
    assert asked and not any(torch.equal(state, binarising) for state in asked)
