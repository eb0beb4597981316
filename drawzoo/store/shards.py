"""Drawings by the million: a folder of shards, written one after the other.

A shard holds `SHARD` drawings, as one safetensors file (`images`, uint8 [n, C, H, W]) or as a tar
file of PNGs. Drawing i depends on the model and the seed alone: not on the number of drawings,
nor on the number of processes, nor on interruptions. Each shard says which drawings it holds, so
the same command again goes on, and draws damaged shards anew. One shard at a time is in memory.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import tarfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from drawzoo.disk.atomic import check_regular, make_folder, open_regular, write_atomic
from drawzoo.engine.draw import Draw
from drawzoo.engine.sampling import CHUNK
from drawzoo.engine.world import ALONE, World
from drawzoo.errors import ConfigError
from drawzoo.schema.base import MAX_JSON_BYTES

__all__ = ["SHARD", "Format", "write_shards"]

Format = Literal["safetensors", "png"]

SHARD = 100 * CHUNK
"""Drawings in a shard; whole chunks, since a chunk's noise is drawn at once."""
INDEX = "index.json"
KEY = "drawzoo"
"""The entry, metadata of safetensors or a header of tar, that says which drawings a shard holds."""
COUNT = "drawzoo.drawings"
"""A header of tar: the number of drawings in a shard."""


def write_shards(
    model: Draw,
    folder: Path,
    num: int,
    *,
    seed: int = 0,
    steps: int | None = None,
    format: Format = "safetensors",
    name: str | None = None,
    world: World = ALONE,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> None:
    """Draws `num` images into the shards of a folder; shards that are there are kept.

    Arguments:
        model: The model.
        folder: The folder, which need not exist yet.
        num: The number of drawings. More than before adds shards.
        seed: The seed of the drawings.
        steps: Steps to draw; the model's T unless given.
        format: The format of the shards.
        name: What the index calls the model; its configuration's name unless given.
        world: The processes that share the shards.
        progress: Wraps the numbers of this process's shards.

    Raises:
        ConfigError: If the folder holds other drawings, or PNG cannot hold the images.
        WeightsError: If a drawing is not finite.
    """
    channels = model.config.image[0]
    if format == "png" and channels not in (1, 3):
        raise ConfigError(f"PNG has 1 or 3 channels, not {channels}; use --format safetensors")
    steps = steps or model.config.steps
    index = {"model": name or model.config.name, "seed": seed, "steps": steps, "format": format}
    index["weights"] = _fingerprint(model)
    make_folder(folder)
    ours = world.any(world.leads and (folder / INDEX).exists(), model.initial_canvas.device)
    if ours:
        _check_index(folder / INDEX, index)
    suffix = "safetensors" if format == "safetensors" else "tar"
    generator = torch.Generator().manual_seed(seed)
    drawn = 0
    for shard in progress(range(world.rank, -(-num // SHARD), world.size)):
        first, count = shard * SHARD, min(SHARD, num - shard * SHARD)
        path = folder / f"{shard:06}.{suffix}"
        mark = _mark(index, first)
        # The last shard of an earlier, smaller run may be incomplete now.
        if _count(path, format, mark, ours) >= count:
            _write_index(folder / INDEX, index, world)
            continue
        for _ in range((first - drawn) // CHUNK):
            # The chunks of other shards only use up their seeds.
            torch.randint(2**62, (), generator=generator)
        images = model.sample(count, steps=steps, generator=generator)
        drawn = first + -(-count // CHUNK) * CHUNK
        pixels = (255 * images).round().to(torch.uint8).cpu()
        if format == "safetensors":
            write_atomic(path, save({"images": pixels}, {KEY: mark}))
        else:
            write_atomic(path, _tar(pixels, first, mark))
        _write_index(folder / INDEX, index, world)


def _check_index(path: Path, index: dict[str, Any]) -> None:
    try:
        with open_regular(path) as file:
            found = msgspec.json.decode(file.read(MAX_JSON_BYTES))
    except msgspec.DecodeError:
        found = None
    if found != index:
        raise ConfigError(
            f"{path.parent} holds other drawings (see {path}); draw into another folder, or with "
            "the same model, seed, steps and format to go on"
        )


def _write_index(path: Path, index: dict[str, Any], world: World) -> None:
    """Writes the index once there are drawings, which a model may refuse to draw."""
    if world.leads and not path.exists():
        write_atomic(path, msgspec.json.format(msgspec.json.encode(index)) + b"\n")


def _fingerprint(model: Draw) -> str:
    """A hash of the weights, so that drawings of two trainings of a model do not mix."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _mark(index: dict[str, Any], first: int) -> str:
    """The mark of the shard that begins with the drawing `first`, among the drawings of `index`."""
    return hashlib.sha256(msgspec.json.encode([index, first])).hexdigest()


def _count(path: Path, format: Format, mark: str, ours: bool) -> int:
    """The number of drawings in a shard; 0, with a warning, if a damaged shard must be drawn anew.

    Arguments:
        path: The shard's file.
        format: The shard's format.
        mark: The shard's mark.
        ours: Whether the folder is known to hold these drawings.

    Raises:
        ConfigError: If `ours` is false, and something else is in the shard's place.
    """
    try:
        count, found = _read(path, format)
        problem = "" if found == mark else "holds other drawings"
    except FileNotFoundError:
        return 0
    except (SafetensorError, tarfile.TarError, OSError) as error:
        problem = f"is damaged ({getattr(error, 'strerror', None) or error})"
    if not problem:
        return count
    if not ours:
        raise ConfigError(
            f"{path} {problem}, and there is no {INDEX} beside it; remove it, or draw into another "
            "folder"
        )
    warnings.warn(f"{path} {problem}; it is drawn anew", stacklevel=3)
    return 0


def _read(path: Path, format: Format) -> tuple[int, str | None]:
    """The number of drawings in a shard, and its mark if it has one."""
    check_regular(path)
    if format == "png":
        with tarfile.open(path, "r:") as tar:
            count = sum(1 for _ in itertools.islice(tar, SHARD))
            # A file that was cut off between two entries looks whole.
            if tar.pax_headers.get(COUNT, str(count)) != str(count):
                raise tarfile.ReadError("unexpected end of data")
            return count, tar.pax_headers.get(KEY)
    with safe_open(path, framework="pt") as file:
        shape: list[int] = file.get_slice("images").get_shape()
        return shape[0] if shape else 0, (file.metadata() or {}).get(KEY)


def _tar(pixels: Tensor, first: int, mark: str) -> bytes:
    """PNGs named by the drawings' numbers; the same drawings give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer,
        mode="w",
        format=tarfile.PAX_FORMAT,
        pax_headers={KEY: mark, COUNT: str(len(pixels))},
    ) as tar:
        for i, image in enumerate(pixels):
            array = image.squeeze(0).numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
            picture = io.BytesIO()
            Image.fromarray(array).save(picture, format="PNG")
            entry = tarfile.TarInfo(f"{first + i:09}.png")
            entry.size = picture.tell()
            picture.seek(0)
            tar.addfile(entry, picture)
    return buffer.getvalue()
