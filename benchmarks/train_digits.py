"""Trains the classifier of digits: `python benchmarks/train_digits.py --data DATA --out DIR`.

A few minutes on one core. It writes `digits.safetensors` and `digits.json`, and prints what the
second says; whoever replaces the files that ship puts the new hash into `classifier.py`, and
measures all figures of the protocol `quality` again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import click
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from drawzoo.cli.options import data_option
from drawzoo.cli.progress import progress
from drawzoo.data.images import Images, load_dataset
from drawzoo.disk.atomic import check_writable, write_atomic
from drawzoo.disk.paths import data_root
from drawzoo.evaluation.digits.classifier import FACTS, WEIGHTS, Classifier, Facts
from drawzoo.evaluation.digits.frechet import frechet_distance
from drawzoo.schema.base import encode

__all__ = ["train"]

BATCH = 100
EPOCHS = 12
LEARNING_RATE = 2e-3
SEED = 0
SHIFT = 2
"""Pixels by which training images are moved at most: digits that are drawn sit less well."""


def train(images: Images, generator: torch.Generator) -> Classifier:
    """A classifier trained on labelled digits, binarised afresh each time one is seen.

    Arguments:
        images: The training images, with labels.
        generator: The source of randomness, but for the first weights.
    """
    model = Classifier()
    assert images.labels is not None
    count = len(images.pixels)
    total = EPOCHS * (count // BATCH)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=total)
    order = torch.empty(0, dtype=torch.int64)
    for _ in progress(range(total), "digits"):
        if len(order) < BATCH:
            order = torch.randperm(count, generator=generator)
        index, order = order[:BATCH], order[BATCH:]
        x = _shifted(images.batch(index, generator), generator)
        loss = F.cross_entropy(model(x)[1], images.labels[index])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return model.eval()


def _shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """The batch moved by a few pixels: x [B, 1, H, W], each batch in one direction."""
    dy, dx = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
    return torch.roll(x, (dy, dx), (2, 3))


@click.command
@data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The folder to write digits.safetensors and digits.json to.",
)
def command(data: Path | None, out: Path) -> None:
    """Trains the classifier of digits of the protocol `quality`."""
    for path in (WEIGHTS, FACTS):
        check_writable(out / path.name)
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    images, tests = (load_dataset("mnist", split, data_root(data)) for split in ("train", "test"))
    assert tests.labels is not None
    model = train(images, generator)
    raw = save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    count = len(tests.pixels)
    features, probabilities = model.classify(tests.batch(torch.arange(count), generator))
    some = torch.randperm(len(images.pixels), generator=generator)[:count]
    accuracy = (probabilities.argmax(dim=1) == tests.labels).double().mean().item()
    found = Facts(
        sha256=hashlib.sha256(raw).hexdigest(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        features=Classifier.FEATURES,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        seed=SEED,
        accuracy=round(accuracy, 4),
        accuracy_stderr=round((accuracy * (1 - accuracy) / count) ** 0.5, 4),
        confidence=round(probabilities.max(dim=1).values.double().mean().item(), 4),
        images=count,
        frechet_train=round(
            frechet_distance(model.classify(images.batch(some, generator))[0], features), 4
        ),
    )
    write_atomic(out / WEIGHTS.name, raw)
    write_atomic(out / FACTS.name, encode(found))
    click.echo(encode(found).decode(), nl=False)


if __name__ == "__main__":
    command()
