"""The user's image files: what the transforms promise, and what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from drawzoo.data.images import load_dataset
from drawzoo.data.pictures import FORMATS, MAX_PIXELS, TRANSFORMS, fit, read_images
from drawzoo.errors import ConfigError, DataError

CANVAS = (1, 28, 28)


@pytest.fixture
def save(tmp_path):
    """Writes pixels as an image file."""

    def write(pixels, name="figure.png", **options):
        picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def hook(height=60, width=50, top=10, left=12, ink=255, paper=0):
    """A figure without symmetry: a thick stroke down, with a foot to the right."""
    pixels = np.full((height, width), paper, dtype=np.uint8)
    pixels[top : top + 36, left : left + 6] = ink
    pixels[top + 30 : top + 36, left : left + 24] = ink
    return pixels


def strokes(path, shape=CANVAS):
    return fit(path, shape, "strokes")


class TestStrokes:
    @pytest.mark.parametrize("ink, paper", [(255, 0), (0, 255), (40, 220), (130, 20), (60, 110)])
    def test_polarity_and_contrast_do_not_matter(self, save, ink, paper):
        expected = strokes(save(hook()))
        assert torch.equal(strokes(save(hook(ink=ink, paper=paper))), expected)
        assert expected.max() == 255 and expected.min() == 0

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "P", "LA", "RGBA"])
    def test_nor_does_the_mode(self, save, mode):
        picture = Image.fromarray(hook(ink=0, paper=255)).convert(mode)
        name = "figure.tiff" if mode == "CMYK" else "figure.png"
        assert torch.equal(strokes(save(picture, name)), strokes(save(hook())))

    def test_sixteen_bits_are_scaled_not_cut_off(self, save):
        pixels = hook().astype(np.uint16) * 257 // 2 + 1_000
        assert torch.equal(strokes(save(pixels)), strokes(save(hook())))

    def test_one_bit(self, save):
        assert torch.equal(strokes(save(Image.fromarray(hook() > 0))), strokes(save(hook())))

    @pytest.mark.parametrize("top, left, height, width", [(1, 1, 60, 50), (20, 22, 100, 47)])
    def test_place_and_margin_do_not_matter(self, save, top, left, height, width):
        moved = hook(height, width, top, left)
        assert torch.equal(strokes(save(moved)), strokes(save(hook())))

    @pytest.mark.parametrize("factor", [2, 5])
    def test_nor_does_the_size_to_a_grey_level_at_the_edges(self, save, factor):
        large = hook().repeat(factor, axis=0).repeat(factor, axis=1)
        difference = strokes(save(large)).float() - strokes(save(hook())).float()
        assert difference.abs().mean() < 6

    @pytest.mark.parametrize("shape", [(1, 28, 28), (1, 40, 24), (1, 10, 33), (1, 4, 4)], ids=str)
    def test_the_figure_fills_its_box_and_keeps_its_aspect_ratio(self, save, shape):
        pixels = strokes(save(hook()), shape)
        assert pixels.shape == shape and pixels.dtype == torch.uint8
        rows, columns = (pixels[0].amax(dim=1 - axis).nonzero() for axis in (0, 1))
        height, width = (int(at[-1] - at[0]) + 1 for at in (rows, columns))
        # The figure is 36 by 24.
        assert height <= 20 / 28 * shape[1] + 0.5 and width <= 20 / 28 * shape[2] + 0.5
        assert max(height - 20 / 28 * shape[1], width - 20 / 28 * shape[2]) > -1
        assert height / 36 == pytest.approx(width / 24, abs=1 / 24)

    def test_the_centre_of_mass_is_in_the_middle(self, save):
        ink = strokes(save(hook()))[0].double()
        ink /= ink.sum()
        for axis in (0, 1):
            centre = (ink.sum(dim=1 - axis) * torch.arange(28)).sum()
            assert abs(centre - 13.5) <= 0.5

    def test_paper_grain_is_left_out_and_weak_ink_is_not_lost(self, save):
        grain = np.random.default_rng(0).integers(-10, 11, (60, 50))
        page = hook(ink=90, paper=230).astype(int) + grain
        pixels = strokes(save(page.astype(np.uint8))).float()
        clean = strokes(save(hook())).float()
        assert (pixels - clean).abs().mean() < 10
        assert (pixels[clean == 0] == 0).float().mean() > 0.95

    # The ink of a few of them reaches the border.
    @pytest.mark.filterwarnings("ignore:.*touches the border")
    def test_test_images_of_mnist_come_out_nearly_as_they_are(self, save, tmp_path):
        images = load_dataset("mnist-sample", "test", tmp_path).pixels[:30]
        for image in images:
            fitted = strokes(save(255 - image[0].numpy())).float()
            # Their makers rounded otherwise, and their edges are softer than the floor.
            shifts = [
                fitted.roll((dy, dx), (1, 2)) - image for dy in (-1, 0, 1) for dx in (-1, 0, 1)
            ]
            assert min(shift.abs().mean() for shift in shifts) < 8

    def test_orientation_is_that_of_exif(self, save):
        picture = Image.fromarray(hook())
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter clockwise when shown
        turned = save(picture.rotate(90, expand=True), "turned.jpg", exif=exif, quality=100)
        upright = save(picture, "upright.jpg", quality=100)
        difference = strokes(turned).float() - strokes(upright).float()
        assert difference.abs().mean() < 3

    @pytest.mark.parametrize("ink", [0, 255])
    def test_a_transparent_ground_is_the_one_the_figure_stands_out_from(self, save, ink):
        alpha = hook()
        pixels = np.stack([np.full_like(alpha, ink)] * 3 + [alpha], axis=2)
        assert torch.equal(strokes(save(pixels)), strokes(save(hook())))

    def test_transparent_corners_get_the_colour_of_the_border(self, save):
        alpha = np.full((60, 50), 255, dtype=np.uint8)
        alpha[:4, :4] = alpha[-4:, -4:] = 0
        page = hook(ink=30, paper=240)
        page[alpha == 0] = 0
        assert torch.equal(strokes(save(np.stack([page, alpha], axis=2))), strokes(save(hook())))

    def test_a_single_pixel_and_a_long_line(self, save):
        dot = np.zeros((9, 9), dtype=np.uint8)
        dot[4, 4] = 255
        assert (strokes(save(dot)) > 0).sum() == 400
        line = np.full((9, 3000), 255, dtype=np.uint8)
        line[4, 4:-4] = 0
        assert (strokes(save(line)) > 0).any(dim=1).sum() == 20


class TestOthers:
    def test_none_takes_pixels_as_they_are(self, save):
        pixels = np.random.default_rng(0).integers(0, 256, (6, 5), dtype=np.uint8)
        assert torch.equal(fit(save(pixels), (1, 6, 5), "none"), torch.from_numpy(pixels)[None])
        colours = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
        expected = torch.from_numpy(colours).permute(2, 0, 1)
        assert torch.equal(fit(save(colours), (3, 6, 5), "none"), expected)

    def test_none_refuses_another_size(self, save):
        with pytest.raises(DataError, match=r"figure\.png is 50×60, the canvas is 28×28"):
            fit(save(hook()), CANVAS, "none")

    def test_photo_covers_the_canvas_with_the_middle(self, save):
        colours = np.zeros((40, 120, 3), dtype=np.uint8)
        colours[:, 30:90] = (200, 100, 50)
        colours[:, :30] = colours[:, 90:] = (0, 0, 255)
        pixels = fit(save(colours), (3, 20, 20), "photo")
        expected = torch.tensor([200, 100, 50], dtype=torch.uint8).view(3, 1, 1)
        assert torch.equal(pixels, expected.expand(3, 20, 20))

    def test_the_transform_goes_by_the_channels(self, save):
        path = save(hook(ink=0, paper=255))
        grey, colours = read_images([path, path], CANVAS), read_images([path], (3, 28, 28))
        assert torch.equal(grey.pixels, strokes(path).expand(2, 1, 28, 28))
        assert torch.equal(colours.pixels[0], fit(path, (3, 28, 28), "photo"))
        assert (grey.binarize, colours.binarize) == (True, False)
        assert grey.labels is None
        with pytest.raises(ConfigError, match="2"):
            read_images([path], (2, 28, 28))
        with pytest.raises(ConfigError, match="photo"):
            read_images([path], (3, 28, 28), "strokes")


def png_of(width, height):
    """A PNG file that claims a size, and has hardly any data."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def cut(raw):
    return raw[: len(raw) // 2]


def good():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


BAD = {
    "empty": (b"", "no image"),
    "text": (b"not an image\n" * 100, "no image"),
    "cut off": (cut(good()), "cannot be read"),
    "one colour": (png_of(28, 28), "one colour"),
    "large": (png_of(10_000, 10_000), "at most"),
    "huge": (png_of(60_000, 60_000), "pixels"),
    "absurd": (png_of(2**31 - 1, 2**31 - 1), "pixels"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n", "no image"),
}


class TestRefused:
    @pytest.mark.parametrize(
        "case, transform",
        # A photo may be of one colour.
        [(c, t) for c in BAD for t in ("strokes", "photo") if (c, t) != ("one colour", "photo")],
    )
    def test_bad_files(self, tmp_path, case, transform):
        raw, reason = BAD[case]
        path = tmp_path / f"{case}.png"
        path.write_bytes(raw)
        with pytest.raises(DataError) as caught:
            fit(path, CANVAS, transform)
        line = str(caught.value)
        assert str(path) in line and reason in line and "\n" not in line

    def test_missing_files_and_folders(self, tmp_path):
        with pytest.raises(DataError, match=r"no file .*missing\.png"):
            fit(tmp_path / "missing.png", CANVAS, "strokes")
        with pytest.raises(DataError, match="is a folder"):
            fit(tmp_path, CANVAS, "strokes")

    def test_a_transparent_page(self, save):
        with pytest.raises(DataError, match="one colour"):
            strokes(save(np.zeros((9, 9, 4), dtype=np.uint8)))

    def test_floating_point(self, save):
        with pytest.raises(DataError, match="floating-point"):
            strokes(save(hook().astype(np.float32), "figure.tiff"))

    def test_the_limit_is_far_from_any_camera_and_from_the_memory(self):
        assert 30_000_000 < MAX_PIXELS < 100_000_000
        assert "EPS" not in FORMATS
        assert set(TRANSFORMS) == {"strokes", "photo", "none"}
