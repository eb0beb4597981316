"""What a stranger's component or dataset may do, and how its mistakes are told."""

import pytest
import torch
from torch import nn

import drawzoo
from drawzoo.cli.list import describe
from drawzoo.data.images import Images, load_dataset
from drawzoo.errors import ConfigError, DataError, PluginError, WeightsError
from drawzoo.registry.build import model_config
from drawzoo.registry.loader import installed
from drawzoo.registry.registry import Entry
from drawzoo.schema.base import override
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store import published
from drawzoo.store.weights import WEIGHTS, read_model
from drawzoo.training.loop import Trainer


@pytest.fixture
def register():
    """Adds a thing to the registry for one test."""
    installed.cache_clear()

    def register(kind, name, target, config=None):
        entry = Entry(kind, name, target, "", "stranger", "stranger", config)
        installed().registry.add([entry])

    yield register
    installed.cache_clear()


class Reader(drawzoo.Reader):
    """A sound reader with a buffer of whole numbers, and with dropout."""

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = 4
        channels, height, width = sizes.image
        linear = nn.Linear(channels * height * width, 4)
        self.layers = nn.Sequential(nn.Flatten(), linear, nn.BatchNorm1d(4), nn.Dropout(0.5))

    def forward(self, x, error, h_dec):
        return self.layers(error), None


class NoFeatures(Reader):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        del self.out_features


class Raises(Reader):
    def forward(self, x, error, h_dec):
        raise ValueError("boom")


class Wide(Reader):
    def forward(self, x, error, h_dec):
        return torch.zeros(len(x), 7), None


class Forgets(Reader):
    """Random numbers that are no weights: another instance draws others."""

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.scale = torch.rand(4)

    def forward(self, x, error, h_dec):
        return self.scale * super().forward(x, error, h_dec)[0], None


class NoJSON(Reader):
    class Config(drawzoo.Config, frozen=True):
        dtype: torch.dtype = torch.float32


class Writer(drawzoo.Writer):
    def forward(self, h_dec):
        return h_dec[:, :1, None, None], None


class CropConfig(drawzoo.Config, frozen=True):
    crop: drawzoo.Size = 2000


class Crop(Reader):
    """A setting that is a size, and no side of any tensor."""

    Config = CropConfig


def trainer(tiny, folder, steps=6, **names):
    config = tiny(image=(1, 28, 28))
    for kind, name in names.items():
        config = override(config, {f"{kind}.name": name})
    folder.mkdir(exist_ok=True)
    images = load_dataset("synthetic", "train", folder, download=False)
    training = TrainingConfig(max_steps=steps, batch_size=8)
    return RunConfig(config, training), images


def test_counters_and_dropout_resume_exactly_and_load(tiny, tmp_path, register):
    from drawzoo.training.checkpoint import read_checkpoint

    register("reader", "mine", Reader)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    config, images = trainer(tiny, whole, reader="mine")
    Trainer(config, images, whole).run()
    config, images = trainer(tiny, halves, reader="mine")
    first = Trainer(config, images, halves)
    first.run(stop=lambda: first.step == 3)
    torch.rand(5)
    Trainer(config, images, halves, read_checkpoint(halves)).run()
    assert (whole / WEIGHTS).read_bytes() == (halves / WEIGHTS).read_bytes()
    assert read_model(whole).reader.layers[2].num_batches_tracked > 0


def test_a_size_that_no_tensor_has_is_sound(tiny, tmp_path, register):
    register("reader", "mine", Crop, f"{__name__}:CropConfig")
    config, images = trainer(tiny, tmp_path, reader="mine")
    Trainer(config, images, tmp_path).run()
    assert drawzoo.load(f"local-dir:{tmp_path}").config.reader.config == {"crop": 2000}


@pytest.mark.parametrize(
    ("kind", "component", "reason"),
    [
        ("reader", NoFeatures, "out_features"),
        ("reader", Raises, "boom"),
        ("reader", Wide, r"reader stranger:mine gives the shape \[3, 7\], expected \[3, 4\]"),
        ("writer", Writer, r"gives the shape \[3, 1, 1, 1\], expected \[3, 1, 28, 28\]"),
        ("reader", Forgets, r"does not survive saving: .* for scale is not saved"),
        ("reader", NoJSON, r"stranger:mine: the field 'dtype' of NoJSON.Config .* JSON"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tiny, tmp_path, register, kind, component, reason
):
    register(kind, "mine", component)
    config, images = trainer(tiny, tmp_path / "run", **{kind: "mine"})
    with pytest.raises(PluginError, match=reason):
        Trainer(config, images, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_model_is_registered_under_its_own_name(tiny, register):
    register("model", "other-mnist", tiny())
    with pytest.raises(PluginError, match=r"stranger:other-mnist calls itself "):
        model_config("other-mnist")


def test_settings_registered_are_those_of_the_component(tiny, register):
    register("reader", "stranger", Reader, "drawzoo_draw.settings:AttentionConfig")
    with pytest.raises(PluginError, match=r"AttentionConfig, and Reader.Config is another class"):
        drawzoo.build(override(tiny(), {"reader.name": "stranger"}))


@pytest.mark.parametrize(
    "images",
    [
        Images(torch.rand(5, 1, 4, 4), None, binarize=False),
        Images(torch.zeros(5, 4, 4, dtype=torch.uint8), None, binarize=False),
        Images(torch.zeros(0, 1, 4, 4, dtype=torch.uint8), None, binarize=False),
        Images(torch.zeros(5, 1, 4, 4, dtype=torch.uint8), torch.zeros(4), binarize=False),
        torch.zeros(5, 1, 4, 4, dtype=torch.uint8),
    ],
    ids=["floats", "no channels", "empty", "labels", "no Images"],
)
def test_datasets_are_checked(tmp_path, register, images):
    class Mine(drawzoo.Dataset):
        splits = ("train",)
        support = drawzoo.Support.LEVELS

        def load(self, root, split, *, download):
            return images

    register("dataset", "mine", Mine())
    with pytest.raises(DataError, match="mine gives"):
        load_dataset("mine", "train", tmp_path)


def test_a_model_of_another_distribution_never_gets_our_weights(tiny, register):
    register("model", "draw-mnist", override(tiny(), {"variant": "draw"}))
    with pytest.raises(WeightsError, match="no published weights"):
        drawzoo.load("stranger:draw-mnist")
    assert drawzoo.load("drawzoo:draw-mnist").config.steps == 10
    known = published.manifest()
    ours, theirs = (
        describe(entry, known.get(published.name_of(entry)))
        for entry in installed().registry.entries("model")
        if entry.name == "draw-mnist"
    )
    assert (ours["plugin"], theirs["plugin"]) == ("drawzoo", "stranger")
    assert ours["bound_nats"] and theirs["bound_nats"] is theirs["source"] is None


def test_training_on_grey_under_bernoulli_is_refused(tiny, tmp_path):
    config, images = trainer(tiny, tmp_path)
    grey = images._replace(binarize=False, pixels=torch.full_like(images.pixels, 100))
    with pytest.raises(ConfigError, match="neither 0 nor 1"):
        Trainer(config, grey, tmp_path)
    assert not list(tmp_path.iterdir())
