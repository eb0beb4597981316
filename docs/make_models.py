"""Writes docs/models.md, the table of the models, from the manifest and the registry.

python docs/make_models.py
"""

from __future__ import annotations

from pathlib import Path

from drawzoo import list_models, model_config
from drawzoo.commands import find, manifest, markdown_table, plus_minus, read_figures, registry
from drawzoo.schema.manifest import WEIGHTS, Published
from drawzoo.schema.record import read_record

CHECKOUT = Path(__file__).parents[1]
PAGE = CHECKOUT / "docs" / "models.md"
CARDS = "../model_cards"
HEAD = """# The models

`python docs/make_models.py` makes this page from the manifest and the registry. `bound` is the
negative log-likelihood bound on the test split, `iwae` the importance-weighted bound on a part of
it, both in nats an image with their standard error, and for images of 256 levels in bits per
dimension too; lower is better. Only figures of one data set
compare, and of models that were trained for as many epochs. [The protocols](protocols.md) say what
each figure means, and `drawzoo verify` measures them again.

```sh
drawzoo list                    # this page, in the terminal
drawzoo info draw-mnist         # all that is known of one
drawzoo sample draw-mnist --out digits.png
```
"""
TRAINED = """## With weights

They ship with drawzoo, and `drawzoo pull` fetches them from the Hub.
"""
RECIPES = """## Without weights

Registered, and ready for `drawzoo train`: nobody has published weights.
"""


def row(name: str, published: Published) -> list[str]:
    config, figures = model_config(name), read_figures(published.figures)
    epochs = read_record(CHECKOUT / "model_cards" / name).training.epochs
    cells = [f"`{name}`", f"`{config.dataset}`", str(config.steps), f"{epochs:g}"]
    cells.append(f"{published.parameters:,}")
    cells.append(f"{published.files[WEIGHTS].bytes / 1e6:.1f} MB")
    for protocol in ("bound", "iwae"):
        figure = find(figures, protocol, config.dataset)
        told = "" if figure is None else plus_minus(figure.nats_mean, figure.nats_stderr)
        if figure is not None and figure.bits_per_dimension is not None:
            told += f", {figure.bits_per_dimension:.3f} bits per dimension"
        cells.append(f"{told} (k={figure.k})" if protocol == "iwae" and figure else told)
    return [*cells, f"[card]({CARDS}/{name}/README.md)"]


def page() -> str:
    """The page's text."""
    ours = [name for name in list_models() if found(name).distribution == "drawzoo"]
    entries = manifest()
    trained = [name for name in ours if name in entries]
    header = ["model", "data", "T", "epochs", "parameters", "weights", "`bound` ↓", "`iwae` ↓", ""]
    parts = [HEAD, TRAINED, markdown_table(header, [row(n, entries[n]) for n in trained]) + "\n"]
    for name in trained:
        parts.append(f"### {name}\n\n{found(name).summary}.\n")
        parts.append(f"![64 samples of {name}]({CARDS}/{name}/samples.png)\n")
    rest = [
        [f"`{name}`", f"`{model_config(name).dataset}`", str(model_config(name).steps), summary]
        for name in ours
        if name not in entries and (summary := found(name).summary)
    ]
    parts += [RECIPES, markdown_table(["model", "data", "T", ""], rest) + "\n"]
    return "\n".join(parts)


def found(name: str):  # noqa: ANN201 (an entry of the registry, which has no public name)
    return registry().find("model", name)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
