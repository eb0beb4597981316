"""What tensors go through in a call: casts that lose digits, and devices that meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Watching"]


class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the faults of what is computed in its body.

    Attributes:
        rounds: A cast that changed float64 numbers, in words; empty if there was none.
        meets: Tensors of two devices in one operation, in words; empty if there were none. Some
            operations do not mind on the meta device, and do on any other.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rounds = self.meets = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        devices = {t.device.type for t in given if t.dim()}
        if len(devices) > 1:
            self.meets = f"{func} of tensors on {' and '.join(sorted(devices))}"
        # In a copy into a tensor, the source comes second.
        source = given[-1] if given else None
        if (
            func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_)
            and source is not None
            and source.dtype == torch.float64
            and out.is_floating_point()
            and not torch.equal(out.double().nan_to_num(), source.expand_as(out).nan_to_num())
        ):
            self.rounds = f"{str(out.dtype).removeprefix('torch.')} in between rounds the numbers"
        return out
