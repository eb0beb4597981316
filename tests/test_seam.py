"""The six components as a stranger writes them, with public names alone.

A GRU decoder; a learned prior; a likelihood of 256 grey levels with a scale for each pixel; and
convolutional DRAW (Gregor et al., 2016), whose codes are maps and whose decoder sees the canvas.
"""

import pytest
import torch
from strangers import GRUDecoder, LearnedPrior, Logistic, Plugin, UnitsConfig
from torch.distributions import Normal, kl_divergence

import drawzoo
from drawzoo.data.images import Images
from drawzoo.evaluation.measure import evaluate
from drawzoo.registry.loader import installed
from drawzoo.schema.base import override
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.store.weights import WEIGHTS
from drawzoo.training.checkpoint import read_checkpoint
from drawzoo.training.loop import Trainer

CASES = {
    "a GRU decoder": {"decoder": "gru"},
    "a learned prior": {"latent": "learned"},
    "256 levels": {"likelihood": "grey-levels"},
    "convolutional DRAW": {
        **dict.fromkeys(("reader", "encoder", "latent", "decoder", "writer"), "maps"),
        "likelihood": "grey-levels",
        "image": (3, 32, 32),
    },
}


@pytest.fixture(autouse=True)
def registered():
    installed.cache_clear()
    installed().add(Plugin(), "stranger", "stranger")
    yield
    installed.cache_clear()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def config(request, tiny):
    changes = {k if k == "image" else f"{k}.name": v for k, v in request.param.items()}
    return override(tiny(steps=3), changes)


@pytest.fixture
def model(config):
    """In float64, no parameter zero."""
    model = drawzoo.build(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=seeded()))
    return model.eval()


def images(config, num=20):
    shape = (num, *config.image)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=seeded(1))
    if config.likelihood.name == "bernoulli":
        pixels = 255 * (pixels > 127).to(torch.uint8)
    return Images(pixels, None, binarize=False)


def some(model, num=3):
    return images(model.config, num).pixels.double() / 255


def test_trained_saved_loaded_and_evaluated(config, tmp_path):
    data = images(config)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    run = RunConfig(config, TrainingConfig(max_steps=6, epochs=9, batch_size=10))
    for folder in (whole, halves):
        folder.mkdir()
    records = []
    Trainer(run, data, whole).run(report=records.append)
    assert all(torch.tensor(record["loss"]).isfinite() for record in records if "loss" in record)
    first = Trainer(run, data, halves)
    first.run(stop=lambda: first.step == 3)
    Trainer(run, data, halves, read_checkpoint(halves)).run()
    assert (whole / WEIGHTS).read_bytes() == (halves / WEIGHTS).read_bytes()

    model = drawzoo.load(f"local-dir:{whole}")
    where = {"dataset": "mine", "split": "test"}
    bound = evaluate(model, "bound", data, **where)
    assert bound.nats_mean == pytest.approx(bound.kl + bound.reconstruction, abs=1e-3)
    tight = evaluate(model, "iwae", data, k=20, **where)
    assert tight.nats_mean < tight.bound_mean
    assert model.sample(3, generator=seeded()).shape == (3, *config.image)


def test_kl_is_that_of_torch(model):
    x, noise = some(model), model.noise(3, 3, seeded())
    steps = list(model.inference(x, model.encoder.prepare(x), noise))
    kl = model(x, noise).kl
    for t, step in enumerate(steps):
        q = Normal(step.posterior.mean, step.posterior.log_std.exp())
        p = Normal(torch.zeros_like(q.mean), 1.0)
        if step.prior is not None:
            p = Normal(step.prior.mean, step.prior.log_std.exp())
        expected = kl_divergence(q, p).flatten(1).sum(dim=1)
        torch.testing.assert_close(kl[t], expected, rtol=1e-10, atol=1e-10)
        z = step.posterior.at(noise[t])
        ratio = (p.log_prob(z) - q.log_prob(z)).flatten(1).sum(dim=1)
        found = step.posterior.log_ratio(noise[t], step.prior)
        torch.testing.assert_close(found, ratio, rtol=1e-10, atol=1e-10)


def test_importance_weights_are_those_of_the_steps(model):
    x, noise = some(model), model.noise(6, 3, seeded())
    weights = model.log_weights(x, noise.unflatten(1, (2, 3)))
    for j in range(2):
        part = noise[:, 3 * j : 3 * j + 3]
        steps = list(model.inference(x, model.encoder.prepare(x), part))
        expected = -model.likelihood.nats(steps[-1].state.canvas, x)
        for step, noise_t in zip(steps, part, strict=True):
            expected = expected + step.posterior.log_ratio(noise_t, step.prior)
        torch.testing.assert_close(weights[j], expected.detach(), rtol=1e-10, atol=1e-10)


def test_gradients_reach_every_parameter(model):
    model.loss(some(model), generator=seeded()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


# Convolutional DRAW has components of every kind.
@pytest.mark.parametrize(
    "config",
    [pytest.param(case, id=name) for name, case in CASES.items()],
    indirect=True,
)
@pytest.mark.slow
def test_one_graph(model):
    torch.compiler.reset()
    x, noise = some(model), model.noise(3, 3, seeded())
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for found, expected in zip(compiled(x, noise)[:2], model(x, noise)[:2], strict=True):
        torch.testing.assert_close(found, expected)
    with torch.no_grad():
        paint = torch.compile(model.paint, backend="eager", fullgraph=True)
        torch.testing.assert_close(paint(noise), model.paint(noise))


def test_drawing_step_by_step_ends_with_the_sample(model):
    drawing = model.draw(4, generator=seeded())
    torch.testing.assert_close(model.sample(4, generator=seeded()), drawing.images[-1])
    z = model.prior(4, generator=seeded())
    assert z.shape == (3, 4, *model.latent.shape)
    assert torch.equal(model.decode(z).canvases, drawing.canvases)
    assert torch.equal(model.draw(4, steps=2, generator=seeded()).canvases, drawing.canvases[:2])


def test_codes_draw_the_image_again(model):
    x = some(model)
    drawing, codes = (f(x, generator=seeded()) for f in (model.reconstruct, model.encode))
    assert torch.equal(model.decode(codes.z).canvases, drawing.canvases)
    assert torch.equal(codes.kl, model.bound(x, generator=seeded()).kl)


def test_a_learned_prior_is_sampled_from(tiny):
    """Codes of the prior have the prior's mean and standard deviation at the first step."""
    model = drawzoo.build(override(tiny(), {"latent.name": "learned"})).double()
    with torch.no_grad():
        model.latent.p.bias.copy_(torch.tensor([3.0, -2, 0, -1, 0.5, 0]))
        z = model.prior(20_000, generator=seeded())[0]
        prior = model.latent.prior(model.initial_state(1).h_dec)
    torch.testing.assert_close(z.mean(dim=0), prior.mean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(z.std(dim=0), prior.log_std[0].exp(), rtol=0.02, atol=0)


def test_a_decoder_that_sees_the_canvas_is_drawn_step_by_step(tiny):
    class Sees(GRUDecoder):
        closed = False

        def forward(self, z, state, canvas):
            return super().forward(z + canvas.flatten(1).mean(dim=1, keepdim=True), state, canvas)

    model = drawzoo.build(override(tiny(), {"decoder.name": "gru"}))
    parts = model.reader, model.encoder, model.latent
    sees = Sees(UnitsConfig(), drawzoo.Sizes(image=(1, 6, 5), latent_shape=(2,)))
    other = drawzoo.Draw(*parts, sees, model.writer, model.likelihood, steps=2)
    other.start_from(torch.full((1, 6, 5), 0.9))
    z = other.prior(3, generator=seeded())
    expected = other.decode(z).images[-1]
    torch.testing.assert_close(other.sample(3, generator=seeded()), expected)


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 0.0), (2.0, -3.0), (-4.0, 1.0)])
def test_the_probabilities_of_all_levels_sum_to_one(mean, scale):
    likelihood = Logistic(None, drawzoo.Sizes(image=(1, 1, 1))).double()
    canvas = torch.tensor([mean, scale], dtype=torch.float64).view(1, 2, 1, 1).expand(256, -1, 1, 1)
    x = (torch.arange(256, dtype=torch.float64) / 255).view(-1, 1, 1, 1)
    total = (-likelihood.nats(canvas, x)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


def test_what_is_no_bound_is_never_called_one(tiny):
    class Intensities(Logistic):
        is_bound = False

    model = drawzoo.build(override(tiny(), {"likelihood.name": "grey-levels"}))
    model.likelihood.__class__ = Intensities
    x = some(model).float()
    model.loss(x).backward()
    for method in (model.bound, lambda x: model.log_weights(x, torch.zeros(2, 1, 3, 2))):
        with pytest.raises(drawzoo.DrawzooError, match="no density"):
            method(x)


def test_vectors_for_maps_are_refused_in_one_line(tiny):
    for changes, who in (
        ({"decoder.name": "maps"}, "decoder stranger:maps"),
        ({"latent.name": "maps"}, "decoder drawzoo:lstm: it takes codes that are vectors"),
    ):
        with pytest.raises(drawzoo.DrawzooError, match=who) as caught:
            drawzoo.build(override(tiny(image=(1, 8, 8)), changes))
        assert str(caught.value).isprintable()


def test_from_components_alone():
    """In a notebook: no name, no registry, no configuration."""
    from drawzoo_draw.encoder import LSTMEncoder
    from drawzoo_draw.reader import AttentiveReader
    from drawzoo_draw.writer import AttentiveWriter

    sizes = drawzoo.Sizes(
        image=(1, 8, 8),
        canvas=(2, 8, 8),
        latent_shape=(3,),
        decoder_shape=(6,),
        glimpse_shape=(50,),
        encoder_shape=(256,),
    )
    model = drawzoo.Draw(
        AttentiveReader(AttentiveReader.Config(), sizes),
        LSTMEncoder(LSTMEncoder.Config(), sizes),
        LearnedPrior(LearnedPrior.Config(), sizes),
        GRUDecoder(GRUDecoder.Config(), sizes),
        AttentiveWriter(AttentiveWriter.Config(), sizes),
        Logistic(None, sizes),
        steps=4,
    )
    x = torch.randint(256, (5, 1, 8, 8), generator=seeded()) / 255
    model.loss(x).backward()
    assert model.bound(x).kl.shape == (4, 5)
    assert model.sample(2).shape == (2, 1, 8, 8)
    with pytest.raises(drawzoo.DrawzooError, match="no configuration"):
        model.config  # noqa: B018
