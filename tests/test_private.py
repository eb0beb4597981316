"""drawzoo works with a torch that has lost a private name, and calls of C are checked."""

import ctypes
import re
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import drawzoo
from drawzoo import ops
from drawzoo.engine import compilation
from drawzoo.engine.drawing import State
from drawzoo.ops import gates, library, merging, private
from drawzoo.ops.signatures import SIGNATURES, Floats, Several, Strided, Windows
from drawzoo.registry.build import model_config
from drawzoo.training.muon import orthogonalize

needed = pytest.mark.skipif(not ops.available(), reason="built without a C compiler")


class Without:
    """A module of torch without one of its names."""

    def __init__(self, module, path):
        self.module, (self.first, _, self.rest) = module, path.partition(".")

    def __getattr__(self, name):
        if name != self.first:
            return getattr(self.module, name)
        if not self.rest:
            raise AttributeError(name)
        return Without(getattr(self.module, name), self.rest)


LOST = {
    "exporting": ("torch", Without(torch, "compiler._is_exporting_flag")),
    "transforms": ("torch", Without(torch, "_C._are_functorch_transforms_active")),
    "bfloat16": ("torch", Without(torch, "cpu._is_avx512_bf16_supported")),
    "matrix units": ("torch", Without(torch, "cpu._is_amx_tile_supported")),
    "forward mode": ("forward_ad", Without(forward_ad, "_current_level")),
    "hooks": ("HOOKS", ("_no_such_hooks",)),
    "trees": ("PYTREE", None),
    "passes": ("PASSES", "torch._inductor.no_such_module"),
}


def outcome(model):
    """Drawings, bounds, importance weights, and gradients of a step of training."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, *model.config.image, generator=generator).round()
    noise = model.noise(3, model.config.steps, generator)
    model.zero_grad()
    terms = model(x, noise)
    (terms.reconstruction.sum() + terms.kl.sum()).backward()
    with torch.no_grad():
        weights = model.log_weights(x, noise[:, None])
    results = [model.paint(noise), terms.reconstruction, terms.kl, weights]
    return [r.detach() for r in results] + [p.grad for p in model.parameters()]


def small():
    """A model whose layers the kernels take."""
    return drawzoo.build(msgspec.structs.replace(model_config("draw-mnist"), steps=3))


@pytest.mark.parametrize("name", LOST)
def test_samples_bounds_and_trains(monkeypatch, name):
    model = small()
    expected = outcome(model)
    monkeypatch.setattr(private, *LOST[name])
    for one, other in zip(outcome(model), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_without_a_name_there_are_fewer_kernels_and_none_too_many(monkeypatch):
    monkeypatch.setattr(private, *LOST["transforms"])
    assert not library.takes(torch.ones(3))


def test_muon_goes_without_bfloat16(monkeypatch):
    monkeypatch.setattr(private, *LOST["bfloat16"])
    assert not private.multiplies_bfloat16()
    assert orthogonalize(torch.rand(1, 600, 600)).isfinite().all()


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # in torch itself
@pytest.mark.parametrize("name", ["exporting", "hooks", "passes"])
def test_compiles(monkeypatch, tiny, name):
    """As training does, but for the code that inductor makes in the end."""
    asked = {}

    def compile(model, options):
        asked.update(options)
        return model

    monkeypatch.setattr(private, *LOST[name])
    model = drawzoo.build(tiny())
    with monkeypatch.context() as patch:
        patch.setattr(torch, "compile", compile)
        compilation.compile_training(model, torch.device("cpu"))
    assert (asked.get("post_grad_custom_pre_pass") is None) == (
        name == "passes" or not ops.multiply_best()
    )
    assert asked["size_asserts"] is False


def test_options_that_this_torch_lacks_are_left_out():
    wanted = {"size_asserts": False, "no_such_option": 1}
    assert private.compiler_options(wanted) == {"size_asserts": False}


def test_a_pass_of_the_compiler_is_known_by_its_source():
    one = private.graph_pass(merging.merge_weight_gradients, merging.__file__)
    two = private.graph_pass(merging.merge_weight_gradients, private.__file__)
    again = private.graph_pass(merging.merge_weight_gradients, merging.__file__)
    assert one.uuid() == again.uuid() != two.uuid()


def test_this_torch_has_every_name():
    """Or drawzoo is slower than it need be."""
    assert isinstance(torch.compiler._is_exporting_flag, bool)
    assert torch._C._are_functorch_transforms_active() is False
    assert forward_ad._current_level == -1
    assert isinstance(torch.cpu._is_avx512_bf16_supported(), bool)
    assert not private.hooked(nn.Linear(2, 3))
    assert private.PYTREE is not None
    assert private._module(private.PASSES) is not None


@pytest.mark.parametrize(
    "register",
    [
        "register_forward_pre_hook",
        "register_forward_hook",
        "register_full_backward_pre_hook",
        "register_full_backward_hook",
    ],
)
def test_hooks_are_seen(register):
    layer = nn.Linear(2, 3)
    getattr(layer, register)(lambda *arguments: None)
    assert private.hooked(layer)


class TestTrees:
    @pytest.fixture(params=["torch", "own"], autouse=True)
    def trees(self, request, monkeypatch):
        if request.param == "own":
            monkeypatch.setattr(private, "PYTREE", None)

    def test_tensors_are_replaced_and_nothing_else(self):
        a, b = torch.ones(2), torch.zeros(3)
        state = State(a, (b,), a, None)
        tree = {"state": state, "more": [b, 3, "x"], "none": None}
        result = private.map_tensors(lambda t: t + 1, tree)
        assert type(result["state"]) is type(state)
        assert result["more"][1:] == [3, "x"]
        assert result["none"] is None
        assert torch.equal(result["state"].encoder[0], b + 1)
        kept = [t for t in private.leaves(tree) if isinstance(t, torch.Tensor)]
        assert [id(t) for t in kept] == [id(t) for t in (a, b, a, b)]


@needed
class TestCalls:
    def test_the_table_is_what_the_sources_say(self):
        """In number and in kind, for every function that is called."""
        kinds = {"int": {ctypes.c_int}, "struct": {Windows}, "several": {Several}}
        found = {}
        for source in Path(library.__file__).with_name("csrc").glob("*.c"):
            pattern = re.compile(r"^void (drawzoo_\w+)\((.*?)\)", re.M | re.S)
            for name, text in pattern.findall(source.read_text()):
                found[name] = [argument.strip() for argument in text.split(",")][1:]
        assert set(SIGNATURES) <= set(found)
        for name, signature in SIGNATURES.items():
            assert len(signature) == len(found[name]), name
            for given, written in zip(signature, found[name], strict=True):
                if written.count("*") == 1:
                    assert issubclass(given, Strided), (name, written)
                else:
                    key = "several" if "*" in written else written.split()[0]
                    assert given in kinds[key], (name, written)

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda a: a[:-1],
            lambda a: [*a, a[-1]],
            lambda a: [*a[:2], a[2].double(), *a[3:]],
            lambda a: [*a[:2], a[2][:, ::2], *a[3:]],
            lambda a: [*a[:2], None, *a[3:]],
            lambda a: [*a[:2], a[2].data_ptr(), *a[3:]],
            lambda a: [*a[:2], a[2].to("meta"), *a[3:]],
            lambda a: [1.5, *a[1:]],
        ],
        ids=["one too few", "one too many", "float64", "gaps", "none", "address", "meta", "float"],
    )
    def test_a_wrong_call_is_refused(self, wrong):
        right = [3, 16, *[torch.rand(3, size) for size in (64, 16, 64, 16, 16)]]
        library.call("drawzoo_lstm", *right)
        with pytest.raises(TypeError, match="drawzoo_lstm"):
            library.call("drawzoo_lstm", *wrong(right))

    def test_lists_of_tensors(self):
        with pytest.raises(TypeError, match="list of tensors"):
            Several.from_param(torch.rand(3))
        with pytest.raises(TypeError, match="contiguous"):
            Several.from_param([torch.rand(3, 4).t()])
        with pytest.raises(TypeError, match="float32"):
            Floats.from_param(torch.rand(3).double())


@needed
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("part", ["cell", "drive"])
def test_no_kernel_for_tensors_of_another_batch(monkeypatch, batch, part):
    """Broadcasting is the tensor operations' affair: C would read beyond the end."""

    def refuse(*arguments):
        raise AssertionError("a kernel was called")

    monkeypatch.setattr(gates, "lstm", refuse)
    layer = nn.Linear(3 + 16, 64)
    sizes = {"cell": 4, "drive": 4, part: batch + (batch == 4)}
    x, h = torch.rand(4, 3), torch.rand(4, 16)
    cell, drive = torch.rand(sizes["cell"], 16), torch.rand(sizes["drive"], 64)
    assert ops.lstm(layer, (x, h), cell, drive) is None
