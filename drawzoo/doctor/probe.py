"""What `machine.probe` runs in a process of its own: the only part of the doctor with torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from drawzoo.errors import one_line

__all__ = ["tell"]


def tell() -> None:
    """Prints, in the process that is started for it, a line for each part."""
    for name, part in {"torch": _torch, "kernels": _kernels, "torchvision": _vision}.items():
        try:
            found = part()
        except Exception as error:
            text = " ".join(str(error).split())
            found = {"error": one_line(f"{type(error).__name__}: {text}")[:150]}
        print("\0" + json.dumps({name: found}), flush=True)


def _torch() -> dict[str, Any]:
    import torch

    # A library that is there may still fail at its first product.
    torch.ones(8, 8) @ torch.ones(8, 8)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = [torch.cuda.get_device_name(number) for number in range(count)]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {
        "version": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "devices": devices,
    }


def _kernels() -> dict[str, Any]:
    from drawzoo.ops.library import LANES, LIBRARY, PROCESSOR, WIDTHS
    from drawzoo.ops.routes import processor

    return {
        "used": LIBRARY and Path(LIBRARY._name).name,
        "lanes": LANES if LIBRARY else None,
        "best": WIDTHS.get(PROCESSOR),
        "processor": processor().name,
    }


def _vision() -> dict[str, Any]:
    import torchvision

    return {"version": str(torchvision.__version__)}
