"""The page's engine agrees with Python, and refuses what is no model, in one line."""

import functools
import io
import json
import shutil
import struct
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from drawzoo_analysis import interpolation
from drawzoo_site.writing import KNOWN
from PIL import Image
from safetensors.torch import load_file, save, save_file
from selection import quick

import drawzoo
from drawzoo import Counter
from drawzoo.engine.counter import philox
from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override
from drawzoo.store.published import manifest
from drawzoo.store.sources import shipped
from drawzoo.store.weights import read_config, read_model

NODE = shutil.which("node") or shutil.which("nodejs")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node to run the page's engine")

ENGINE = files("drawzoo_site") / "static" / "engine"
DRIVER = Path(__file__).with_name("site_golden.mjs")
ATOL = 1e-4
SHIPPED = [
    name
    for name in manifest()
    if read_config(shipped(name)).image == (1, 28, 28) and not name.startswith("convdraw")
]
QUICK = ["draw-mnist", "draw-gru-mnist", "draw-noattention-mnist", "draw-noprivy-mnist"]
QUICK += ["draw-stn-mnist", "draw-transformer-mnist", "model2-mnist", "model3-mnist"]
LONGEST = max(map(shipped, SHIPPED), key=lambda folder: read_config(folder).steps)
SMALL = {"steps": 3, "decoder.units": 6, "encoder.units": 7, "latent.size": 5}


@functools.cache
def driver():
    """A process that runs the page's engine for all tests."""
    pipe = subprocess.PIPE
    return subprocess.Popen([NODE, DRIVER, ENGINE], stdin=pipe, stdout=pipe, text=True)


@pytest.fixture(scope="module", autouse=True)
def ended():
    yield
    if driver.cache_info().currsize:
        with driver() as process:
            process.stdin.close()
        driver.cache_clear()


def engine(*requests):
    answers = []
    for request in requests:
        print(json.dumps(request), file=driver().stdin, flush=True)
        answers.append(json.loads(driver().stdout.readline()))
    return answers


def of(folder):
    return {"config": str(folder / "config.json"), "weights": str(folder / "model.safetensors")}


def check_windows(found, expected, index=0):
    """Windows of the page's steps against one image's of a drawing."""
    if expected is None:
        assert found == [None] * len(found)
        return
    for window, step in zip(found, expected, strict=True):
        for field in ("gx", "gy", "stride", "variance", "intensity"):
            value = getattr(step, field)[index].item()
            assert window[field] == pytest.approx(value, rel=ATOL, abs=ATOL), field


def agree(folder, model, seed=7):
    """Sampling and encoding in the page and in Python."""
    drawing = model.draw(3, generator=Counter(seed, 0.8))
    x = drawing.images[-1, 2:3]
    likelihood = model.config.likelihood.name
    x = (x > 0.5).float() if likelihood == "bernoulli" else (255 * x).round() / 255
    request = {**of(folder), "seed": seed}
    sampled, encoded = engine(
        {"do": "sample", "index": 2, "temperature": 0.8, **request},
        {"do": "encode", "x": x.flatten().tolist(), **request},
    )
    canvases = torch.tensor([step["canvas"] for step in sampled["value"]])
    torch.testing.assert_close(canvases, drawing.canvases[:, 2].flatten(1), rtol=ATOL, atol=ATOL)
    check_windows([step["write"] for step in sampled["value"]], drawing.writes, 2)

    steps, again = encoded["value"], model.reconstruct(x, generator=Counter(seed))
    canvases = torch.tensor([step["canvas"] for step in steps])
    torch.testing.assert_close(canvases, again.canvases[:, 0].flatten(1), rtol=ATOL, atol=ATOL)
    check_windows([step["read"] for step in steps], again.reads)
    check_windows([step["write"] for step in steps], again.writes)
    images = torch.tensor([step["image"] for step in steps])
    torch.testing.assert_close(images, again.images[:, 0].flatten(1), rtol=ATOL, atol=ATOL)
    if not model.likelihood.is_bound:
        assert all("bound" not in step for step in steps)
        nats = model.likelihood.nats(again.canvases[-1], x).item()
        assert steps[-1]["reconstruction"] == pytest.approx(nats, rel=ATOL)
        return
    bound = model.bound(x, generator=Counter(seed))
    kl = torch.tensor([step["kl"] for step in steps])
    torch.testing.assert_close(kl, bound.kl[:, 0], rtol=ATOL, atol=ATOL)
    assert steps[-1]["bound"] == pytest.approx(bound.nats.item(), rel=ATOL)
    assert steps[-1]["reconstruction"] == pytest.approx(bound.reconstruction.item(), rel=ATOL)


def test_the_components_are_those_that_the_page_is_said_to_have():
    module = (Path(str(ENGINE)) / "components.js").as_uri()
    script = (
        f"import {{ COMPONENTS }} from {json.dumps(module)};"
        "const names = Object.entries(COMPONENTS).map(([kind, of]) => [kind, Object.keys(of)]);"
        "console.log(JSON.stringify(Object.fromEntries(names)));"
    )
    command = [NODE, "--input-type=module", "-e", script]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert {kind: set(names) for kind, names in found.items()} == KNOWN


@pytest.mark.parametrize("name", quick(SHIPPED, *QUICK))
def test_shipped_models_draw_as_in_python(name):
    agree(shipped(name), drawzoo.load(name))


COMPONENTS = (
    {"writer.name": "deconv", "writer.channels": [3, 2]},
    {"writer.name": "whole", "reader.name": "whole"},
    {"image": [2, 9, 14], "reader.size": 1, "writer.size": 2},
    {
        "image": [3, 17, 30],
        "encoder.name": "conv",
        "encoder.units": 4,
        "encoder.channels": [2, 3],
        "encoder.features": 5,
        "encoder.activation": "silu",
        "writer.name": "deconv",
        "writer.channels": [4, 3],
    },
    {
        "encoder.name": "supervised",
        "encoder.channels": [2],
        "encoder.features": 4,
        "encoder.classes": 3,
        "encoder.units": 4,
        "reader.name": "attention-error",
    },
    {"encoder.name": "lstm-private", "encoder.units": 3},
    {"encoder.name": "gated", "decoder.name": "gated"},
    {"encoder.name": "transformer", "encoder.units": 6, "encoder.heads": 2},
    {
        "encoder.name": "transformer",
        "encoder.units": 6,
        "encoder.heads": 3,
        "encoder.memory": 2,
    },
    {"image": [2, 9, 14], "reader.name": "stn", "reader.size": 4},
    {"image": [3, 12, 10], "likelihood.name": "logistic"},
    {"image": [3, 9, 11], "likelihood.name": "logistic-mixture", "likelihood.components": 2},
    {"image": [3, 12, 10], "likelihood.name": "intensities", "writer.name": "whole"},
    {
        "image": [3, 8, 10],
        "likelihood.name": "logistic-mixture",
        "writer.name": "deconv",
        "writer.channels": [3],
        "reader.name": "whole",
    },
)


# Weights of 16 bits are read before there is a component, so one model tells.
@pytest.mark.parametrize(
    "settings, half", [*((settings, False) for settings in COMPONENTS), (COMPONENTS[0], True)]
)
def test_components_of_any_size(settings, half, tmp_path):
    model = build(override(model_config("draw-mnist"), {**SMALL, **settings})).eval()
    for parameter in model.parameters():
        # Biases, norms and maps that start at zero or one would hide what the page does with them.
        if parameter.ndim == 1 or not parameter.any():
            parameter.data += 0.3 * torch.randn_like(parameter)
    for parameter in model.likelihood.parameters():
        torch.nn.init.normal_(parameter)
    # A canvas that starts off grey, and with scales of all sizes.
    torch.nn.init.normal_(model.initial_canvas, std=2.0)
    write_model(tmp_path, model.config, model.state_dict(), half=half)
    agree(tmp_path, read_model(tmp_path))


def test_bfloat16(tmp_path):
    model = build(override(model_config("draw-mnist"), SMALL)).eval()
    state = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
    write_model(tmp_path, model.config, model.state_dict())
    save_file(state, tmp_path / "model.safetensors")
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    agree(tmp_path, model)


def test_known_answers_of_philox():
    # Of Random123, the authors' own.
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    cases = [
        ([0] * 4, [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([2**32 - 1] * 4, [2**32 - 1] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (pi, [0xA4093822, 0x299F31D0], "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ]
    found = engine(*({"do": "philox", "counter": c, "key": k} for c, k, _ in cases))
    for (counter, (low, high), expected), answer in zip(cases, found, strict=True):
        words = [int(word, 16) for word in expected.split()]
        assert answer["value"] == words
        assert [int(word) for word in philox(counter, high << 32 | low)] == words


@pytest.mark.parametrize("seed", [0, 2**32 + 5, 2**53 - 1])
def test_noise_of_the_page_is_that_of_python(seed):
    request = {"do": "normal", "seed": seed, "image": 101, "step": 3, "size": 7, "temperature": 0.5}
    expected = Counter(seed, 0.5).noise(range(101, 102), 4, (7,))[3, 0]
    torch.testing.assert_close(torch.tensor(engine(request)[0]["value"]), expected)


@pytest.mark.parametrize("share", [0, 0.3, 1])
@pytest.mark.parametrize("scale", [2.0, 0.0, -1.0, None])
def test_between_codes_as_the_analysis_goes(share, scale):
    start = torch.randn(6, dtype=torch.float64)
    end = torch.randn(6, dtype=torch.float64) if scale is None else scale * start
    request = {"do": "spherical", "start": start.tolist(), "end": end.tolist(), "share": share}
    expected = interpolation.spherical(start, end, share)
    torch.testing.assert_close(
        torch.tensor(engine(request)[0]["value"]).double(), expected.double(), rtol=1e-6, atol=1e-6
    )


@pytest.mark.slow
def test_encoding_takes_less_than_its_products_one_after_another():
    ((encoding, products),) = (answer["value"] for answer in engine({"do": "speed", **of(LONGEST)}))
    assert encoding < products


@pytest.mark.parametrize("coloured", [False, True])
def test_animations_are_what_a_decoder_reads(coloured):
    # Noise makes long tables of codes, which are cleared again and again.
    width, height, generator = 61, 83, torch.Generator().manual_seed(0)
    levels = torch.randint(256, (2, height, width, 4), generator=generator)
    if not coloured:
        levels[..., 1:3] = levels[..., :1]
    request = {
        "width": width,
        "height": height,
        "lines": [[251, 146, 60], [56, 189, 248]],
        "colours": levels[0, :, :, :3].flatten(0, 1).tolist() if coloured else [],
        "frames": levels.flatten(1).tolist(),
    }
    answer = engine({"do": "gif", **request})[0]["value"]
    palette = torch.tensor(answer["palette"])
    assert palette.shape == (256, 3)
    with Image.open(io.BytesIO(bytes(answer["bytes"]))) as gif:
        assert (gif.n_frames, gif.size) == (2, (width, height))
        for index, frame in enumerate(levels):
            gif.seek(index)
            data = bytearray(gif.convert("RGB").tobytes())
            found = torch.frombuffer(data, dtype=torch.uint8).view(-1, 3).float()
            wanted = frame[..., :3].flatten(0, 1).float()
            nearest = torch.cdist(wanted, palette.float()).amin(dim=1)
            torch.testing.assert_close((found - wanted).norm(dim=1), nearest)
    assert nearest.mean() < (25 if coloured else 1)


class TestHostile:
    """Whatever is wrong ends in one line, of the kind that the page shows."""

    @pytest.fixture
    def folder(self, tmp_path):
        model = build(override(model_config("draw-mnist"), SMALL))
        write_model(tmp_path, model.config, model.state_dict())
        return tmp_path

    def refused(self, folder, *words):
        answer = engine({"do": "sample", "seed": 0, **of(folder)})[0]
        assert answer["kind"] == "ModelError", answer
        message = answer["error"]
        assert len(message) <= 300
        assert message.isprintable()
        for word in words:
            assert word in message

    def change(self, folder, **changes):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    def test_unknown_component(self, folder):
        self.change(folder, decoder={"name": "gru", "plugin": "drawzoo", "config": {}})
        self.refused(folder, "decoder", "gru", "lstm")

    def test_component_of_another_distribution(self, folder):
        self.change(folder, decoder={"name": "lstm", "plugin": "other", "config": {}})
        self.refused(folder, "other:lstm")

    @pytest.mark.parametrize(
        "changes",
        [
            {"steps": 1e9},
            {"steps": "9"},
            {"image": [1, 10**6, 10**6]},
            {"image": None},
            {"format": 1},
            {"reader": None},
            {"reader": {"name": {"toString": 1}, "plugin": "drawzoo"}},
            {"reader": {"name": "__proto__", "plugin": "drawzoo", "config": {}}},
            {"reader": {"name": "attention", "plugin": "drawzoo", "config": {"size": 1e300}}},
            {"reader": {"name": "attention", "plugin": "drawzoo", "config": {"constructor": 1}}},
            {"decoder": {"name": "lstm", "plugin": "drawzoo", "config": {"units": 60_000}}},
            {"reader": {"name": "\x1b[31m<b>" * 100, "plugin": "drawzoo", "config": {}}},
        ],
    )
    def test_configurations(self, folder, changes):
        self.change(folder, **changes)
        self.refused(folder)

    @pytest.mark.parametrize("value", ["gelu", ["silu"], 1, None])
    def test_activations(self, folder, value):
        config = {"activation": value}
        self.change(folder, encoder={"name": "conv", "plugin": "drawzoo", "config": config})
        self.refused(folder, "activation", json.dumps(value))

    @pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000])
    def test_no_configuration(self, folder, text):
        (folder / "config.json").write_text(text)
        self.refused(folder, "config.json")

    def test_wrong_shapes(self, folder):
        state = load_file(folder / "model.safetensors")
        state["writer.patch.weight"] = state["writer.patch.weight"].T.contiguous()
        save_file(state, folder / "model.safetensors")
        self.refused(folder, "writer.patch.weight", "6,25", "25,6")

    @pytest.mark.parametrize("change", ["missing", "extra"])
    def test_other_tensors(self, folder, change):
        state = load_file(folder / "model.safetensors")
        if change == "missing":
            del state["writer.patch.bias"]
        else:
            state["writer.extra"] = torch.zeros(1)
        save_file(state, folder / "model.safetensors")
        self.refused(folder, "writer.")

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    @pytest.mark.parametrize("half", [False, True])
    def test_not_finite(self, folder, value, half):
        state = load_file(folder / "model.safetensors")
        state["decoder.lstm.gates.bias"][3] = value
        state = {name: tensor.half() if half else tensor for name, tensor in state.items()}
        (folder / "model.safetensors").write_bytes(save(state))
        self.refused(folder, "decoder.lstm.gates.bias", "finite")

    def test_overflow_while_drawing(self, folder):
        state = load_file(folder / "model.safetensors")
        state["latent.layer.bias"][:] = 1e38
        save_file(state, folder / "model.safetensors")
        x = [0.0] * 784
        answer = engine({"do": "encode", "seed": 0, "x": x, **of(folder)})[0]
        assert answer["kind"] == "ModelError"
        assert "finite" in answer["error"]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff" * 8,
            struct.pack("<Q", 2**63) + b"{}",
            struct.pack("<Q", 900_000) + b"{}",
            struct.pack("<Q", 2) + b"[]",
            struct.pack("<Q", 4) + b"null",
            struct.pack("<Q", 2) + b"{}",
        ],
    )
    def test_headers(self, folder, data):
        (folder / "model.safetensors").write_bytes(data)
        self.refused(folder)

    @pytest.mark.parametrize(
        "entry",
        [
            None,
            {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
            {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]},
            {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
            {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]},
            {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]},
        ],
    )
    def test_entries(self, folder, entry):
        header = json.dumps({"initial_canvas": entry}).encode()
        data = struct.pack("<Q", len(header)) + header + bytes(8)
        (folder / "model.safetensors").write_bytes(data)
        self.refused(folder, "initial_canvas")
