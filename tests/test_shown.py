"""Models, drawings and images in notebooks and scripts."""

import base64
import io
import re

import pytest
import torch
from PIL import Image

import drawzoo
from drawzoo.errors import ConfigError, OutputError


@pytest.fixture(scope="module")
def model():
    return drawzoo.load("draw-mnist")


@pytest.fixture(scope="module")
def drawing(model):
    return model.draw(2, generator=torch.Generator().manual_seed(0))


def opened(data):
    return Image.open(io.BytesIO(data))


def inside(text):
    kind, data = re.search(r"data:image/(\w+);base64,([^\"]+)", text).groups()
    return kind, opened(base64.b64decode(data))


def test_a_saved_model_is_loaded_again(model, tmp_path):
    model.save(tmp_path / "new" / "folder")
    again = drawzoo.load(f"local-dir:{tmp_path / 'new' / 'folder'}")
    x = torch.zeros(1, 1, 28, 28)
    bounds = [
        one.bound(x, generator=torch.Generator().manual_seed(0)).nats for one in (model, again)
    ]
    assert again.config == model.config and bounds[0].equal(bounds[1])


def test_a_model_that_cannot_be_saved(model, tmp_path):
    parts = ("reader", "encoder", "latent", "decoder", "writer", "likelihood")
    loose = drawzoo.Draw(*(getattr(model, part) for part in parts))
    with pytest.raises(ConfigError, match="register the components"):
        loose.save(tmp_path / "loose")
    assert not (tmp_path / "loose").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        model.save(tmp_path / "file")


def test_a_model_shows_the_same_samples_and_moves_no_random_number(model):
    state = torch.get_rng_state()
    data = model._repr_png_()
    assert data == model._repr_png_() and torch.get_rng_state().equal(state)
    kind, picture = inside(model._repr_html_())
    assert kind == "png" and picture.size == opened(data).size
    assert "draw-mnist" in model._repr_html_()
    with torch.device("meta"):
        empty = drawzoo.build(model.config)
    assert empty._repr_png_() is None and "draw-mnist" in empty._repr_html_()


def test_a_drawing_shows_its_course_and_is_saved(drawing, tmp_path):
    kind, animation = inside(drawing._repr_html_())
    assert kind == "gif" and animation.n_frames == len(drawing.images) + 1
    assert opened(drawing._repr_png_()).format == "PNG"
    drawing.save(tmp_path / "a.gif")
    assert opened((tmp_path / "a.gif").read_bytes()).n_frames == animation.n_frames
    drawing.save(str(tmp_path / "a.png"), scale=1)
    assert opened((tmp_path / "a.png").read_bytes()).size == (2 * 30 + 2, 32)
    with pytest.raises(OutputError, match="gif or .png"):
        drawing.save(tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="no folder"):
        drawing.save(tmp_path / "none" / "a.gif")


def test_what_is_no_picture_is_shown_as_text(drawing):
    strange = drawing._replace(images=drawing.images.expand(-1, -1, 2, -1, -1))
    assert strange._repr_png_() is None and strange._repr_html_() is None


def test_images_are_shown(tmp_path):
    images = drawzoo.load_dataset("synthetic", "test", tmp_path)
    assert opened(images._repr_png_()).format == "PNG"
