"""Muon: the mathematics of its steps, and which parameters are its."""

import pytest
import torch
from torch import nn

import drawzoo
from drawzoo.registry.build import build, model_config
from drawzoo.registry.loader import registry
from drawzoo.registry.registry import Registrar
from drawzoo.schema.training import TrainingConfig
from drawzoo.training import muon
from drawzoo.training.muon import Muon, matrices, orthogonalize
from drawzoo.training.optimizers import make_optimizers

SHAPES = [(6, 6), (4, 9), (9, 4), (80, 100)]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stepped(weight, gradients, blocks=1, **settings):
    """The weight after a step along each gradient."""
    parameter = nn.Parameter(weight.clone())
    optimizer = Muon({parameter: blocks}, **settings)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


class TestOrthogonalize:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_singular_values_are_near_one(self, shape, scale):
        # Singular values from 1 to 2: close enough for three iterations.
        u, s, vh = torch.linalg.svd(random(5, *shape), full_matrices=False)
        given = scale * (u * torch.linspace(1, 2, s.shape[-1])) @ vh
        for iterations in (3, 5):
            values = torch.linalg.svdvals(orthogonalize(given, iterations))
            assert values.min() > 0.6 and values.max() < 1.25

    @pytest.mark.parametrize("shape", SHAPES)
    def test_singular_vectors_stay(self, shape):
        given = random(*shape)[None]
        u, _, vh = torch.linalg.svd(given, full_matrices=False)
        core = u.mT @ orthogonalize(given) @ vh.mT
        off = core - torch.diag_embed(core.diagonal(dim1=-2, dim2=-1))
        assert off.abs().max() < 0.02

    @pytest.mark.parametrize("shape", [*SHAPES, (70, 150), (150, 70)])
    @pytest.mark.parametrize("iterations", [1, 2, 3])
    @pytest.mark.parametrize("decades", [0, 2])
    def test_are_the_iterations_of_the_polynomial(self, shape, iterations, decades, monkeypatch):
        monkeypatch.setattr(muon, "_multiplies_bfloat16", lambda device: False)
        given = random(2, *shape).double() * torch.logspace(0, -decades, shape[1]).double()
        expected = given / torch.linalg.matrix_norm(given, keepdim=True)
        a, b, c = muon.COEFFICIENTS
        for _ in range(iterations):
            gram = expected @ expected.mT
            expected = a * expected + b * gram @ expected + c * gram @ gram @ expected
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
            actual = orthogonalize(given.to(dtype), iterations)
            torch.testing.assert_close(actual, expected.to(dtype), rtol=0, atol=tolerance)

    def test_of_zeros_are_zeros(self):
        assert torch.equal(orthogonalize(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))

    def test_what_is_next_to_nothing_is_nothing(self):
        """So that no product has subnormal numbers, which take a hundred times as long."""
        given = random(1, 40, 48)
        given[:, ::2] *= 1e-25
        expected = given.clone()
        expected[:, ::2] = 0
        assert torch.equal(orthogonalize(given), orthogonalize(expected))

    def test_is_nearly_the_same_in_bfloat16(self, monkeypatch):
        given = random(3, 96, 128)
        results = []
        for units in (False, True):
            monkeypatch.setattr(muon, "_multiplies_bfloat16", lambda device, units=units: units)
            results.append(orthogonalize(given))
        exact, rounded = results
        assert rounded.dtype == torch.float32 and not torch.equal(exact, rounded)
        assert (exact - rounded).norm() < 0.02 * exact.norm()


class TestStep:
    def test_is_the_definition(self):
        weight, gradients, momentum = random(4, 6), [random(4, 6, seed=s) for s in (1, 2)], 0.95
        expected, average = weight.clone(), torch.zeros(4, 6)
        for gradient in gradients:
            average = momentum * average + (1 - momentum) * gradient
            nesterov = momentum * average + (1 - momentum) * gradient
            expected -= 0.1 * orthogonalize(nesterov[None])[0]
        torch.testing.assert_close(stepped(weight, gradients, lr=0.1), expected)

    def test_is_longer_by_the_root_of_rows_over_columns(self):
        tall = random(8, 2)
        step = stepped(torch.zeros(8, 2), [tall], lr=0.1)
        torch.testing.assert_close(step, -0.1 * 2 * orthogonalize(tall[None])[0])

    def test_blocks_are_independent(self):
        gates = random(4, 5, 7)
        whole = stepped(torch.zeros(20, 7), [gates.view(20, 7)], blocks=4, lr=0.1)
        for block, gate in zip(whole.view(4, 5, 7), gates, strict=True):
            torch.testing.assert_close(block, stepped(torch.zeros(5, 7), [gate], lr=0.1))
        # A block's gradient, however large, moves no other.
        gates[2] *= 1e3
        again = stepped(torch.zeros(20, 7), [gates.view(20, 7)], blocks=4, lr=0.1)
        torch.testing.assert_close(again, whole)

    def test_parameters_are_independent(self):
        shapes = [(6, 4), (6, 4), (4, 6), (12, 4), (6, 2, 2)]
        gradients = [random(*shape, seed=i) for i, shape in enumerate(shapes)]
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
        blocks = [1, 1, 1, 2, 1]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        Muon(dict(zip(parameters, blocks, strict=True)), lr=0.1).step()
        for parameter, gradient, number in zip(parameters, gradients, blocks, strict=True):
            alone = stepped(torch.zeros(gradient.shape), [gradient], blocks=number, lr=0.1)
            torch.testing.assert_close(parameter.detach(), alone)

    def test_filters_are_flattened(self):
        filters = random(6, 3, 2, 2)
        step = stepped(torch.zeros(6, 3, 2, 2), [filters], lr=0.1)
        torch.testing.assert_close(
            step.flatten(1), stepped(torch.zeros(6, 12), [filters.flatten(1)], lr=0.1)
        )

    def test_decay_is_decoupled_from_the_gradient(self):
        weight, gradient = random(4, 6), random(4, 6, seed=1)
        plain = stepped(weight, [gradient], lr=0.1)
        decayed = stepped(weight, [gradient], lr=0.1, weight_decay=0.3)
        torch.testing.assert_close(plain - decayed, 0.1 * 0.3 * weight)

    def test_what_has_no_gradient_stays(self):
        parameter = nn.Parameter(random(3, 4))
        before = parameter.detach().clone()
        optimizer = Muon({parameter: 1}, lr=0.1, weight_decay=0.5)
        optimizer.step()
        assert torch.equal(parameter.detach(), before) and not optimizer.state


@pytest.mark.parametrize("name", ["adam", "adamw", "muon"])
def test_the_state_of_a_dead_unit_vanishes(name):
    """No state is ever subnormal, and the mean of gradients that have ended is 0 in the end."""
    model = nn.Sequential(nn.Conv2d(1, 4, 2), nn.Linear(3, 2))
    optimizers = make_optimizers(model, TrainingConfig(optimizer=name))
    smallest = torch.finfo(torch.float32).tiny
    for step in range(1_600):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, float(step == 0))
        for optimizer in optimizers:
            optimizer.step()
            for state in optimizer.state.values():
                for value in state.values():
                    assert ((value == 0) | (value.abs() > smallest)).all(), step
    means = [
        state.get("exp_avg", state.get("momentum"))
        for optimizer in optimizers
        for state in optimizer.state.values()
    ]
    assert len(means) == 4 and not any(mean.any() for mean in means)


class TestParameters:
    def test_are_what_modules_declare_and_convolutions(self):
        model = build(model_config("model1-mnist"))
        names = {id(p): name for name, p in model.named_parameters()}
        assert {names[id(p)]: blocks for p, blocks in matrices(model).items()} == {
            "latent.layer.weight": 1,
            "decoder.lstm.gates.weight": 4,
            "encoder.lstm.gates.weight": 4,
            "encoder.drive.weight": 4,
            **{f"encoder.cnn.{i}.weight": 1 for i in (0, 2, 4, 7)},
        }

    def test_blocks_that_are_declared_of_a_convolution_are_kept(self):
        class Gated(nn.Module):
            matrix_blocks = {"gates.weight": 4}  # noqa: RUF012

            def __init__(self):
                super().__init__()
                self.gates, self.plain = nn.Conv2d(2, 8, 3), nn.Conv2d(2, 8, 3)

        model = nn.Sequential(Gated())
        assert matrices(model) == {model[0].gates.weight: 4, model[0].plain.weight: 1}

    @pytest.mark.parametrize("name", drawzoo.list_models())
    def test_each_belongs_to_one_optimizer(self, name):
        model = build(model_config(name))
        optimizers = make_optimizers(
            model, TrainingConfig(optimizer="muon", matrix_learning_rate=0.04, learning_rate=0.005)
        )
        of_muon, rest = (
            {p for group in optimizer.param_groups for p in group["params"]}
            for optimizer in optimizers
        )
        assert not of_muon & rest and of_muon | rest == set(model.parameters())
        assert all(p.dim() >= 2 for p in of_muon)
        rates = [{g["lr"] for g in optimizer.param_groups} for optimizer in optimizers]
        assert rates == [{0.04}, {0.005}]


class TestRegistry:
    @pytest.mark.parametrize("suited", [True, False])
    def test_a_model_may_have_parameters_of_one_kind(self, suited):
        model = torch.nn.Conv2d(1, 2, 3, bias=False) if suited else torch.nn.Linear(2, 3)
        (optimizer,) = make_optimizers(model, TrainingConfig(optimizer="muon"))
        assert isinstance(optimizer, Muon) == suited

    def test_a_plugin_gives_an_optimizer(self, tiny, monkeypatch):
        made = []

        def sgd(model, training):
            made.append(torch.optim.SGD(model.parameters(), training.learning_rate))
            return made

        registrar = Registrar("optimizer", "zoo-sgd", "sgd")
        registrar("sgd", sgd)
        monkeypatch.setitem(registry()._entries["optimizer"], "sgd", registrar.entries)
        for name in ("sgd", "zoo-sgd:sgd"):
            training = TrainingConfig(optimizer=name, learning_rate=0.25)
            assert make_optimizers(build(tiny()), training) is made
            assert made[-1].param_groups[0]["initial_lr"] == 0.25

    def test_one_that_fails_is_told(self, tiny, monkeypatch):
        registrar = Registrar("optimizer", "zoo-bad", "bad")
        registrar("bad", lambda model, training: 1 / 0)
        monkeypatch.setitem(registry()._entries["optimizer"], "bad", registrar.entries)
        with pytest.raises(drawzoo.errors.PluginError, match="zoo-bad:bad.*ZeroDivisionError"):
            make_optimizers(build(tiny()), TrainingConfig(optimizer="bad"))
