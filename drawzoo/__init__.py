"""drawzoo, the model zoo for DRAW (Deep Recurrent Attentive Writer).

Example:
    >>> import drawzoo
    >>> drawzoo.list_models("model3-*")
    ['model3-mnist']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drawzoo.config import ComponentConfig, Config, ModelConfig, Size
from drawzoo.errors import DrawzooError
from drawzoo.hookspecs import hookimpl

if TYPE_CHECKING:
    from drawzoo.components import (
        Decoder,
        DecoderState,
        Encoder,
        EncoderState,
        Reader,
        Sizes,
        Window,
        Writer,
    )
    from drawzoo.data.dataset import Dataset, Support
    from drawzoo.data.images import Images
    from drawzoo.draw import Draw
    from drawzoo.drawing import Bound, Codes, Drawing
    from drawzoo.evaluation.measure import evaluate
    from drawzoo.evaluation.protocol import Metric, Protocol
    from drawzoo.figures import Figure
    from drawzoo.latent import Gaussian, Latent
    from drawzoo.likelihood import Likelihood
    from drawzoo.recurrent import LSTM
    from drawzoo.zoo import build, list_models, load

__all__ = [
    "LSTM",
    "Bound",
    "Codes",
    "ComponentConfig",
    "Config",
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
    "Latent",
    "Likelihood",
    "Metric",
    "ModelConfig",
    "Protocol",
    "Reader",
    "Size",
    "Sizes",
    "Support",
    "Window",
    "Writer",
    "build",
    "evaluate",
    "hookimpl",
    "list_models",
    "load",
]

__version__ = "0.1.0"

# What needs torch is imported when it is first asked for (PEP 562), so that `import drawzoo`,
# every plugin's own import and most commands stay fast.
_LAZY = {
    "LSTM": "recurrent",
    "Bound": "drawing",
    "Codes": "drawing",
    "Dataset": "data.dataset",
    "Decoder": "components",
    "DecoderState": "components",
    "Draw": "draw",
    "Drawing": "drawing",
    "Encoder": "components",
    "EncoderState": "components",
    "Figure": "figures",
    "Metric": "evaluation.protocol",
    "Protocol": "evaluation.protocol",
    "Gaussian": "latent",
    "Images": "data.images",
    "Latent": "latent",
    "Likelihood": "likelihood",
    "Reader": "components",
    "Sizes": "components",
    "Support": "data.dataset",
    "Window": "components",
    "Writer": "components",
    "build": "zoo",
    "evaluate": "evaluation.measure",
    "list_models": "zoo",
    "load": "zoo",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'drawzoo' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"drawzoo.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
