"""Checks for plugin authors: call one in a test of your plugin.

Each raises a `Fault`, an `AssertionError` whose first line names what is wrong; the next lines show
the smallest example and say what to do.

A component is checked for

- its settings: typed, and the same after a way through JSON;
- shapes and types, with one channel and three, height and width that differ, float32 and float64;
- results that are finite for ordinary, zero and large inputs;
- use of its inputs, and a finite gradient for every parameter, also at the engine's first step;
- independence: of the other images of a batch, of earlier calls, of random numbers;
- inputs, context and state that it leaves as they are;
- its weights: a second instance that loads them gives the same results;
- training mode, the `meta` device (no look at values), and `torch.compile` (one graph).

A data set, a model and an installed plugin have checks of their own, as below.

Example:
    >>> from drawzoo_draw.encoder import LSTMEncoder
    >>> check_encoder(LSTMEncoder, units=8)
"""

from __future__ import annotations

from pathlib import Path

from drawzoo.data.dataset import Dataset
from drawzoo.engine.components import Decoder, Encoder, Reader, Writer
from drawzoo.engine.latent import Latent
from drawzoo.engine.likelihood import Likelihood
from drawzoo.schema.model import ModelConfig
from drawzoo.testing.datasets import dataset_faults
from drawzoo.testing.fault import Fault
from drawzoo.testing.generation import DECODER, LIKELIHOOD, WRITER
from drawzoo.testing.inference import ENCODER, LATENT, READER
from drawzoo.testing.kit import check
from drawzoo.testing.whole import model_faults, plugin_faults

__all__ = [
    "Fault",
    "check_dataset",
    "check_decoder",
    "check_encoder",
    "check_latent",
    "check_likelihood",
    "check_model",
    "check_plugin",
    "check_reader",
    "check_writer",
]


def check_encoder(component: type[Encoder], /, **settings: object) -> None:
    """Checks an encoder built with these settings.

    Raises:
        Fault: If it breaks what the engine relies on.
    """
    check(ENCODER, component, settings)


def check_reader(component: type[Reader], /, **settings: object) -> None:
    """Checks a reader built with these settings.

    Raises:
        Fault: If it breaks what the engine relies on.
    """
    check(READER, component, settings)


def check_writer(component: type[Writer], /, **settings: object) -> None:
    """Checks a writer built with these settings.

    Raises:
        Fault: If it breaks what the engine relies on.
    """
    check(WRITER, component, settings)


def check_latent(component: type[Latent], /, **settings: object) -> None:
    """Checks a latent: the posterior, the prior, and the shape of a code.

    Raises:
        Fault: If it breaks what the engine relies on.
    """
    check(LATENT, component, settings)


def check_decoder(component: type[Decoder], /, **settings: object) -> None:
    """Checks a decoder: its steps, what it says of the canvas, and its `unroll`.

    Raises:
        Fault: If it breaks what the engine relies on.
    """
    check(DECODER, component, settings)


def check_likelihood(component: type[Likelihood], /, **settings: object) -> None:
    """Checks a likelihood: nats that are −log of a distribution, the mean, a canvas for a mean.

    Raises:
        Fault: If it breaks what the engine relies on.
    """
    check(LIKELIHOOD, component, settings)


def check_dataset(dataset: Dataset, /, root: Path | None = None) -> None:
    """Checks a data set: its splits, and the images of each.

    Arguments:
        dataset: What `register_datasets` registers.
        root: Where its files are. Without it, files that are missing must be a `DataError`.

    Raises:
        Fault: If it breaks what training and evaluation rely on.
    """
    dataset_faults(dataset, root)


def check_model(model: str | ModelConfig, /) -> None:
    """Checks a model: its components at its own sizes, a training step, and its way through files.

    Arguments:
        model: A registered name or a configuration.

    Raises:
        Fault: If it cannot be trained, stored, loaded or drawn with.
    """
    model_faults(model)


def check_plugin(name: str, /) -> None:
    """Checks an installed plugin, as `drawzoo plugins --check NAME` does.

    Arguments:
        name: Its entry point or distribution.

    Raises:
        Fault: If its import is slow, prints or imports torch; if a hook is not marked; if a name
            cannot be resolved; if a model cannot be built.
    """
    plugin_faults(name)
