"""Files of format 1 are read as files of format 2: configurations, weights, checkpoints."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from drawzoo import build
from drawzoo.engine.saving import write_model
from drawzoo.errors import ConfigError, WeightsError
from drawzoo.schema import format1
from drawzoo.schema.base import decode, to_dict
from drawzoo.schema.manifest import CONFIG, WEIGHTS
from drawzoo.schema.model import ModelConfig
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.validate import check_stranger, read_config
from drawzoo.store.weights import read_model
from drawzoo.training.checkpoint import CHECKPOINT, read_checkpoint
from drawzoo.training.loop import Trainer

OLD = {"latent.layer.": "posterior.", "decoder.lstm.": "decoder."}


def old_name(name):
    for new, old in OLD.items():
        name = name.replace(new, old)
    return name


def old_config(config):
    """A configuration as format 1 had it."""
    data = to_dict(config)
    return data | {
        "latent": data["latent"]["config"]["size"],
        "decoder": data["decoder"]["config"]["units"],
        "likelihood": data["likelihood"]["name"],
        "format": 1,
    }


@pytest.fixture
def folder(tiny, tmp_path):
    """A model's folder in format 1."""
    model = build(tiny(latent=3, decoder=7))
    write_model(tmp_path, model.config, model.state_dict())
    tensors = load_file(tmp_path / WEIGHTS)
    save_file({old_name(name): t for name, t in tensors.items()}, tmp_path / WEIGHTS)
    (tmp_path / CONFIG).write_text(json.dumps(old_config(model.config)))
    return tmp_path, model


def test_a_model_is_the_same(folder):
    path, model = folder
    check_stranger(path)
    assert read_config(path) == model.config
    again = read_model(path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_names_are_translated_in_files_of_format_1_alone():
    names = ["initial_canvas", "decoder.gates.weight", "encoder.lstm.gates.weight"]
    assert format1.tensor_names(names) == dict(zip(names, names, strict=True))
    old = [*names, "posterior.weight", "posterior.bias", "decoder.initial"]
    assert list(format1.tensor_names(old).values()) == [
        "initial_canvas",
        "decoder.lstm.gates.weight",
        "encoder.lstm.gates.weight",
        "latent.layer.weight",
        "latent.layer.bias",
        "decoder.lstm.initial",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"latent": "x"}, "size"),
        ({"latent": -1}, "size"),
        ({"decoder": [1]}, "units"),
        ({"likelihood": 3}, "likelihood.name"),
        ({"likelihood": "no"}, "there is no likelihood"),
    ],
    ids=str,
)
def test_wrong_values_are_refused_without_torch(folder, change, told):
    path, model = folder
    (path / CONFIG).write_text(json.dumps(old_config(model.config) | change))
    with pytest.raises(Exception, match=told) as caught:
        check_stranger(path)
    assert str(caught.value).isprintable()


def test_other_formats_are_refused(tiny):
    data = to_dict(tiny()) | {"format": 3}
    with pytest.raises(ConfigError, match="format"):
        decode(json.dumps(data).encode(), ModelConfig, "config.json")


def test_tensors_that_do_not_fit_are_refused(folder):
    path, _ = folder
    tensors = load_file(path / WEIGHTS)
    del tensors["decoder.initial"]
    save_file(tensors, path / WEIGHTS)
    with pytest.raises(WeightsError, match=r"lacks decoder\.lstm\.initial"):
        read_model(path)


def test_a_run_goes_on(tiny, tmp_path):
    """From a checkpoint of format 1 to the weights of a run that was never stopped."""
    from safetensors import safe_open

    from drawzoo.data.images import load_dataset

    images = load_dataset("synthetic", "train", tmp_path, download=False)
    run = RunConfig(tiny(image=(1, 28, 28)), TrainingConfig(max_steps=4, batch_size=8))
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for folder in (whole, halves):
        folder.mkdir()
    Trainer(run, images, whole).run()
    first = Trainer(run, images, halves)
    first.run(stop=lambda: first.step == 2)
    with safe_open(halves / CHECKPOINT, framework="pt") as file:
        metadata = file.metadata()
        tensors = {old_name(key): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    data = json.loads(metadata["config"])
    data["model"] = old_config(first.config.model)
    save_file(tensors, halves / CHECKPOINT, metadata | {"config": json.dumps(data)})
    Trainer(run, images, halves, read_checkpoint(halves)).run()
    assert (whole / WEIGHTS).read_bytes() == (halves / WEIGHTS).read_bytes()
