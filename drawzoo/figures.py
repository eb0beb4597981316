"""Measured figures, one kind for each protocol; data of the manifest. Free of torch.

A figure says what was measured on which images, so that it can be measured again: `disagreement`
tells whether it came out the same.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from drawzoo.config import Config

__all__ = [
    "PROTOCOLS",
    "AccuracyFigure",
    "BoundFigure",
    "Figure",
    "GeneratedFigure",
    "IwaeFigure",
    "QualityFigure",
    "disagreement",
    "facts",
    "find",
    "plus_minus",
    "protocol",
    "summary",
]


SUBSET = "the first of numpy.random.RandomState(0).permutation(size of the split)"
"""The rule of `drawzoo.data.images.Images.subset`, as figures state it."""


class _Measured(Config, frozen=True, kw_only=True, tag_field="protocol"):
    """What all figures say: which model, and on which images of which data."""

    tolerance: ClassVar[float] = 1e-5
    """By how much a value may differ when it is measured again; see `disagreement`."""

    model: str
    dataset: str
    split: str
    images: int
    """How many of the split; see `subset`."""
    seed: int
    subset: str = SUBSET
    """The rule by which the images were chosen where they are not all of the split."""


class BoundFigure(_Measured, frozen=True, kw_only=True, tag="bound"):
    """The negative log-likelihood bound, from one sample of the codes an image."""

    nats_mean: float
    """Per image."""
    nats_std: float
    """Between images."""
    nats_stderr: float
    """Of the mean."""
    kl: float
    reconstruction: float


class IwaeFigure(_Measured, frozen=True, kw_only=True, tag="iwae"):
    """The importance-weighted bound, which is tighter, from k samples of the codes an image."""

    k: int
    nats_mean: float
    nats_std: float
    nats_stderr: float
    bound_mean: float
    """The bound on the same images, the mean over the same samples."""
    bound_stderr: float


class GeneratedFigure(_Measured, frozen=True, kw_only=True, tag="generated"):
    """The cross-entropy between generated images and unrelated ones. It is no likelihood."""

    nats_mean: float
    nats_std: float
    nats_stderr: float
    nats_max: float
    pairing: str = "generated image i with image i of the split"


class QualityFigure(_Measured, frozen=True, kw_only=True, tag="quality"):
    """How a classifier of digits sees as many generated images as there are real ones."""

    # A pixel that is as likely black as white falls the other way after one rounding error.
    tolerance: ClassVar[float] = 2e-3

    frechet: float
    """The Fréchet distance between generated and real images, both binarised."""
    frechet_stderr: float
    confidence_mean: float
    """The mean probability of the likeliest digit over generated images."""
    confidence_stderr: float
    class_counts: list[int]
    """How many generated images are taken for each digit."""
    classifier: str
    """SHA-256 of its weights."""


class AccuracyFigure(_Measured, frozen=True, kw_only=True, tag="accuracy"):
    """The share of images that a model whose encoder classifies takes for what they are."""

    # Two of 10,000 images that sit on the fence.
    tolerance: ClassVar[float] = 2e-4

    accuracy: float
    accuracy_stderr: float


Figure = BoundFigure | IwaeFigure | GeneratedFigure | QualityFigure | AccuracyFigure
"""A measured figure, as `drawzoo evaluate --json` gives it."""

PROTOCOLS = ("bound", "iwae", "generated", "quality", "accuracy")


def protocol(figure: Figure) -> str:
    """The name of the protocol that it was measured by."""
    return str(figure.__struct_config__.tag)


def facts(figure: Figure) -> dict[str, Any]:
    """A figure as JSON has it: what was measured first, then the values, then the seed."""
    values = msgspec.to_builtins(figure)
    head = {key: values.pop(key) for key in ("model", "dataset", "split", "protocol", "images")}
    seed = values.pop("seed")
    return {**head, **values, "seed": seed}


def find(figures: list[Figure], kind: type[Any], dataset: str, split: str = "test") -> Any:
    """The figure of a kind on the most images of a split, None if there is none."""
    same = [f for f in figures if isinstance(f, kind) and (f.dataset, f.split) == (dataset, split)]
    return max(same, key=lambda figure: figure.images, default=None)


def plus_minus(mean: float, stderr: float) -> str:
    """A mean with its standard error.

    Example:
        >>> plus_minus(85.9476, 0.2332)
        '85.95 ± 0.23'
    """
    return f"{mean:.2f} ± {stderr:.2f}"


def summary(figure: Figure) -> str:
    """A figure in a line."""
    where = f"{figure.images:,} images of {figure.dataset} {figure.split}"
    what = f"{where}, protocol {protocol(figure)}, seed {figure.seed}"
    match figure:
        case BoundFigure():
            return (
                f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats per image "
                f"({figure.kl:.2f} KL + {figure.reconstruction:.2f} reconstruction; standard "
                f"deviation {figure.nats_std:.2f}; {what})"
            )
        case IwaeFigure():
            return (
                f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats per image with "
                f"k={figure.k} (the bound on the same images "
                f"{plus_minus(figure.bound_mean, figure.bound_stderr)}; {what})"
            )
        case GeneratedFigure():
            return (
                f"no likelihood: the cross-entropy of generated with unrelated images is "
                f"{plus_minus(figure.nats_mean, figure.nats_stderr)} nats (standard deviation "
                f"{figure.nats_std:.2f}, maximum {figure.nats_max:.2f}; {figure.pairing}; {what})"
            )
        case QualityFigure():
            digits = ", ".join(f"{digit}: {n}" for digit, n in enumerate(figure.class_counts))
            return (
                f"Fréchet distance {plus_minus(figure.frechet, figure.frechet_stderr)} between "
                f"{figure.images:,} images each, a number it depends on; confidence "
                f"{figure.confidence_mean:.4f} ± {figure.confidence_stderr:.4f}, samples taken for "
                f"{digits} ({what})"
            )
        case AccuracyFigure():
            return (
                f"{figure.accuracy:.2%} ± {figure.accuracy_stderr:.2%} of the images classified "
                f"correctly ({what})"
            )


def disagreement(recorded: Figure, found: Figure) -> str | None:
    """What differs between a recorded figure and the same measured again; None if nothing does.

    Names and counts must be equal. A value v may differ by `tolerance` × max(100, |v|), for nats
    1e-3 below a hundred: another processor or another number of threads rounds float32 differently,
    which moves the bound of one image by up to about 1e-4 nats and a mean over many by less, while
    the standard error of every figure is more than a hundred times as large. Shares are compared
    by `tolerance` itself, and counts of generated images in the same proportion.
    """
    old, new = facts(recorded), facts(found)
    for key, value in old.items():
        if key == "model":
            continue
        if isinstance(value, float):
            scale = max(100.0, abs(value)) if key.startswith(_NATS) else max(1.0, abs(value))
            same = abs(value - new[key]) <= recorded.tolerance * scale
        elif isinstance(value, list):
            slack = max(1.0, recorded.tolerance * sum(value))
            same = len(value) == len(new[key]) and all(
                abs(a - b) <= slack for a, b in zip(value, new[key], strict=True)
            )
        else:
            same = value == new.get(key)
        if not same:
            name = f"{old['protocol']} on {recorded.dataset} {recorded.split}"
            return f"{name}: {key} is {new.get(key)}, recorded {value}"
    return None


_NATS = ("nats_", "bound_", "kl", "reconstruction")
