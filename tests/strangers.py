"""Components as a stranger would write them: a GRU, a learned prior, grey levels, maps."""

import torch
from torch import nn
from torch.nn.functional import logsigmoid

import drawzoo


class UnitsConfig(drawzoo.Config, frozen=True):
    units: drawzoo.Size = 6


class GRUDecoder(drawzoo.Decoder):
    Config = UnitsConfig
    closed = True

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = config.units
        self.cell = nn.GRUCell(sizes.latent, config.units)
        self.initial = nn.Parameter(torch.zeros(config.units))

    def initial_state(self, batch):
        return (self.initial.expand(batch, -1),)

    def forward(self, z, state, canvas):
        h = self.cell(z, state[0])
        return h, (h,)


class LearnedPrior(drawzoo.Latent):
    class Config(drawzoo.Config, frozen=True):
        size: drawzoo.Size = 3

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.q = nn.Linear(sizes.encoder, 2 * config.size)
        self.p = nn.Linear(sizes.decoder, 2 * config.size)

    @classmethod
    def shape_of(cls, config, sizes):
        return (config.size,)

    def posterior(self, h_enc):
        return drawzoo.Gaussian(*self.q(h_enc).chunk(2, dim=1))

    def prior(self, h_dec):
        return drawzoo.Gaussian(*self.p(h_dec).chunk(2, dim=1))


class Logistic(drawzoo.Likelihood):
    """256 levels under a logistic distribution: the canvas has a mean and a scale each."""

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        channels, height, width = sizes.image
        self.canvas_shape = (2 * channels, height, width)
        self.log_scale = nn.Parameter(torch.tensor(-2.0))

    def mean(self, canvas):
        return canvas.chunk(2, dim=1)[0].sigmoid()

    def nats(self, canvas, x):
        log_scale = (self.log_scale + canvas.chunk(2, dim=1)[1]).clamp_min(-7)
        centre = (x - self.mean(canvas)) * (-log_scale).exp()
        half = 0.5 / 255 * (-log_scale).exp()
        upper, lower = centre + half, centre - half
        # σ(b) − σ(a) = σ(b) σ(−a) (1 − e^(a − b)); all below is the share of 0, all above of 255.
        inside = logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(-2 * half))
        log_p = torch.where(x == 0, logsigmoid(upper), inside)
        return -torch.where(x == 1, logsigmoid(-lower), log_p).flatten(1).sum(dim=1)

    def canvas(self, mean):
        return torch.cat([torch.logit(mean, eps=1e-3), torch.zeros_like(mean)], dim=1)

    def check(self, x):
        if not torch.allclose(255 * x, (255 * x).round(), atol=1e-3):
            raise drawzoo.DrawzooError("no levels of 256")


class MapsConfig(drawzoo.Config, frozen=True):
    maps: drawzoo.Size = 3


class ConvLSTM(nn.Module):
    def __init__(self, inputs, maps):
        super().__init__()
        self.gates = nn.Conv2d(inputs + maps, 4 * maps, 3, padding=1)
        self.initial = nn.Parameter(torch.zeros(2, maps, 1, 1))

    def initial_state(self, batch, height, width):
        return tuple(s.expand(batch, -1, height, width) for s in self.initial)

    def forward(self, state, *inputs):
        h, c = state
        i, f, g, o = self.gates(torch.cat([*inputs, h], dim=1)).chunk(4, dim=1)
        c = (f + 1).sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class MapReader(drawzoo.Reader):
    Config = MapsConfig

    def __init__(self, config, sizes):
        super().__init__()
        channels, height, width = sizes.image
        self.out_shape = (config.maps, height // 2, width // 2)
        self.conv = nn.Conv2d(2 * channels, config.maps, 4, stride=2, padding=1)

    def forward(self, x, error, h_dec):
        return self.conv(torch.cat([x, error], dim=1)), None


class MapEncoder(drawzoo.Encoder):
    """Its context is a dictionary, as `prepare` may return."""

    Config = MapsConfig

    def __init__(self, config, sizes):
        super().__init__()
        inputs, self.height, self.width = sizes.glimpse_shape
        self.out_shape = (config.maps, self.height, self.width)
        self.look = nn.Conv2d(sizes.image[0], 2, 4, stride=2, padding=1)
        self.lstm = ConvLSTM(inputs + sizes.decoder_shape[0] + 2, config.maps)

    def prepare(self, x):
        return {"seen": self.look(x)}

    def initial_state(self, batch):
        return self.lstm.initial_state(batch, self.height, self.width)

    def forward(self, glimpse, h_dec, state, context):
        state = self.lstm(state, glimpse, h_dec, context["seen"])
        return state[0], state


class MapLatent(drawzoo.Latent):
    Config = MapsConfig

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.q = nn.Conv2d(sizes.encoder_shape[0], 2 * config.maps, 3, padding=1)
        self.p = nn.Conv2d(sizes.decoder_shape[0], 2 * config.maps, 3, padding=1)

    @classmethod
    def shape_of(cls, config, sizes):
        return (config.maps, sizes.canvas[1] // 2, sizes.canvas[2] // 2)

    def posterior(self, h_enc):
        return drawzoo.Gaussian(*self.q(h_enc).chunk(2, dim=1))

    def prior(self, h_dec):
        return drawzoo.Gaussian(*self.p(h_dec).chunk(2, dim=1))


class MapDecoder(drawzoo.Decoder):
    Config = MapsConfig

    def __init__(self, config, sizes):
        super().__init__()
        inputs, self.height, self.width = sizes.latent_shape
        self.out_shape = (config.maps, self.height, self.width)
        self.look = nn.Conv2d(sizes.canvas[0], 2, 4, stride=2, padding=1)
        self.lstm = ConvLSTM(inputs + 2, config.maps)

    def initial_state(self, batch):
        return self.lstm.initial_state(batch, self.height, self.width)

    def forward(self, z, state, canvas):
        state = self.lstm(state, z, self.look(canvas))
        return state[0], state


class MapWriter(drawzoo.Writer):
    def __init__(self, config, sizes):
        super().__init__()
        self.up = nn.ConvTranspose2d(sizes.decoder_shape[0], sizes.canvas[0], 4, 2, padding=1)

    def forward(self, h_dec):
        return self.up(h_dec), None


class Plugin:
    @drawzoo.hookimpl
    def register_readers(self, register):
        register("maps", MapReader)

    @drawzoo.hookimpl
    def register_encoders(self, register):
        register("maps", MapEncoder)

    @drawzoo.hookimpl
    def register_latents(self, register):
        register("maps", MapLatent)
        register("learned", LearnedPrior)

    @drawzoo.hookimpl
    def register_decoders(self, register):
        register("maps", MapDecoder)
        register("gru", GRUDecoder)

    @drawzoo.hookimpl
    def register_writers(self, register):
        register("maps", MapWriter)

    @drawzoo.hookimpl
    def register_likelihoods(self, register):
        register("grey-levels", Logistic)
