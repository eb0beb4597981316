"""`drawzoo plugins --check`, and the kit's checks of data sets, models and plugins."""

import json
import sys
from textwrap import dedent

import pytest
import torch
from click.testing import CliRunner
from selection import quick

from drawzoo.cli import main
from drawzoo.cli.plugins import command
from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.images import Images
from drawzoo.data.synthetic import SYNTHETIC
from drawzoo.errors import PluginError, UnknownNameError
from drawzoo.registry.loader import installed
from drawzoo.testing import Fault, check_dataset, check_model, check_plugin
from drawzoo.testing.installed import check_plugins

SOUND = """
    @hookimpl
    def register_encoders(register):
        register("other", "drawzoo_draw.encoder:LSTMEncoder")
    @hookimpl
    def register_models(register):
        register("toy-mnist", MODEL)
"""
MODEL = """
    from drawzoo import ComponentConfig, ModelConfig
    MODEL = ModelConfig(
        variant="toy",
        reader=ComponentConfig(name="attention"),
        encoder=ComponentConfig(name="lstm"),
        writer=ComponentConfig(name="attention"),
    )
"""
NOTHING = """
    @hookimpl
    def register_models(register):
        pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a plugin with this code, and checks it: what → problem."""
    site = tmp_path / "site"
    info = site / "checked-1.0.dist-info"

    def make(code):
        info.mkdir(parents=True)
        (site / "checked.py").write_text(f"from drawzoo import hookimpl\n{dedent(code)}")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: checked\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[drawzoo]\nchecked_entry = checked\n")
        monkeypatch.syspath_prepend(str(site))

    installed.cache_clear()
    yield make
    installed.cache_clear()
    sys.modules.pop("checked", None)


def test_a_sound_plugin_has_no_fault(install):
    install(MODEL + SOUND)
    findings = list(check_plugins("checked"))
    assert [f.what for f in findings] == ["import", "encoder other", "model toy-mnist"]
    assert not [f.problem for f in findings if f.problem]
    assert all(f.seconds >= 0 for f in findings)
    check_plugin("checked_entry")


FAULTS = {
    "raises": ("raise RuntimeError('boom')", "import", "boom"),
    "torch": ("\n    import torch" + MODEL + SOUND, "import", "imports torch"),
    "prints": ("\n    print('hello', 'you')" + MODEL + SOUND, "import", "prints 'hello you'"),
    "stderr": (
        "\n    import sys; print('hello', file=sys.stderr)" + MODEL + SOUND,
        "import",
        "prints 'hello'",
    ),
    "hookimpl": (
        MODEL + SOUND + "\n    def register_readers(register): pass",
        "register_readers",
        "hookimpl",
    ),
    "no hook": (
        MODEL + SOUND + "\n    def register_reader(register): pass",
        "register_reader",
        "did you mean register_readers",
    ),
    "nothing": (NOTHING, "hooks", "gives nothing"),
    "missing": (
        MODEL + SOUND.replace("drawzoo_draw.encoder", "no_such_module"),
        "encoder other",
        "no_such_module",
    ),
    "wrong class": (
        MODEL + SOUND.replace("encoder:LSTMEncoder", "reader:NoReader"),
        "encoder other",
        "inherits from drawzoo.Encoder",
    ),
    "model name": (
        MODEL + SOUND.replace("toy-mnist", "my-model"),
        "model my-model",
        "calls itself toy-mnist",
    ),
    "no model": (SOUND.replace("MODEL", "3"), "model toy-mnist", "no ModelConfig"),
    "no reader": (
        MODEL.replace('"attention"', '"atention"') + SOUND,
        "model toy-mnist",
        "did you mean attention",
    ),
    "name": (
        MODEL + SOUND + '        register("of two words", MODEL)\n',
        "registration",
        "model name 'of two words'",
    ),
    "twice": (
        MODEL + SOUND + '        register("toy-mnist", MODEL)\n',
        "registration",
        "model 'toy-mnist' is registered twice",
    ),
    "clash": (MODEL + SOUND.replace('"other"', '"lstm"'), "encoder lstm", "also given by drawzoo"),
}


@pytest.mark.parametrize(
    "name", quick(FAULTS, *FAULTS.keys() - {"torch", "stderr", "nothing", "model name", "no model"})
)
def test_a_fault_of_a_plugin_is_found(install, name):
    code, what, problem = FAULTS[name]
    install(code)
    faults = {f.what: f.problem for f in check_plugins("checked") if f.problem}
    assert list(faults) == [what]
    assert problem in faults[what]
    with pytest.raises(Fault) as caught:
        check_plugin("checked")
    assert problem in str(caught.value).splitlines()[0]


def test_a_plugin_that_ends_the_process_is_told(install):
    install("import os, sys\nif 'pytest' not in sys.modules:\n    os._exit(3)\n" + NOTHING)
    (first, *_) = check_plugins("checked")
    assert "with 3" in first.problem


def test_an_unknown_plugin():
    with pytest.raises(UnknownNameError, match="did you mean conv"):
        list(check_plugins("convv"))
    with pytest.raises(Fault, match="did you mean conv"):
        check_plugin("convv")


def test_the_command_has_a_line_for_each_and_fails(install, capsys, monkeypatch):
    install(MODEL + SOUND.replace("toy-mnist", "my-model"))
    result = CliRunner().invoke(command, ["--check", "checked"])
    assert isinstance(result.exception, PluginError) and result.exception.exit_code == 7
    lines = result.stdout.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["import", "encoder other", "model my-model"]
    assert [": FAULT: " in line for line in lines] == [False, False, True]
    monkeypatch.setattr(sys, "argv", ["drawzoo", "plugins", "--check", "checked", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 7
    rows = json.loads(capsys.readouterr().out)
    assert [bool(row["problem"]) for row in rows] == [False, False, True]


def test_the_plugins_of_this_repository_are_sound():
    assert not [f for f in check_plugins("drawzoo") if f.problem]


class Made(Dataset):
    """A data set of given images."""

    splits = ("train", "test")
    support = Support.AFRESH

    def __init__(self, train, test=None):
        self.images = {"train": train, "test": test or train}

    def load(self, root, split, *, download):
        return self.images[split]


PIXELS = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)
GREY = Images(PIXELS, None, binarize=True)
LABELS = torch.arange(5)


class Lost(Made):
    def load(self, root, split, *, download):
        return (root / "images").read_bytes()


class Random(Made):
    def load(self, root, split, *, download):
        return Images(torch.randint_like(PIXELS, 255), None, binarize=True)


class Seeds(Made):
    def load(self, root, split, *, download):
        torch.manual_seed(0)
        return GREY


class Writes(Made):
    def load(self, root, split, *, download):
        (root / "cache").write_text(split)
        return GREY


class NoSplits(Made):
    splits = ["train"]  # noqa: RUF012


class NoSupport(Made):
    support = "binary"


class Binary(Made):
    support = Support.BINARY


class Bare:
    splits = ("train",)


class Dice(Images):
    def batch(self, index, generator=None):
        return torch.rand(len(index), 1, 4, 4)


class Flipped(Images):
    def batch(self, index, generator=None):
        x = super().batch(index, generator)
        flip = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
        return torch.where(flip, x.flip(3), x)


class LabelsInAnyOrder(Made):
    def load(self, root, split, *, download):
        return GREY._replace(labels=LABELS[torch.randperm(len(LABELS))])


class AllTheFirst(Images):
    def batch(self, index, generator=None):
        return super().batch(torch.arange(len(index)), generator)


class NotTheLast(Images):
    def batch(self, index, generator=None):
        return super().batch(index.clamp(max=len(self.pixels) - 2), generator)


class Flat(Images):
    def batch(self, index, generator=None):
        return super().batch(index, generator).flatten(1)


class Inverting(Images):
    def batch(self, index, generator=None):
        self.pixels[index] = 255 - self.pixels[index]
        return super().batch(index, generator)


class Twice(Made):
    splits = ("train", "train")


def test_sound_datasets_pass():
    check_dataset(SYNTHETIC)
    check_dataset(Made(GREY, Images(PIXELS + 100, None, binarize=True)))
    check_dataset(Made(Flipped(PIXELS, LABELS, binarize=True), GREY._replace(pixels=PIXELS + 100)))


@pytest.mark.parametrize(
    ("dataset", "fault"),
    [
        (Made, "is a class"),
        (Bare(), "is no drawzoo.Dataset"),
        (NoSupport(GREY), "does not say what a pixel may be"),
        (Binary(GREY), "is binarised otherwise than it says in its split 'train'"),
        (NoSplits(GREY), "does not name its splits"),
        (Lost(GREY), "fails in its split 'train': FileNotFoundError"),
        (Random(GREY), "gives other images each time"),
        (Seeds(GREY), "seeds torch's random numbers when it is loaded"),
        (Writes(GREY), "writes into the folder of data"),
        (Made(GREY, GREY), "has the same images in its splits"),
        (Made(PIXELS), "gives no Images"),
        (Made(Images(PIXELS.float(), None, binarize=True)), "not uint8"),
        (Made(Images(PIXELS, torch.zeros(5), binarize=True)), "labels that are not int64"),
        (Made(Images(PIXELS, torch.full((len(PIXELS),), -1), binarize=True)), "labels below 0"),
        (Made(GREY, Images(PIXELS[:, :, :3], None, binarize=True)), "splits of different shapes"),
        (LabelsInAnyOrder(GREY), "gives other labels each time"),
        (Binary(Images(PIXELS + 9, None, binarize=False)), "not binary in its split 'train'"),
        (Made(Images(PIXELS + 1, None, binarize=True)), "all but black in its split 'train'"),
        (Made(AllTheFirst(PIXELS, None, binarize=True)), "other images in a batch"),
        (Made(NotTheLast(PIXELS, None, binarize=True)), "other images in a batch"),
        (Made(Flat(PIXELS, None, binarize=True)), "batches of the shape [5, 16], expected [5, 1,"),
        (Made(Inverting(PIXELS.clone(), None, binarize=True)), "changes its pixels"),
        (Twice(GREY), "does not name its splits"),
        (Made(Dice(PIXELS, None, binarize=True)), "random numbers that are not the generator's"),
    ],
)
def test_a_fault_of_a_dataset_is_named(dataset, fault):
    with pytest.raises(Fault) as caught:
        check_dataset(dataset)
    assert fault in str(caught.value).splitlines()[0]


def test_models(tiny):
    check_model("draw-t1-mnist")
    check_model(tiny())
    with pytest.raises(Fault, match="cannot be built: UnknownNameError"):
        check_model("draw-nothing")


def test_a_bad_registration_costs_its_own_row_alone(install, caplog):
    install(MODEL + SOUND + '        register("toy mnist", MODEL)\n')
    (plugin,) = (p for p in installed().plugins if p.name == "checked_entry")
    assert plugin.error is None and plugin.gives == {"encoder": ["other"], "model": ["toy-mnist"]}
    assert "left out: model name 'toy mnist'" in caplog.text
    result = CliRunner().invoke(command, ["--json"])
    assert any("'toy mnist'" in problem for problem in json.loads(result.stdout)["problems"])
