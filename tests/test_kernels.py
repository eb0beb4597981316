"""The fused kernels do what the tensor operations do, and leave to them what they cannot."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from kernel_cases import (
    SHAPES,
    close,
    compared,
    needed,
    of,
    plainly,
    random,
    windows,
)
from selection import quick
from torch.autograd import forward_ad
from torch.library import opcheck

import drawzoo
from drawzoo import ops
from drawzoo.engine.attention import Window, read_patch, write_patch
from drawzoo.ops import gates as kernels
from drawzoo.ops.gates import states, stepped
from drawzoo.ops.products import lay_out
from drawzoo.store.published import manifest
from drawzoo.store.sources import shipped
from drawzoo.store.weights import read_model


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


SOME = "draw-gru-mnist", "draw-mnist", "draw-noattention-mnist"


@needed
@pytest.mark.parametrize("name", quick(sorted(manifest()), *SOME))
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_they_can_be_switched_off():
    code = "from drawzoo import ops; print(ops.available())"
    command = [sys.executable, "-c", code]
    env = {"DRAWZOO_KERNELS": "0", "PATH": ""}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
