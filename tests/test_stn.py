"""A read through a spatial transformer."""

import pytest
import torch
from drawzoo_stn.reader import SpatialTransformerReader, sample
from selection import quick
from torch.nn.functional import grid_sample

import drawzoo
from drawzoo.testing import check_model, check_reader

HEIGHT, WIDTH = 6, 9


def reader(size):
    sizes = drawzoo.Sizes(image=(2, HEIGHT, WIDTH), decoder_shape=(5,))
    return SpatialTransformerReader(SpatialTransformerReader.Config(size=size), sizes).double()


def window(size, *, gx=5.0, gy=3.5, stride=1.0):
    gx, gy, stride = (torch.tensor([value], dtype=torch.float64) for value in (gx, gy, stride))
    return drawzoo.Window(gx, gy, stride, torch.ones(1) / 6, torch.ones(1), size)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_samples_as_torch_does(size):
    torch.manual_seed(0)
    net = reader(size)
    torch.nn.init.normal_(net.localisation.weight)
    x, error = torch.randn(2, 4, 2, HEIGHT, WIDTH).double()
    glimpse, seen = net(x, error, torch.randn(4, 5).double())
    offsets = (torch.arange(size).double() - (size - 1) / 2) * seen.stride[:, None]
    # torch's −1 and 1 are the outer edges of the first and the last pixel: 0.5 and W + 0.5 here.
    across = (seen.gx[:, None] + offsets - 0.5) * 2 / WIDTH - 1
    down = (seen.gy[:, None] + offsets - 0.5) * 2 / HEIGHT - 1
    grid = torch.stack(
        [across[:, None].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], dim=3
    )
    both = torch.cat([x, error], dim=1)
    torch.testing.assert_close(glimpse, grid_sample(both, grid, align_corners=False).flatten(1))


def test_reads_pixels_exactly():
    image = torch.randn(1, 2, HEIGHT, WIDTH).double()
    assert sample(image, window(3, gy=3.0)).equal(image[:, :, 1:4, 3:6])
    between = (image[:, :, 1:4, 3:6] + image[:, :, 2:5, 3:6]) / 2
    torch.testing.assert_close(sample(image, window(3)), between)


def test_there_is_nothing_beyond_the_edges():
    image = torch.ones(1, 2, HEIGHT, WIDTH).double()
    assert not sample(image, window(3, gx=-1.0)).any()
    assert sample(image, window(3, gx=0.0, gy=3.0))[..., 2].eq(1).all()


@pytest.mark.parametrize("size", [1, 3, 6])
def test_first_crop_covers_the_canvas(size):
    """N points share the longer side out, and the canvas's centre is theirs."""
    seen = reader(size).window(torch.randn(2, 5).double())
    assert seen.gx.eq((WIDTH + 1) / 2).all() and seen.gy.eq((HEIGHT + 1) / 2).all()
    assert seen.stride.allclose(torch.tensor(WIDTH / size).double())


def test_centre_stays_on_the_canvas():
    net = reader(3)
    torch.nn.init.normal_(net.localisation.weight, std=100)
    seen = net.window(torch.randn(50, 5).double())
    assert seen.gx.min() >= 0.5 and seen.gx.max() <= WIDTH + 0.5
    assert seen.gy.min() >= 0.5 and seen.gy.max() <= HEIGHT + 0.5


def test_variance_is_the_filters():
    """σ² of the triangle that weighs the pixels around a point."""
    image = torch.eye(WIDTH).double().view(WIDTH, 1, 1, WIDTH).expand(-1, 1, HEIGHT, -1)
    where = reader(1).window(torch.zeros(WIDTH, 5).double())
    shifts = torch.linspace(0, 1, 101).double()[:-1]
    moments = []
    for shift in shifts:
        moved = where._replace(gx=5 + shift.expand(WIDTH), gy=torch.full((WIDTH,), 3.0).double())
        weights = sample(image, moved).flatten()
        moments.append(weights @ (torch.arange(1, WIDTH + 1) - 5 - shift).square())
    torch.testing.assert_close(torch.stack(moments).mean(), where.variance[0], rtol=1e-3, atol=0)


@pytest.mark.parametrize("size", quick([1, 3], 3))
def test_is_sound(size):
    check_reader(SpatialTransformerReader, size=size)


def test_model_is_sound():
    check_model("draw-stn-mnist")
