"""Models I and III, and the convolutional parts that others can use."""

import pytest
import torch
from drawzoo_conv.blocks import ConvFeatures, ConvMaps, DeconvImage
from drawzoo_conv.encoder import ConvEncoder
from drawzoo_conv.writer import DeconvWriter
from drawzoo_supervised.encoder import SupervisedEncoder
from torch import nn

from drawzoo import Sizes
from drawzoo.registry.build import build, model_config
from drawzoo.testing import check_encoder, check_writer


def gradient_reaches(output, source):
    (gradient,) = torch.autograd.grad(output.sum(), source, allow_unused=True, retain_graph=True)
    return gradient is not None and bool(gradient.any())


@pytest.mark.parametrize("name", ["model1-mnist", "model3-mnist"])
def test_first_filters_are_those_of_the_presentation(name):
    assert build(model_config(name)).encoder.cnn[0].weight.shape == (32, 1, 5, 5)


@pytest.mark.parametrize("name, reads", [("model1-mnist", 2 * 25), ("model3-mnist", 0)])
def test_what_the_encoder_is_fed_with(name, reads):
    """Model I with glimpses and CNN features, Model III with the features alone."""
    model = build(model_config(name))
    x = torch.rand(2, 1, 28, 28, requires_grad=True)
    error = torch.rand(2, 1, 28, 28, requires_grad=True)
    h_dec = torch.randn(2, 256)
    glimpse, _ = model.reader(x, error, h_dec)
    assert glimpse.shape == (2, reads)
    context = model.encoder.prepare(x)
    assert gradient_reaches(context, x)
    h, _ = model.encoder(glimpse, h_dec, model.encoder.initial_state(2), context)
    assert gradient_reaches(h, error) == (reads > 0)


def test_features_matter_at_every_step():
    model = build(model_config("model1-mnist"))
    context = model.encoder.prepare(torch.rand(2, 1, 28, 28)).detach().requires_grad_()
    state = model.encoder.initial_state(2)
    for _ in range(3):
        state = tuple(tensor.detach() for tensor in state)
        h, state = model.encoder(torch.zeros(2, 50), torch.zeros(2, 256), state, context)
        assert gradient_reaches(h, context)


@pytest.mark.parametrize("image", [(1, 28, 28), (3, 9, 14), (2, 1, 1), (1, 54, 31)])
@pytest.mark.parametrize("channels", [(4,), (4, 3), (4, 3, 2)])
class TestBlocks:
    def test_maps_halve_and_deconvolutions_double(self, image, channels):
        x = torch.rand(2, *image)
        maps = ConvMaps(image, channels)
        assert maps(x).shape == (2, *maps.shape)
        assert maps.shape == (channels[-1], *(-(-n // 2 ** len(channels)) for n in image[1:]))
        assert ConvFeatures(image, channels, 7)(x).shape == (2, 7)
        assert DeconvImage(7, channels[::-1], image)(torch.rand(2, 7)).shape == x.shape


@pytest.mark.parametrize("encoder", [ConvEncoder, SupervisedEncoder])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_units_may_die_or_not(encoder, activation):
    """Where a convolution gives negative numbers alone, ReLU ends its training."""
    sizes = Sizes(image=(1, 8, 8), decoder_shape=(5,), glimpse_shape=(2,))
    part = encoder(encoder.Config(units=4, channels=(3,), activation=activation), sizes)
    convolution = next(m for m in part.modules() if isinstance(m, nn.Conv2d))
    nn.init.constant_(convolution.bias, -3.0)
    (gradient,) = torch.autograd.grad(
        part.prepare(torch.rand(2, 1, 8, 8)).sum(), convolution.weight
    )
    assert gradient.any() == (activation == "silu")


def test_deconvolution_reaches_both_signs():
    """No ReLU after the last one: a canvas must be able to go both ways."""
    out = DeconvImage(7, (4, 3), (1, 28, 28))(torch.randn(50, 7))
    assert out.min() < 0 < out.max()


def test_parts_are_sound():
    check_encoder(ConvEncoder, units=8, channels=[2, 3], features=5)
    check_writer(DeconvWriter, channels=[3, 2])
