"""Steps that are computed again for the gradient: the same gradient, in less memory."""

import copy

import pytest
import torch
from drawzoo_bench.memory import memory, peak_mb
from runs import state
from selection import quick

import drawzoo
from drawzoo.engine.compilation import compile_training
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

SMALL = {"encoder.units": 5, "decoder.units": 6, "latent.size": 2}
WINDOWS = {"reader.size": 3, "writer.size": 3}
CONV = {"encoder.channels": [3], "encoder.features": 8}
MAPS = {"encoder.units": 4, "decoder.units": 4, "latent.maps": 2, "reader.maps": 4}
MODELS = {
    "draw-mnist": SMALL | WINDOWS,
    "draw-svhn-10k": SMALL | WINDOWS,
    "model2-mnist": SMALL | WINDOWS | CONV,
    "model3-mnist": SMALL | {"writer.size": 3} | CONV,
    "draw-gru-mnist": SMALL | WINDOWS,
    "draw-transformer-mnist": {"decoder.units": 6, "latent.size": 2} | WINDOWS,
    "convdraw-svhn-10k": MAPS,
    "convdraw2-svhn-10k": MAPS,
}


def gradients(terms, model):
    model.zero_grad()
    total = terms.reconstruction + terms.kl.sum(dim=0)
    (total if terms.auxiliary is None else total + terms.auxiliary).mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def small(name, steps=5):
    model = build(override(model_config(name), MODELS[name] | {"steps": steps})).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.randint(2, (3, *model.config.image)).double()
    return model, (x, model.noise(3, steps), torch.tensor([1, 0, 9]))


def both(model, inputs):
    torch.manual_seed(1)  # of dropout
    kept = gradients(model(*inputs), model)
    model.recompute = True
    torch.manual_seed(1)
    again = gradients(model(*inputs), model)
    assert kept.keys() == again.keys()
    return kept, again


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_is_the_same(name):
    """Of five steps, in stretches of two, two and one."""
    kept, again = both(*small(name))
    assert any(g.abs().max() > 1e-3 for g in kept.values())
    for key, gradient in kept.items():
        torch.testing.assert_close(again[key], gradient, rtol=1e-9, atol=1e-9)


def test_dropout_is_computed_again_as_it_was():
    """Randomness of a component's own in a step is part of what is computed again."""
    model, inputs = small("draw-mnist")
    dropout = torch.nn.Dropout(0.5)
    model.reader.register_forward_hook(lambda _, args, out: (dropout(out[0]), out[1]))
    kept, again = both(model, inputs)
    for key, gradient in kept.items():
        torch.testing.assert_close(again[key], gradient, rtol=1e-9, atol=1e-9)


def test_evaluation_is_as_before():
    model, (x, noise, _) = small("draw-mnist")
    bound = model.bound(x, generator=torch.Generator().manual_seed(0))
    model.recompute = True
    again = model.bound(x, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(bound, again, strict=True))
    with pytest.raises(drawzoo.ConfigError, match="noise of one step or more"):
        model(x, noise[:0])


@pytest.mark.parametrize("name", quick(["draw-svhn-10k", "convdraw-svhn-10k"], "draw-svhn-10k"))
def test_what_is_saved_for_the_gradient(name):
    """Of 64 steps, tensors of about an eighth wait for the gradient."""
    model, inputs = small(name, steps=64)
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        kept.append(tensor)
        return tensor

    sizes = []
    for model.recompute in (False, True):
        saved.clear()
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(*inputs)
        sizes.append(sum(saved.values()))
    assert sizes[1] < sizes[0] / 3


@pytest.mark.slow
def test_the_peak_of_memory():
    """The measure itself, and a step of training of 64 steps of drawing in colour."""

    def work():
        for _ in range(3):
            a = torch.empty(2**20, dtype=torch.uint8)
            b = torch.empty(2**21, dtype=torch.uint8)
            del a, b

    assert peak_mb(work, torch.device("cpu")) == pytest.approx(3, rel=0.01)
    changes = MODELS["draw-svhn-10k"] | {"steps": 64, "image": [3, 24, 16]}
    config = build(override(model_config("draw-svhn-10k"), changes)).config
    figures = memory(config, batch=4)
    assert figures["share"] < 1 / 3
    assert figures["share"] == pytest.approx(figures["recomputed_mb"] / figures["kept_mb"], 1e-3)


def test_a_run_ends_with_the_same_weights(run, tmp_path):
    command = ("train", "draw-mnist", "--max-steps", 3, "--set", "batch_size=8")
    command += (
        "--set",
        "dataset=synthetic",
        "--compile",
        "no",
        "--set",
        "steps=4",
        "--set",
        "validation=8",
    )
    for key, value in SMALL.items():
        command += ("--set", f"{key}={value}")
    assert run(*command, "--out", tmp_path / "kept")[0] == 0
    code, _, err = run(*command, "--out", tmp_path / "again", "--recompute")
    assert code == 0 and "recomputing steps" in err
    assert state(tmp_path / "kept") == state(tmp_path / "again")


@pytest.mark.slow
def test_the_command_of_the_benchmark(run):
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    code, [out], err = run("bench", "memory", "draw-mnist", "--batch", 2, *settings)
    assert code == 0, err
    assert "with --recompute" in out and "of the memory" in out


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # the compiler looks at it, and hides it
def test_compiled_gradients_are_the_same():
    model, inputs = small("draw-svhn-10k", steps=5)
    compiled = copy.deepcopy(model)
    compiled.recompute = True
    terms = compile_training(compiled, torch.device("cpu"))
    expected = gradients(model(*inputs), model)
    for key, gradient in gradients(terms(*inputs), compiled).items():
        torch.testing.assert_close(gradient, expected[key], rtol=1e-6, atol=1e-6)
