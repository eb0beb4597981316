"""The likelihoods of 256 levels: densities, gradients, means, and how figures tell of them."""

import math

import pytest
import torch
from drawzoo_colour.likelihood import DiscretisedLogistic, Intensities, LogisticMixture
from drawzoo_colour.logistic import expectation, log_probability, mean_of
from drawzoo_colour.settings import MixtureConfig
from torch.distributions import TransformedDistribution, Uniform
from torch.distributions.transforms import AffineTransform, SigmoidTransform

import drawzoo
from drawzoo.data.images import Images
from drawzoo.evaluation.bound import Bound
from drawzoo.schema.base import override
from drawzoo.schema.figures import facts
from drawzoo.schema.training import RunConfig, TrainingConfig
from drawzoo.training.loop import Trainer

LEVELS = torch.arange(256, dtype=torch.float64) / 255
EXTREMES = [-1e4, -7.0, -1.0, 0.0, 0.7, 3.0, 1e4]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def made(kind, *, image=(3, 1, 1), components=3):
    """A likelihood in float64; its channels depend on each other."""
    torch.manual_seed(0)
    config = MixtureConfig(components=components) if kind is LogisticMixture else None
    likelihood = kind(config, drawzoo.Sizes(image=image)).double()
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter.normal_()
    return likelihood


DENSITIES = pytest.mark.parametrize("kind", [DiscretisedLogistic, LogisticMixture])


class TestLogistic:
    @pytest.mark.parametrize("log_scale", [-40.0, -7.0, -3.0, 0.0, 5.0, 30.0])
    @pytest.mark.parametrize("mean", [-1e3, -0.2, 0.0, 0.3, 0.5, 1.0, 50.0])
    def test_all_levels_add_up_to_one(self, mean, log_scale):
        parts = (torch.full_like(LEVELS, value) for value in (mean, log_scale))
        total = log_probability(LEVELS, *parts).logsumexp(dim=0).exp()
        assert total.item() == pytest.approx(1, abs=1e-12)

    def test_is_the_logistic_distribution_of_torch(self):
        mean, scale = torch.tensor(0.4, dtype=torch.float64), 0.05
        zero, one = torch.zeros_like(mean), torch.ones_like(mean)
        transforms = [SigmoidTransform().inv, AffineTransform(mean, scale)]
        logistic = TransformedDistribution(Uniform(zero, one), transforms)
        inner = LEVELS[1:-1]
        expected = (logistic.cdf(inner + 0.5 / 255) - logistic.cdf(inner - 0.5 / 255)).log()
        found = log_probability(inner, mean, torch.tensor(math.log(scale)).double())
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)

    def test_the_tails_have_no_floor(self):
        """Far away, a level's log-probability falls by its distance over the scale."""
        mean, log_scale = torch.tensor(0.0).double(), torch.tensor(-6.0).double()
        log_p = log_probability(LEVELS[100:200], mean, log_scale)
        fall = torch.full_like(log_p[1:], math.exp(6) / 255)
        torch.testing.assert_close(log_p[:-1] - log_p[1:], fall)
        assert log_p[-1] < -300

    @pytest.mark.parametrize("log_scale", [-6.9, -3.0, 0.0, 1.9])
    def test_expectation(self, log_scale):
        """As near to the levels' own as half a level, and exact for the variable within [0, 1]."""
        log_scale = torch.tensor(log_scale, dtype=torch.float64)
        for mean in torch.tensor([-0.5, 0.0, 0.1, 0.77, 1.3], dtype=torch.float64):
            levels = (log_probability(LEVELS, mean, log_scale).exp() * LEVELS).sum()
            found = expectation(mean, log_scale)
            assert found.item() == pytest.approx(levels.item(), abs=0.5 / 255)
            u = (torch.arange(10**5, dtype=torch.float64) + 0.5) / 10**5
            integral = torch.sigmoid((mean - u) * (-log_scale).exp()).mean()
            assert found.item() == pytest.approx(integral.item(), abs=1e-6)

    def test_mean_of_is_its_inverse(self):
        expected = torch.linspace(0.001, 0.999, 50, dtype=torch.float64)
        log_scale = torch.linspace(-5, 1, 50, dtype=torch.float64)
        found = expectation(mean_of(expected, log_scale), log_scale)
        torch.testing.assert_close(found, expected)


@DENSITIES
class TestDensities:
    @pytest.mark.parametrize("value", EXTREMES)
    @pytest.mark.parametrize("channels", [1, 2])
    def test_all_images_add_up_to_one(self, kind, channels, value):
        """Whatever the canvas: images of one pixel, of one channel and of two."""
        likelihood = made(kind, image=(channels, 1, 1))
        x = torch.cartesian_prod(*[LEVELS] * channels).view(-1, channels, 1, 1)
        canvas = (value * normal(1, *likelihood.canvas_shape)).expand(len(x), -1, -1, -1)
        total = torch.logsumexp(-likelihood.nats(canvas, x), dim=0).exp()
        assert total.item() == pytest.approx(1, abs=1e-9)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("value", EXTREMES)
    def test_values_and_gradients_are_finite(self, kind, value, dtype):
        likelihood = made(kind, image=(3, 4, 4)).to(dtype)
        canvas = (value * normal(64, *likelihood.canvas_shape)).to(dtype).requires_grad_()
        x = LEVELS[torch.randint(256, (64, 3, 4, 4), generator=seeded())].to(dtype)
        x[:2], x[2:4] = 0, 1
        nats, mean = likelihood.nats(canvas, x), likelihood.mean(canvas)
        assert nats.isfinite().all() and ((mean >= 0) & (mean < 1 + 1e-6)).all()
        (nats.sum() + mean.sum()).backward()
        assert canvas.grad.isfinite().all()
        assert all(p.grad.isfinite().all() for p in likelihood.parameters())

    def test_gradients(self, kind):
        likelihood = made(kind, image=(2, 1, 2))
        x = LEVELS[torch.tensor([[0, 255], [3, 128]])].view(1, 2, 1, 2)
        canvas = normal(1, *likelihood.canvas_shape).requires_grad_()

        def both(canvas):
            return likelihood.nats(canvas, x), likelihood.mean(canvas)

        assert torch.autograd.gradcheck(both, canvas)

    def test_a_drawing_starts_at_the_mean_image(self, kind):
        likelihood = made(kind, image=(3, 2, 2))
        mean = torch.linspace(0.01, 0.99, 24, dtype=torch.float64).view(2, 3, 2, 2)
        torch.testing.assert_close(likelihood.mean(likelihood.canvas(mean)), mean)
        black = likelihood.canvas(torch.zeros_like(mean))
        assert black.isfinite().all() and likelihood.mean(black).max() < 0.002

    @pytest.mark.parametrize("value", [0.5 / 255, -1 / 255, 256 / 255, math.nan])
    def test_what_is_no_level_is_refused(self, kind, value):
        likelihood = made(kind, image=(1, 2, 2))
        likelihood.check(LEVELS.view(64, 1, 2, 2).float())
        with pytest.raises(drawzoo.DrawzooError, match="256 levels") as caught:
            likelihood.check(torch.full((1, 1, 2, 2), value))
        assert len(str(caught.value)) <= 300

    def test_a_model_that_knows_nothing_needs_eight_bits(self, kind):
        """Of pixels of which each level is as likely as any."""
        likelihood = made(kind, image=(3, 8, 8))
        for parameter in likelihood.parameters():
            parameter.data.zero_()
        canvas = likelihood.canvas(torch.full((64, 3, 8, 8), 0.5, dtype=torch.float64))
        canvas[:, -3 * (likelihood.components if kind is LogisticMixture else 1) :] = 1.1
        x = LEVELS[torch.randint(256, (64, 3, 8, 8), generator=seeded())]
        bits = likelihood.nats(canvas, x).mean().item() / (3 * 8 * 8 * math.log(2))
        assert 8 <= bits < 8.5


def test_one_component_whose_channels_do_not_follow_is_the_discretised_logistic():
    mixture, one = made(LogisticMixture, components=1), made(DiscretisedLogistic)
    mixture.follow.data.zero_()
    canvas = normal(5, *mixture.canvas_shape)
    x = LEVELS[torch.randint(256, (5, 3, 1, 1), generator=seeded())]
    torch.testing.assert_close(mixture.nats(canvas, x), one.nats(canvas[:, 1:], x))
    torch.testing.assert_close(mixture.mean(canvas), one.mean(canvas[:, 1:]))


def test_a_channel_follows_those_before_it_by_what_they_surprise():
    likelihood = made(LogisticMixture, components=1, image=(2, 1, 1))
    likelihood.follow.data[0] = torch.tensor([[5.0, 5.0], [0.8, 5.0]])
    canvas = torch.tensor([0, 0.1, -0.2, -1, -2]).double().view(1, 5, 1, 1)
    x = LEVELS[[200, 90]].view(1, 2, 1, 1)
    red, green = 0.5 + 0.25 * canvas[0, 1], 0.5 + 0.25 * canvas[0, 2]
    scales = -2.5 + 4.5 * torch.tanh(canvas[0, 3:] / 4.5)
    green = green + 0.8 * (x[0, 0] - expectation(red, scales[0]))
    expected = -log_probability(x[0], torch.stack([red, green]), scales).sum()
    torch.testing.assert_close(likelihood.nats(canvas, x), expected.view(1))


@pytest.fixture
def images():
    pixels = torch.randint(256, (20, 3, 6, 5), dtype=torch.uint8, generator=seeded())
    return Images(pixels, None, binarize=False)


def colour(tiny, name):
    return override(tiny(), {"image": [3, 6, 5], "likelihood.name": name})


@pytest.mark.parametrize("protocol", ["bound", "iwae"])
@pytest.mark.parametrize("name", ["logistic", "logistic-mixture"])
def test_figures_have_bits_per_dimension(tiny, images, name, protocol):
    model = drawzoo.build(colour(tiny, name)).eval()
    each = {}
    figure = drawzoo.evaluate(
        model, protocol, images, dataset="mine", split="test", each=each.update
    )
    assert each["bits_per_dimension"].mean().item() == pytest.approx(
        figure.bits_per_dimension, abs=1e-4
    )
    expected = figure.nats_mean / (3 * 6 * 5 * math.log(2))
    assert figure.bits_per_dimension == pytest.approx(expected, abs=1e-4)
    words = f"{figure.bits_per_dimension:.3f} bits per dimension"
    found = drawzoo.evaluation.protocol.find_protocol(protocol)
    assert words in found.in_words(figure) and any(words in cell for cell in found.row(figure))


def test_figures_of_binary_images_have_none(tiny):
    pixels = 255 * torch.randint(2, (9, 1, 6, 5), dtype=torch.uint8, generator=seeded())
    model = drawzoo.build(tiny()).eval()
    images = Images(pixels, None, binarize=False)
    figure = drawzoo.evaluate(model, "bound", images, dataset="mine", split="test")
    assert "bits_per_dimension" not in facts(figure)
    assert "bits" not in Bound().in_words(figure)
    assert [metric.type for metric in Bound().metrics(figure)] == ["nats_bound"]


def test_cross_entropy_of_intensities_is_trained_on_and_bounds_nothing(tiny, images, tmp_path):
    config = colour(tiny, "intensities")
    run = RunConfig(config, TrainingConfig(max_steps=3, batch_size=5))
    Trainer(run, images, tmp_path).run()
    model = drawzoo.load(f"local-dir:{tmp_path}")
    assert isinstance(model.likelihood, Intensities)
    x = images.batch(torch.arange(4))
    canvas = model.initial_canvas.expand(4, -1, -1, -1)
    p = torch.sigmoid(canvas)
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(dim=1)
    torch.testing.assert_close(model.likelihood.nats(canvas, x), expected)
    with pytest.raises(drawzoo.DrawzooError, match="no density"):
        model.bound(x)
    for protocol in ("bound", "iwae"):
        assert not drawzoo.evaluation.protocol.find_protocol(protocol).applies(model)
