"""The fast paths give what the plain one gives: bound, gradients and drawings."""

import contextlib

import pytest
import torch
from torch import nn

import drawzoo
from drawzoo import recurrent
from drawzoo.attention import Window, filterbank, filterbanks
from drawzoo.compilation import compile_sampling, pays
from drawzoo.config import ComponentConfig, ModelConfig, override
from drawzoo.hub import shipped
from drawzoo.manifest import manifest
from drawzoo.model import Draw
from drawzoo.recurrent import LSTM, gradients_at_once
from drawzoo.training.config import RunConfig, TrainingConfig
from drawzoo.weights import read_model
from drawzoo.zoo import build

NAMES = sorted(manifest())


@pytest.fixture
def plain(monkeypatch):
    """A context in which the engine computes step by step what autograd differentiates."""

    @contextlib.contextmanager
    def plain():
        with monkeypatch.context() as patch:
            patch.setattr("drawzoo.model.gradients_at_once", lambda *_: contextlib.nullcontext())
            yield

    return plain


def outcome(model, function=None, batch=3, steps=None):
    """The loss and all gradients, on the same images and noise."""
    generator = torch.Generator().manual_seed(1)
    like = model.initial_canvas
    x = torch.rand(batch, *model.config.image, generator=generator).to(like).round()
    noise = model.noise(batch, steps or model.config.steps, generator)
    labels = torch.arange(batch) % 2 if model.encoder.needs_labels else None
    model.zero_grad()
    terms = (model if function is None else function)(x, noise, labels)
    bound = terms.reconstruction + terms.kl.sum(dim=0)
    loss = bound.mean() if terms.auxiliary is None else (bound + terms.auxiliary).mean()
    loss.backward()
    return {"loss": loss.detach()} | {
        name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
    }


def assert_same(actual, expected, **tolerance):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert (actual[name] is None) == (value is None), name
        if value is not None:
            scale = value.abs().max().clamp_min(1e-8)
            torch.testing.assert_close(actual[name] / scale, value / scale, msg=name, **tolerance)


@pytest.mark.parametrize("name", NAMES)
class TestShipped:
    def test_bound_and_gradients(self, name, plain):
        model = read_model(shipped(name)).double().train()
        fast = outcome(model)
        with plain():
            expected = outcome(model)
        assert_same(fast, expected, rtol=1e-9, atol=1e-9)

    def test_compiled(self, name, plain):
        """What is compiled is the plain path; two steps of it are enough to see."""
        model = read_model(shipped(name)).train()
        compiled = torch.compile(model, backend="aot_eager")
        with plain():
            expected = outcome(model, steps=2)
        assert_same(outcome(model, compiled, steps=2), expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.slow
    def test_compiled_for_this_machine(self, name, plain):
        model = read_model(shipped(name)).train()
        with plain():
            expected = outcome(model)
        assert_same(outcome(model, torch.compile(model)), expected, rtol=1e-3, atol=1e-3)

    @pytest.mark.slow
    def test_compiled_sampling(self, name):
        model = drawzoo.load(name)
        expected = model.sample(150, generator=torch.Generator().manual_seed(3))
        compile_sampling(model)
        actual = model.sample(150, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


class PlainEncoder(drawzoo.Encoder):
    """As a stranger would write one: nothing of ours in it."""

    out_features = 6

    def __init__(self, config, sizes):
        super().__init__()
        self.cell = nn.GRUCell(sizes.glimpse + sizes.decoder, 6)

    def initial_state(self, batch):
        return (self.cell.weight_hh.new_zeros(batch, 6),)

    def forward(self, glimpse, h_dec, state, context):
        h = self.cell(torch.cat([glimpse, h_dec], dim=1), state[0])
        return h, (h,)


def test_a_strangers_component_just_works(double, plain):
    ours = double(steps=3)
    sizes = drawzoo.Sizes(image=ours.config.image, decoder=4, glimpse=ours.reader.out_features)
    model = Draw(ours.config, ours.reader, PlainEncoder(None, sizes), ours.writer).double()
    fast = outcome(model)
    with plain():
        expected = outcome(model)
    assert_same(fast, expected, rtol=1e-10, atol=1e-10)
    compiled = torch.compile(model, backend="aot_eager")
    assert_same(outcome(model, compiled), expected, rtol=1e-10, atol=1e-10)


class TestGradientsAtOnce:
    @pytest.fixture
    def lstm(self):
        lstm = LSTM(3, 4).double()
        for parameter in lstm.parameters():
            nn.init.normal_(parameter)
        return lstm

    def test_are_the_gradients(self, lstm):
        """Against finite differences, through inputs, drive, state, cell and weights."""
        names = [name for name, _ in lstm.named_parameters()]

        def run(x, drive, *parameters):
            state = (parameters[0][0].expand(2, 4), parameters[0][1].expand(2, 4))
            for p, name in zip(parameters, names, strict=True):
                owner = lstm.gates if name.startswith("gates") else lstm
                owner._parameters[name.rpartition(".")[2]] = p
            with gradients_at_once(lstm, 3, 2):
                for x_t in x:
                    state = lstm(state, x_t, drive=drive)
            return torch.cat(state)

        inputs = [torch.randn(3, 2, 3), torch.randn(2, 16), *lstm.parameters()]
        inputs = [value.detach().double().requires_grad_() for value in inputs]
        assert torch.autograd.gradcheck(run, inputs)

    def test_twice_through_one_graph(self, lstm):
        with gradients_at_once(lstm, 3, 2):
            h, c = lstm(lstm.initial_state(2), torch.ones(2, 3).double())
            h, _ = lstm((h, c), torch.ones(2, 3).double())
        first = torch.autograd.grad(h.sum(), lstm.gates.weight, retain_graph=True)
        again = torch.autograd.grad(h.sum(), lstm.gates.weight)
        torch.testing.assert_close(first, again)

    def test_after_the_gradient_of_something_else(self, lstm):
        """What one backward pass computes, the next does not find."""
        x = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
        with gradients_at_once(lstm, 3, 2):
            h, _ = lstm(lstm.initial_state(2), x)
        torch.autograd.grad(h.sum(), x, retain_graph=True)
        [weight] = torch.autograd.grad(h.sum(), lstm.gates.weight)
        h, _ = lstm(lstm.initial_state(2), x)
        [expected] = torch.autograd.grad(h.sum(), lstm.gates.weight)
        torch.testing.assert_close(weight, expected)

    @pytest.mark.parametrize(("steps", "batch"), [(1, 2), (9, 2), (3, 1)])
    def test_other_calls_than_announced(self, lstm, steps, batch):
        def gradient():
            state = lstm.initial_state(2)
            for _ in range(3):
                state = lstm(state, torch.ones(2, 3, dtype=torch.float64))
            return torch.autograd.grad(state[0].sum(), lstm.gates.weight)

        with gradients_at_once(lstm, steps, batch):
            actual = gradient()
        torch.testing.assert_close(actual, gradient())

    def test_memory_is_freed_with_the_result(self, lstm):
        import gc
        import weakref

        gc.collect()
        gc.disable()
        try:
            with gradients_at_once(lstm, 3, 2):
                h, c = lstm(lstm.initial_state(2), torch.ones(2, 3, dtype=torch.float64))
                h, c = lstm((h, c), torch.ones(2, 3, dtype=torch.float64))
                kept = weakref.ref(lstm._sequence.inputs[1])
            h.sum().backward()
            assert kept() is not None
            del h, c
            assert kept() is None
        finally:
            gc.enable()

    def test_nothing_is_left_behind(self, lstm):
        with pytest.raises(ZeroDivisionError), gradients_at_once(lstm, 3, 2):
            assert isinstance(lstm._sequence, recurrent._Sequence)
            raise ZeroDivisionError
        assert lstm._sequence is None

    def test_does_nothing_where_autograd_does_not_differentiate(self, lstm):
        with torch.no_grad(), gradients_at_once(lstm, 3, 2):
            assert lstm._sequence is None
        with torch.autocast("cpu"), gradients_at_once(lstm, 3, 2):
            assert lstm._sequence is None
        lstm.requires_grad_(False)
        with gradients_at_once(lstm, 3, 2):
            assert lstm._sequence is None


def test_both_filterbanks_of_a_square():
    values = torch.rand(5, 3, dtype=torch.float64) + 0.5
    window = Window(*values, size=4)
    for bank, centre in zip(filterbanks(window, 7, 7), (window.gy, window.gx), strict=True):
        expected = filterbank(centre, window.stride, window.variance, 4, 7)
        torch.testing.assert_close(bank, expected, rtol=0, atol=0)


class TestSampling:
    def test_memory_is_that_of_groups(self, double, monkeypatch):
        """However many are drawn, the writer never sees more than a group."""
        model, seen = double(), []
        write = model.writer.forward
        monkeypatch.setattr(model.writer, "forward", lambda h: seen.append(len(h)) or write(h))
        model.sample(1234)
        assert max(seen) == 500
        assert sum(seen) == 1234 * model.config.steps

    def test_drawings_do_not_depend_on_the_group(self, double, monkeypatch):
        model = double()
        expected = model.sample(450, generator=torch.Generator().manual_seed(2))
        monkeypatch.setattr("drawzoo.model.GROUP", 2)
        actual = model.sample(450, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(actual, expected)

    def test_samples_can_be_trained_on(self, double):
        model = double()
        images = model.sample(2)
        assert not images.is_inference()
        (nn.Linear(30, 1).double()(images.flatten(1))).sum().backward()


class TestAuto:
    def run(self, **training):
        part = ComponentConfig(name="any")
        model = ModelConfig(variant="any", reader=part, encoder=part, writer=part)
        return RunConfig(model, TrainingConfig(batch_size=100, **training))

    def test_long_runs_are_compiled(self, monkeypatch):
        monkeypatch.setattr("drawzoo.compilation._has_compiler", lambda: True)
        assert pays(self.run(epochs=40), 60_000)
        assert not pays(self.run(epochs=1), 60_000)
        assert not pays(self.run(epochs=40, max_steps=100), 60_000)

    def test_never_without_a_compiler(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CXX", raising=False)
        assert not pays(self.run(epochs=40), 60_000)


def test_steps_do_not_change_the_state_dict():
    model = build(override(read_model(shipped("draw-mnist")).config, {"steps": 3}))
    model.load_state_dict(read_model(shipped("draw-mnist")).state_dict())
