"""`drawzoo export`: what is written draws as the engine does, and is whole or not there."""

import importlib.util
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from drawzoo_export import comparing, kinds
from drawzoo_export.exporting import export
from drawzoo_export.graphs import Step, graphs_of
from drawzoo_export.tracing import trace
from selection import quick
from torch import nn

import drawzoo
from drawzoo import ConfigError, Counter, OutputError
from drawzoo.commands import manifest, ops, override

# Torch's exporters are slow beside other programs.
pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parent.parent
with_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None,
    reason="onnx and onnxruntime are not installed",
)
TOLERANCE = 1e-4
BATCH = 5
UNTRAINED = sorted(set(drawzoo.list_models()) - set(manifest()))


def small(name, **settings):
    """A registered model of two steps, in evaluation mode, no parameter of it as it was."""
    model = drawzoo.build(override(drawzoo.model_config(name), {"steps": 2} | settings))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def onnx_session(data):
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(*inputs):
        names = [one.name for one in session.get_inputs()]
        feed = dict(zip(names, inputs, strict=True))
        outputs = [one.name for one in session.get_outputs()]
        return dict(zip(outputs, session.run(None, feed), strict=True))

    return run


def torch_program(data, outputs):
    import io

    module = torch.export.load(io.BytesIO(data)).module()

    def run(*inputs):
        with torch.no_grad():
            results = module(*map(torch.from_numpy, inputs))
        return dict(zip(outputs, [result.numpy() for result in results], strict=True))

    return run


def loaded(files, about):
    """What each file computes: arrays in, arrays by name out."""
    if about["format"] == "onnx":
        return {name: onnx_session(data) for name, data in files.items()}
    return {
        name: torch_program(data, [port["name"] for port in about["graphs"][name]["outputs"]])
        for name, data in files.items()
    }


def near(one, other):
    other = np.asarray(other)
    np.testing.assert_allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)
    assert one.shape == other.shape


def check(model, files, about, seed=3):
    """Steps and the whole drawing beside the engine, by no code of the exporter's."""
    graphs, counter = loaded(files, about), Counter(seed)
    drawing = model.draw(BATCH, generator=counter)
    noise = counter.noise(range(BATCH), model.steps, model.latent.shape).numpy()
    whole = graphs["drawing"](noise)
    near(whole["images"], drawing.images)
    near(whole["images"][-1], model.sample(BATCH, generator=counter))
    first = graphs["start"]()
    state = {name: np.repeat(part, BATCH, axis=0) for name, part in first.items()}
    for t, noise_t in enumerate(noise):
        step = graphs["step"](noise_t, *state.values())
        state = {name: step[f"next_{name}"] for name in state}
        near(state["canvas"], drawing.canvases[t])
        near(step["image"], drawing.images[t])
        if drawing.writes is not None:
            window = torch.stack(drawing.writes[t][:5], dim=1)
            near(step["window"], window)
            near(whole["windows"][t], window)
    assert ("windows" in whole) == (drawing.writes is not None)


# Encoders and readers are not exported: one model for each way of drawing. `slow` has all models.
WAYS = {
    "attention": lambda tiny: drawzoo.build(tiny(image=(1, 6, 6))),
    "no attention": lambda tiny: drawzoo.build(tiny(writer="whole")),
    "convolutions": lambda tiny: small("convdraw2-svhn-10k", **{"image": [3, 8, 8]}),
}


@with_onnx
@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=[pytest.mark.slow] * (w != "attention")) for w in WAYS]
)
def test_onnx_draws_as_the_engine_does(way, tiny):
    model = WAYS[way](tiny).eval()
    check(model, *export(model, "onnx"))


@pytest.mark.parametrize("way", ["attention", pytest.param("convolutions", marks=pytest.mark.slow)])
def test_exported_programs_draw_as_the_engine_does(way, tiny):
    model = WAYS[way](tiny).eval()
    check(model, *export(model, "torch"))


@pytest.mark.slow
@with_onnx
@pytest.mark.parametrize("to", kinds.KINDS)
@pytest.mark.parametrize("name", sorted(manifest()))
def test_every_model_that_ships_draws_as_the_engine_does(name, to):
    model = drawzoo.load(name)
    files, about = export(model, to)
    assert about["compared"]["difference"] <= TOLERANCE
    check(model, files, about)


@pytest.mark.slow
@with_onnx
@pytest.mark.parametrize("to", kinds.KINDS)
@pytest.mark.parametrize("name", UNTRAINED)
def test_every_registered_model_draws_as_the_engine_does(name, to):
    model = small(name)
    check(model, *export(model, to))


@pytest.mark.slow
def test_programs_load_without_drawzoo_and_say_nothing_of_this_machine(tiny, tmp_path):
    model = drawzoo.build(tiny()).eval()
    files, _ = export(model, "torch")
    noise = model.noise(2, model.steps)
    torch.save([noise, model.paint(noise).detach()], tmp_path / "expected.pt")
    (tmp_path / "drawing.pt2").write_bytes(files["drawing"])
    code = """
import sys, torch
class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert not name.startswith("drawzoo"), name
sys.meta_path.insert(0, Refuse())
noise, expected = torch.load("expected.pt")
images = torch.export.load("drawing.pt2").module()(noise)[0]
torch.testing.assert_close(images[-1], expected)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=100)
    for data in files.values():
        assert str(ROOT).encode() not in data and b"site-packages" not in data


@pytest.mark.parametrize("name", quick(["draw-mnist", "draw-noattention-mnist"], "draw-mnist"))
def test_no_kernel_is_in_a_program(name):
    # Its sizes are ones that the kernels take.
    model = drawzoo.load(name)
    program = trace(Step(model))
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert "aten.linear.default" in targets
    others = {target for target in targets if not target.startswith("aten.")}
    assert others <= {"<built-in function getitem>"}


@pytest.mark.slow
def test_the_callers_settings_are_as_they_were(tiny):
    def settings():
        return (
            ops.available(),
            torch.is_grad_enabled(),
            torch.get_float32_matmul_precision(),
            torch.get_num_threads(),
            torch.get_rng_state().tolist(),
            logging.root.manager.disable,
            list(warnings.filters),
        )

    model = drawzoo.build(tiny()).eval()
    before = settings()
    export(model, "torch")
    assert settings() == before
    assert not any(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.fixture
def writing_with(tiny):
    """Builds a small model with a writer's `forward` of the test's own."""

    def make(forward):
        class Own(drawzoo.Writer):
            def __init__(self, config, sizes):
                super().__init__()
                self.shape = sizes.canvas
                self.net = nn.Linear(sizes.decoder, int(np.prod(sizes.canvas)))

            def paint(self, h_dec):
                return self.net(h_dec).view(-1, *self.shape)

        Own.forward = forward
        model = drawzoo.build(tiny())
        model.writer = Own(None, drawzoo.Sizes(image=(1, 6, 5), decoder_shape=(4,)))
        return model.eval()

    return make


@pytest.mark.slow
def test_a_writer_may_ask_for_the_number_of_drawings(writing_with):
    model = writing_with(lambda self, h: (self.net(h).view(len(h), *self.shape), None))
    check(model, *export(model, "torch"))


def refusal(model, to="torch"):
    with pytest.raises(ConfigError) as error:
        export(model, to)
    line = str(error.value)
    assert len(line) <= 300
    return line


def test_a_component_whose_course_a_value_decides_is_named(writing_with):
    def forward(self, h):
        return (self.paint(h) if bool(h.sum() > 0) else -self.paint(h)), None

    assert "through Own" in refusal(writing_with(forward))


def test_a_component_with_an_operator_of_its_own_is_refused(writing_with):
    @torch.library.custom_op("drawzoo_test_export::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    twice.register_fake(torch.empty_like)
    model = writing_with(lambda self, h: (twice(self.paint(h)), None))
    assert "drawzoo_test_export.twice" in refusal(model)


@pytest.mark.slow
def test_a_state_that_grows_is_refused(tiny):
    class Remembers(nn.Module):
        """Attends to all codes so far."""

        closed = False

        def initial_state(self, batch):
            return torch.zeros(batch, 4), torch.zeros(batch, 1, 2)

        def forward(self, z, state, canvas):
            past = torch.cat([state[1], z[:, None]], dim=1)
            h = past.mean(dim=1).repeat(1, 2)
            return h, (h, past)

    model = drawzoo.build(tiny()).eval()
    model.decoder = Remembers()
    assert "does not run" in refusal(model)


@pytest.mark.slow
def test_nothing_is_written_if_the_drawings_differ(monkeypatch, invoke, tmp_path):
    monkeypatch.setattr(comparing, "TOLERANCE", -1.0)
    out = tmp_path / "exported"
    code, stdout, err = invoke("export", "draw-t1-mnist", "--to", "torch", "--out", out)
    assert (code, stdout, err.count("\n")) == (8, "", 1)
    assert "64 drawings" in err and not out.exists()


def test_a_program_that_draws_otherwise_is_noticed(tiny):
    model = drawzoo.build(tiny()).eval()
    other = drawzoo.build(tiny()).eval()
    graphs = {graph.name: graph for graph in graphs_of(model)}
    assert comparing.check(model, graphs) < TOLERANCE
    with torch.no_grad():
        other.load_state_dict(model.state_dict())
        other.writer.get_parameter("patch.bias").add_(0.01)
    with pytest.raises(OutputError):
        comparing.check(other, graphs)
    with pytest.raises(OutputError):
        comparing.check(other, {"drawing": graphs["drawing"]})


def test_not_a_number_is_noticed(tiny):
    model = drawzoo.build(tiny()).eval()
    drawing = graphs_of(model)[-1]
    with pytest.raises(OutputError):
        comparing.check(model, {"drawing": lambda noise: [x * torch.nan for x in drawing(noise)]})
