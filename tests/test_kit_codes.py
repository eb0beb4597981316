"""The conformance kit on latents and decoders: sound ones, and ones with a fault."""

import pytest
import torch
from kit_faults import Faults, check
from sound_components import FixedScale, LookingDecoder
from strangers import (
    GRUDecoder,
    LearnedPrior,
    MapDecoder,
    MapEncoder,
    MapLatent,
    MapReader,
    MapWriter,
)
from torch import nn

import drawzoo
from drawzoo.registry.loader import registry

fault = Faults()


@pytest.mark.parametrize(
    "component",
    [
        *(LearnedPrior, FixedScale, MapLatent),
        *(GRUDecoder, LookingDecoder, MapDecoder),
        *(MapReader, MapEncoder, MapWriter),
    ],
)
def test_sound_components_pass(component):
    check(component)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["latent", "decoder"])
def test_those_of_this_repository_pass(kind):
    entries = [e for e in registry().entries(kind) if e.distribution == "drawzoo"]
    assert entries
    for entry in entries:
        check(entry.load())


# Latents


@fault("ignores h_enc")
class IgnoresEncoder(FixedScale):
    def posterior(self, h_enc):
        return super().posterior(torch.zeros_like(h_enc))


@fault("ignores h_dec")
class IgnoresDecoder(LearnedPrior):
    def prior(self, h_dec):
        return super().prior(torch.zeros_like(h_dec))


@fault("gives no drawzoo.Gaussian: posterior")
class Pair(FixedScale):
    def posterior(self, h_enc):
        return tuple(super().posterior(h_enc))


@fault("expected [3, 3]: the mean of posterior")
class Doubled(FixedScale):
    def posterior(self, h_enc):
        return drawzoo.Gaussian(*(torch.cat([t, t], 1) for t in super().posterior(h_enc)))


@fault("expected [3, 3]: the log_std of prior")
class OneScale(LearnedPrior):
    def prior(self, h_dec):
        mean, log_std = super().prior(h_dec)
        return drawzoo.Gaussian(mean, log_std[:, :1])


@fault("a prior at some steps and none at others")
class SometimesPrior(LearnedPrior):
    def prior(self, h_dec):
        return super().prior(h_dec) if h_dec.any() else None


@fault("cannot tell its shape_of")
class NoShape(LearnedPrior):
    @classmethod
    def shape_of(cls, config, sizes):
        return config.size


@fault("cannot tell its shape_of")
class ShapeFromDecoder(LearnedPrior):
    @classmethod
    def shape_of(cls, config, sizes):
        return (sizes.decoder,)


@fault("not finite for large inputs")
class Exponential(FixedScale):
    def posterior(self, h_enc):
        return super().posterior(h_enc.exp())


@fault("lets no gradient through to h_enc")
class Detached(FixedScale):
    def posterior(self, h_enc):
        return super().posterior(h_enc.detach())


@fault("changes h_enc in place")
class LatentInPlace(FixedScale):
    def posterior(self, h_enc):
        return super().posterior(h_enc.mul_(2))


@fault("draws random numbers of its own")
class Jitter(FixedScale):
    def posterior(self, h_enc):
        return super().posterior(h_enc + torch.randn_like(h_enc))


@fault("does not survive saving")
class UnsavedScale(FixedScale):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.scale = torch.rand(config.size)

    def posterior(self, h_enc):
        mean, log_std = super().posterior(h_enc)
        return drawzoo.Gaussian(mean * self.scale.to(mean), log_std)


@fault("not finite at the engine's first step, where h_dec is 0")
class PriorOfNorm(LearnedPrior):
    def prior(self, h_dec):
        return super().prior(h_dec * h_dec.square().sum(1, keepdim=True).sqrt())


@fault("keeps hidden state between its calls")
class PriorThatKnows(LearnedPrior):
    def posterior(self, h_enc):
        self.last = super().posterior(h_enc)
        return self.last

    def prior(self, h_dec):
        mean, log_std = super().prior(h_dec)
        known = getattr(self, "last", None)
        return drawzoo.Gaussian(mean if known is None else mean + known.mean, log_std)


# Decoders


@fault("keeps hidden state between its calls")
class StateOfItsOwn(GRUDecoder):
    closed = False

    def initial_state(self, batch):
        (self.h,) = super().initial_state(batch)
        return (self.h,)

    def forward(self, z, state, canvas):
        self.h = super().forward(z, (self.h,), canvas)[0]
        return self.h, (self.h,)


@fault("ignores the code z")
class IgnoresCode(GRUDecoder):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.cell = nn.GRUCell(1, config.units)

    def forward(self, z, state, canvas):
        return super().forward(z.new_ones(len(z), 1), state, canvas)


@fault("closed = True, and looks at the canvas")
class SaysClosed(LookingDecoder):
    closed = True


@fault("ignores canvas")
class IgnoresCanvas(LookingDecoder):
    def forward(self, z, state, canvas):
        return super().forward(z, state, torch.ones_like(canvas))


@fault("first tensor is not h_dec before the first step")
class NoFirst(GRUDecoder):
    def initial_state(self, batch):
        return ()

    def forward(self, z, state, canvas):
        h = self.cell(z, self.initial.expand(len(z), -1))
        return h, ()


@fault("first tensor is not h_dec before the first step")
class OtherFirst(GRUDecoder):
    def initial_state(self, batch):
        first = super().initial_state(batch)[0]
        return torch.cat([first, first], dim=1), first

    def forward(self, z, state, canvas):
        h, _ = super().forward(z, state[1:], canvas)
        return h, (torch.cat([h, h], dim=1), h)


@fault("has an unroll that is not its steps one by one")
class BatchFirstUnroll(GRUDecoder):
    def unroll(self, z, state, canvas):
        h_dec, state = super().unroll(z, state, canvas)
        return h_dec.transpose(0, 1), state


@fault("has an unroll that is not its steps one by one")
class ForgetfulUnroll(GRUDecoder):
    def unroll(self, z, state, canvas):
        return super().unroll(z, state, canvas)[0], state


@fault("expected [3, 6]")
class WrongFeatures(GRUDecoder):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.out = nn.Linear(config.units, 5)

    def forward(self, z, state, canvas):
        h = self.cell(z, state[0])
        return self.out(h), (h,)


@fault("no tuple of tensors")
class BareState(GRUDecoder):
    def initial_state(self, batch):
        return self.initial.expand(batch, -1)


@fault("keeps hidden state")
class Counts(GRUDecoder):
    count = 0

    def forward(self, z, state, canvas):
        self.count += 1
        return super().forward(z * self.count, state, canvas)


@fault("changes its state in place")
class StateInPlace(GRUDecoder):
    def initial_state(self, batch):
        return (self.initial.repeat(batch, 1),)

    def forward(self, z, state, canvas):
        return super().forward(z, (state[0].add_(1),), canvas)


@fault("influence each other")
class MixesCodes(GRUDecoder):
    def forward(self, z, state, canvas):
        return super().forward(z - z.mean(0), state, canvas)


@fault("on another device")
class OnCPU(GRUDecoder):
    def initial_state(self, batch):
        first = super().initial_state(batch)[0]
        return (first + torch.zeros(first.shape, dtype=first.dtype, device="cpu"),)


@fault("cannot be built for images of shape [1, 28, 28]")
class WantsGlimpses(GRUDecoder):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.look = nn.Linear(sizes.glimpse, config.units)


@pytest.mark.parametrize("name", fault)
def test_a_fault_is_named(name):
    fault.check(name)
