"""drawzoo, the model zoo for DRAW (Deep Recurrent Attentive Writer).

What is listed here, in `drawzoo.commands` and in `drawzoo.testing` is public; other modules may
move.

Example:
    >>> import drawzoo
    >>> drawzoo.list_models("draw-t?-*")
    ['draw-t1-mnist', 'draw-t2-mnist', 'draw-t5-mnist']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drawzoo.errors import (
    ConfigError,
    DataError,
    DrawzooError,
    OutputError,
    PluginError,
    TrainingError,
    UnknownNameError,
    WeightsError,
)
from drawzoo.registry.hookspecs import hookimpl
from drawzoo.schema.base import Config, Size
from drawzoo.schema.model import ComponentConfig, ModelConfig
from drawzoo.version import __version__ as __version__

if TYPE_CHECKING:
    from drawzoo.data.dataset import Dataset, Support
    from drawzoo.data.images import Images, load_dataset
    from drawzoo.engine.attention import Window, WindowNet, filterbank, read_patch, write_patch
    from drawzoo.engine.components import (
        Component,
        Decoder,
        DecoderState,
        Encoder,
        EncoderState,
        Reader,
        Sizes,
        Writer,
    )
    from drawzoo.engine.counter import Counter
    from drawzoo.engine.draw import Draw
    from drawzoo.engine.drawing import Bound, Codes, Drawing
    from drawzoo.engine.latent import Gaussian, Latent
    from drawzoo.engine.likelihood import Likelihood
    from drawzoo.engine.lstm import LSTM
    from drawzoo.evaluation.measure import evaluate
    from drawzoo.evaluation.protocol import Conditions, Metric, Protocol
    from drawzoo.registry.build import build, list_models, model_config
    from drawzoo.registry.local import register
    from drawzoo.registry.registry import Registrar
    from drawzoo.schema.figures import Figure
    from drawzoo.schema.training import RunConfig, TrainingConfig
    from drawzoo.store.load import load
    from drawzoo.training.loop import Trainer
    from drawzoo.training.optimizers import MakeOptimizers

__all__ = [
    "Bound",
    "Codes",
    "Component",
    "ComponentConfig",
    "Conditions",
    "Config",
    "ConfigError",
    "Counter",
    "DataError",
    "Dataset",
    "Decoder",
    "DecoderState",
    "Draw",
    "Drawing",
    "DrawzooError",
    "Encoder",
    "EncoderState",
    "Figure",
    "Gaussian",
    "Images",
    "LSTM",
    "Latent",
    "Likelihood",
    "MakeOptimizers",
    "Metric",
    "ModelConfig",
    "OutputError",
    "PluginError",
    "Protocol",
    "Reader",
    "Registrar",
    "RunConfig",
    "Size",
    "Sizes",
    "Support",
    "Trainer",
    "TrainingConfig",
    "TrainingError",
    "UnknownNameError",
    "WeightsError",
    "Window",
    "WindowNet",
    "Writer",
    "build",
    "evaluate",
    "filterbank",
    "hookimpl",
    "list_models",
    "load",
    "load_dataset",
    "model_config",
    "read_patch",
    "register",
    "write_patch",
]

# What needs torch is imported when it is first asked for (PEP 562), so that `import drawzoo`,
# every plugin's own import and most commands stay fast.
_LAZY = {
    "Bound": "engine.drawing",
    "Codes": "engine.drawing",
    "Component": "engine.components",
    "Counter": "engine.counter",
    "Dataset": "data.dataset",
    "Decoder": "engine.components",
    "DecoderState": "engine.components",
    "Draw": "engine.draw",
    "Drawing": "engine.drawing",
    "Encoder": "engine.components",
    "EncoderState": "engine.components",
    "Figure": "schema.figures",
    "Gaussian": "engine.latent",
    "Images": "data.images",
    "LSTM": "engine.lstm",
    "Latent": "engine.latent",
    "Likelihood": "engine.likelihood",
    "MakeOptimizers": "training.optimizers",
    "Conditions": "evaluation.protocol",
    "Metric": "evaluation.protocol",
    "Protocol": "evaluation.protocol",
    "Reader": "engine.components",
    "Registrar": "registry.registry",
    "RunConfig": "schema.training",
    "Sizes": "engine.components",
    "Support": "data.dataset",
    "Trainer": "training.loop",
    "TrainingConfig": "schema.training",
    "Window": "engine.attention",
    "WindowNet": "engine.attention",
    "Writer": "engine.components",
    "build": "registry.build",
    "evaluate": "evaluation.measure",
    "filterbank": "engine.attention",
    "list_models": "registry.build",
    "load": "store.load",
    "load_dataset": "data.images",
    "model_config": "registry.build",
    "read_patch": "engine.attention",
    "register": "registry.local",
    "write_patch": "engine.attention",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'drawzoo' has no attribute {name!r}")
    import importlib

    # Kept, because components look names up at every step.
    value = globals()[name] = getattr(importlib.import_module(f"drawzoo.{_LAZY[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
