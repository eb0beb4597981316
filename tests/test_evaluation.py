"""The protocols: bounds that hold, figures that anybody can compute again, no labels."""

import math
import re

import msgspec
import pytest
import torch
from linear_gaussian import LATENT, PIXELS, Toy, seeded

from drawzoo import (
    Draw,
    Encoder,
    Gaussian,
)
from drawzoo.data.images import Images, load_dataset
from drawzoo.errors import ConfigError, DataError
from drawzoo.evaluation.digits.classifier import SHA256
from drawzoo.evaluation.iwae import iwae_parts
from drawzoo.evaluation.measure import applicable, evaluate, measure, measure_again
from drawzoo.evaluation.paired import compare, differences
from drawzoo.registry.build import build

WHERE = {"dataset": "mnist", "split": "test"}


def images(num, shape=(1, 6, 5), *, binarize=True):
    pixels = torch.randint(256, (num, *shape), dtype=torch.uint8, generator=seeded(5))
    return Images(pixels, None, binarize)


class TestLogWeights:
    def test_with_the_true_posterior_each_is_the_likelihood(self):
        toy = Toy()
        x = torch.rand(3, 1, 1, PIXELS, dtype=torch.float64, generator=seeded())
        noise = torch.randn(2, 7, 3, LATENT, dtype=torch.float64, generator=seeded())
        found = toy.model.log_weights(x, noise)
        assert found.shape == (7, 3)
        torch.testing.assert_close(found, -toy.exact(x).expand(7, 3), rtol=0, atol=1e-12)

    def test_a_sample_is_that_of_the_bound(self, double):
        """With the KL replaced by its estimate at the same codes."""
        model = double(encoder="conv", reader="attention", steps=3)
        x, noise = (torch.rand(4, 1, 6, 5) < 0.5).double(), model.noise(8, 3, seeded())
        log_w = model.log_weights(x, noise.view(3, 2, 4, 2))
        for j in range(2):
            part, state = noise.view(3, 2, 4, 2)[:, j], model.initial_state(4)
            expected = 0.0
            with torch.no_grad():
                for noise_t in part:
                    step = model.step(x, model.encoder.prepare(x), noise_t, state)
                    expected += step.posterior.log_ratio(noise_t)
                    state = step.state
                expected -= model.likelihood.nats(state.canvas, x)
                terms = model(x, part)
            torch.testing.assert_close(log_w[j], expected, rtol=0, atol=1e-11)
            torch.testing.assert_close(
                model.likelihood.nats(state.canvas, x), terms.reconstruction, rtol=0, atol=1e-11
            )

    def test_the_mean_ratio_is_minus_the_kl(self):
        import numpy as np

        nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(10))
        mean, log_std = torch.randn(2, 1, 3, dtype=torch.float64, generator=seeded())
        posterior = Gaussian(mean.expand(10, 3), log_std.expand(10, 3))
        # Each dimension by quadrature; they add up.
        ratio = posterior.log_ratio(nodes[:, None].expand(10, 3))
        found = (weights * ratio).sum() / math.sqrt(2 * math.pi)
        torch.testing.assert_close(found, -Gaussian(mean, log_std).kl()[0])

    def test_images_are_checked(self, double):
        model = double()
        with pytest.raises(ConfigError, match="divide bytes by 255"):
            model.log_weights(torch.full((2, 1, 6, 5), 2.0), torch.zeros(2, 3, 2, 2))


class TestIwae:
    def test_falls_with_k_to_the_exact_likelihood(self):
        toy, x = Toy(mean=0.6, log_std=0.4), images(20, (1, 1, PIXELS), binarize=False)
        exact = toy.exact(x.batch(torch.arange(20))).mean().item()
        bound = evaluate(toy.model, "bound", x, **WHERE).nats_mean
        nats = [
            evaluate(toy.model, "iwae", x, k=k, **WHERE).nats_mean for k in (1, 5, 25, 200, 5_000)
        ]
        assert nats == sorted(nats, reverse=True)
        assert nats[0] > exact + 0.3 and bound > exact + 0.3
        assert nats[-1] == pytest.approx(exact, abs=0.01)

    def test_is_exact_for_every_k_with_the_true_posterior(self):
        toy, x = Toy(), images(5, (1, 1, PIXELS), binarize=False)
        exact = toy.exact(x.batch(torch.arange(5))).mean().item()
        for k in (1, 3):
            figure = evaluate(toy.model, "iwae", x, k=k, **WHERE)
            assert figure.nats_mean == pytest.approx(exact, abs=1e-4)

    def test_one_sample_is_the_bound(self, double):
        """By definition; and on average it is the one with the KL in closed form."""
        model, x = double(), images(400)
        one = evaluate(model, "iwae", x, k=1, **WHERE)
        assert one.nats_mean == one.bound_mean and one.nats_stderr == one.bound_stderr
        many = evaluate(model, "iwae", x, k=50, **WHERE)
        bound = evaluate(model, "bound", x, **WHERE)
        # The same images, binarised differently.
        for figure in (one, many):
            difference = abs(figure.bound_mean - bound.nats_mean)
            assert difference < 4 * (figure.bound_stderr + bound.nats_stderr)
        assert many.nats_mean < many.bound_mean

    @pytest.mark.parametrize("encoder", ["lstm", "conv"])
    def test_does_not_depend_on_the_chunks(self, double, encoder):
        model, x = double(encoder=encoder), images(7)
        expected = iwae_parts(model, x, 35, seed=0)
        for rows in (1, 10, 25, 70, 100):
            found = iwae_parts(model, x, 35, seed=0, rows=rows)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)

    def test_an_image_gives_the_same_among_others(self, double):
        model, x = double(), images(6)
        some = [x._replace(pixels=x.pixels[:n]) for n in range(1, 7)]
        mean = [evaluate(model, "iwae", part, k=3, **WHERE).nats_mean for part in some]
        alone = [n * mean[n - 1] - (n - 1) * mean[n - 2] for n in (2, 3, 4, 5, 6)]
        std = torch.tensor([mean[0], *alone]).std(correction=0).item()
        assert evaluate(model, "iwae", x, k=3, **WHERE).nats_std == pytest.approx(std, abs=2e-3)

    def test_depends_on_the_seed_alone(self, double):
        model, x = double(), images(5)
        first = evaluate(model, "iwae", x, k=4, seed=3, **WHERE)
        torch.manual_seed(7)
        assert evaluate(model, "iwae", x, k=4, seed=3, **WHERE) == first
        assert evaluate(model, "iwae", x, k=4, seed=4, **WHERE).nats_mean != first.nats_mean

    @pytest.mark.parametrize(("k", "rows"), [(3, 1000), (35, 10), (35, 70), (1, 1)])
    def test_progress_has_as_many_steps_as_it_says(self, double, k, rows):
        seen = []

        def progress(steps):
            seen.append(len(steps))
            for step in steps:
                yield step
                seen.append(step)

        iwae_parts(double(), images(7), k, seed=0, rows=rows, progress=progress)
        assert seen[1:] == list(range(seen[0]))


class TestGenerated:
    def test_is_the_cross_entropy_by_hand(self, double):
        model, x = double(), images(150)
        figure = evaluate(model, "generated", x, seed=3, **WHERE)
        p = model.sample(150, generator=seeded(3))
        target = x.batch(torch.arange(150), seeded(3)).double()
        terms = target * p.log() + (1 - target) * (1 - p).log()
        nats = -terms.sum(dim=(1, 2, 3))
        assert figure.nats_mean == pytest.approx(nats.mean().item(), abs=1e-4)
        assert figure.nats_std == pytest.approx(nats.std(correction=0).item(), abs=1e-4)
        assert figure.nats_stderr == pytest.approx(figure.nats_std / 150**0.5, abs=1e-4)
        assert figure.nats_max == pytest.approx(nats.max().item(), abs=1e-4)
        assert (figure.images, figure.seed) == (150, 3) and "image i" in figure.pairing

    def test_very_sure_pixels_count_in_full(self, double):
        model = double().float()
        with torch.no_grad():
            model.initial_canvas.fill_(40.0)
        black = Images(torch.zeros(2, 1, 6, 5, dtype=torch.uint8), None, False)
        figure = evaluate(model, "generated", black, **WHERE)
        canvas = model.draw(2, generator=seeded()).canvases[-1]
        assert figure.nats_mean == pytest.approx(canvas.sum(dim=(1, 2, 3)).mean().item(), rel=1e-5)


class TestQuality:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr("drawzoo.evaluation.quality.LEAST", 100)

    def model(self, tiny):
        from drawzoo import build

        return build(tiny(image=(1, 28, 28))).eval()

    def test_facts(self, tiny):
        model, x = self.model(tiny), load_dataset("mnist-sample", "test", None).subset(120)
        figure = evaluate(model, "quality", x, **WHERE)
        assert sum(figure.class_counts) == figure.images == 120 and len(figure.class_counts) == 10
        assert 0.1 <= figure.confidence_mean <= 1 and figure.confidence_stderr > 0
        assert figure.frechet > 0 and figure.frechet_stderr > 0
        assert figure.classifier == SHA256
        assert evaluate(model, "quality", x, **WHERE) == figure
        assert evaluate(model, "quality", x, seed=1, **WHERE).frechet != figure.frechet

    def test_real_digits_are_near_and_certain(self, tiny, monkeypatch):
        model, x = self.model(tiny), load_dataset("mnist-sample", "test", None)
        half = x._replace(pixels=x.pixels[:128])
        noise = evaluate(model, "quality", half, **WHERE)
        rest = iter((x.pixels[128:].float() / 255).split([100, 28]))
        monkeypatch.setattr(model, "sample", lambda num, generator: next(rest))
        real = evaluate(model, "quality", half, **WHERE)
        assert real.frechet < noise.frechet / 4
        assert real.confidence_mean > 0.95
        assert min(real.class_counts) > 0

    def test_other_images_are_refused(self, tiny, double):
        with pytest.raises(ConfigError, match="digits"):
            evaluate(self.model(tiny), "quality", images(3, (1, 28, 28)), dataset="x", split="test")
        with pytest.raises(ConfigError, match=re.escape("[1, 6, 5]")):
            evaluate(double(), "quality", images(3), **WHERE)
        with pytest.raises(ConfigError, match="at least 100 images"):
            evaluate(self.model(tiny), "quality", images(99, (1, 28, 28)), **WHERE)


class Supervised(Encoder):
    """Takes an image for the number of its brightest pixel; wants labels to train."""

    needs_labels = classifies = True
    out_features = 3

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(PIXELS, 2 * LATENT)

    def prepare(self, x):
        return x.flatten(1)

    def initial_state(self, batch):
        return ()

    def forward(self, glimpse, h_dec, state, context):
        return self.layer(context), ()

    def auxiliary_loss(self, context, labels):
        raise AssertionError("labels were asked for")

    def classify(self, context):
        return context


@pytest.fixture
def supervised():
    toy = Toy().model
    encoder = Supervised().double()
    parts = toy.latent, toy.decoder, toy.writer, toy.likelihood
    model = Draw(toy.reader, encoder, *parts, steps=2).double()
    model.config = toy.config
    return model.eval()


class TestAccuracy:
    def test_counts(self, supervised):
        pixels = torch.eye(PIXELS).mul(255).to(torch.uint8).view(PIXELS, 1, 1, PIXELS)
        x = Images(pixels.repeat(75, 1, 1, 1), torch.arange(300) % PIXELS, False)
        x.labels[:60] = (x.labels[:60] + 1) % PIXELS
        figure = evaluate(supervised, "accuracy", x, **WHERE)
        assert figure.accuracy == 0.8 and figure.images == 300
        assert figure.accuracy_stderr == pytest.approx((0.8 * 0.2 / 300) ** 0.5, abs=1e-4)

    @pytest.mark.parametrize("label", [-1, PIXELS, 200])
    def test_labels_of_other_classes(self, supervised, label):
        x = images(3, (1, 1, PIXELS))._replace(labels=torch.tensor([0, label, 1]))
        with pytest.raises(
            DataError, match=f"mnist has labels that are not from 0 to {PIXELS - 1}"
        ):
            evaluate(supervised, "accuracy", x, **WHERE)

    def test_without_a_classifier(self, double):
        x = images(3)._replace(labels=torch.zeros(3, dtype=torch.int64))
        with pytest.raises(ConfigError, match="does not classify"):
            evaluate(double(), "accuracy", x, **WHERE)

    def test_without_labels(self, supervised):
        with pytest.raises(DataError, match="no labels"):
            evaluate(supervised, "accuracy", images(3, (1, 1, PIXELS)), **WHERE)


def test_no_other_protocol_needs_labels(supervised):
    x = images(12, (1, 1, PIXELS))
    assert x.labels is None
    for protocol in ("bound", "iwae", "generated"):
        assert evaluate(supervised, protocol, x, **WHERE).images == 12


def test_applicable(double, supervised, tiny):
    from drawzoo import build

    assert applicable(double()) == ["bound", "iwae", "generated"]
    assert applicable(supervised) == ["bound", "iwae", "generated", "accuracy"]
    assert "quality" in applicable(build(tiny(image=(1, 28, 28))))
    other = build(tiny(image=(1, 28, 28), dataset="synthetic"))
    assert applicable(other) == ["bound", "iwae", "generated"]


@pytest.mark.parametrize(
    ("protocol", "settings", "count"),
    [
        ("bound", {}, 256),
        ("bound", {"images": 9}, 9),
        ("iwae", {"images": 4, "k": 3}, 4),
        ("generated", {}, 256),
        ("quality", {"images": 20}, 20),
    ],
)
def test_measured_again_it_is_the_same(tiny, tmp_path, monkeypatch, protocol, settings, count):
    from drawzoo import build

    monkeypatch.setattr("drawzoo.evaluation.quality.LEAST", 20)

    model = build(tiny(image=(1, 28, 28))).eval()
    figure = measure(model, protocol, tmp_path, dataset="mnist-sample", seed=2, **settings)
    assert figure.images == count and figure.seed == 2
    assert measure_again(model, figure, tmp_path) == figure
    renamed = msgspec.structs.replace(figure, model="other")
    assert measure_again(model, renamed, tmp_path).model == "other"


class TestComparison:
    def test_is_the_difference_of_the_bounds(self, tiny):
        torch.manual_seed(0)
        first, second = build(tiny()).double(), build(tiny()).double()
        data = images(30)
        found = compare(differences(first, second, data, seed=3), 3)
        a, b = (evaluate(m, "bound", data, seed=3, **WHERE).nats_mean for m in (first, second))
        assert found.nats_better == pytest.approx(b - a, abs=2e-4)
        assert found.images == 30
        assert (
            compare(differences(second, first, data, seed=3), 3).nats_better == -found.nats_better
        )

    def test_of_a_model_with_itself_is_none(self, tiny):
        model = build(tiny())
        found = compare(differences(model, model, images(30)), 0)
        assert (found.nats_better, found.nats_stderr) == (0, 0)
