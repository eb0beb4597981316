"""Sound components pass the kit, however unusual; the first line names a fault."""

import ast
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from sound_components import (
    Dropped,
    Growing,
    Sound,
    SoundWriter,
    Stateless,
    Transformer,
    TwoWindows,
)
from torch import nn

import drawzoo
import drawzoo.testing
from drawzoo.testing import Fault, check_encoder, check_reader, check_writer


class Attends(drawzoo.Encoder):
    """Chooses among its past glimpses by the decoder's output."""

    class Config(drawzoo.Config, frozen=True):
        units: drawzoo.Size = 5

    def __init__(self, config, sizes):
        super().__init__()
        self.out_features = config.units
        self.query = nn.Linear(sizes.decoder, config.units)
        self.key = nn.Linear(sizes.glimpse, config.units)

    def initial_state(self, batch):
        return (self.key.bias.new_zeros(batch, 0, self.out_features),)

    def forward(self, glimpse, h_dec, state, context):
        past = torch.cat([state[0], self.key(glimpse)[:, None]], dim=1)
        weights = (past @ self.query(h_dec)[:, :, None]).softmax(dim=1)
        return (weights * past).sum(dim=1), (past,)


@pytest.mark.parametrize("encoder", [Sound, Stateless, Growing, Dropped, Attends])
def test_sound_encoders_pass(encoder):
    check_encoder(encoder, units=5)


@pytest.mark.parametrize("reader", [Transformer, TwoWindows])
def test_sound_readers_pass(reader):
    check_reader(reader)


def test_a_sound_writer_passes():
    check_writer(SoundWriter)


@pytest.mark.slow
def test_every_component_of_this_repository_passes():
    from drawzoo.registry.loader import registry

    checks = {"encoder": check_encoder, "reader": check_reader, "writer": check_writer}
    for kind, check in checks.items():
        for entry in registry().entries(kind):
            if entry.distribution == "drawzoo":
                check(entry.load())


FAULTS = {}


def fault(first_line, check=check_encoder, **settings):
    """Marks a faulty component with what the first line must say."""

    def mark(component):
        FAULTS[component.__name__] = (component, first_line, check, settings)
        return component

    return mark


def after(cell):
    """`forward` with h passed through a function."""

    def forward(self, glimpse, h_dec, state, context):
        h, _ = Sound.forward(self, glimpse, h_dec, state, context)
        h = cell(self, h)
        return h, (h,)

    return forward


@fault("ignores its glimpse")
class IgnoresGlimpse(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(torch.zeros_like(glimpse), h_dec, state, context)


@fault("ignores its glimpse")
class HasNoGlimpse(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, msgspec.structs.replace(sizes, glimpse_shape=(0,)))

    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse[:, :0], h_dec, state, context)


@fault("ignores h_dec")
class IgnoresDecoder(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse, torch.zeros_like(h_dec), state, context)


@fault("not finite for large inputs")
class Overflows(Sound):
    def forward(self, glimpse, h_dec, state, context):
        weights = glimpse.exp() / glimpse.exp().sum(1, keepdim=True)
        return super().forward(weights, h_dec, state, context)


@fault("not finite for zero inputs")
class DividesByZero(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse / glimpse.norm(dim=1, keepdim=True), h_dec, state, context)


@fault("not finite at the engine's first step")
class RootOfZero(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(
            glimpse + h_dec.square().sum(1, keepdim=True).sqrt(), h_dec, state, context
        )


@fault("looks at the values of tensors")
class Item(Sound):
    forward = after(lambda self, h: h * 2 if h.sum().item() > 0 else h)


@fault("looks at the values of tensors")
class Branches(Sound):
    forward = after(lambda self, h: h * 2 if (h > 0).any() else h)


@fault("on another device")
class MakesOnCPU(Sound):
    forward = after(lambda self, h: h + torch.ones(h.shape, dtype=h.dtype, device="cpu"))


@fault("cannot be compiled as one graph")
class GraphBreak(Sound):
    def forward(self, glimpse, h_dec, state, context):
        torch._dynamo.graph_break()
        return super().forward(glimpse, h_dec, state, context)


@fault(
    "does not survive saving: a second instance with the same weights gives other results, for m"
)
class PlainTensor(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.mask = torch.rand(config.units)

    forward = after(lambda self, h: h * self.mask.to(h))


@fault(
    "does not survive saving: a second instance with the same weights gives other results, for m"
)
class Buffer(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.register_buffer("mask", torch.rand(config.units), persistent=False)

    forward = after(lambda self, h: h * self.mask)


@fault("has weights that are not saved: in layers")
class ListOfModules(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.layers = [nn.Linear(config.units, config.units)]

    forward = after(lambda self, h: self.layers[0](h))


@fault("has weights that are not saved: in scale")
class Computed(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.scale = nn.Parameter(torch.randn(config.units)) * 0.1

    forward = after(lambda self, h: h * self.scale)


@fault("does not survive saving: its weights cannot be stored")
class Tied(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.other = self.cell


@fault("makes weights when it is called: late")
class MadeLate(Sound):
    def forward(self, glimpse, h_dec, state, context):
        if not hasattr(self, "late"):
            self.late = nn.Parameter(torch.ones_like(h_dec[0, :1]))
        return super().forward(glimpse * self.late, h_dec, state, context)


@fault("a configuration that is no JSON: the field 'dtype'")
class DtypeConfig(Sound):
    class Config(drawzoo.Config, frozen=True):
        units: drawzoo.Size = 5
        dtype: torch.dtype = torch.float32


@fault("settings that cannot be used")
class UnionConfig(Sound):
    class Config(drawzoo.Config, frozen=True):
        units: list[int] | tuple[int, ...] = (5,)


@fault("is no drawzoo.Config")
class PlainConfig(Sound):
    class Config:
        units = 5


@fault("does not keep float64")
class Single(Sound):
    forward = after(lambda self, h: h.float())


@fault("does not keep float64")
class SingleState(Sound):
    def initial_state(self, batch):
        return (torch.zeros(batch, self.out_features, device=self.initial.device),)

    def forward(self, glimpse, h_dec, state, context):
        h, _ = super().forward(glimpse, h_dec, (state[0] + self.initial,), context)
        return h, (h,)


@fault("draws random numbers of its own")
class Noisy(Sound):
    forward = after(lambda self, h: h + 0.01 * torch.randn_like(h))


@fault("draws random numbers of its own")
class NumpyNoise(Sound):
    forward = after(lambda self, h: h + np.random.default_rng().normal())


@fault("from elsewhere than torch in training mode")
class NumpyDropout(Sound):
    forward = after(lambda self, h: h * np.random.rand() if self.training else h)


@fault("keeps hidden state")
class Hidden(Sound):
    last = 0.0

    def forward(self, glimpse, h_dec, state, context):
        h, _ = super().forward(glimpse, h_dec, state, context)
        h, self.last = h + self.last, h
        return h, (h,)


@fault("keeps hidden state")
class Caches(Sound):
    cache = None

    def prepare(self, x):
        if self.cache is None:
            self.cache = x.mean((1, 2, 3))[:, None]
        return self.cache

    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse + context, h_dec, state, context)


@fault("keeps hidden state between its calls")
class StashesImage(Sound):
    def prepare(self, x):
        self.seen = x.mean((1, 2, 3))[:, None]

    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse + self.seen, h_dec, state, context)


@fault("on another device")
class PlainGrid(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.grid = torch.linspace(0.1, 1, config.units)

    forward = after(lambda self, h: h * self.grid)


@fault("influence each other")
class Mixes(Sound):
    forward = after(lambda self, h: h - 0.5 * h.mean(0))


@fault("changes h_dec in place")
class InPlace(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse, h_dec.mul_(0.5), state, context)


@fault("changes its state in place")
class StateInPlace(Sound):
    def initial_state(self, batch):
        return (self.initial.expand(batch, -1).clone(),)

    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse, h_dec, (state[0].add_(1),), context)


@fault("changes its context in place")
class ContextInPlace(Sound):
    def prepare(self, x):
        return x.mean((1, 2, 3))[:, None].clone()

    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse + context.add_(1), h_dec, state, context)


@fault("does not put the batch first: the context")
class ContextLayersFirst(Sound):
    def prepare(self, x):
        return x.mean((1, 2, 3)).expand(7, -1)


@fault("no gradient reaches: unused")
class Unused(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.unused = nn.Parameter(torch.zeros(3))


@fault("fails in training mode")
class FailsInTraining(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return super().forward(glimpse, h_dec, state[: 0 if self.training else 1], context)


@fault("no tuple of tensors")
class BareState(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return (super().forward(glimpse, h_dec, state, context)[0],) * 2


@fault("does not give two things")
class OneResult(Sound):
    def forward(self, glimpse, h_dec, state, context):
        return torch.stack([super().forward(glimpse, h_dec, state, context)[0]] * 3)


@fault("expected [3, 5]")
class WrongFeatures(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.cell = nn.Linear(sizes.glimpse + sizes.decoder + config.units, config.units + 1)
        self.initial = nn.Parameter(torch.zeros(config.units))

    def forward(self, glimpse, h_dec, state, context):
        h = self.cell(torch.cat([glimpse, h_dec, state[0][:, :5]], dim=1))
        return h, (h,)


@fault("fails on images of shape [3, 9, 14]", check_reader)
class Square(drawzoo.Reader):
    def __init__(self, config, sizes):
        super().__init__()
        self.side = sizes.image[1]
        self.out_features = sizes.image[0] * self.side**2

    def forward(self, x, error, h_dec):
        return (x @ error.reshape(len(x), -1, self.side, self.side)).flatten(1), None


@fault("ignores the image", check_reader)
class Blind(drawzoo.Reader):
    out_features = 6

    def forward(self, x, error, h_dec):
        return h_dec, None


@fault("expected [3, 3, 9, 14]", check_writer)
class Turned(SoundWriter):
    def forward(self, h_dec):
        return super().forward(h_dec)[0].transpose(2, 3), None


@fault("ignores h_dec", check_writer)
class WritesTheSame(SoundWriter):
    def forward(self, h_dec):
        return super().forward(torch.zeros_like(h_dec))


@fault("a total that is not the sum", check_writer)
class WrongTotal(SoundWriter):
    def total(self, h_dec):
        return self(h_dec.sum(1))[0]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    component, first_line, check, settings = FAULTS[name]
    with pytest.raises(Fault) as caught:
        check(component, **settings)
    first, seen, do = str(caught.value).splitlines()[:3]
    assert first_line in first and component.__name__ in first, str(caught.value)
    assert len(first) <= 300
    assert seen.startswith("  seen: ") and do.startswith("  do: ")


def test_it_works_without_assert():
    """`python -O` leaves all assert statements out."""
    for path in Path(drawzoo.testing.__file__).parent.glob("*.py"):
        assert not [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Assert)]
