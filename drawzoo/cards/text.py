"""Model cards from data: the record of a model's training, and the figures of its file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from huggingface_hub import ModelCardData

from drawzoo.cards.tables import eval_results, figures_text
from drawzoo.data.dataset import facts
from drawzoo.schema.base import to_dict
from drawzoo.schema.figures import Figure
from drawzoo.schema.manifest import CURVE, DRAWING, SAMPLES, Pin
from drawzoo.schema.model import COMPONENTS, ModelConfig
from drawzoo.schema.record import Point, TrainingRecord
from drawzoo.schema.training import Precision, RunConfig, TrainingConfig

__all__ = ["addressed", "keep_notes", "model_card", "training_command"]

_ADDRESS = "hf-hub:USER/"
"""Where a model that is not drawzoo's own will be, until it is published."""

_NOTES = re.compile(r"<!-- notes -->.*?<!-- /notes -->", re.DOTALL)

_TEXT = """\
# {name}

{summary}. A DRAW model (Gregor et al., 2015) of the drawzoo model zoo: it draws an
image in {steps} steps on a canvas of {size} pixels.

| component | | settings |
|---|---|---|
{components}

{parameters:,} parameters.

## Samples

![64 samples, seed 0]({samples})

The first 16 of them, step by step, with the windows that it writes through where it has any:

![16 drawings, step by step]({drawing})

## Use

```sh
pip install {packages}
drawzoo sample {address} --num 64 --seed 0 --out samples.png --gif drawing.gif
```

```python
import torch
import drawzoo

model = drawzoo.load("{address}")
images = model.sample(64, generator=torch.Generator().manual_seed(0))  # probabilities in [0, 1]
```

## Figures

{figures}

## Training

On {train_images:,} images of `{dataset}` (train), {epochs} epochs, seed {seed}, {time}{kept}:

```sh
{command}
```

{settings}

The bound on the training images and its KL, means over the steps just before{valid}:

![Nats per image over the epochs]({picture})

{curve}

## Limits

It knows {dataset} and nothing else, and not every sample is readable. One run, one seed: the
figures say nothing of how much they vary from run to run.{terms}

## Files

| file | bytes | SHA-256 |
|---|---|---|
{files}

## References

- K. Gregor, I. Danihelka, A. Graves, D. J. Rezende, D. Wierstra: DRAW: A Recurrent Neural Network
  For Image Generation. ICML 2015. [arXiv:1502.04623](https://arxiv.org/abs/1502.04623)
"""


def model_card(
    model: ModelConfig,
    record: TrainingRecord,
    *,
    summary: str,
    parameters: int,
    figures: Sequence[Figure],
    files: dict[str, Pin],
    name: str | None = None,
    packages: Sequence[str] = (),
    licence: str | None = "mit",
) -> str:
    """The card of a model, the same text for the same input.

    The card of a model that is not published under a name has `hf-hub:USER/` for an address, which
    `addressed` fills in.

    Arguments:
        model: Its configuration, complete.
        record: How it was trained.
        summary: What the model is, in a phrase.
        parameters: The number of parameters.
        figures: What was measured on its file.
        files: The content of its files but the card.
        name: The name that means these weights, if one does.
        packages: What to install beside drawzoo, as pip takes it, such as "drawzoo-gru==0.1.0".
        licence: The licence of the weights by its name on the Hub; none is stated without.
    """
    address = name or f"{_ADDRESS}{model.name}"
    text = _TEXT.format(
        name=model.name,
        summary=summary[0].upper() + summary[1:],
        steps=model.steps,
        size="×".join(map(str, model.image[1:])),
        components=_components(model),
        packages=shlex.join(["drawzoo", *packages]),
        address=address,
        parameters=parameters,
        figures=figures_text(figures, address),
        samples=SAMPLES,
        drawing=DRAWING,
        picture=CURVE,
        train_images=record.train_images,
        dataset=model.dataset,
        terms=_terms(model.dataset),
        epochs=f"{record.log[-1].epoch:g}",
        seed=record.training.seed,
        time=f"{_duration(record.seconds)} of computation by its log",
        kept=_kept(record),
        command=training_command(RunConfig(model, record.training), record.precision),
        settings=_settings(record),
        valid=", and the bound on validation" if record.kept else "",
        curve=_curve_table(record),
        files="\n".join(f"| `{name}` | {p.bytes:,} | `{p.sha256}` |" for name, p in files.items()),
    )
    return f"---\n{_metadata(model, figures, licence).to_yaml()}\n---\n\n{text}"


def addressed(card: str, repository: str) -> str:
    """A card with the address of the repository where the model is published.

    Example:
        >>> addressed("drawzoo sample hf-hub:USER/x-mnist --num 1", "ann/x")
        'drawzoo sample hf-hub:ann/x --num 1'
    """
    return re.sub(rf"{_ADDRESS}[a-z0-9_-]+", f"hf-hub:{repository}", card)


def _duration(seconds: float) -> str:
    """In words.

    Example:
        >>> _duration(96), _duration(5400)
        ('1.6 minutes', '1.5 hours')
    """
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"


def keep_notes(card: str, old: str) -> str:
    r"""`card` with the notes of the `old` one, in the place that it has for them or at the end.

    Example:
        >>> keep_notes("# New", "# Old <!-- notes -->by hand<!-- /notes -->")
        '# New\n\n<!-- notes -->by hand<!-- /notes -->\n'
    """
    notes = _NOTES.search(old)
    if notes is None:
        return card
    if _NOTES.search(card):
        return _NOTES.sub(lambda _: notes[0], card, count=1)
    return f"{card.rstrip()}\n\n{notes[0]}\n"


def training_command(run: RunConfig, precision: Precision = "float32") -> str:
    """The command that trains the registered model in this way.

    Example:
        >>> from drawzoo.registry.build import model_config
        >>> run = RunConfig(model_config("draw-mnist"), TrainingConfig(epochs=9, restarts=(3, 5)))
        >>> print(training_command(run))
        drawzoo train draw-mnist --set epochs=9 --set 'restarts=[3,5]' --out runs/draw-mnist
    """
    default = to_dict(TrainingConfig())
    changed = {k: v for k, v in to_dict(run.training).items() if v != default[k]}
    settings = [f"{key}={str(value).replace(' ', '')}" for key, value in changed.items()]
    options = "".join(f" --set {shlex.quote(setting)}" for setting in settings)
    if precision == "tf32":  # which CUDA alone has
        options += " --device cuda"
    if precision != "float32":
        options += f" --precision {precision}"
    return f"drawzoo train {run.model.name}{options} --out runs/{run.model.name}"


def _metadata(model: ModelConfig, figures: Sequence[Figure], licence: str | None) -> ModelCardData:
    # The Hub has names for single licences alone.
    single = licence is None or " " not in licence
    return ModelCardData(
        license=licence if single else "other",
        license_name=None if single else licence,
        pipeline_tag="unconditional-image-generation",
        tags=["drawzoo", "draw", "variational-autoencoder"],
        datasets=[model.dataset],
        model_name=model.name,
        eval_results=eval_results(figures),
    )


def _components(model: ModelConfig) -> str:
    rows = []
    for kind in COMPONENTS:
        part = getattr(model, kind)
        settings = ", ".join(f"{key} {value}" for key, value in part.config.items())
        rows.append(f"| {kind} | `{part.plugin}:{part.name}` | {settings} |")
    return "\n".join(rows)


def _terms(dataset: str) -> str:
    """What the makers of the data ask of its users, as a paragraph."""
    terms = (facts(dataset) or {}).get("terms", "")
    return f"\n\n{terms}" if terms else ""


def _kept(record: TrainingRecord) -> str:
    """Which weights are used, if not the last."""
    if record.kept is None:
        return ""
    return (
        f". The weights are those after epoch {record.kept.epoch:g}, with the best bound on "
        f"{record.validation_images:,} other images, {record.kept.valid_nats:.2f} nats"
    )


def _settings(record: TrainingRecord) -> str:
    values = to_dict(record.training)
    named = ", ".join(
        f"`{key}` {value}" for key, value in values.items() if value not in (None, [])
    )
    return (
        f"All settings: {named}. Trained with drawzoo {record.drawzoo}; `--compile` and other "
        "machines change the rounding and with it the weights, and the figures within their noise."
    )


def _curve_table(record: TrainingRecord) -> str:
    """A row for about ten epochs, with a column of validation if there was any."""
    columns = ["epoch", "nats", "KL"]
    rows = [[f"{p.epoch:.0f}", f"{p.nats:.2f}", f"{p.kl:.2f}"] for p in _curve(record)]
    if record.kept:
        valid = {round(p.epoch): p.valid_nats for p in record.log if p.valid_nats is not None}
        columns.append("on validation")
        for row in rows:
            nats = valid.get(int(row[0]))
            row.append("" if nats is None else f"{nats:.2f}")
    head, *body = (f"| {' | '.join(row)} |" for row in [columns, *rows])
    return "\n".join([head, "|" + "---|" * len(columns), *body])


def _curve(record: TrainingRecord) -> list[Point]:
    """The first point of about ten epochs, evenly spread."""
    by_epoch = {int(point.epoch + 1e-6): point for point in reversed(record.log)}
    by_epoch.pop(0, None)
    epochs = sorted(by_epoch)
    chosen = {epochs[round(i * (len(epochs) - 1) / 9)] for i in range(10)} if epochs else set()
    return [by_epoch[number] for number in sorted(chosen)] or record.log[-1:]
