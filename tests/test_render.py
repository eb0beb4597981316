"""Pictures: their size, their bytes, and where the windows are."""

import io

import pytest
import torch
from PIL import Image, ImageSequence
from rich.console import Console

from drawzoo import Drawing, Window
from drawzoo.errors import ConfigError
from drawzoo.render.animation import GAP, LINE, READ_COLOUR, SIDE, WRITE_COLOUR, Panel, film, gif
from drawzoo.render.grid import PADDING, columns, grid, png, roomy_scale
from drawzoo.render.terminal import show

SCALE = 3
LEFT, TOP = GAP + PADDING, GAP + LINE + PADDING
"""Where the first image of an animation without a title begins."""


def window(gx, gy, *, stride=3.0, variance=1.0, size=3):
    gx, gy = torch.tensor(gx), torch.tensor(gy)
    one = torch.ones_like(gx)
    return Window(gx, gy, stride * one, variance * one, one, size)


def drawing(images, reads=None, writes=None):
    return Drawing(torch.logit(images, eps=1e-6), images, reads, writes)


def frames(raw):
    with Image.open(io.BytesIO(raw)) as picture:
        return [
            (frame.convert("RGB"), frame.info["duration"])
            for frame in ImageSequence.Iterator(picture)
        ]


def where(picture, colour, tolerance=0):
    """The pixels of a colour: their number and their box (left, top, right, bottom)."""
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    pixels = pixels.view(picture.height, picture.width, 3).int()
    match = ((pixels - torch.tensor(colour)).abs() <= tolerance).all(dim=2)
    y, x = match.nonzero(as_tuple=True)
    box = (x.min(), y.min(), x.max(), y.max()) if len(x) else ()
    return len(x), tuple(int(edge) for edge in box)


class TestGrid:
    @pytest.mark.parametrize(
        "num, across, down", [(1, 1, 1), (2, 2, 1), (5, 3, 2), (9, 3, 3), (64, 8, 8)]
    )
    @pytest.mark.parametrize("channels, height, width, scale", [(1, 6, 5, 1), (3, 4, 7, 3)])
    def test_size(self, num, across, down, channels, height, width, scale):
        picture = grid(torch.rand(num, channels, height, width), scale)
        assert columns(num) == across
        assert picture.width == across * (width * scale + PADDING) + PADDING
        assert picture.height == down * (height * scale + PADDING) + PADDING
        assert picture.mode == ("L" if channels == 1 else "RGB")

    def test_images_are_in_reading_order_with_hard_edges(self):
        images = torch.tensor([0.0, 0.2, 0.4, 1.0]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
        picture = grid(images, 2)
        # 4 pixels an image; grey between them.
        first, second = PADDING, 2 * PADDING + 4
        for at, grey in [
            ((first, first), 0),
            ((second, first), 51),
            ((first, second), 102),
            ((second + 3, second + 3), 255),
            ((0, 0), 128),
            ((second - 1, first), 128),
        ]:
            assert picture.getpixel(at) == grey

    def test_colours_stay(self):
        image = torch.tensor([1.0, 0.0, 0.4]).view(1, 3, 1, 1)
        assert grid(image).getpixel((PADDING, PADDING)) == (255, 0, 102)

    @pytest.mark.parametrize("channels", [2, 4])
    def test_other_numbers_of_channels_are_refused(self, channels):
        with pytest.raises(ConfigError, match=f"{channels} channels"):
            grid(torch.rand(1, channels, 3, 3))

    @pytest.mark.parametrize("num", [1, 16, 64, 10_000])
    def test_roomy_scale_is_as_large_as_fits(self, num):
        images = torch.zeros(num, 1, 28, 28)
        scale = roomy_scale(images)
        assert scale == 1 or columns(num) * 28 * scale <= 800
        assert scale == 8 or columns(num) * 28 * (scale + 1) > 800

    def test_png_is_the_same_each_time_and_loses_nothing(self):
        images = torch.rand(5, 1, 6, 5)
        raw = png(grid(images, 2))
        assert raw == png(grid(images.clone(), 2))
        assert raw != png(grid(1 - images, 2))
        with Image.open(io.BytesIO(raw)) as picture:
            assert picture.format == "PNG"
            assert picture.tobytes() == grid(images, 2).tobytes()


class TestGif:
    def test_a_frame_for_each_step_and_the_finished_drawing(self):
        images = torch.linspace(0, 1, 4).view(4, 1, 1, 1, 1).expand(4, 2, 1, 12, 12)
        writes = [window([3.0 + t, 9.0], [6.0, 6.0]) for t in range(4)]
        result = frames(gif(drawing(images, None, writes), SCALE))
        assert len(result) == 5
        durations = [duration for _, duration in result]
        assert len(set(durations[:-1])) == 1 and durations[-1] > durations[0] > 0
        width, height = grid(images[0], SCALE).size
        assert {frame.size for frame, _ in result} == {(width + 2 * GAP, height + LINE + 2 * GAP)}
        for t, (frame, _) in enumerate(result[:-1]):
            assert where(frame, WRITE_COLOUR)[0]
            inside = frame.getpixel((LEFT + 1, TOP + 1))
            assert inside == pytest.approx([255 * t / 3] * 3, abs=4)
        assert not where(result[-1][0], WRITE_COLOUR)[0]

    def test_endless_and_the_same_each_time(self):
        images = torch.rand(3, 2, 1, 9, 9)
        writes = [window([3.0, 5.0], [4.0, 4.0])] * 3
        raw = gif(drawing(images, writes, writes), SCALE)
        assert raw == gif(drawing(images.clone(), writes, writes), SCALE)
        with Image.open(io.BytesIO(raw)) as picture:
            assert picture.info["loop"] == 0

    @pytest.mark.parametrize("channels, tolerance", [(1, 0), (3, 25)])
    def test_windows_are_where_they_are(self, channels, tolerance):
        images = torch.zeros(1, 1, channels, 30, 40)
        # From the middle of the filters at 17, 20, 23 (numbered from 1) one σ further: the
        # square of pixel 20, which is from 19 to 20, and 3 + 2 around its centre.
        read = window([20.0], [12.0], stride=3.0, variance=4.0)
        write = window([31.0], [20.0], stride=2.0, variance=1.0)
        frame, _ = frames(gif(drawing(images, [read], [write]), SCALE))[0]
        for colour, (x, y), half in [
            (READ_COLOUR, (19.5, 11.5), 5),
            (WRITE_COLOUR, (30.5, 19.5), 3),
        ]:
            count, box = where(frame, colour, tolerance)
            corners = ((LEFT, x - half), (TOP, y - half), (LEFT, x + half), (TOP, y + half))
            expected = [start + SCALE * edge for start, edge in corners]
            assert box == pytest.approx(expected, abs=1)
            # An outline, nothing inside.
            width, height = box[2] - box[0] + 1, box[3] - box[1] + 1
            assert count == pytest.approx(2 * (width + height) - 4, abs=2)

    def test_reads_are_blue_and_writes_are_red(self):
        red, green, blue = READ_COLOUR
        assert blue > max(red, green)
        red, green, blue = WRITE_COLOUR
        assert red > max(green, blue)

    @pytest.mark.parametrize(
        "gx, gy", [(1.0, 1.0), (12.0, 12.0), (-50.0, 6.0), (6.0, 80.0), (1e9, -1e9)]
    )
    def test_windows_stay_in_their_own_image(self, gx, gy):
        images = torch.zeros(1, 4, 1, 12, 12)
        # The first image's window is elsewhere, those of the others are in their middle.
        others = window([gx, 6.5, 6.5, 6.5], [gy, 6.5, 6.5, 6.5], stride=2.0, variance=1.0)
        frame, _ = frames(gif(drawing(images, None, [others]), SCALE))[0]
        side = 12 * SCALE
        # Each image with half of the space around it.
        cells = [
            frame.crop((x, y, x + side + PADDING, y + side + PADDING))
            for y in (TOP - PADDING // 2, TOP + side + PADDING // 2)
            for x in (LEFT - PADDING // 2, LEFT + side + PADDING // 2)
        ]
        assert where(cells[0], WRITE_COLOUR)[0] > 0
        assert cells[1].tobytes() == cells[2].tobytes() == cells[3].tobytes()

    @pytest.mark.parametrize("variance, stride", [(1e30, 1.0), (1.0, 1e30)])
    def test_windows_of_any_width(self, variance, stride):
        images = torch.zeros(1, 1, 1, 12, 12)
        huge = window([6.0], [6.0], stride=stride, variance=variance)
        frame, _ = frames(gif(drawing(images, None, [huge]), SCALE))[0]
        last = 12 * SCALE - 1
        assert where(frame, WRITE_COLOUR)[1] == (LEFT, TOP, LEFT + last, TOP + last)

    def test_without_windows(self):
        images = torch.linspace(0, 1, 3).view(3, 1, 1, 1, 1).expand(3, 2, 3, 6, 6)
        result = frames(gif(drawing(images), SCALE))
        assert len(result) >= 3
        assert all(not where(frame, WRITE_COLOUR, 25)[0] for frame, _ in result)

    @pytest.mark.parametrize("channels, tolerance", [(1, 4), (3, 25)])
    @pytest.mark.parametrize("height, width", [(28, 28), (9, 40), (40, 9)])
    @pytest.mark.parametrize("num", [1, 3])
    def test_is_large_with_the_input_beside(self, channels, tolerance, height, width, num):
        images = torch.zeros(2, num, channels, height, width)
        (alone, _), *_ = frames(gif(drawing(images)))
        assert alone.width >= SIDE and max(alone.size) < 3 * SIDE
        # The pictures themselves are: what is black.
        _, (left, top, right, bottom) = where(alone, (0, 0, 0), tolerance)
        assert max(right - left, bottom - top) >= SIDE - 2
        (both, _), *_ = frames(gif(drawing(images), inputs=torch.ones_like(images[0])))
        assert both.size == (2 * alone.width - GAP, alone.height)
        count, inputs = where(both, (255, 255, 255), tolerance)
        assert inputs[2] > alone.width and count > num * (right - left) * (bottom - top) / 5
        assert where(both, (0, 0, 0), tolerance)[1] == (left, top, right, bottom)

    def text(self, frame, lines):
        """The light pixels of the text above the pictures."""
        return where(frame.crop((0, 0, frame.width, GAP + lines * LINE)), (255, 255, 255), 60)

    def test_says_the_step_and_the_name(self):
        images = torch.zeros(2, 1, 1, 28, 28)
        (first, _), (second, _) = frames(gif(drawing(images)))
        assert self.text(first, 1)[0] > 100
        assert first.tobytes() != second.tobytes()
        (named, _), *_ = frames(gif(drawing(images), title="draw-mnist"))
        assert named.size == (first.width, first.height + LINE)
        below = named.crop((0, LINE, *named.size))
        assert (
            below.crop((0, GAP, *below.size)).tobytes()
            == first.crop((0, GAP, *first.size)).tobytes()
        )
        assert self.text(named, 1)[0] > 100
        (longer, _), *_ = frames(gif(drawing(images), title="hf-hub:user/" + "name" * 12))
        assert longer.size == named.size
        _, (left, _, right, _) = self.text(longer, 1)
        assert left >= GAP and SIDE - 40 < right < longer.width

    def test_drawings_side_by_side_wait_for_each_other(self):
        short = torch.full((1, 1, 1, 12, 12), 0.5)
        long = torch.linspace(0, 1, 3).view(3, 1, 1, 1, 1).expand(3, 1, 1, 20, 10)
        windows = [window([6.0], [6.0])]
        panels = [Panel(drawing(short, None, windows), "one"), Panel(drawing(long), "three")]
        result = [frame for frame, _ in frames(film(panels, SCALE))]
        assert len(result) == 3  # the finished one is as the third
        assert [where(frame, WRITE_COLOUR)[0] > 0 for frame in result] == [True, False, False]
        one, three = (grid(images[0], SCALE) for images in (short, long))
        room = 2 * GAP + max(one.width, three.width)
        assert result[0].size == (2 * room, LINE + GAP + LINE + three.height + GAP)
        for step, frame in enumerate(result):
            left, right = ((LEFT + x + 2, TOP + LINE + 2) for x in (0, room))
            assert frame.getpixel(left) == pytest.approx([128] * 3, abs=4)
            assert frame.getpixel(right) == pytest.approx([255 * step / 2] * 3, abs=4)

    def test_many_stand_in_rows(self):
        panels = [Panel(drawing(torch.full((1, 1, 1, 9, 9), i / 4))) for i in range(5)]
        (frame, _), *_ = frames(film(panels, SCALE))
        width, height = frames(film(panels[:1], SCALE))[0][0].size
        assert frame.size == (3 * width, 2 * height)
        for number in range(5):
            row, column = divmod(number, 3)
            at = (column * width + LEFT + 2, row * height + TOP + 2)
            assert frame.getpixel(at) == pytest.approx([255 * number / 4] * 3, abs=4)

    def test_grey_beside_colours(self):
        red = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 8, 8)
        panels = [Panel(drawing(torch.ones(1, 1, 1, 8, 8))), Panel(drawing(red))]
        (frame, _), *_ = frames(film(panels))
        assert frame.getpixel((LEFT + 9, TOP + 9)) == pytest.approx([255] * 3, abs=8)
        assert frame.getpixel((frame.width - 40, TOP + 40)) == pytest.approx([255, 0, 0], abs=8)

    def test_of_a_model(self, double):
        images = double(steps=3).draw(5)
        assert len(frames(gif(images))) == 4

    def test_the_pictures_of_a_long_animation_are_smaller(self, monkeypatch):
        monkeypatch.setattr("drawzoo.render.animation.LONG", 20)
        few, many = (frames(gif(drawing(torch.rand(steps, 1, 1, 7, 7)))) for steps in (10, 80))
        assert len(many) >= 80
        # A quarter of the pixels, beside what stands around the pictures.
        assert many[0][0].width - 2 * GAP < 0.6 * few[0][0].width


class TestTerminal:
    def text(self, picture, *, width=80, colours):
        file = io.StringIO()
        options = {"force_terminal": True, "color_system": "truecolor"} if colours else {}
        show(picture, Console(file=file, width=width, **options))
        return file.getvalue()

    def test_two_pixels_a_character_in_colour(self):
        picture = Image.new("RGB", (2, 3), (0, 0, 0))
        picture.putpixel((0, 0), (255, 0, 0))
        picture.putpixel((0, 1), (0, 0, 255))
        text = self.text(picture, colours=True)
        assert text.count("▀") == 4 and text.count("\n") == 2
        assert "38;2;255;0;0" in text and "48;2;0;0;255" in text

    def test_shades_in_a_terminal_without_colours(self, monkeypatch):
        monkeypatch.setenv("NO_COLOR", "1")
        picture = Image.new("L", (3, 2), 0)
        picture.putpixel((1, 0), 255)
        picture.putpixel((2, 0), 255)
        picture.putpixel((2, 1), 255)
        assert self.text(picture, colours=True) == " ▒█\n"

    def test_shades_without_colours(self):
        picture = Image.new("L", (3, 2), 0)
        for y in (0, 1):
            picture.putpixel((1, y), 128)
            picture.putpixel((2, y), 255)
        text = self.text(picture, colours=False)
        assert "\x1b" not in text
        assert text == " ▒█\n"

    @pytest.mark.parametrize("colours", [False, True])
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_wide_pictures_are_made_smaller(self, colours, mode):
        text = self.text(Image.new(mode, (200, 100), "white"), width=40, colours=colours)
        assert text.count("\n") == 10
        assert text.count("▀" if colours else "█") == 400
