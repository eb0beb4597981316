"""The formats that models are exported to, by the names that `--to` takes. Free of torch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import NamedTuple

from drawzoo import OutputError

__all__ = ["KINDS", "Kind"]


class Kind(NamedTuple):
    """A format."""

    suffix: str
    packages: tuple[str, ...] = ()
    """What it needs besides drawzoo."""
    opset: int | None = None
    """The version of ONNX's operators."""

    def check(self) -> None:
        """Raises `OutputError` if a package is missing."""
        for package in self.packages:
            if importlib.util.find_spec(package) is None:
                raise OutputError(f"{package} is not installed; pip install 'drawzoo[export]'")

    def versions(self) -> dict[str, str]:
        """The versions of all that has a part in the files."""
        names = ("drawzoo", "torch", *self.packages)
        return {name: importlib.metadata.version(name) for name in names}


KINDS = {
    # Torch's exporter is written in opset 18: nothing is translated, and all runtimes in use take
    # it.
    "onnx": Kind(".onnx", ("onnx", "onnxscript", "onnxruntime"), opset=18),
    "torch": Kind(".pt2"),
}
