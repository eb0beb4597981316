"""What lossless coders need of images, beside models' bounds on them."""

import io
import json
import math

import json_page
import numpy as np
import pytest
import torch
from drawzoo_bench.coders import CODERS, code
from PIL import Image

import drawzoo
from drawzoo.data.images import Images
from drawzoo.engine.saving import write_model
from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override

SMALL = {"steps": 2, "encoder.units": 4, "decoder.units": 4, "latent.size": 2}


def images(pixels):
    return Images(torch.as_tensor(pixels, dtype=torch.uint8), None, binarize=False)


def noise(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_cannot_be_coded_and_a_flat_image_is_nearly_free(channels):
    for coded in code(images(noise(2, channels, 64, 48))):
        assert 8 <= coded.bits_per_dimension < 8.5
    for coded in code(images(torch.full((2, channels, 64, 48), 7))):
        assert 0 < coded.bits_per_dimension < 0.4
        assert coded.stderr == 0


def test_each_file_is_of_its_own_image_and_no_pixel_is_lost():
    """The mean and its error are of the images' files, and what is in them is the image."""
    flat, loud = torch.full((1, 3, 16, 20), 7), noise(1, 3, 16, 20)
    both, *one = (code(images(torch.cat(x))) for x in ([flat, loud], [flat], [loud]))
    for together, a, b in zip(both, *one, strict=True):
        low, high = a.bits_per_dimension, b.bits_per_dimension
        assert together.bits_per_dimension == pytest.approx((low + high) / 2)
        assert together.stderr == pytest.approx((high - low) / 2 / math.sqrt(2))
    pixels = loud[0].permute(1, 2, 0).numpy().astype(np.uint8)
    for (_, settings), coded in zip(CODERS.items(), one[1], strict=True):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, **settings)
        assert coded.bits_per_dimension == pytest.approx(8 * file.tell() / pixels.size)
        assert (np.asarray(Image.open(file).convert("RGB")) == pixels).all()


def test_binarised_images_and_strange_channels_are_refused():
    grey = images(noise(1, 1, 8, 8))._replace(binarize=True)
    with pytest.raises(drawzoo.ConfigError, match="256 levels"):
        code(grey)
    with pytest.raises(drawzoo.ConfigError, match="2 channels"):
        code(images(noise(1, 2, 8, 8)))


@pytest.fixture
def photos(tmp_path):
    """A folder of images, of which about one in ten is of the test split."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, pixels in enumerate(np.random.RandomState(0).randint(256, size=(40, 9, 12, 3))):
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def test_models_stand_beside_coders(run, tmp_path, photos):
    """A model that knows nothing needs about 8 bits, whatever the images are."""
    config = override(model_config("draw-folder"), SMALL | {"image": [3, 16, 16]})
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", config, build(config).state_dict())
    model = f"local-dir:{tmp_path / 'model'}"
    command = ("bench", "coders", "folder", model, "--data", f"folder:{photos}", "--json")
    code, out, err = run(*command)
    assert code == 0, err
    found = json.loads("\n".join(out))
    json_page.check("bench coders", found)
    assert [row["coder"] for row in found["coders"]] == [*CODERS, model]
    assert found["images"] >= 1 and found["split"] == "test"
    assert 7 < found["coders"][-1]["bits_per_dimension"] < 10
    code, out, _ = run(*command[:-1])
    assert code == 0 and out[0].split() == ["coder", "bits", "per", "dimension"]
    assert len(out) == 1 + len(CODERS) + 1


def test_a_model_without_bits_is_refused_before_anything_is_coded(run):
    code, _, err = run("bench", "coders", "svhn-10k", "draw-t1-mnist")
    assert code == 3
    assert "draw-t1-mnist has no bits per dimension" in err
