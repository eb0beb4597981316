"""The filterbank, the read and the write of section 3.2, in float64 against plain loops."""

import itertools
import math

import pytest
import torch

from drawzoo import build
from drawzoo.engine.attention import (
    Window,
    WindowNet,
    filterbank,
    filterbanks,
    read_patch,
    write_patch,
)


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)


def window(size, *, gx, gy, stride, variance, intensity=1.0):
    """A window for each image of a batch; numbers are for all of them."""
    fields = torch.broadcast_tensors(
        *(torch.as_tensor(v, dtype=torch.float64) for v in (gx, gy, stride, variance, intensity))
    )
    return Window(*(field.reshape(-1) for field in fields), size)


@pytest.fixture
def three():
    """Three different windows of 4 × 4 filters, one of them beyond the edge."""
    return window(
        4,
        gx=[2.3, 5.0, 9.5],
        gy=[3.0, -1.5, 6.2],
        stride=[0.7, 2.0, 1.3],
        variance=[0.4, 1.0, 3.0],
        intensity=[0.5, 1.0, 2.5],
    )


def scalar_filterbank(g, delta, variance, n, length):
    """Eq. 19 or 20 and 25 or 26, one number at a time, pixels and filters numbered from 1."""
    bank = []
    for i in range(1, n + 1):
        mu = g + (i - n / 2 - 0.5) * delta
        row = [math.exp(-((a - mu) ** 2) / (2 * variance)) for a in range(1, length + 1)]
        bank.append([value / sum(row) for value in row])
    return bank


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [1, 6, 9])
def test_filterbank_is_equations_19_to_26(n, length):
    cases = [(1.0, 0.5, 0.3), (3.7, 1.0, 1.0), (length + 1.0, 2.5, 4.0), (-0.4, 1.7, 0.8)]
    centre, stride, variance = torch.tensor(cases, dtype=torch.float64).unbind(1)
    expected = [scalar_filterbank(*case, n, length) for case in cases]
    actual = filterbank(centre, stride, variance, n, length)
    close(actual, torch.tensor(expected, dtype=torch.float64), atol=1e-14)


def test_filters_sum_to_one(three):
    for bank in filterbanks(three, 6, 9):
        close(bank.sum(dim=2), torch.ones(3, 4, dtype=torch.float64), atol=1e-14)


def test_vertical_filters_follow_gy_and_horizontal_ones_gx(three):
    fy, fx = filterbanks(three, 6, 9)
    for b in range(3):
        delta, variance = three.stride[b].item(), three.variance[b].item()
        rows = scalar_filterbank(three.gy[b].item(), delta, variance, 4, 6)
        columns = scalar_filterbank(three.gx[b].item(), delta, variance, 4, 9)
        close(fy[b], torch.tensor(rows, dtype=torch.float64))
        close(fx[b], torch.tensor(columns, dtype=torch.float64))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize(("height", "width"), [(6, 9), (9, 6), (1, 1)])
def test_window_net_is_equations_21_to_24(size, height, width):
    net = WindowNet(3, size, height, width).double()
    h = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = net(h)
    for b in range(4):
        gx, gy, log_variance, log_stride, log_intensity = (net.weight @ h[b] + net.bias).tolist()
        # With one filter there is no distance between two: any finite one will do.
        span = (max(height, width) - 1) / (size - 1) if size > 1 else max(height, width) - 1
        expected = Window(
            (width + 1) / 2 * (gx + 1),
            (height + 1) / 2 * (gy + 1),
            span * math.exp(log_stride),
            math.exp(log_variance),
            math.exp(log_intensity),
            size,
        )
        assert found.size == size
        for actual, wanted in zip(found[:5], expected[:5], strict=True):
            assert actual[b].item() == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("channels", [1, 3])
def test_read_is_equation_27(three, channels):
    image = torch.rand(3, channels, 6, 9, dtype=torch.float64)
    fy, fx = filterbanks(three, 6, 9)
    patch = read_patch(image, three)
    assert patch.shape == (3, channels, 4, 4)
    for b, c in itertools.product(range(3), range(channels)):
        close(patch[b, c], three.intensity[b] * (fy[b] @ image[b, c] @ fx[b].T))


def test_the_image_and_its_error_are_read_through_one_window(double):
    reader = double(image=(3, 6, 9)).reader
    x, error = torch.rand(2, 4, 3, 6, 9, dtype=torch.float64)
    glimpse, look = reader(x, error, torch.randn(4, 4, dtype=torch.float64))
    both = torch.cat([read_patch(image, look).flatten(1) for image in (x, error)], dim=1)
    close(glimpse, both)


@pytest.mark.parametrize("channels", [1, 3])
def test_write_is_equation_29(three, channels):
    patch = torch.randn(3, channels, 4, 4, dtype=torch.float64)
    fy, fx = filterbanks(three, 6, 9)
    canvas = write_patch(patch, three, 6, 9)
    assert canvas.shape == (3, channels, 6, 9)
    for b, c in itertools.product(range(3), range(channels)):
        close(canvas[b, c], fy[b].T @ patch[b, c] @ fx[b] / three.intensity[b])


def test_read_of_ramps_gives_the_coordinates_of_the_filters():
    """On an image that holds its own coordinates, far from the edge, a filter reads its centre."""
    rows = torch.arange(1.0, 31, dtype=torch.float64)[:, None].expand(30, 40)
    columns = torch.arange(1.0, 41, dtype=torch.float64).expand(30, 40)
    look = window(3, gx=21.0, gy=12.0, stride=2.0, variance=1.0)
    y, x = read_patch(torch.stack([rows, columns])[None], look)[0]
    close(y, torch.tensor([10.0, 12, 14], dtype=torch.float64)[:, None].expand(3, 3), 1e-9)
    close(x, torch.tensor([19.0, 21, 23], dtype=torch.float64).expand(3, 3), 1e-9)


def test_a_centre_moves_the_read_along_its_own_axis_only():
    """One stride to the right, each filter stands where its right neighbour stood."""
    image = torch.rand(1, 2, 6, 9, dtype=torch.float64)
    at = {"gx": 4.3, "gy": 2.9, "stride": 1.25, "variance": 0.6}
    here = read_patch(image, window(4, **at))
    right = read_patch(image, window(4, **at | {"gx": 4.3 + 1.25}))
    down = read_patch(image, window(4, **at | {"gy": 2.9 + 1.25}))
    close(right[..., :-1], here[..., 1:])
    close(down[..., :-1, :], here[..., 1:, :])
    assert not torch.allclose(right, down)


@pytest.mark.parametrize(("x", "y"), [(1, 1), (9, 1), (4, 6)])
def test_a_narrow_window_of_one_filter_is_one_pixel(x, y):
    look = window(1, gx=float(x), gy=float(y), stride=1.0, variance=1e-3, intensity=2.0)
    image = torch.rand(1, 3, 6, 9, dtype=torch.float64)
    close(read_patch(image, look)[0, :, 0, 0], 2 * image[0, :, y - 1, x - 1])
    canvas = write_patch(torch.ones(1, 1, 1, 1, dtype=torch.float64), look, 6, 9)
    expected = torch.zeros(6, 9, dtype=torch.float64)
    expected[y - 1, x - 1] = 0.5
    close(canvas[0, 0], expected)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 9), (9, 6)])
def test_the_first_window_covers_the_canvas(size, height, width):
    """From h_dec = 0 the outer filters stand on the first and the last pixel of the long side."""
    first = WindowNet(4, size, height, width).double()(torch.zeros(1, 4, dtype=torch.float64))
    close(first.gx, torch.tensor([(width + 1) / 2], dtype=torch.float64))
    close(first.gy, torch.tensor([(height + 1) / 2], dtype=torch.float64))
    close((size - 1) * first.stride, torch.tensor([max(height, width) - 1.0], dtype=torch.float64))
    close(first.intensity, torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (6, 9), (9, 6)])
def test_the_first_window_of_few_filters_sees_every_pixel(size, height, width):
    """Spread out to the edges, two filters a side would see the four corners alone."""
    first = WindowNet(4, size, height, width).double()(torch.zeros(1, 4, dtype=torch.float64))
    for bank, length in zip(filterbanks(first, height, width), (height, width), strict=True):
        assert (bank.sum(dim=1) > 0.5 * size / length).all()


def test_a_new_model_reads_and_writes_all_over_the_canvas(tiny):
    model = build(tiny(image=(1, 12, 9)))
    drawing = model.reconstruct(torch.zeros(8, 1, 12, 9))
    for look in (drawing.reads[0], drawing.writes[0]):
        assert ((look.gx - 5).abs() < 1.5).all()
        assert ((look.gy - 6.5).abs() < 2).all()
        # Two filters a side, each over its half.
        assert ((look.stride - 6).abs() < 2).all()


EXTREMES = [
    {},
    *({field: value} for field in ("gx", "gy") for value in (-1e4, 1e4)),
    *(
        {field: value}
        for field in ("log_variance", "log_stride", "log_intensity")
        for value in (-30.0, 30.0)
    ),
    {"gx": 1e4, "gy": -1e4, "log_variance": -100.0},
    {"log_stride": 30.0, "log_variance": -30.0},
    {"log_stride": 50.0},
    {"log_variance": 100.0},
]


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("raw", EXTREMES, ids=str)
def test_extreme_windows_stay_finite(raw, size):
    """In float32, as in training, with the gradients of everything involved."""
    net = WindowNet(1, size, 6, 9)
    names = ("gx", "gy", "log_variance", "log_stride", "log_intensity")
    with torch.no_grad():
        net.weight.zero_()
        net.bias.copy_(torch.tensor([raw.get(name, 0.0) for name in names]))
    look = net(torch.ones(2, 1))
    image = torch.rand(2, 1, 6, 9, requires_grad=True)
    patch = read_patch(image, look)
    canvas = write_patch(torch.ones(2, 1, size, size), look, 6, 9)
    (patch.square().mean() + canvas.square().mean()).backward()
    for tensor in (patch, canvas, image.grad, net.weight.grad, net.bias.grad):
        assert tensor.isfinite().all()


@pytest.mark.parametrize("variance", [0.0, 1e-30])
def test_no_variance_is_the_nearest_pixel(variance):
    bank = filterbank(*(torch.tensor([v]) for v in (3.0, 1.0, variance)), 1, 5)
    assert bank.tolist() == [[[0.0, 0.0, 1.0, 0.0, 0.0]]]
