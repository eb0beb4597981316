"""What holds for every window, filterbank, dotted path and split, not only for chosen ones."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from drawzoo import ConfigError, DataError
from drawzoo.data.images import Images
from drawzoo.engine.attention import Window, WindowNet, filterbank, read_patch, write_patch
from drawzoo.engine.world import World
from drawzoo.registry.build import model_config
from drawzoo.schema.base import convert, decode, encode, override, to_dict
from drawzoo.schema.training import TrainingConfig

settings.register_profile("same", derandomize=True, database=None, deadline=None, max_examples=60)
settings.load_profile("same")

EXACT = {"rtol": 1e-9, "atol": 1e-11}


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def noise(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def number(low, high):
    return st.floats(low, high, allow_nan=False, allow_subnormal=False)


side, filters, centre = st.integers(1, 40), st.integers(1, 12), number(-60, 60)
stride, variance = number(0.01, 20), number(1e-3, 400)


SOME = st.integers(1, 3)


@st.composite
def scenes(draw, batches=SOME):
    """A batch of windows, and the image's channels, height and width."""
    batch, size = draw(batches), draw(filters)
    kinds = (centre, centre, stride, variance, number(0.1, 10))
    parts = [tensor(*[draw(kind) for _ in range(batch)]) for kind in kinds]
    return Window(*parts, size), draw(st.integers(1, 3)), draw(side), draw(side)


class TestFilterbank:
    @given(centre, stride, variance, filters, side)
    def test_rows_are_distributions(self, g, delta, sigma2, size, length):
        rows = filterbank(tensor(g), tensor(delta), tensor(sigma2), size, length)
        assert rows.shape == (1, size, length)
        assert (rows >= 0).all()
        torch.testing.assert_close(rows.sum(dim=2), torch.ones_like(rows[..., 0]), **EXACT)

    @given(number(-1e6, 1e6), number(0, 1e6), number(0, 1e12), filters, side)
    @example(1.0, 0.0, 0.0, 1, 1)
    def test_rows_are_distributions_in_the_extremes(self, g, delta, sigma2, size, length):
        """In float32 too, where every exponential of the paper's quotient underflows."""
        parts = (tensor(part).float() for part in (g, delta, sigma2))
        rows = filterbank(*parts, size, length)
        torch.testing.assert_close(rows.sum(dim=2), torch.ones_like(rows[..., 0]))

    @given(centre, stride, variance, filters, side, st.integers(0, 20))
    def test_moves_with_its_centre(self, g, delta, sigma2, size, length, by):
        """The pixels that both axes have differ in the normalisation alone."""
        rows = filterbank(tensor(g), tensor(delta), tensor(sigma2), size, length)
        moved = filterbank(tensor(g + by), tensor(delta), tensor(sigma2), size, length + by)
        share = moved[..., by:].sum(dim=2, keepdim=True)
        assume(bool((share > 1e-200).all()))
        torch.testing.assert_close(moved[..., by:] / share, rows, rtol=1e-7, atol=1e-11)

    @given(centre, stride, variance, filters, side)
    def test_is_symmetric(self, g, delta, sigma2, size, length):
        """A mirrored axis has the filters in the other order."""
        rows = filterbank(tensor(g), tensor(delta), tensor(sigma2), size, length)
        mirrored = filterbank(tensor(length + 1 - g), tensor(delta), tensor(sigma2), size, length)
        torch.testing.assert_close(mirrored.flip(1, 2), rows, rtol=1e-7, atol=1e-11)

    @given(centre, stride, variance, filters, side)
    def test_each_filter_is_a_bank_of_one(self, g, delta, sigma2, size, length):
        """At its own centre, eq. 19."""
        rows = filterbank(tensor(g), tensor(delta), tensor(sigma2), size, length)
        for i in range(size):
            mu = g + (i + 1 - size / 2 - 0.5) * delta
            alone = filterbank(tensor(mu), tensor(delta), tensor(sigma2), 1, length)
            torch.testing.assert_close(alone[:, 0], rows[:, i], rtol=1e-7, atol=1e-11)


class TestWindows:
    @given(scenes())
    def test_constant_images_are_read_as_they_are(self, scene):
        window, channels, height, width = scene
        image = torch.full((len(window.gx), channels, height, width), 0.7, dtype=torch.float64)
        patch = read_patch(image, window)
        expected = (0.7 * window.intensity)[:, None, None, None].expand_as(patch)
        torch.testing.assert_close(patch, expected, **EXACT)

    @given(scenes())
    def test_reading_is_what_the_paper_says(self, scene):
        r"""γ F_Y x F_X^⊤, eq. 27, as a sum over all pixels."""
        window, channels, height, width = scene
        image = noise(len(window.gx), channels, height, width)
        fy = filterbank(window.gy, window.stride, window.variance, window.size, height)
        fx = filterbank(window.gx, window.stride, window.variance, window.size, width)
        expected = torch.einsum("b,bnh,bchw,bmw->bcnm", window.intensity, fy, image, fx)
        torch.testing.assert_close(read_patch(image, window), expected, **EXACT)

    @given(scenes())
    def test_writing_is_adjoint_to_reading(self, scene):
        """But for the intensity, that reading multiplies and writing divides by."""
        window, channels, height, width = scene
        image = noise(len(window.gx), channels, height, width)
        patch = noise(len(window.gx), channels, window.size, window.size) - 0.5
        read, written = read_patch(image, window), write_patch(patch, window, height, width)
        torch.testing.assert_close(
            (read * patch).sum(dim=(1, 2, 3)) / window.intensity,
            (image * written).sum(dim=(1, 2, 3)) * window.intensity,
            **EXACT,
        )

    @given(scenes(st.sampled_from([2, 4, 6])))
    def test_steps_add_up(self, scene):
        window, channels, height, width = scene
        patch = noise(len(window.gx), channels, window.size, window.size)
        each = write_patch(patch, window, height, width)
        pairs = write_patch(patch, window, height, width, steps=2)
        torch.testing.assert_close(pairs, each[::2] + each[1::2], **EXACT)

    @given(scenes())
    def test_boxes_hold_all_centres(self, scene):
        """And reach σ further on each side."""
        window, *_ = scene
        for b in range(len(window.gx)):
            left, top, right, bottom = window.box(b)
            reach = (window.size - 1) * float(window.stride[b])
            reach += 2 * math.sqrt(float(window.variance[b]))
            assert right - left == pytest.approx(reach)
            assert bottom - top == pytest.approx(reach)
            # Pixel 1 of the paper is the square from 0 to 1.
            assert (left + right) / 2 == pytest.approx(float(window.gx[b]) - 0.5, abs=1e-9)
            assert (top + bottom) / 2 == pytest.approx(float(window.gy[b]) - 0.5, abs=1e-9)

    @given(st.lists(number(-1e30, 1e30), min_size=5, max_size=5), filters, side, side)
    def test_every_output_of_the_decoder_is_a_window(self, raw, size, height, width):
        net = WindowNet(2, size, height, width)
        with torch.no_grad():
            net.bias.copy_(torch.tensor(raw))
            window = net(torch.zeros(1, 2))
        for part in (window.stride, window.variance, window.intensity):
            assert (part >= 0).all()
            assert part.isfinite().all()
        assert bool((window.variance > 0).all() and (window.intensity > 0).all())

    @given(filters, side, side)
    def test_the_first_window_covers_the_canvas(self, size, height, width):
        """Its centre is the canvas's, and along the longer side its box holds each pixel."""
        net = WindowNet(2, size, height, width)
        with torch.no_grad():
            left, top, right, bottom = net(torch.zeros(1, 2)).box(0)
        assert (left + right, top + bottom) == pytest.approx((width, height), abs=1e-3)
        assert max(right - left, bottom - top) >= max(width, height) - 1e-3


MODEL, TRAINING = model_config("draw-mnist"), TrainingConfig()
KEYS = sorted(
    {*to_dict(MODEL), *to_dict(TRAINING), "name", "config", "plugin", "units", "size", ""}
)
PARTS = st.sampled_from(KEYS) | st.text(max_size=6)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(".".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=4,
)


def overridden(config, changes):
    """The changed configuration, or None where it was refused as everything must be."""
    before = encode(config)
    try:
        changed = override(config, changes)
    except ConfigError as error:
        assert "\n" not in str(error)
        changed = None
    assert encode(config) == before
    return changed


class TestOverrides:
    @settings(max_examples=300)
    @given(st.sampled_from([MODEL, TRAINING]), st.dictionaries(PATHS, VALUES, max_size=3))
    @example(MODEL, {"config": None, "": None})
    @example(MODEL, {"encoder.config": None, "encoder.units": 3})
    def test_any_path_is_a_configuration_or_one_error(self, config, changes):
        changed = overridden(config, changes)
        if changed is not None:
            assert decode(encode(changed), type(config), "again") == changed
            assert convert(to_dict(changed), type(config)) == changed

    @given(st.sampled_from(sorted(to_dict(TRAINING))), VALUES)
    def test_a_change_is_there_and_alone(self, key, value):
        changed = overridden(TRAINING, {key: value})
        if changed is not None:
            rest = {k: v for k, v in to_dict(changed).items() if k != key}
            assert rest == {k: v for k, v in to_dict(TRAINING).items() if k != key}
            assert getattr(changed, key) == value

    @given(st.sampled_from(["encoder", "decoder"]), st.integers(-3, 70_000))
    def test_settings_of_components(self, kind, units):
        changed = overridden(MODEL, {f"{kind}.units": units})
        assert changed == overridden(MODEL, {f"{kind}.config.units": units})
        assert getattr(changed, kind).config["units"] == units

    @given(st.sampled_from([MODEL, TRAINING]))
    def test_what_is_there_changes_nothing(self, config):
        def flat(node, path=()):
            for key, value in node.items():
                if isinstance(value, dict):
                    yield from flat(value, (*path, key))
                else:
                    yield ".".join((*path, key)), value

        for path, value in flat(to_dict(config)):
            if not path.endswith(".name"):  # clears the settings
                assert override(config, {path: value}) == config


def images(number, labelled=True, binarize=False, shape=(1, 2, 3)):
    """Images that are told apart by their label and their first pixels."""
    pixels = np.random.RandomState(number).randint(0, 256, (number, *shape), dtype=np.uint8)
    labels = torch.arange(number) if labelled else None
    return Images(torch.from_numpy(pixels), labels, binarize)


numbers = st.integers(1, 300)


class TestSubsets:
    @given(numbers, st.data())
    def test_parts_are_disjoint_and_whole(self, number, data):
        num = data.draw(st.integers(0, number))
        whole = images(number)
        rest, held = whole.hold_out(num)
        assert len(held.pixels) == num
        assert sorted([*rest.labels.tolist(), *held.labels.tolist()]) == list(range(number))
        assert rest.labels.tolist() == sorted(rest.labels.tolist())
        for part in (rest, held):
            assert torch.equal(part.pixels, whole.pixels[part.labels])

    @given(numbers, st.data())
    def test_the_same_images_for_everyone(self, number, data):
        """Whatever the pixels, and a smaller sample is the beginning of a larger one."""
        num = data.draw(st.integers(0, number))
        chosen = images(number).subset(num)
        other = Images(torch.zeros(number, 3, 1, 1, dtype=torch.uint8), torch.arange(number), True)
        assert torch.equal(chosen.labels, other.subset(num).labels)
        if num < number:
            assert torch.equal(chosen.labels, images(number).hold_out(num)[1].labels)
            more = images(number).hold_out(num + 1)[1]
            assert torch.equal(more.labels[:num], chosen.labels)
        else:
            assert torch.equal(chosen.labels, torch.arange(number))

    @given(numbers, st.integers(1, 100))
    def test_more_than_there_are(self, number, more):
        with pytest.raises(DataError):
            images(number).subset(number + more)


class TestBatches:
    @given(numbers, st.booleans(), st.data())
    def test_an_image_is_itself_in_any_order(self, number, labelled, data):
        """A permutation of the index is one of the batch."""
        index = torch.tensor(data.draw(st.permutations(range(min(number, 20)))))
        every = images(number, labelled)
        batch = every.batch(index)
        assert batch.dtype == torch.float32
        assert torch.equal((255 * batch).round().byte(), every.pixels[index])
        assert torch.equal(batch, every.batch(torch.arange(number))[index])

    @given(numbers, st.integers(0, 2**32))
    def test_binarised_alike_from_one_seed(self, number, seed):
        """Black stays black and white stays white."""
        every = images(number, binarize=True)
        one, two = (
            every.batch(torch.arange(number), torch.Generator().manual_seed(seed)) for _ in range(2)
        )
        assert torch.equal(one, two)
        assert ((one == 0) | (one == 1)).all()
        assert (one[every.pixels == 0] == 0).all()
        assert (one[every.pixels == 255] == 1).all()

    @given(st.integers(0, 500), st.integers(1, 9))
    def test_processes_share_a_batch(self, items, size):
        """Each has a part in a row, the parts are disjoint, and even to one."""
        parts = [range(items)[World(rank, size).share(items)] for rank in range(size)]
        assert [i for part in parts for i in part] == list(range(items))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
