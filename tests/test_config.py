"""Configurations: JSON there and back, and one line for whatever is wrong with one."""

import json

import pytest

from drawzoo import ComponentConfig, Config, ModelConfig, build, list_models
from drawzoo.errors import ConfigError
from drawzoo.registry.build import model_config
from drawzoo.schema.base import MAX_JSON_BYTES, Size, convert, decode, encode, override, to_dict

PART = {"name": "lstm"}
LEAST = {"variant": "x", "reader": PART, "encoder": PART, "writer": PART}


def one_line(caught):
    line = str(caught.value)
    assert line and len(line.splitlines()) == 1
    return line


@pytest.mark.parametrize("name", list_models())
def test_registered_models_survive_json(name):
    config = model_config(name)
    raw = encode(config)
    again = decode(raw, ModelConfig, "config.json")
    assert again == config
    assert encode(again) == raw
    assert config.name == name
    assert json.loads(raw) == json.loads(json.dumps(to_dict(config)))


def test_defaults_are_those_of_the_presentation():
    config = convert(LEAST, ModelConfig)
    assert (config.steps, config.image, config.dataset) == (10, (1, 28, 28), "mnist")


def test_a_configuration_cannot_be_changed():
    with pytest.raises(AttributeError):
        convert(LEAST, ModelConfig).steps = 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stepz": 3}, "unknown field stepz; did you mean steps?"),
        ({"encoder": {"nmae": "lstm"}}, "did you mean name"),
        ({"encoder": {"name": "lstm", "pulgin": "p"}}, "did you mean plugin?"),
        ({"steps": 10**12}, "steps"),
        ({"steps": 10**30}, "steps"),
        ({"steps": 0}, "steps"),
        ({"steps": "10"}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"steps": None}, "steps"),
        ({"latent": {"size": -1}}, "latent"),
        ({"decoder": 256}, "decoder"),
        ({"image": [1, 28]}, "image"),
        ({"image": [1, 28, 28, 28]}, "image"),
        ({"image": [1, 0, 28]}, "image"),
        ({"image": "1x28x28"}, "image"),
        ({"encoder": "lstm"}, "encoder"),
        ({"encoder": {}}, "name"),
        ({"encoder": {"name": "lstm", "config": [3]}}, "config"),
        ({"encoder": {"name": "../lstm"}}, "name"),
        ({"encoder": {"name": "L"}}, "name"),
        ({"variant": "a" * 101}, "variant"),
        ({"variant": ""}, "variant"),
        ({"variant": "a\nb"}, "variant"),
        ({"likelihood": {"name": "gauss\nian"}}, "likelihood"),
        ({"format": 3}, "format"),
        ({"variant": "a\n"}, "variant"),
        ({"encoder": {"name": "lstm", "plugin": "p --index-url=http://example.org"}}, "plugin"),
        ({"two\nlines": 1}, "unknown field"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_in_one_line(change, told):
    with pytest.raises(ConfigError) as caught:
        decode(json.dumps(LEAST | change).encode(), ModelConfig, "config.json")
    line = one_line(caught)
    assert line.startswith("config.json: ")
    assert told in line


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"{",
        b"{} {}",
        b"\xff\xfe{}",
        b'{"vari\xffant": 1}',
        b'{"steps": NaN}',
        b'{"steps": Infinity}',
        b'{"steps": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"null",
        b"[]",
        b'"a"',
        b"{}",
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_what_is_no_configuration_is_refused_in_one_line(raw):
    with pytest.raises(ConfigError) as caught:
        decode(raw, ModelConfig, "config.json")
    assert one_line(caught).startswith("config.json: ")


def test_what_is_too_long_is_refused_unread():
    padded = json.dumps(LEAST).encode().ljust(MAX_JSON_BYTES)
    assert decode(padded, ModelConfig, "config.json") == convert(LEAST, ModelConfig)
    with pytest.raises(ConfigError, match=r"config.json: 1,048,577 bytes") as caught:
        decode(padded + b" ", ModelConfig, "config.json")
    one_line(caught)


def test_a_component_refuses_settings_it_does_not_know(tiny):
    for settings, told in (({"unitz": 3}, "did you mean units?"), ({"units": 0}, "units")):
        part = ComponentConfig(name="lstm", config=settings)
        with pytest.raises(ConfigError, match="encoder lstm") as caught:
            build(override(tiny(), {"encoder": to_dict(part)}))
        assert told in one_line(caught)


def test_a_built_model_holds_its_whole_configuration(tiny):
    config = build(override(tiny(), {"encoder.config": {}})).config
    assert config.encoder == ComponentConfig(name="lstm", plugin="drawzoo", config={"units": 256})
    assert build(config).config == config


class TestOverride:
    def test_dotted_keys(self, tiny):
        config = tiny()
        changed = override(
            config,
            {
                "steps": 7,
                "encoder.units": 9,
                "reader.config.size": 3,
                "writer.name": "whole",
                "image": [3, 4, 5],
            },
        )
        assert (changed.steps, changed.image) == (7, (3, 4, 5))
        assert changed.encoder.config == {"units": 9}
        assert changed.reader.config == {"size": 3}
        assert changed.writer.name == "whole"
        assert config == tiny()

    def test_another_component_starts_from_its_own_defaults(self, tiny):
        """Whatever the order of the keys: nothing of the first one's settings is left."""
        config = build(tiny()).config
        for keys in (("encoder.name", "encoder.features"), ("encoder.features", "encoder.name")):
            changed = override(config, {key: {"name": "conv"}.get(key[8:], 9) for key in keys})
            assert changed.encoder == ComponentConfig(name="conv", config={"features": 9})

    def test_nothing_to_change(self, tiny):
        assert override(tiny(), {}) == tiny()

    @pytest.mark.parametrize(
        ("key", "value", "told"),
        [
            ("stepz", 3, "did you mean steps?"),
            ("enkoder.units", 3, "did you mean encoder"),
            ("steps", 10**12, "steps"),
            ("steps.x", 3, "steps.x"),
            ("encoder", 3, "encoder"),
            ("encoder.name", 3, "encoder.name"),
            ("encoder.config.units.x", 3, "units"),
            ("", 3, "unknown field"),
        ],
    )
    def test_mistakes_are_one_line(self, tiny, key, value, told):
        with pytest.raises(ConfigError) as caught:
            override(tiny(), {key: value})
        line = one_line(caught)
        assert line.startswith("--set")
        assert told in line


class Mine(Config):
    units: Size = 256
    rate: float = 0.5


def test_a_plugin_annotates_fields_and_gives_defaults():
    assert convert({}, Mine) == Mine(units=256, rate=0.5)
    assert convert({"units": 65_536, "rate": 1}, Mine) == Mine(units=65_536, rate=1.0)
    for wrong in ({"units": 65_537}, {"units": 0}, {"rate": "1"}, {"unit": 1}):
        with pytest.raises(ConfigError):
            convert(wrong, Mine)
