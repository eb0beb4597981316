"""The conformance kit on likelihoods: sound ones, and ones with a fault."""

import pytest
import torch
from kit_faults import Faults, check
from sound_components import Bernoulli, Intensities, Normal
from strangers import Logistic
from torch import nn

import drawzoo
from drawzoo.registry.loader import registry

fault = Faults()


class Levels(Bernoulli):
    """A categorical of 256 levels, the same for a canvas and the canvas + 1."""

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        channels, height, width = sizes.image
        self.canvas_shape = (channels * 256, height, width)

    def _levels(self, like):
        return torch.linspace(0, 1, 256, dtype=like.dtype, device=like.device)[:, None, None]

    def mean(self, canvas):
        each = canvas.unflatten(1, (-1, 256)).softmax(2)
        return (each * self._levels(canvas)).sum(2).clamp(0, 1)

    def nats(self, canvas, x):
        index = (x * 255).round().long()[:, :, None]
        each = canvas.unflatten(1, (-1, 256)).log_softmax(2)
        return -each.gather(2, index).flatten(1).sum(1)

    def canvas(self, mean):
        off = (self._levels(mean) - mean[:, :, None]) / 0.003
        return (-off.square() / 2).flatten(1, 2)

    def check(self, x):
        pass


@pytest.mark.parametrize(
    "component",
    [Bernoulli, Intensities, Normal, Logistic, pytest.param(Levels, marks=pytest.mark.slow)],
)
def test_sound_components_pass(component):
    check(component)


@pytest.mark.slow
def test_those_of_this_repository_pass():
    entries = [e for e in registry().entries("likelihood") if e.distribution == "drawzoo"]
    assert entries
    for entry in entries:
        check(entry.load())


@fault("nats, one number for each image")
class BatchSum(Bernoulli):
    def nats(self, canvas, x):
        return super().nats(canvas, x).sum()


@fault("nats that are not −log of a distribution")
class Mean(Bernoulli):
    def nats(self, canvas, x):
        return super().nats(canvas, x) / x[0].numel()


@fault("nats that are not −log of a distribution")
class Bits(Bernoulli):
    def nats(self, canvas, x):
        return super().nats(canvas, x) / 0.6931


@fault("nats that are not −log of a distribution")
class Sign(Normal):
    def nats(self, canvas, x):
        return -super().nats(canvas, x)


@fault("nats that are not −log of a distribution")
class ChannelMean(Bernoulli):
    def nats(self, canvas, x):
        each = nn.functional.binary_cross_entropy_with_logits(canvas, x, reduction="none")
        return each.mean(1).flatten(1).sum(1)


@fault("nats that are not −log of a distribution")
class HeightMean(Bernoulli):
    def nats(self, canvas, x):
        each = nn.functional.binary_cross_entropy_with_logits(canvas, x, reduction="none")
        return each.mean(2).flatten(1).sum(1)


@fault("its check takes grey ones as well")
class NoCheck(Bernoulli):
    def check(self, x):
        pass


@fault("fails on images of shape [1, 28, 28]: ValueError")
class RawCheck(Bernoulli):
    def check(self, x):
        raise ValueError("not mine")


@fault("refuses images of 0 and 1: never")
class Refuses(Bernoulli):
    def check(self, x):
        raise drawzoo.errors.ConfigError("never")


@fault("gives a mean outside [0, 1]")
class Unbounded(Bernoulli):
    def mean(self, canvas):
        return canvas


@fault("ignores the canvas in its nats")
class NatsOfImage(Bernoulli):
    def nats(self, canvas, x):
        return x.flatten(1).sum(1)


@fault("ignores the image in its nats")
class NatsOfCanvas(Bernoulli):
    def nats(self, canvas, x):
        return canvas.flatten(1).sum(1)


@fault("not finite for large inputs")
class LogOfSigmoid(Bernoulli):
    def nats(self, canvas, x):
        p = torch.sigmoid(canvas)
        return -(x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1)


@fault("canvases that are not finite for pixels of 0 and 1")
class InfiniteStart(Bernoulli):
    def canvas(self, mean):
        return torch.logit(mean)


@fault("whose mean is another image")
class StartsElsewhere(Bernoulli):
    def canvas(self, mean):
        return mean


@fault("a canvas_shape that does not fit its image")
class FlatCanvas(Bernoulli):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.canvas_shape = (sizes.image[0] * sizes.image[1] * sizes.image[2],)


@fault("lets no gradient through to canvas")
class DetachedCanvas(Bernoulli):
    def nats(self, canvas, x):
        return super().nats(canvas.detach(), x)

    def mean(self, canvas):
        return super().mean(canvas.detach())


@fault("cannot be built")
class NoInit(Bernoulli):
    def __init__(self, config, sizes):
        super().__init__()


@fault("does not keep float64")
class SingleNats(Bernoulli):
    def nats(self, canvas, x):
        return super().nats(canvas.float(), x.float())


@pytest.mark.parametrize("name", fault)
def test_a_fault_is_named(name):
    fault.check(name)
