"""Latent codes as data: a whole split encoded, and the files that codes are kept in.

A file of codes is a safetensors file with

- `z`, `mean` and `log_std`, float32 [T, N, Z] or of the shape of the model's codes, as
  `drawzoo.Codes` has them;
- of a split, `index`, int64 [N], the images' places in it, and `labels`, int64 [N], if it has any;
- in the header, under `drawzoo`, a `CodesInfo` as JSON.

To decode one, `z` is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from drawzoo import Codes, Config, ConfigError, DataError, Draw, Images
from drawzoo.commands import check_regular, decode, write_atomic

__all__ = ["CodesInfo", "encode_images", "read_z", "write_codes"]

BATCH = 250
"""Images encoded at once: as `drawzoo evaluate` measures them, so that its noise is the same."""
MAX_BYTES = 1 << 30
"""Larger files of codes are refused unread."""
MAX_STEPS = 4_096
MAX_READ = 1 << 28
"""Bytes of codes that are read at once: they bound the memory."""
MAX_NUM = 10_000
"""Codes that are read at once: drawings in one picture."""
KEY = "drawzoo"


class CodesInfo(Config, frozen=True, kw_only=True):
    """Where codes come from."""

    model: str
    """The name in the model's configuration."""
    dataset: str | None
    split: str | None
    images: list[str]
    """The images one by one, where they are not the first of a split."""
    seed: int
    """Of binarisation and noise."""
    format: Literal["codes-1"] = "codes-1"


def encode_images(
    model: Draw,
    images: Images,
    num: int,
    *,
    seed: int = 0,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Codes:
    """The codes of the first `num` images, [T, num, Z].

    An image's codes depend on the seed and the split, not on `num`: `drawzoo evaluate` measures the
    bound with the same codes.

    Arguments:
        model: The model.
        images: The split.
        num: Images to encode.
        seed: Of binarisation and noise.
        progress: Wraps the sequence of batches.
    """
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for first in progress(range(0, num, BATCH)):
        # A batch that is cut short before it is encoded would have other noise.
        index = torch.arange(first, min(first + BATCH, len(images.pixels)))
        x = images.batch(index, generator)
        codes = model.encode(x, generator=generator)
        batches.append(Codes(*(tensor[:, : num - first].float().cpu() for tensor in codes)))
    return Codes(*(torch.cat(tensors, dim=1) for tensors in zip(*batches, strict=True)))


def write_codes(path: Path, codes: Codes, labels: Tensor | None, info: CodesInfo) -> None:
    """Writes codes to a file; the same bytes for the same codes.

    Raises:
        OutputError: If it cannot be written.
    """
    num = codes.z.shape[1]
    tensors = {"z": codes.z, "mean": codes.mean, "log_std": codes.log_std}
    if info.dataset is not None:
        tensors["index"] = torch.arange(num)
    if labels is not None:
        tensors["labels"] = labels[:num]
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    # One entry: safetensors writes several in any order.
    write_atomic(path, save(tensors, {KEY: msgspec.json.encode(info).decode()}))


def read_z(path: Path, model: Draw, num: int | None = None) -> Tensor:
    """The codes z [T, N, Z] in a file, checked before they are read.

    Arguments:
        path: The file.
        model: The model whose codes they are.
        num: How many codes to read, the first; all unless given.

    Raises:
        DataError: If they cannot be read, or are not codes of such a model.
    """
    try:
        size = check_regular(path).st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size:,} bytes are more than the {MAX_BYTES:,} that are read")
        with safe_open(path, framework="pt") as file:
            _check(path, file, model)
            part = file.get_slice("z")
            z: Tensor = part[:, : _num(path, part, num)]
    except SafetensorError as error:
        raise DataError(
            f"{path} is damaged or no safetensors file ({error}); make one with: drawzoo encode"
        ) from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    own = model.initial_canvas.dtype
    if not z.to(own).isfinite().all():
        kind = str(own).removeprefix("torch.")
        raise DataError(f"{path}: z holds values that are not finite, or too large for {kind}")
    return z


def _num(path: Path, part: Any, num: int | None) -> int:
    """How many codes of a slice to read, if that is not too much."""
    shape: list[int] = part.get_shape()
    there = shape[1]
    count = min(there, num or there)
    if count > MAX_NUM:
        raise DataError(
            f"{path} holds {there:,} codes, too many for one picture; "
            f"choose the first with --num, at most {MAX_NUM:,}"
        )
    size = math.prod(shape) // there * int(part.get_dtype()[1:]) // 8
    if count * size > MAX_READ:
        raise DataError(
            f"{path}: {count:,} codes of {shape[0]:,} steps have {count * size:,} bytes, more than "
            f"the {MAX_READ:,} that are read; choose the first with --num, at most "
            f"{MAX_READ // size:,}"
        )
    return count


def _check(path: Path, file: Any, model: Draw) -> None:
    if raw := (file.metadata() or {}).get(KEY):
        try:
            info = decode(raw.encode(), CodesInfo, f"{path}: header")
        except ConfigError as error:
            raise DataError(str(error)) from None
        if info.model != model.name:
            raise DataError(
                f"{path} holds codes of {info.model}, which mean nothing to {model.name}; "
                f"decode them with {info.model}"
            )
    if "z" not in file.keys():  # noqa: SIM118 - not a dictionary
        raise DataError(f"{path} holds no codes: there is no tensor z in it")
    part = file.get_slice("z")
    shape, kind = part.get_shape(), part.get_dtype()
    if kind not in ("F32", "F64"):
        raise DataError(f"{path}: z is {kind}, expected F32 or F64")
    own = tuple(shape[2:]) == model.latent.shape
    if len(shape) < 3 or 0 in shape or not own or shape[0] > MAX_STEPS:
        wanted = ", ".join(map(str, ("T", "N", *model.latent.shape)))
        raise DataError(
            f"{path}: z is {shape}, but {model.name} takes [{wanted}] "
            f"with T from 1 to {MAX_STEPS:,}"
        )
