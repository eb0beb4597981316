"""The figures of a model card: a table for each protocol, and the metadata of the Hub."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from huggingface_hub import EvalResult

from drawzoo.evaluation.markdown import table
from drawzoo.evaluation.protocol import Protocol, find_protocol
from drawzoo.schema.figures import Figure
from drawzoo.store.fetching import HUB

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
```"""


def figures_text(figures: Sequence[Figure], address: str | None = None) -> str:
    """The section of a card: a table for each protocol, with what its figures are and are not.

    Arguments:
        figures: What was measured.
        address: What commands call the model; its name unless given.
    """
    address = address or figures[0].model
    parts = [_table(find_protocol(name), same) for name, same in _by_protocol(figures).items()]
    datasets = {figure.dataset for figure in figures}
    parts += [note for dataset, note in _NOTES.items() if dataset in datasets]
    named = [msgspec.structs.replace(figure, model=address) for figure in figures]
    commands = "\n".join(map(evaluation_command, named))
    parts.append(_INTRODUCTION.format(commands=commands, subset=figures[0].subset))
    if not address.startswith(HUB):
        parts.append(f"`drawzoo verify {address} --figures all` measures all of them again.")
    return "\n\n".join(parts)


def evaluation_command(figure: Figure) -> str:
    """The command that measures a figure.

    Example:
        >>> from drawzoo.evaluation.accuracy import AccuracyFigure
        >>> evaluation_command(AccuracyFigure(
        ...     model="m", dataset="mnist", split="test", images=9, seed=0,
        ...     accuracy=0.5, accuracy_stderr=0.1))
        'drawzoo evaluate m --dataset mnist --split test --protocol accuracy --images 9 --seed 0'
    """
    settings = find_protocol(figure.protocol).settings
    options = "".join(f" -{key} {getattr(figure, key)}" for key in settings)
    return (
        f"drawzoo evaluate {figure.model} --dataset {figure.dataset} --split {figure.split} "
        f"--protocol {figure.protocol}{options} --images {figure.images} "
        f"--seed {figure.seed}"
    )


def eval_results(figures: Sequence[Figure]) -> list[EvalResult]:
    """The figures as the Hub's `model-index` has them, figures on the same data together."""
    return [
        EvalResult(
            task_type="unconditional-image-generation",
            dataset_type=figure.dataset,
            dataset_name=figure.dataset,
            dataset_split=figure.split,
            metric_type=metric.type,
            metric_name=f"{metric.name}, {figure.images:,} images",
            metric_value=metric.value,
        )
        for figure in sorted(figures, key=lambda figure: (figure.dataset, figure.split))
        for metric in find_protocol(figure.protocol).metrics(figure)
    ]


def _by_protocol(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    same: dict[str, list[Figure]] = {}
    for figure in figures:
        same.setdefault(figure.protocol, []).append(figure)
    return same


def _table(protocol: Protocol, figures: list[Figure]) -> str:
    rows = (
        [f"{f.dataset} {f.split}", f"{f.images:,}", str(f.seed), *protocol.row(f)] for f in figures
    )
    return f"""\
### Protocol `{protocol.name}`: {protocol.title}

{table(["data", "images", "seed", *protocol.columns], rows)}

{protocol.explanation(figures)}"""
