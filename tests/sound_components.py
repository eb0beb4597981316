"""Sound components, some of them unusual."""

import torch
from strangers import (
    GRUDecoder,
    LearnedPrior,
)
from torch import nn
from torch.nn import functional as F

import drawzoo
import drawzoo.testing


class Sound(drawzoo.Encoder):
    """A plain recurrent encoder, from which the faulty ones differ in one place."""

    class Config(drawzoo.Config, frozen=True):
        units: drawzoo.Size = 5

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = config.units
        self.cell = nn.Linear(sizes.glimpse + sizes.decoder + config.units, config.units)
        self.initial = nn.Parameter(torch.zeros(config.units))

    def initial_state(self, batch):
        return (self.initial.expand(batch, -1),)

    def forward(self, glimpse, h_dec, state, context):
        h = torch.tanh(self.cell(torch.cat([glimpse, h_dec, state[0]], dim=1)))
        return h, (h,)


class Stateless(Sound):
    def __init__(self, config, sizes):
        drawzoo.Encoder.__init__(self)
        self.out_features = config.units
        self.net = nn.Linear(sizes.glimpse + sizes.decoder, config.units)

    def initial_state(self, batch):
        return ()

    def forward(self, glimpse, h_dec, state, context):
        return torch.relu(self.net(torch.cat([glimpse, h_dec], dim=1))), ()


class Growing(Sound):
    """Attends to all glimpses so far: its state gets longer."""

    def __init__(self, config, sizes):
        drawzoo.Encoder.__init__(self)
        self.out_features = config.units
        self.embed = nn.Linear(sizes.glimpse + sizes.decoder, config.units)
        self.query = nn.Linear(sizes.decoder, config.units)
        self.first = nn.Parameter(torch.zeros(1, config.units))

    def initial_state(self, batch):
        return (self.first.expand(batch, 1, -1),)

    def forward(self, glimpse, h_dec, state, context):
        new = self.embed(torch.cat([glimpse, h_dec], dim=1)).unsqueeze(1)
        past = torch.cat([state[0], new], dim=1)
        weights = torch.softmax((past * self.query(h_dec).unsqueeze(1)).sum(2), dim=1)
        return (weights.unsqueeze(2) * past).sum(1), (past,)


class Dropped(Sound):
    """Dropout and batch norm, in a context of two tensors."""

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        channels = sizes.image[0]
        self.cnn = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)
        )
        self.more = nn.Linear(4, config.units)
        self.norm = nn.BatchNorm1d(config.units)

    def prepare(self, x):
        maps = self.cnn(x)
        return {"mean": maps.mean((2, 3)), "max": maps.amax((2, 3))}

    def forward(self, glimpse, h_dec, state, context):
        h, _ = super().forward(glimpse, h_dec, state, None)
        h = self.norm(h + self.more(context["mean"] + context["max"]))
        return h, (h,)


class Transformer(drawzoo.Reader):
    """A spatial transformer that starts at the identity: its last layer has zero weights."""

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = 2 * sizes.image[0] * 16
        self.where = nn.Linear(sizes.decoder, 6)
        nn.init.zeros_(self.where.weight)
        self.where.bias.data.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, x, error, h_dec):
        both = torch.cat([x, error], dim=1)
        theta = self.where(h_dec).view(-1, 2, 3)
        grid = F.affine_grid(theta, [len(x), both.shape[1], 4, 4], align_corners=False)
        return F.grid_sample(both, grid, align_corners=False).flatten(1), None


class TwoWindows(drawzoo.Reader):
    def __init__(self, config, sizes):
        super().__init__()
        channels, height, width = sizes.image
        self.coarse = drawzoo.engine.attention.WindowNet(sizes.decoder, 4, height, width)
        self.fine = drawzoo.engine.attention.WindowNet(sizes.decoder, 2, height, width)
        self.out_features = 2 * channels * (16 + 4)

    def forward(self, x, error, h_dec):
        from drawzoo.engine.attention import read_patch

        both = torch.cat([x, error], dim=1)
        coarse, fine = self.coarse(h_dec), self.fine(h_dec)
        patches = read_patch(both, coarse).flatten(1), read_patch(both, fine).flatten(1)
        return torch.cat(patches, dim=1), coarse


class SoundWriter(drawzoo.Writer):
    def __init__(self, config, sizes):
        super().__init__()
        self.shape = sizes.image
        self.net = nn.Linear(sizes.decoder, sizes.image[0] * sizes.image[1] * sizes.image[2])

    def forward(self, h_dec):
        return self.net(h_dec).view(-1, *self.shape), None


class Bernoulli(drawzoo.Likelihood):
    """A plain likelihood, from which the faulty ones differ in one place."""

    def mean(self, canvas):
        return torch.sigmoid(canvas)

    def nats(self, canvas, x):
        return F.binary_cross_entropy_with_logits(canvas, x, reduction="none").flatten(1).sum(1)

    def canvas(self, mean):
        return torch.logit(mean, eps=1e-3)

    def check(self, x):
        if not ((x == 0) | (x == 1)).all():
            raise drawzoo.errors.ConfigError("binary images alone")


class Intensities(Bernoulli):
    """The cross-entropy of grey values, which says that it is no bound."""

    is_bound = False

    def check(self, x):
        pass


class Normal(Bernoulli):
    """A density, with one scale for all pixels."""

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.log_std = nn.Parameter(torch.tensor(-1.0))

    def nats(self, canvas, x):
        scaled = (x - self.mean(canvas)) * (-self.log_std).exp()
        half_log_2pi = 0.9189385332046727
        return (0.5 * scaled.square() + self.log_std + half_log_2pi).flatten(1).sum(1)

    def check(self, x):
        pass


class LookingDecoder(GRUDecoder):
    """Sees the canvas, at each step."""

    closed = False

    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.look = nn.Conv2d(sizes.canvas[0], config.units, 3, padding=1)

    def forward(self, z, state, canvas):
        h = self.cell(z, state[0]) + self.look(canvas).mean((2, 3))
        return h, (h,)


class FixedScale(LearnedPrior):
    """A posterior of one scale, and the standard normal prior."""

    def __init__(self, config, sizes):
        drawzoo.Latent.__init__(self, config, sizes)
        self.q = nn.Linear(sizes.encoder, config.size)
        self.log_std = nn.Parameter(torch.zeros(config.size))

    def posterior(self, h_enc):
        mean = self.q(h_enc)
        return drawzoo.Gaussian(mean, self.log_std.expand_as(mean))

    def prior(self, h_dec):
        return None
