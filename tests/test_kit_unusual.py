"""The conformance kit on unusual components: sound ones, and faults that are easily missed."""

import pytest
import torch
from kit_faults import Faults, check
from sound_components import Bernoulli, FixedScale, Normal, Sound, SoundWriter
from strangers import GRUDecoder, MapEncoder, MapLatent, MapReader
from torch import nn
from torch.nn import functional as F

import drawzoo

fault = Faults()


class Rows(Sound):
    """A recurrent network of torch's own over the rows of the image, in both directions."""

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        channels, _, width = sizes.image
        self.rows = nn.LSTM(channels * width, 3, bidirectional=True, batch_first=True)
        self.mix = nn.Linear(6, config.units)

    def prepare(self, x):
        _, (h, _) = self.rows(x.transpose(1, 2).flatten(2))
        return h.transpose(0, 1).flatten(1)

    def forward(self, glimpse, h_dec, state, context):
        h, state = super().forward(glimpse, h_dec, state, None)
        return h + self.mix(context), state


class OneHot(GRUDecoder):
    """Codes choose a category, straight through."""

    def forward(self, z, state, canvas):
        soft = z.softmax(1)
        hard = F.one_hot(soft.argmax(1), z.shape[1]).to(z.dtype)
        return super().forward(hard + soft - soft.detach(), state, canvas)


class Binomial(Bernoulli):
    """256 levels: the number of ones among 255."""

    def nats(self, canvas, x):
        k = 255 * x
        full = torch.full_like(k, 256)
        choose = full.lgamma() - (k + 1).lgamma() - (full - k).lgamma()
        return (255 * F.softplus(canvas) - k * canvas - choose).flatten(1).sum(1)

    def check(self, x):
        pass


class Truncated(Normal):
    """A density on [0, 1] alone."""

    def nats(self, canvas, x):
        mean, inverse = self.mean(canvas), (-self.log_std).exp()
        inside = torch.special.ndtr((1 - mean) * inverse) - torch.special.ndtr(-mean * inverse)
        return super().nats(canvas, x) + inside.log().flatten(1).sum(1)


class Quarter(MapLatent):
    """Codes of a quarter of the height and the width."""

    @classmethod
    def shape_of(cls, config, sizes):
        return (config.maps, sizes.canvas[1] // 4, sizes.canvas[2] // 4)


LONG = [pytest.param(each, marks=pytest.mark.slow) for each in (Rows, Binomial, Truncated)]


@pytest.mark.parametrize("component", [OneHot, Quarter, *LONG])
def test_sound_components_pass(component):
    check(component)


def glimpsing(function):
    """`forward` with the glimpse passed through a function."""

    def forward(self, glimpse, h_dec, state, context):
        return Sound.forward(self, function(glimpse), h_dec, state, context)

    return forward


class Reads(drawzoo.Reader):
    """The mean of each channel, from which the faulty ones differ in one place."""

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = 2 * sizes.image[0]

    def forward(self, x, error, h_dec):
        return torch.cat([x, error], dim=1).mean((2, 3)), None


@fault("influence each other")
class BrightestOfAll(Reads):
    def forward(self, x, error, h_dec):
        return super().forward(x / x.max().clamp_min(1e-6), error, h_dec)


@fault("ignores channel 1 of x and error")
class FirstChannel(Reads):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.out_features = 2

    def forward(self, x, error, h_dec):
        return super().forward(x[:, :1], error[:, :1], h_dec)


@fault("not finite at the engine's first step, where h_dec is 0: of error")
class ContrastOfBlank(Reads):
    def forward(self, x, error, h_dec):
        contrast = error.var((1, 2, 3), keepdim=True).sqrt()
        return super().forward(x, error / (contrast + 1e-4), h_dec)


@fault("gives the shape")
class TurnedMaps(MapReader):
    def forward(self, x, error, h_dec):
        return super().forward(x, error, h_dec)[0].transpose(1, 2), None


@fault("changes its context in place")
class MapsInPlace(MapEncoder):
    def forward(self, glimpse, h_dec, state, context):
        context["seen"] += 1
        return super().forward(glimpse, h_dec, state, context)


@fault("fails on images of shape [1, 28, 28]: RuntimeError: Given groups=1, weight of size [12,")
class FewerChannels(MapEncoder):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse[:, 1:], h_dec, state, context)


@fault("does not keep float64")
class Halves(Reads):
    def forward(self, x, error, h_dec):
        return super().forward(x.bfloat16().to(x.dtype), error, h_dec)


@fault("looks at the values of tensors")
class ToNumPy(Reads):
    def forward(self, x, error, h_dec):
        return super().forward(torch.from_numpy(x.numpy()), error, h_dec)


@fault("looks at the values of tensors")
class Selects(Reads):
    def forward(self, x, error, h_dec):
        return super().forward(x, error - x[x > 0.5].mean(), h_dec)


@fault("on another device")
class MultipliesOnCPU(Sound):
    forward = glimpsing(lambda g: g @ torch.eye(g.shape[1], dtype=g.dtype))


@fault("lets no gradient through to glimpse")
class DetachesGlimpse(Sound):
    forward = glimpsing(lambda g: g.detach())


@fault("lets no gradient through to z")
class RoundsCodes(GRUDecoder):
    def forward(self, z, state, canvas):
        return super().forward(z.round(), state, canvas)


@fault("has an unroll that is not its steps one by one")
class UnrollsFromTheStart(GRUDecoder):
    def unroll(self, z, state, canvas):
        return super().unroll(z, self.initial_state(z.shape[1]), canvas)


@fault("in training mode changes glimpse in place")
class NoiseInPlace(Sound):
    def forward(self, glimpse, h_dec, state, context):
        if self.training:
            glimpse += torch.randn_like(glimpse)
        return super().forward(glimpse, h_dec, state, context)


@fault("lets no gradient through in training mode")
class LearnsNothing(Sound):
    def forward(self, glimpse, h_dec, state, context):
        h, state = super().forward(glimpse, h_dec, state, context)
        return (h.detach(), state) if self.training else (h, state)


@fault("in training mode")
class WiderInTraining(Reads):
    def forward(self, x, error, h_dec):
        glimpse, _ = super().forward(x, error, h_dec)
        return glimpse.repeat(1, 2 if self.training else 1), None


@fault("changes h_dec in place")
class TotalInPlace(SoundWriter):
    def total(self, h_dec):
        total = super().total(h_dec)
        h_dec.zero_()
        return total


class FreeBits(drawzoo.Gaussian):
    def kl(self, prior=None, *, batch_dims=1):
        return super().kl(prior, batch_dims=batch_dims).clamp_min(2.0)


@fault("gives no drawzoo.Gaussian: posterior")
class OwnKL(FixedScale):
    def posterior(self, h_enc):
        return FreeBits(*super().posterior(h_enc))


@fault("makes its weights lazily: out.weight")
class Lazy(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.out = nn.LazyLinear(config.units)


class Scales(Sound):
    """Multiplies with weights that it finds by `self.weights()`."""

    def forward(self, glimpse, h_dec, state, context):
        h, _ = super().forward(glimpse, h_dec, state, context)
        h = h * self.weights()
        return h, (h,)


@fault("has weights that are not saved: in scales")
class ListOfTensors(Scales):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.scales = [torch.randn(config.units, requires_grad=True)]

    def weights(self):
        return self.scales[0]


@fault("has weights that are not saved: in _layers")
class NestedAndPrivate(Scales):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self._layers = [[nn.Linear(1, config.units)]]

    def weights(self):
        return self._layers[0][0].bias


@fault("makes weights when it is called: late")
class RandomWhenCalled(Scales):
    def weights(self):
        if not hasattr(self, "late"):
            self.late = nn.Parameter(torch.rand_like(self.initial))
        return self.late


@fault("nats that are not −log of a distribution")
class SquaredError(Binomial):
    def nats(self, canvas, x):
        return 0.5 * (x - self.mean(canvas)).square().flatten(1).sum(1)


@fault("nats that are not −log of a distribution")
class BinomialOfAnOrder(Binomial):
    def nats(self, canvas, x):
        return 255 * (F.softplus(canvas) - x * canvas).flatten(1).sum(1)


@fault("a mean that is another distribution's than its nats")
class Sharper(Bernoulli):
    def nats(self, canvas, x):
        return super().nats(2 * canvas, x)


@fault("a mean that is another distribution's than its nats")
class Inverted(Binomial):
    def mean(self, canvas):
        return (-canvas).sigmoid()

    def canvas(self, mean):
        return -super().canvas(mean)


@pytest.mark.parametrize("name", fault)
def test_a_fault_is_named(name):
    fault.check(name)
