"""Which way products go, that they stay float32, and that settings of the caller stay."""

import pytest
import torch

import drawzoo
from drawzoo import ops
from drawzoo.ops import library, private, routes
from drawzoo.ops.routes import Processor, by, libraries
from drawzoo.schema.training import RunConfig, TrainingConfig

CPU = torch.device("cpu")


@pytest.fixture
def on(monkeypatch):
    """A processor of another kind."""

    def put(vendor, vectors, units):
        monkeypatch.setattr(routes, "processor", lambda: Processor("x", vendor, "1", "2"))
        monkeypatch.setattr(routes, "PROCESSOR", vectors)
        monkeypatch.setattr(private, "has_matrix_units", lambda: units)

    return put


@pytest.mark.parametrize(
    ("vendor", "vectors", "units", "known", "chosen"),
    [
        ("AuthenticAMD", "AVX512", False, 2, "oneDNN"),
        ("AuthenticAMD", "AVX512", True, 1, "default"),
        ("AuthenticAMD", "AVX2", False, 2, "default"),
        ("GenuineIntel", "AVX512", False, 2, "default"),
        ("GenuineIntel", "AVX512", True, 1, "default"),
        ("", "DEFAULT", False, 1, "default"),
    ],
)
def test_choice(on, monkeypatch, vendor, vectors, units, known, chosen):
    on(vendor, vectors, units)
    assert libraries() == ("default", "oneDNN")[:known]
    assert routes.library() == routes.route(repeated=False) == chosen
    monkeypatch.setattr(library, "LIBRARY", None)
    assert routes.route(repeated=True) == chosen


def test_own_products_are_for_weights_that_are_multiplied_often():
    assert (routes.route(repeated=True) == "own") == ops.multiply_best()


@pytest.mark.parametrize("name", libraries())
def test_products_are_float32(name):
    a, b = torch.randn(100, 562), torch.randn(562, 1024)
    with by(name):
        found = a @ b
    exact = a.double() @ b.double()
    # bfloat16 has an error of 0.3 here.
    assert (found - exact).abs().max() < 1e-3


class TestSettings:
    def test_return_after_an_error(self):
        with pytest.raises(KeyError), by("oneDNN"):
            assert torch.get_float32_matmul_precision() == "medium"
            raise KeyError
        assert torch.get_float32_matmul_precision() == "highest"

    def test_the_caller_s_precision_stays(self):
        torch.set_float32_matmul_precision("high")
        try:
            with by("oneDNN"):
                assert torch.get_float32_matmul_precision() == "high"
            assert torch.get_float32_matmul_precision() == "high"
        finally:
            torch.set_float32_matmul_precision("highest")

    def test_newer_names_of_torch_stay(self):
        matmul = torch.backends.mkldnn.matmul
        before = matmul.fp32_precision
        matmul.fp32_precision = "bf16"
        try:
            with by("oneDNN"), by("default"):
                assert matmul.fp32_precision == "bf16"
            assert matmul.fp32_precision == "bf16"
        finally:
            matmul.fp32_precision = before
        assert torch.get_float32_matmul_precision() == "highest"

    def test_other_devices_are_left_alone(self, monkeypatch):
        monkeypatch.setattr(routes, "library", lambda: "oneDNN")
        with ops.fastest(torch.device("meta")):
            assert torch.get_float32_matmul_precision() == "highest"


@pytest.fixture
def seen(monkeypatch):
    """The precisions under which gradients and bounds were computed."""
    monkeypatch.setattr(routes, "library", lambda: "oneDNN")
    return []


def test_training_and_bounds_take_the_chosen_library(tiny, seen, tmp_path):
    images = drawzoo.Images(torch.zeros(20, 1, 6, 5, dtype=torch.uint8), None, binarize=True)
    training = TrainingConfig(batch_size=4, max_steps=1)
    trainer = drawzoo.Trainer(RunConfig(tiny(), training), images, tmp_path)

    def look(*_):
        seen.append(torch.get_float32_matmul_precision())

    trainer.model.decoder.register_forward_hook(look)
    trainer.model.initial_canvas.register_hook(look)
    steps = trainer.model.steps
    trainer.train_step()
    assert seen == ["medium"] * (steps + 1)
    x = torch.zeros(2, 1, 6, 5)
    trainer.model.bound(x)
    trainer.model.log_weights(x, trainer.model.noise(2, steps)[:, None])
    assert seen == ["medium"] * (3 * steps + 1)
    assert torch.get_float32_matmul_precision() == "highest"


def test_the_processor_is_named():
    name = str(routes.processor())
    assert name.endswith(torch.backends.cpu.get_cpu_capability())
    if routes.processor().vendor:
        assert ", family " in name and ", model " in name


@pytest.mark.parametrize("precision, short", [("highest", False), ("high", True)])
def test_convolutions_on_cuda_are_as_exact_as_products(precision, short):
    before = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision)
    try:
        with ops.fastest(torch.device("cuda")):
            assert torch.backends.cudnn.allow_tf32 == short
        assert torch.backends.cudnn.allow_tf32 == before
    finally:
        torch.set_float32_matmul_precision("highest")
