"""Model II: a classifier helps the encoder, and labels are asked for in training alone."""

import pytest
import torch
from drawzoo_supervised.encoder import SupervisedEncoder

from drawzoo.registry.build import build, model_config
from drawzoo.schema.base import override
from drawzoo.testing import check_encoder


@pytest.fixture
def model():
    torch.manual_seed(0)
    small = {"encoder.units": 16, "encoder.channels": [16, 4], "encoder.features": 8}
    return build(override(model_config("model2-mnist"), {**small, "decoder.units": 16, "steps": 2}))


def some(batch=5):
    return torch.rand(batch, 1, 28, 28).round(), torch.randint(10, (batch,))


def test_first_filters_are_those_of_the_presentation():
    assert build(model_config("model2-mnist")).encoder.maps[0].weight.shape == (16, 1, 5, 5)


def test_classifier_feeds_the_encoder_at_two_places(model):
    """Through its maps and its classes: cut one, and the other still drives the LSTM."""
    encoder = model.encoder.eval()
    x, _ = some()
    drive = encoder.prepare(x)
    for part in (slice(0, -10), slice(-10, None)):
        cut = encoder.drive.weight.detach().clone()
        cut[:, part] = 0
        with torch.no_grad():
            kept = encoder.drive.weight.clone()
            encoder.drive.weight.copy_(cut)
            assert not encoder.prepare(x).equal(drive)
            assert encoder.prepare(x)[:, :-10].any()
            encoder.drive.weight.copy_(kept)


def test_loss_is_the_weighted_cross_entropy(model):
    x, labels = some()
    encoder = model.encoder.eval()
    context = encoder.prepare(x)
    expected = -encoder.classify(context).log_softmax(dim=1)[torch.arange(5), labels]
    assert torch.allclose(encoder.auxiliary_loss(context, labels), 2 * expected)


def test_labels_and_the_bound_train_the_classifier(model):
    x, labels = some()
    noise = torch.randn(2, 5, *model.latent.shape)
    terms = model(x, noise, labels)
    assert terms.auxiliary.shape == (5,)
    bound = (terms.reconstruction + terms.kl.sum(dim=0)).mean()
    for part in (model.encoder.maps[0], model.encoder.hidden, model.encoder.logits):
        for loss in (bound, terms.auxiliary.sum()):
            assert torch.autograd.grad(loss, part.weight, retain_graph=True)[0].any()


def test_sampling_and_evaluation_need_no_labels(model):
    x, _ = some()
    model.eval()
    assert model(x, torch.randn(2, 5, *model.latent.shape)).auxiliary is None
    assert model.bound(x).nats.shape == (5,)
    assert model.sample(3).shape == (3, 1, 28, 28)
    assert model.reconstruct(x).images.shape == (2, 5, 1, 28, 28)


def test_encoder_is_sound():
    check_encoder(SupervisedEncoder, units=8, channels=[2, 3], features=5, classes=4)
