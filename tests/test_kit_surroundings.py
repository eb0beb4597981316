"""The kit names what a component does to its surroundings, and what it loses on the way."""

import pytest
import torch
from sound_components import Sound
from torch import nn

import drawzoo
from drawzoo.testing import Fault, check_encoder, check_likelihood

FAULTS = {}


def fault(first_line, check=check_encoder):
    def mark(component):
        FAULTS[component.__name__] = component, first_line, check
        return component

    return mark


@fault("seeds torch's random numbers when it is built")
class SeedsWhenBuilt(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        torch.manual_seed(0)


@fault("seeds torch's random numbers when it is called")
class SeedsWhenCalled(Sound):
    def forward(self, glimpse, h_dec, state, context):
        torch.manual_seed(0)
        return super().forward(glimpse + torch.rand_like(glimpse), h_dec, state, context)


@fault("changes torch's default type")
class SetsTheType(Sound):
    def __init__(self, config, sizes):
        torch.set_default_dtype(torch.float64)
        super().__init__(config, sizes)


@fault("changes torch's gradient mode")
class SetsGradients(Sound):
    def forward(self, glimpse, h_dec, state, context):
        torch.set_grad_enabled(True)
        return super().forward(glimpse, h_dec, state, context)


@fault("does not keep float64 throughout")
class PlainConstants(Sound):
    def forward(self, glimpse, h_dec, state, context):
        grid = torch.linspace(0, 1, glimpse.shape[1])
        return super().forward(glimpse * grid.to(glimpse), h_dec, state, context)


@fault("does not keep float64 throughout")
class Rounds(Sound):
    def forward(self, glimpse, h_dec, state, context):
        weights = glimpse.float().softmax(dim=1).to(glimpse.dtype)
        return super().forward(glimpse * weights, h_dec, state, context)


@fault("ignores the labels")
class LossOfNothing(Sound):
    needs_labels = True

    def prepare(self, x):
        return x.mean((1, 2, 3))

    def auxiliary_loss(self, context, labels):
        return context.square()


@fault("classify that does not give logits")
class OneLogit(Sound):
    classifies = True

    def prepare(self, x):
        return x.mean((1, 2, 3))

    def classify(self, context):
        return context


@fault("declares matrix_blocks that it has not: gates.weight")
class Declares(Sound):
    matrix_blocks = {"gates.weight": 4}  # noqa: RUF012


@fault("images of a batch influence each other")
class Normalises(Sound):
    def __init__(self, config, sizes):
        super().__init__(config, sizes)
        self.norm = nn.BatchNorm1d(sizes.glimpse, track_running_stats=False)

    def forward(self, glimpse, h_dec, state, context):
        return super().forward(self.norm(glimpse), h_dec, state, context)


@fault("keeps hidden state between its calls", check_likelihood)
class MeanOfTheLast(drawzoo.Likelihood):
    def nats(self, canvas, x):
        self.canvas_of_last = canvas
        return nn.functional.binary_cross_entropy_with_logits(canvas, x, reduction="none").sum(
            dim=(1, 2, 3)
        )

    def mean(self, canvas):
        return getattr(self, "canvas_of_last", canvas).sigmoid()

    def canvas(self, mean):
        return mean.logit(eps=1e-3)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    component, first_line, check = FAULTS[name]
    before = torch.get_default_dtype(), torch.get_rng_state(), torch.is_grad_enabled()
    with pytest.raises(Fault) as caught:
        check(component)
    first = str(caught.value).splitlines()[0]
    assert first_line in first and name in first, str(caught.value)
    after = torch.get_default_dtype(), torch.get_rng_state(), torch.is_grad_enabled()
    assert before[::2] == after[::2] and torch.equal(before[1], after[1])
