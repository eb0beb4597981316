"""The LSTM's kernels give what the tensor operations give."""

import msgspec
import pytest
import torch
from kernel_cases import close, merged, needed, random, whole_lstm, wide
from selection import quick

import drawzoo
from drawzoo import ops
from drawzoo.ops import gates as kernels
from drawzoo.ops import library
from drawzoo.registry.build import model_config


@needed
@pytest.mark.parametrize("units", [16, 29, 256])
class TestLSTM:
    @pytest.mark.parametrize("used", [("hidden", "cell"), ("hidden",), ("cell",)], ids="-".join)
    def test_values_and_gradients(self, units, used):
        gates, cell = 8 * random(3, 4 * units) - 4, 4 * random(3, units) - 2
        results = []
        for dtype in (torch.float32, torch.float64):
            leaves = [part.to(dtype, copy=True).requires_grad_() for part in (gates, cell)]
            state = (kernels.lstm if dtype is torch.float32 else whole_lstm)(*leaves)
            outputs = dict(zip(("hidden", "cell"), state, strict=True))
            sum((outputs[name] ** 2).sum() for name in used).backward()
            results.append([*(s.detach() for s in state), *(leaf.grad for leaf in leaves)])
        for actual, expected in zip(*results, strict=True):
            close(actual, expected)

    def test_saturated_gates(self, units):
        gates = torch.tensor([1e4, -1e4, float("inf"), -float("inf")]).repeat(1, units)
        hidden, cell = kernels.lstm(gates, torch.ones(1, units))
        assert hidden.isfinite().all()
        assert cell.isfinite().all()


@needed
class TestProducts:
    @pytest.mark.parametrize(
        ("batch", "inputs", "units"),
        [(1, 1, 16), (5, 3, 16), (6, 16, 48), (7, 17, 32), (61, 30, 80), (100, 562, 16)],
    )
    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("driven", [False, True])
    def test_step(self, batch, inputs, units, threads, driven, limit):
        """A linear layer and an LSTM's pointwise half in one."""
        limit(threads)
        tensors = [
            random(batch, inputs) - 0.5,
            random(batch, units, 1)[..., 0] - 0.5,
            random(4 * units, inputs, 1, 1)[..., 0, 0] - 0.5,
            random(4 * units),
            *([random(batch, 4 * units, 1, 1, 1)[..., 0, 0, 0] - 0.5] if driven else []),
        ]
        results = []
        for dtype in (torch.float32, torch.float64):
            leaves = [t.to(dtype, copy=True).requires_grad_() for t in tensors]
            values, cell, weight, bias, drive = [*leaves, None][:5]
            if dtype is torch.float32:
                state = kernels.step(values, cell, weight, bias, drive)
            else:
                gates = torch.nn.functional.linear(values, weight, bias)
                state = whole_lstm(gates if drive is None else gates + drive, cell)
            sum((part**2).sum() for part in state).backward()
            results.append([*(s.detach() for s in state), *(leaf.grad for leaf in leaves)])
        for actual, expected in zip(*results, strict=True):
            close(actual, expected)

    def test_views(self):
        values, cell, weight, bias = (
            random(4, 10)[:, ::2],
            random(4, 32, 1)[:, ::2, 0],
            random(64, 1, 10)[:, 0, 1::2],
            random(128)[::2],
        )
        actual = kernels.step(values, cell, weight, bias, None)
        expected = whole_lstm(torch.nn.functional.linear(values, weight, bias), cell)
        for one, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(one, other)

    @pytest.mark.parametrize(
        ("uses", "batch", "outputs", "inputs"),
        [(1, 1, 1, 1), (2, 3, 8, 7), (3, 5, 17, 24), (7, 100, 130, 25), (2, 450, 9, 50)],
    )
    @pytest.mark.parametrize("threads", [1, 3])
    def test_weight_gradient(self, uses, batch, outputs, inputs, threads, limit):
        """Of all uses at once it is the sum of those of each."""
        limit(threads)
        outer, inner = random(uses, batch, outputs) - 0.5, random(uses, batch, inputs, 1)[..., 0]
        weight, bias = ops.weight_gradient([*outer], [*inner])
        close(weight, torch.einsum("tbn,tbk->nk", outer.double(), inner.double()))
        close(bias, outer.double().sum(dim=(0, 1)))

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # in torch itself
    @wide
    def test_compiled_steps_share_what_they_can(self, monkeypatch):
        """A weight of an LSTM is laid out once for the way there and once for the way back, and its
        gradient is one product, whatever the number of steps."""
        model = drawzoo.build(msgspec.structs.replace(model_config("draw-mnist"), steps=4))
        x, noise = random(3, *model.config.image).round(), model.noise(3, 4)

        def gradients(forward):
            model.zero_grad()
            terms = forward(x, noise)
            (terms.reconstruction.sum() + terms.kl.sum()).backward()
            return [p.grad for p in model.parameters()]

        compiled = merged(model)
        gradients(compiled)  # the first time all is traced
        names = []

        class Listed:
            def __getattr__(self, name, functions=library.LIBRARY):
                names.append(name)
                return getattr(functions, name)

        with monkeypatch.context() as patch:
            patch.setattr(library, "LIBRARY", Listed())
            actual = gradients(compiled)
        assert names.count("drawzoo_lay_out") == 4
        assert names.count("drawzoo_step") == names.count("drawzoo_step_gradient") == 6
        # Of two LSTMs, two windows, a patch and the posterior.
        assert names.count("drawzoo_weight_gradient") == 6
        for one, other in zip(actual, gradients(model), strict=True):
            close(one, other.double())


@needed
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # in torch itself
@pytest.mark.parametrize("outputs", quick([1, 4], 4))
@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_all_uses_of_a_layer(outputs, bias):
    """Whatever else is added to them, and for batches of several sizes."""
    layer, other = torch.nn.Linear(3, outputs, bias=bias), torch.nn.Linear(3, 4, bias=bias)
    x = random(5, 3)

    def uses():
        parts = [x[:2], x, x.tanh(), x[1:3], x.t() @ x]
        once = layer.weight.square().sum() + (layer.weight + other.weight).exp().sum()
        return once + sum((layer(part) * other(part)).square().sum() for part in parts)

    results = []
    for function in (uses, merged(uses)):
        leaves = [*layer.parameters(), *other.parameters()]
        results.append(torch.autograd.grad(function(), leaves))
    for expected, actual in zip(*results, strict=True):
        close(actual, expected.double())


def test_a_layer_without_bias():
    lstm, x = drawzoo.LSTM(3, 8), random(5, 2, 3)
    lstm.gates = torch.nn.Linear(11, 32, bias=False)
    with torch.no_grad():
        hidden, _ = lstm.unroll(lstm.initial_state(2), x)
        first, _ = lstm(lstm.initial_state(2), x[0])
    torch.testing.assert_close(hidden[:, 0], first)


@pytest.mark.parametrize("hook", ["register_forward_pre_hook", "register_forward_hook"])
def test_hooks_see_every_step(hook):
    """As those of pruning and of normalised weights must."""
    lstm, seen = drawzoo.LSTM(3, 8), []
    getattr(lstm.gates, hook)(lambda *arguments: seen.append(arguments))
    with torch.no_grad():
        lstm.unroll(lstm.initial_state(2), random(5, 2, 3))
    lstm(lstm.initial_state(2), random(2, 3))
    assert len(seen) == 6


@needed
class TestUnrolling:
    @pytest.mark.parametrize(
        ("batch", "steps", "inputs", "units"),
        [(1, 3, 5, 16), (7, 1, 3, 32), (12, 5, 9, 48), (61, 3, 32, 256), (150, 2, 4, 80)],
    )
    @pytest.mark.parametrize("start", ["same", "each"])
    @pytest.mark.parametrize("threads", [1, 3])
    def test_is_one_step_after_the_other(self, batch, steps, inputs, units, start, threads, limit):
        limit(threads)
        x, weight = random(steps, batch, inputs) - 0.5, random(4 * units, inputs + units) - 0.5
        bias, initial = random(4 * units), random(2, 1 if start == "same" else batch, units)
        h, c = initial.expand(2, batch, units)
        hidden, cell = kernels.unroll(x, h, c, weight, bias)
        h, c = h.double(), c.double()
        for step, x_t in enumerate(x.double()):
            gates = torch.cat([x_t, h], dim=1) @ weight.double().T + bias
            i, f, g, o = gates.chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            close(hidden[:, step], h)
        close(cell, c)

    def test_an_image_does_not_depend_on_the_others(self):
        x, weight, bias = random(4, 70, 6), random(64, 22) - 0.5, random(64)
        h, c = torch.ones(2, 1, 16).expand(2, 70, 16)
        hidden, _ = kernels.unroll(x, h, c, weight, bias)
        for some in (slice(0, 1), slice(13, 33)):
            alone, _ = kernels.unroll(x[:, some], h[some], c[some], weight, bias)
            assert torch.equal(alone, hidden[some])

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e30])
    def test_what_is_not_finite_is_not_hidden(self, value):
        x, weight, bias = random(2, 3, 4), random(64, 20), random(64)
        x[0, 1, 2] = value
        h, c = torch.zeros(2, 3, 16)
        hidden, cell = kernels.unroll(x, h, c, weight, bias)
        bad = hidden.isnan().any(dim=(1, 2)) | cell.isnan().any(dim=1)
        assert bad.tolist() == [False, value != value, False]

    @pytest.mark.parametrize("units", [5, 16])
    def test_a_layer_unrolls_as_it_steps(self, units, either):
        """What follows the last step, too, and from a state that is no initial one."""
        lstm, x = drawzoo.LSTM(3, units), random(5, 4, 3)
        with torch.no_grad():
            state, states = lstm.initial_state(4), []
            for x_t in x:
                state = lstm(state, x_t)
                states.append(state[0])
            first, between = lstm.unroll(lstm.initial_state(4), x[:2])
            second, last = lstm.unroll(between, x[2:])
        torch.testing.assert_close(torch.cat([first, second], dim=1), torch.stack(states, dim=1))
        torch.testing.assert_close(last, state)

    def test_gradients_go_through_steps(self):
        lstm, x = drawzoo.LSTM(3, 8), random(2, 4, 3)
        hidden, _ = lstm.unroll(lstm.initial_state(4), x)
        hidden.sum().backward()
        assert lstm.gates.weight.grad.abs().sum() > 0
