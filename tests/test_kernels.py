"""The fused kernels do what the tensor operations do, and leave to them what they cannot."""

import os
import shutil
import subprocess
import sys

import msgspec
import pytest
import torch
from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.fx_passes.joint_graph import joint_graph_passes
from torch.autograd import forward_ad
from torch.library import opcheck

import drawzoo
from drawzoo import ops
from drawzoo.engine.attention import Window, read_patch, write_patch
from drawzoo.ops import gates as kernels
from drawzoo.ops import library
from drawzoo.ops.gates import states, stepped
from drawzoo.ops.merging import merge_weight_gradients
from drawzoo.ops.products import lay_out
from drawzoo.registry.build import model_config
from drawzoo.schema.manifest import manifest
from drawzoo.store.sources import shipped
from drawzoo.store.weights import read_model

SHAPES = [  # B, C, H, W, N
    (6, 2, 28, 28, 5),
    (3, 1, 9, 19, 4),
    (3, 3, 32, 32, 12),
    (6, 1, 28, 28, 2),
    (3, 2, 16, 16, 1),
    (3, 1, 40, 17, 7),
    (3, 1, 5, 33, 11),
]

needed = pytest.mark.skipif(not ops.available(), reason="built without a C compiler")
wide = pytest.mark.skipif(not ops.multiply_best(), reason="products are the library's here")


@pytest.fixture(params=[True, False], ids=["kernels", "tensors"])
def either(request, monkeypatch):
    """A test of both paths."""
    if not request.param:
        monkeypatch.setattr(library, "LIBRARY", None)


@pytest.fixture
def limit():
    """Sets the number of threads for a test."""
    threads = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(threads)


def plainly(function):
    with ops.switched_off():
        return function()


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape)))


def windows(batch, height, width, size):
    """On the canvas and beyond, sharp and blurred."""
    generator = torch.Generator().manual_seed(batch + size)

    def rand():
        return torch.rand(batch, generator=generator)

    return Window(
        gx=1.4 * width * rand() - 3,
        gy=1.4 * height * rand() - 3,
        stride=4 * rand() + 0.1,
        variance=torch.exp(6 * rand() - 3),
        intensity=rand() + 0.5,
        size=size,
    )


def of(window, dtype):
    """A copy whose parts can have gradients."""
    return Window(
        *(part.detach().to(dtype, copy=True).requires_grad_() for part in window[:5]), window.size
    )


def merged(function):
    """Compiled as in training, but for the code that inductor makes in the end."""

    def backward(graph, inputs):
        joint_graph_passes(graph)  # as inductor, which transposes nothing twice
        merge_weight_gradients(graph.graph)
        graph.graph.lint()
        graph.recompile()
        return make_boxed_func(graph)

    backend = aot_autograd(
        fw_compiler=lambda graph, inputs: make_boxed_func(graph),
        bw_compiler=backward,
        partition_fn=min_cut_rematerialization_partition,
        decompositions=select_decomp_table(),
    )
    return torch.compile(function, backend=backend)


def whole_lstm(gates, cell):
    i, f, g, o = gates.chunk(4, dim=1)
    c = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def close(actual, expected):
    """To float32's precision, relative to the largest."""
    scale = expected.abs().max().clamp_min(1e-3)
    torch.testing.assert_close(actual.double() / scale, expected / scale, rtol=0, atol=2e-5)


def compared(function, tensor, window, weights):
    """Values and gradients in float32, by the kernels, and in float64, by tensor operations."""
    results = []
    for dtype in (torch.float32, torch.float64):
        look, leaf = of(window, dtype), tensor.to(dtype, copy=True).requires_grad_()
        value = function(leaf, look)
        (value * weights.to(dtype)).sum().backward()
        results.append([value.detach(), leaf.grad, *(part.grad for part in look[:5])])
    for actual, expected in zip(*results, strict=True):
        close(actual, expected)


@needed
@pytest.mark.parametrize(("batch", "channels", "height", "width", "size"), SHAPES)
class TestAttention:
    def test_read(self, batch, channels, height, width, size):
        window = windows(batch, height, width, size)
        weights = random(batch, channels, size, size)
        compared(read_patch, random(batch, channels, height, width), window, weights)

    @pytest.mark.parametrize("steps", [1, 3])
    def test_write(self, batch, channels, height, width, size, steps):
        compared(
            lambda patch, window: write_patch(patch, window, height, width, steps=steps),
            random(batch, channels, size, size) - 0.5,
            windows(batch, height, width, size),
            random(batch // steps, channels, height, width),
        )


@needed
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own checks look at it
def test_operators_are_well_formed():
    """Shapes without data, and gradients, as torch's own checks want them."""
    *where, _, _ = of(windows(3, 9, 19, 4), torch.float32)
    image, patch = random(3, 2, 9, 19).requires_grad_(), random(3, 2, 4, 4).requires_grad_()
    gates, cell = random(3, 64).requires_grad_(), random(3, 16).requires_grad_()
    opcheck(ops.read.operator, (image, 4, *where))
    opcheck(ops.write.operator, (patch, 9, 19, 1, *where))
    opcheck(states.operator, (gates, cell, True))
    layer = random(64, 20), random(64)
    laid = lay_out(layer[0].t())
    opcheck(lay_out.operator, (layer[0].t(),))
    values, drive = random(3, 20).requires_grad_(), random(3, 64).requires_grad_()
    opcheck(stepped.operator, (values, cell, *layer, drive, laid, True))
    opcheck(ops.weight_gradient.operator, ([random(3, 12)] * 2, [random(3, 5)] * 2))
    opcheck(kernels.unroll.operator, (random(2, 3, 4), random(3, 16), random(3, 16), *layer))


@needed
def test_second_derivatives_are_refused():
    """Rather than wrong: what a gradient depends on must not be taken for constant."""
    gates, cell = random(3, 64).requires_grad_(), random(3, 16)
    *where, _, _ = of(windows(3, 9, 19, 4), torch.float32)
    image = random(3, 2, 9, 19).requires_grad_()
    where[0].requires_grad_()
    for outputs, leaf in (
        (kernels.lstm(gates, cell), gates),
        (kernels.step(gates, cell, random(64, 64), random(64), None), gates),
        ((ops.read(image, 4, *where),), where[0]),
    ):
        (slope,) = torch.autograd.grad(outputs[0].sum(), leaf, create_graph=True)
        with pytest.raises(RuntimeError, match="no second derivative.*DRAWZOO_KERNELS=0"):
            torch.autograd.grad((slope + leaf).sum(), leaf)


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
@pytest.mark.parametrize("outputs", [1, 4])
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


@needed
@pytest.mark.parametrize("name", sorted(manifest()))
def test_every_shipped_model(name):
    """Bound, gradients and drawings; three steps are enough to see."""
    model = read_model(shipped(name))
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(3, *model.config.image, generator=generator).round()
    noise = model.noise(3, 3, generator)

    def outcome():
        model.zero_grad()
        terms = model(x, noise)
        bound = terms.reconstruction + terms.kl.sum(dim=0)
        bound.sum().backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        return [bound.detach(), model.paint(noise).detach(), *gradients]

    for actual, expected in zip(outcome(), plainly(outcome), strict=True):
        scale = expected.abs().max().clamp_min(1e-8)
        torch.testing.assert_close(actual / scale, expected / scale, rtol=1e-4, atol=1e-4)


class TestWhatTheyAreGiven:
    """Whatever the path, the same is an error and the same is none."""

    def test_one_window_for_all_images(self, either):
        image, window = random(4, 1, 9, 19), windows(1, 9, 19, 4)
        expected = torch.cat([read_patch(one[None], window) for one in image])
        torch.testing.assert_close(read_patch(image, window), expected)

    @pytest.mark.parametrize("shape", [(3, 1, 4, 5), (3, 1, 5, 5), (2, 1, 4, 4)])
    def test_a_patch_that_does_not_fit(self, either, shape):
        with pytest.raises(RuntimeError):
            write_patch(torch.ones(shape), windows(3, 9, 19, 4), 9, 19)

    def test_canvases_that_do_not_come_out_even(self, either):
        with pytest.raises(RuntimeError):
            write_patch(torch.ones(3, 1, 4, 4), windows(3, 9, 19, 4), 9, 19, steps=2)

    def test_strided_views(self, either):
        wide, window = random(3, 1, 9, 38), windows(3, 9, 19, 4)
        columns = torch.stack(window[:5], dim=1).unbind(dim=1)
        expected = read_patch(wide[..., ::2].contiguous(), window)
        actual = read_patch(wide[..., ::2], Window(*columns, 4))
        torch.testing.assert_close(actual, expected)

    @pytest.mark.parametrize("width", [1, 7, 5000])
    def test_images_of_any_width(self, either, width):
        image, window = random(2, 1, 3, width), windows(2, 3, width, 2)
        expected = read_patch(image.double(), of(window, torch.float64)).detach()
        close(read_patch(image, window), expected)

    @pytest.mark.parametrize("part", ["gx", "gy", "stride", "variance", "intensity"])
    def test_nan_is_not_hidden(self, either, part):
        window = windows(3, 9, 19, 4)
        getattr(window, part)[1] = torch.nan
        patch = read_patch(random(3, 1, 9, 19), window)
        assert patch.flatten(1).isnan().any(dim=1).tolist() == [False, True, False]

    def test_few_units(self, either):
        lstm = drawzoo.LSTM(3, 5)
        x, state = random(2, 3), lstm.initial_state(2)
        expected = lstm.double()((state[0].double(), state[1].double()), x.double())
        actual = lstm.float()(state, x)
        for one, other in zip(actual, expected, strict=True):
            close(one.detach(), other.detach())


def test_transforms_of_functions(tiny):
    """Gradients of each image's own bound, by `torch.func`, need tensor operations."""
    model = drawzoo.build(tiny())
    x = random(2, *model.config.image).round()
    noise = model.noise(2, model.config.steps)

    def bound(canvas, x, noise):
        terms = torch.func.functional_call(
            model, {"initial_canvas": canvas}, (x[None], noise[:, None])
        )
        return (terms.reconstruction + terms.kl.sum(dim=0)).sum()

    each = torch.func.vmap(torch.func.grad(bound), in_dims=(None, 0, 1))(
        model.initial_canvas, x, noise
    )
    terms = model(x, noise)
    (terms.reconstruction.sum() + terms.kl.sum()).backward()
    torch.testing.assert_close(each.sum(dim=0), model.initial_canvas.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # in torch itself
def test_forward_mode_keeps_its_tangents(either):
    image, window = random(3, 1, 9, 19), windows(3, 9, 19, 4)
    with forward_ad.dual_level():
        patch = read_patch(forward_ad.make_dual(image, torch.ones_like(image)), window)
        tangent = forward_ad.unpack_dual(patch).tangent
    torch.testing.assert_close(tangent, read_patch(torch.ones_like(image), window))


@pytest.mark.parametrize("strict", [False, True])
def test_exported_programs_need_no_kernels(tiny, strict):
    model = drawzoo.build(tiny())
    x = random(2, *model.config.image).round()
    noise = model.noise(2, model.config.steps)
    program = torch.export.export(model, (x, noise), strict=strict)
    assert "drawzoo" not in str(program.graph)


@pytest.mark.skipif(os.environ.get("DRAWZOO_KERNELS") == "0", reason="switched off")
@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
@pytest.mark.skipif(sys.platform != "linux", reason="compilers of other systems differ")
def test_they_are_built_where_there_is_a_compiler():
    assert ops.available()


def test_they_can_be_switched_off():
    code = "from drawzoo import ops; print(ops.available())"
    command = [sys.executable, "-c", code]
    env = {"DRAWZOO_KERNELS": "0", "PATH": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
