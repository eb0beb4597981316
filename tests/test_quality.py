"""The Fréchet distance against closed forms, and the classifier that ships."""

from pathlib import Path

import msgspec
import pytest
import torch

from drawzoo.data.images import load_dataset
from drawzoo.errors import WeightsError
from drawzoo.evaluation.digits import classifier as module
from drawzoo.evaluation.digits.classifier import (
    FACTS,
    SHA256,
    WEIGHTS,
    Classifier,
    classifier,
    facts,
)
from drawzoo.evaluation.digits.frechet import bootstrap_stderr, frechet_distance
from drawzoo.schema.manifest import pin


def features(mean, covariance, num=50):
    """Features [N, F] with exactly this mean and covariance."""
    x = torch.randn(num, len(mean), dtype=torch.float64)
    x = x - x.mean(dim=0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T.cov()), x.T, upper=False).T
    return white @ torch.linalg.cholesky(covariance).T + mean


class TestFrechet:
    mean = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)

    def test_of_diagonal_gaussians(self):
        a, b = torch.tensor([[1.0, 2.0, 3.0], [2.0, 0.5, 1.0]], dtype=torch.float64)
        found = frechet_distance(
            features(self.mean, a.square().diag()), features(self.zero, b.square().diag(), 70)
        )
        expected = self.mean.square().sum() + (a - b).square().sum()
        assert found == pytest.approx(expected.item(), rel=1e-9)

    def test_of_any_gaussians(self):
        a, b = (x @ x.T + torch.eye(3) for x in torch.randn(2, 3, 3, dtype=torch.float64))
        found = frechet_distance(features(self.mean, a), features(self.zero, b))
        root = torch.linalg.eigvals(a @ b).real.sqrt().sum()
        expected = self.mean.square().sum() + a.trace() + b.trace() - 2 * root
        assert found == pytest.approx(expected.item(), rel=1e-9)

    def test_of_a_set_and_itself_and_in_either_order(self):
        a, b = torch.randn(2, 40, 5, dtype=torch.float64)
        assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)

    def test_features_that_never_vary(self):
        a, b = torch.randn(2, 40, 3, dtype=torch.float64)
        a[:, 2] = b[:, 2] = 0
        expected = frechet_distance(a[:, :2], b[:, :2])
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)

    def test_standard_error_is_the_spread_between_sets(self):
        pairs = torch.randn(60, 2, 200, 2) + torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
        spread = torch.tensor([frechet_distance(a, b) for a, b in pairs]).std().item()
        generator = torch.Generator().manual_seed(0)
        found = [bootstrap_stderr(a, b, generator) for a, b in pairs[:5]]
        assert sum(found) / 5 == pytest.approx(spread, rel=0.3)


class TestClassifier:
    def test_file_is_the_one_pinned(self):
        assert pin(WEIGHTS).sha256 == SHA256 == facts().sha256
        assert WEIGHTS.stat().st_size < 500_000
        assert sum(p.numel() for p in classifier().parameters()) == facts().parameters

    def test_knows_digits(self):
        images = load_dataset("mnist-sample", "test", None)
        x = images.batch(torch.arange(256), torch.Generator().manual_seed(0))
        found, probabilities = classifier().classify(x)
        assert found.shape == (256, facts().features) and probabilities.shape == (256, 10)
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(256))
        right = (probabilities.argmax(dim=1) == images.labels).float().mean()
        # The first test images are easier than the others.
        assert right >= 0.98 and 0.98 < facts().accuracy < 1

    def test_chunks_change_nothing(self):
        x = (torch.rand(7, 1, 28, 28) < 0.2).float()
        whole = classifier().classify(x)
        alone = [classifier().classify(image[None]) for image in x]
        for i in range(2):
            torch.testing.assert_close(whole[i], torch.cat([parts[i] for parts in alone]))

    def test_damaged_file_is_refused(self, monkeypatch, tmp_path):
        raw = bytearray(WEIGHTS.read_bytes())
        raw[-1] ^= 1
        (tmp_path / "digits").write_bytes(raw)
        monkeypatch.setattr(module, "WEIGHTS", tmp_path / "digits")
        classifier.cache_clear()
        with pytest.raises(WeightsError, match="reinstall drawzoo"):
            classifier()
        classifier.cache_clear()


@pytest.mark.slow
def test_training_makes_a_file_like_the_one_that_ships(monkeypatch, tmp_path):
    """On strokes instead of digits, for a moment."""
    from click.testing import CliRunner

    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import train_digits as train

    monkeypatch.setattr(train, "EPOCHS", 1)
    monkeypatch.setattr(train, "load_dataset", lambda _, *rest: load_dataset("synthetic", *rest))
    result = CliRunner().invoke(train.command, ["--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / FACTS.name).read_text() == result.output
    found = msgspec.json.decode(result.output, type=type(facts()))
    assert found.sha256 == pin(tmp_path / WEIGHTS.name).sha256
    assert found.images == 200 and 0 < found.accuracy <= 1
    assert len(Classifier().state_dict()) == 10
