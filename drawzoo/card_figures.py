"""The figures of a model card: a table for each protocol, and the metadata of the Hub."""

from __future__ import annotations

from typing import Any

from huggingface_hub import EvalResult

from drawzoo.figures import (
    AccuracyFigure,
    BoundFigure,
    Figure,
    GeneratedFigure,
    IwaeFigure,
    QualityFigure,
    plus_minus,
    protocol,
)
from drawzoo.markdown import table

__all__ = ["eval_results", "evaluation_command", "figures_text"]

_DATA_NOTE = """\
MNIST is binarised here by sampling each pixel (the seed fixes it), so these figures cannot be
compared with ones on the fixed binarised MNIST. `mnist-sample` is 256 of its test images, which
come with drawzoo: `drawzoo verify` measures that figure again."""

_FIXED_NOTE = """\
These are the images of the fixed binarised MNIST, so the figures can be compared with others on it.
`binarized-mnist-sample` is 256 of its test images, which come with drawzoo: `drawzoo verify`
measures that figure again."""

_NOTES = {"mnist": _DATA_NOTE, "binarized-mnist": _FIXED_NOTE}

_INTRODUCTION = """\
± is the standard error. Where images are not all of a split, they are a sample of it,
`{subset}`.
Measured on the file below by

```sh
{commands}
```

`drawzoo verify {model} --figures all` measures all of them again."""


def figures_text(figures: list[Figure]) -> str:
    """The section of a card: a table for each protocol, with what its figures are and are not."""
    parts = []
    for kind, write in _WRITERS.items():
        if same := [figure for figure in figures if isinstance(figure, kind)]:
            parts.append(write(same))
    datasets = {figure.dataset for figure in figures}
    parts += [note for dataset, note in _NOTES.items() if dataset in datasets]
    commands = "\n".join(evaluation_command(figure) for figure in figures)
    parts.append(
        _INTRODUCTION.format(commands=commands, model=figures[0].model, subset=figures[0].subset)
    )
    return "\n\n".join(parts)


def evaluation_command(figure: Figure) -> str:
    """The command that measures a figure.

    Example:
        >>> evaluation_command(AccuracyFigure(
        ...     model="m", dataset="mnist", split="test", images=9, seed=0,
        ...     accuracy=0.5, accuracy_stderr=0.1))
        'drawzoo evaluate m --dataset mnist --split test --protocol accuracy --images 9 --seed 0'
    """
    k = f" -k {figure.k}" if isinstance(figure, IwaeFigure) else ""
    return (
        f"drawzoo evaluate {figure.model} --dataset {figure.dataset} --split {figure.split} "
        f"--protocol {protocol(figure)}{k} --images {figure.images} "
        f"--seed {figure.seed}"
    )


def eval_results(figures: list[Figure]) -> list[EvalResult]:
    """The figures as the Hub's `model-index` has them, those on the same data together."""
    return [
        EvalResult(
            task_type="unconditional-image-generation",
            dataset_type=figure.dataset,
            dataset_name=figure.dataset,
            dataset_split=figure.split,
            metric_type=kind,
            metric_name=f"{name}, {figure.images:,} images",
            metric_value=value,
        )
        for figure in sorted(figures, key=lambda figure: (figure.dataset, figure.split))
        for kind, name, value in _metrics(figure)
    ]


def _metrics(figure: Figure) -> list[tuple[str, str, Any]]:
    """Type, name and value of each number that stands for a figure."""
    match figure:
        case BoundFigure():
            name = "Negative log-likelihood bound, protocol bound (nats)"
            return [("nats_bound", name, figure.nats_mean)]
        case IwaeFigure():
            name = f"Importance-weighted bound, protocol iwae, k={figure.k} (nats)"
            return [("nats_iwae", name, figure.nats_mean)]
        case GeneratedFigure():
            name = "of the cross-entropy of generated with unrelated images, no likelihood (nats)"
            return [
                ("nats_generated_mean", f"Average {name}", figure.nats_mean),
                ("nats_generated_std", f"Standard deviation {name}", figure.nats_std),
                ("nats_generated_max", f"Maximum {name}", figure.nats_max),
            ]
        case QualityFigure():
            return [
                ("frechet", "Fréchet distance in a digit classifier's features", figure.frechet),
                ("confidence", "Mean confidence of a digit classifier", figure.confidence_mean),
            ]
        case AccuracyFigure():
            return [("accuracy", "Accuracy of the encoder's classifier", figure.accuracy)]


def _where(figure: Figure) -> list[str]:
    return [f"{figure.dataset} {figure.split}", f"{figure.images:,}", str(figure.seed)]


_WHERE = ["data", "images", "seed"]


def _bound(figures: list[BoundFigure]) -> str:
    rows = (
        [
            *_where(f),
            plus_minus(f.nats_mean, f.nats_stderr),
            f"{f.kl:.2f}",
            f"{f.reconstruction:.2f}",
        ]
        for f in figures
    )
    return f"""\
### Protocol `bound`: nats per image, lower is better

{table([*_WHERE, "nats", "KL", "reconstruction"], rows)}

The negative log-likelihood bound (the negative ELBO), from one sample of the codes an image."""


def _iwae(figures: list[IwaeFigure]) -> str:
    rows = (
        [
            *_where(f),
            str(f.k),
            plus_minus(f.nats_mean, f.nats_stderr),
            plus_minus(f.bound_mean, f.bound_stderr),
        ]
        for f in figures
    )
    return f"""\
### Protocol `iwae`: nats per image, lower is better

{table([*_WHERE, "k", "nats", "bound on the same images"], rows)}

The importance-weighted bound (Burda et al., 2016) from k samples an image: closer to the true
negative log-likelihood than the bound and, on average, still above it."""


def _generated(figures: list[GeneratedFigure]) -> str:
    rows = (
        [
            *_where(f),
            plus_minus(f.nats_mean, f.nats_stderr),
            f"{f.nats_std:.2f}",
            f"{f.nats_max:.2f}",
        ]
        for f in figures
    )
    return f"""\
### Protocol `generated`: no likelihood, lower is not better

{table([*_WHERE, "average", "standard deviation", "maximum"], rows)}

The binary cross-entropy in nats between the pixel probabilities of a generated image and an
unrelated, binarised test image ({figures[0].pairing}). Sharper drawings
give larger values; it is here because a presentation on DRAW gives these columns."""


def _quality(figures: list[QualityFigure]) -> str:
    from drawzoo.quality.classifier import facts

    known = facts()
    accuracy = f"{known.accuracy:.2%} ± {known.accuracy_stderr:.2%}"
    rows = (
        [
            *_where(f),
            plus_minus(f.frechet, f.frechet_stderr),
            f"{f.confidence_mean:.4f} ± {f.confidence_stderr:.4f}",
        ]
        for f in figures
    )
    shares = (
        [f"share of {f.images:,}", *(f"{count / f.images:.1%}" for count in f.class_counts)]
        for f in figures
    )
    return f"""\
### Protocol `quality`: samples seen by a classifier of digits

{table([*_WHERE, "Fréchet distance", "confidence"], rows)}

{table(["samples taken for", *map(str, range(10))], shares)}

The Fréchet distance (lower is better) is between as many generated as test images, both binarised,
in the {known.features} features of a small classifier that comes with drawzoo; it depends on their
number. Between {known.images:,} training images and as many test images it is \
{known.frechet_train:.2f}. Confidence is the
mean probability that the classifier gives the likeliest digit; for the test images it is
{known.confidence:.4f}, and {accuracy} of them are classified correctly."""


def _accuracy(figures: list[AccuracyFigure]) -> str:
    rows = ([*_where(f), f"{f.accuracy:.2%} ± {f.accuracy_stderr:.2%}"] for f in figures)
    return f"""\
### Protocol `accuracy`: images classified correctly, higher is better

{table([*_WHERE, "accuracy"], rows)}

By the classifier in the encoder, which is trained with labels; drawing and the other protocols need
none."""


_WRITERS: dict[type[Any], Any] = {
    BoundFigure: _bound,
    IwaeFigure: _iwae,
    GeneratedFigure: _generated,
    QualityFigure: _quality,
    AccuracyFigure: _accuracy,
}
