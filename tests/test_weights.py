"""A model in a folder: what is written is read again, and anything else is refused in one line."""

import json
import os
import pickle
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import drawzoo
from drawzoo.engine.saving import write_model
from drawzoo.errors import ConfigError, DrawzooError, OutputError, PluginError, WeightsError
from drawzoo.schema.base import encode
from drawzoo.store.weights import CONFIG, WEIGHTS, read_config, read_model


@pytest.fixture
def model(tiny):
    return drawzoo.build(tiny()).eval()


@pytest.fixture
def folder(model, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder, model.config, model.state_dict())
    return folder


def refused(folder, error=WeightsError):
    """The message of the error with which a model is refused, which must be one line."""
    with pytest.raises(error) as caught:
        read_model(folder)
    text = str(caught.value)
    assert text and text.isprintable()
    return text


def edit_config(folder, **changes):
    """Sets keys of config.json; `__` goes a level down."""
    config = json.loads((folder / CONFIG).read_text())
    for key, value in changes.items():
        *parents, last = key.split("__")
        node = config
        for parent in parents:
            node = node[parent]
        node[last] = value
    (folder / CONFIG).write_text(json.dumps(config))


def edit_tensors(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


class TestRoundTrip:
    @pytest.mark.parametrize(
        "parts",
        [
            {},
            {"encoder": "conv", "reader": "none"},
            {"reader": "whole", "writer": "whole", "image": (3, 4, 5)},
        ],
    )
    def test_model(self, tiny, tmp_path, parts):
        model = drawzoo.build(tiny(**parts))
        write_model(tmp_path, model.config, model.state_dict())
        again = read_model(tmp_path)
        assert again.config == model.config
        assert encode(read_config(tmp_path)) == encode(model.config)
        assert not again.training
        state, expected = again.state_dict(), model.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)
        images = [m.sample(3, generator=torch.Generator().manual_seed(1)) for m in (model, again)]
        assert torch.equal(*images)

    def test_by_name(self, folder, model):
        again = drawzoo.load(f"local-dir:{folder}")
        assert torch.equal(again.latent.layer.weight, model.latent.layer.weight)

    def test_two_files_and_no_other(self, folder):
        assert sorted(os.listdir(folder)) == [CONFIG, WEIGHTS]

    def test_same_weights_same_bytes(self, model, tmp_path):
        written = set()
        for _ in range(12):
            write_model(tmp_path, model.config, model.state_dict())
            written.add(((tmp_path / CONFIG).read_bytes(), (tmp_path / WEIGHTS).read_bytes()))
        assert len(written) == 1

    def test_global_randomness_stays(self, folder):
        before = torch.get_rng_state()
        read_model(folder)
        assert torch.equal(torch.get_rng_state(), before)
        (folder / WEIGHTS).unlink()
        refused(folder)
        assert torch.equal(torch.get_rng_state(), before)

    def test_unwritable(self, model, tmp_path):
        with pytest.raises(OutputError, match="create it"):
            write_model(tmp_path / "missing", model.config, model.state_dict())


class TestConfig:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"not JSON",
            b"{",
            b"[]",
            b"null",
            b'"draw"',
            b"\xff\xfe\x00",
            b'{"variant": "\xff"}',
            pytest.param(b"[" * 100_000, id="deep"),
            pytest.param(b'{"a":' * 50_000, id="deep-object"),
            pytest.param(b" " * (2 << 20), id="long"),
            b"{}",
        ],
    )
    def test_not_a_configuration(self, folder, raw):
        (folder / CONFIG).write_bytes(raw)
        assert str(folder / CONFIG) in refused(folder, ConfigError)

    @pytest.mark.parametrize(
        "changes, words",
        [
            ({"stepz": 3}, ["stepz", "did you mean steps"]),
            ({"steps": "ten"}, ["steps", "int"]),
            ({"steps": 2.5}, ["steps", "int"]),
            ({"steps": True}, ["steps", "int"]),
            ({"steps": None}, ["steps", "int"]),
            ({"steps": 0}, ["steps", "1"]),
            ({"steps": 10**12}, ["steps", "4096"]),
            ({"steps": 10**30}, ["steps"]),
            ({"latent__config__size": -1}, ["latent", "size"]),
            ({"decoder__config__units": 10**12}, ["decoder", "units"]),
            ({"image": [1, 28]}, ["image"]),
            ({"image": [1, 28, 10**9]}, ["image"]),
            ({"image": [1, 28, "28"]}, ["image"]),
            ({"likelihood": "gauss"}, ["likelihood", "object"]),
            ({"format": 3}, ["format"]),
            ({"variant": "../draw"}, ["variant"]),
            ({"variant": "draw\n"}, ["variant"]),
            ({"reader": None}, ["reader"]),
            ({"encoder__unit": 3}, ["encoder", "unit"]),
            ({"encoder__config__unitz": 3}, ["encoder", "unitz", "did you mean units"]),
            ({"encoder__config__units": "five"}, ["units", "int"]),
            ({"encoder__config__units": 10**12}, ["units"]),
            ({"encoder__config__units": [[[]]]}, ["units"]),
        ],
        ids=str,
    )
    def test_wrong_values(self, folder, changes, words):
        edit_config(folder, **changes)
        text = refused(folder, ConfigError)
        assert all(word in text for word in words)

    def test_unknown_component(self, folder):
        edit_config(folder, encoder__name="lstn")
        assert "did you mean lstm" in refused(folder, DrawzooError)

    def test_component_of_a_plugin_that_is_not_installed(self, folder):
        edit_config(folder, encoder__plugin="drawzoo-elsewhere", encoder__name="elsewhere")
        text = refused(folder, PluginError)
        assert "configuration asks for" in text and "'drawzoo-elsewhere'" in text
        # Whoever made the configuration chose the name: it is not to be pasted into a shell.
        assert "pip" not in text and "only if you trust" in text

    @pytest.mark.parametrize("plugin", ["", "a b", "drawzoo\n", "x; rm -r ~", "\x1b[31m", "-r"])
    def test_plugin_that_no_distribution_is_called(self, folder, plugin):
        edit_config(folder, encoder__plugin=plugin, encoder__name="elsewhere")
        assert f"pip install {plugin}" not in refused(folder, DrawzooError)

    @pytest.mark.parametrize(
        "changes",
        [
            {"decoder__config__units": 65_536},
            {"decoder__config__units": 65_536, "encoder__config__units": 65_536},
            {"image": [65_536] * 3},
            {"image": [65_536] * 3, "writer": {"name": "whole"}},
            {"image": [65_536] * 3, "writer": {"name": "whole"}, "decoder__config__units": 65_536},
            {"reader__config__size": 65_536},
            {
                "encoder": {
                    "name": "conv",
                    "config": {"channels": [65_536] * 8, "features": 65_536},
                }
            },
        ],
    )
    def test_giant_sizes_are_refused_before_anything_is_allocated(self, folder, changes):
        edit_config(folder, **changes)
        start = time.process_time()
        refused(folder, DrawzooError)
        assert time.process_time() - start < 5


class TestFiles:
    @pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
    def test_missing(self, folder, name):
        (folder / name).unlink()
        text = refused(folder)
        assert name in text and str(folder) in text

    @pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
    def test_folder_instead(self, folder, name):
        (folder / name).unlink()
        (folder / name).mkdir()
        assert name in refused(folder)

    def test_no_folder(self, tmp_path):
        with pytest.raises(WeightsError, match="no folder"):
            drawzoo.load(f"local-dir:{tmp_path / 'missing'}")

    @pytest.mark.parametrize("keep", [0, 5, 100, -1, -100])
    def test_truncated(self, folder, keep):
        raw = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(raw[:keep])
        assert "damaged" in refused(folder)

    def test_longer(self, folder):
        with (folder / WEIGHTS).open("ab") as file:
            file.write(b"\0")
        assert "damaged" in refused(folder)

    @pytest.mark.parametrize(
        "header",
        [
            {"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}},
            {"x": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 0]}},
            {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}},
            {"x": {"dtype": "F32", "shape": [1], "data_offsets": [2**63, 2**63 + 4]}},
            {"__metadata__": {"format": "pt"}},
        ],
    )
    def test_header_that_promises_more_than_there_is(self, folder, header):
        raw = json.dumps(header).encode()
        (folder / WEIGHTS).write_bytes(len(raw).to_bytes(8, "little") + raw)
        start = time.process_time()
        refused(folder)
        assert time.process_time() - start < 5

    @pytest.mark.parametrize("size", [2**63, 2**40, 99])
    def test_header_that_is_longer_than_the_file(self, folder, size):
        (folder / WEIGHTS).write_bytes(size.to_bytes(8, "little") + b"{" * 92)
        assert "damaged" in refused(folder)

    @pytest.mark.parametrize("write", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x))])
    def test_pickles_are_refused_and_not_executed(self, folder, tmp_path, write):
        trace = tmp_path / "executed"

        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(trace),)

        write({"latent.layer.weight": Trap()}, folder / WEIGHTS)
        refused(folder)
        assert not trace.exists()


class TestHalf:
    @pytest.fixture
    def half(self, model, folder):
        write_model(folder, model.config, model.state_dict(), half=True)
        return folder

    def test_rounds_each_weight_and_computes_in_single_precision(self, model, half):
        for name, tensor in read_model(half).state_dict().items():
            assert tensor.dtype == torch.float32
            assert tensor.equal(model.state_dict()[name].half().float())

    def test_takes_half_the_bytes(self, half):
        tensors = load_file(half / WEIGHTS)
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}

    def test_single_tensors_of_another_precision_are_refused(self, half):
        tensors = load_file(half / WEIGHTS)
        tensors["latent.layer.bias"] = tensors["latent.layer.bias"].float()
        save_file(tensors, half / WEIGHTS, {"format": "half"})
        assert "latent.layer.bias is F32 [4], expected F16" in refused(half)

    def test_it_must_be_declared(self, half):
        save_file(load_file(half / WEIGHTS), half / WEIGHTS, {"format": "pt"})
        assert "F16" in refused(half)


class TestTensors:
    @pytest.mark.parametrize(
        "change, words",
        [
            (lambda t: t.pop("latent.layer.bias"), ["lacks latent.layer.bias"]),
            (lambda t: t.update(extra=torch.zeros(1)), ["extra is not expected"]),
            (
                lambda t: t.update({"latent.layer.bias": torch.zeros(5)}),
                ["latent.layer.bias", "[5]", "[4]"],
            ),
            (
                lambda t: t.update({"latent.layer.bias": torch.zeros(1, 4)}),
                ["latent.layer.bias", "[1, 4]", "[4]"],
            ),
            (
                lambda t: t.update({"latent.layer.bias": t["latent.layer.bias"].double()}),
                ["latent.layer.bias", "F64", "F32"],
            ),
            (
                lambda t: t.update({"latent.layer.bias": torch.zeros(4, dtype=torch.int32)}),
                ["latent.layer.bias", "I32", "F32"],
            ),
            (
                lambda t: t["latent.layer.bias"].fill_(float("nan")),
                ["latent.layer.bias", "not finite"],
            ),
            (lambda t: t["initial_canvas"].view(-1)[3:4].fill_(float("inf")), ["not finite"]),
            (lambda t: t["initial_canvas"].view(-1)[3:4].fill_(float("-inf")), ["not finite"]),
        ],
    )
    def test_that_do_not_fit(self, folder, change, words):
        edit_tensors(folder, change)
        text = refused(folder)
        assert str(folder / WEIGHTS) in text
        assert all(word in text for word in words)

    def test_of_another_model(self, folder, tiny, tmp_path):
        other = drawzoo.build(tiny(latent=3))
        other_folder = tmp_path / "other"
        other_folder.mkdir()
        write_model(other_folder, other.config, other.state_dict())
        (other_folder / WEIGHTS).replace(folder / WEIGHTS)
        assert "does not fit config.json" in refused(folder)

    def test_many_that_do_not_fit_are_still_one_short_line(self, folder):
        edit_tensors(folder, lambda t: t.update({f"extra{i}": torch.zeros(1) for i in range(999)}))
        assert len(refused(folder)) < 500
