"""Model cards from data: the run that trained a model, and the figures of its file."""

from __future__ import annotations

from typing import Any

import msgspec
from huggingface_hub import ModelCardData

from drawzoo import __version__
from drawzoo.card_figures import eval_results, figures_text
from drawzoo.config import ModelConfig, to_dict
from drawzoo.figures import Figure
from drawzoo.manifest import Pin
from drawzoo.training.config import RunConfig, TrainingConfig

__all__ = ["model_card", "training_command"]

LICENCE = "mit"

_TEXT = """\
# {name}

{summary}. A DRAW model (Gregor et al., 2015) of the drawzoo model zoo: it draws an
image in {steps} steps on a canvas of {size} pixels.

| component | | settings |
|---|---|---|
{components}
| decoder | LSTM | {decoder} units |
| latent code z | diagonal Gaussian | {latent} dimensions a step |
| likelihood | {likelihood} | |

{parameters:,} parameters.

## Use

```sh
pip install drawzoo
drawzoo sample {name} --num 64 --seed 0 --out samples.png --gif drawing.gif
```

```python
import torch
import drawzoo

model = drawzoo.load("{name}")
images = model.sample(64, generator=torch.Generator().manual_seed(0))  # probabilities in [0, 1]
```

## Figures

{figures}

## Training

On {train_images:,} images of `{dataset}` (train), {epochs} passes, seed {seed}, {hours}:

```sh
{command}
```

{settings}

The bound on the training images, mean of the 50 steps before:

| pass | nats |
|---|---|
{curve}

## Limits

It knows {dataset} and nothing else, and not every sample is readable. One run, one seed: the
figures say nothing of how much they vary from run to run.

## Files

| file | bytes | SHA-256 |
|---|---|---|
{files}

## References

- K. Gregor, I. Danihelka, A. Graves, D. J. Rezende, D. Wierstra: DRAW: A Recurrent Neural Network
  For Image Generation. ICML 2015. [arXiv:1502.04623](https://arxiv.org/abs/1502.04623)
"""


def model_card(
    run: RunConfig,
    log: list[dict[str, Any]],
    *,
    summary: str,
    parameters: int,
    train_images: int,
    figures: list[Figure],
    files: dict[str, Pin],
) -> str:
    """The card of a model, the same text for the same input.

    Arguments:
        run: The run that trained it.
        log: The run's log.
        summary: What the model is, in a phrase.
        parameters: The number of parameters.
        train_images: The number of training images.
        figures: What was measured on its file.
        files: The content of its files.
    """
    model = run.model
    seconds = sum(
        (record["step"] - before["step"]) * run.training.batch_size / record["images_per_s"]
        for before, record in zip([{"step": 0}, *log[:-1]], log, strict=True)
    )
    text = _TEXT.format(
        name=model.name,
        summary=summary[0].upper() + summary[1:],
        steps=model.steps,
        size="×".join(map(str, model.image[1:])),
        components=_components(model),
        decoder=model.decoder,
        latent=model.latent,
        likelihood=model.likelihood,
        parameters=parameters,
        figures=figures_text(figures),
        train_images=train_images,
        dataset=model.dataset,
        epochs=f"{log[-1]['epoch']:g}",
        seed=run.training.seed,
        hours=f"{seconds / 3600:.1f} hours of computation by its log",
        command=training_command(run),
        settings=_settings(run.training),
        curve="\n".join(f"| {r['epoch']:.0f} | {r['nats']:.2f} |" for r in _curve(log)),
        files="\n".join(f"| `{name}` | {p.bytes:,} | `{p.sha256}` |" for name, p in files.items()),
    )
    return f"---\n{_metadata(model, figures).to_yaml()}\n---\n\n{text}"


def training_command(run: RunConfig) -> str:
    """The command that trains the registered model in this way.

    Example:
        >>> from drawzoo.zoo import model_config
        >>> run = RunConfig(model_config("draw-mnist"), TrainingConfig(epochs=3, batch_size=100))
        >>> training_command(run)
        'drawzoo train draw-mnist --set epochs=3 --set batch_size=100 --out runs/draw-mnist'
    """
    default = to_dict(TrainingConfig())
    changed = {k: v for k, v in to_dict(run.training).items() if v != default[k]}
    settings = "".join(f" --set {key}={value}" for key, value in changed.items())
    return f"drawzoo train {run.model.name}{settings} --out runs/{run.model.name}"


def _metadata(model: ModelConfig, figures: list[Figure]) -> ModelCardData:
    return ModelCardData(
        license=LICENCE,
        pipeline_tag="unconditional-image-generation",
        tags=["drawzoo", "draw", "variational-autoencoder"],
        datasets=[model.dataset],
        model_name=model.name,
        eval_results=eval_results(figures),
    )


def _components(model: ModelConfig) -> str:
    rows = []
    for kind in ("reader", "encoder", "writer"):
        part = getattr(model, kind)
        settings = ", ".join(f"{key} {value}" for key, value in part.config.items())
        rows.append(f"| {kind} | `{part.plugin}:{part.name}` | {settings} |")
    return "\n".join(rows)


def _settings(training: TrainingConfig) -> str:
    values = msgspec.structs.asdict(training)
    named = ", ".join(f"`{key}` {value}" for key, value in values.items() if value is not None)
    return (
        f"All settings: {named}. Trained with drawzoo {__version__}; `--compile` and other "
        "machines change the rounding and with it the weights, and the figures within their noise."
    )


def _curve(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last record of about ten passes, evenly spread."""
    by_pass = {int(record["epoch"] + 1e-6): record for record in reversed(log)}
    by_pass.pop(0, None)
    passes = sorted(by_pass)
    chosen = {passes[round(i * (len(passes) - 1) / 9)] for i in range(10)} if passes else set()
    return [by_pass[number] for number in sorted(chosen)] or log[-1:]
