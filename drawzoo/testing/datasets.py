"""Checks of data sets: their splits, the images of each, and batches of them."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import torch

from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.images import Images
from drawzoo.errors import DataError
from drawzoo.testing.fault import Fault, blame, reason
from drawzoo.testing.seeding import seeded
from drawzoo.testing.surroundings import check_unseeded, settings_kept

__all__ = ["dataset_faults"]


def dataset_faults(dataset: Any, root: Path | None) -> None:
    """See `drawzoo.testing.check_dataset`."""
    if isinstance(dataset, type):
        raise Fault(
            f"data set {dataset.__name__}", "is a class", repr(dataset), "give an object of it"
        )
    who = f"data set {type(dataset).__name__}"
    if not isinstance(dataset, Dataset):
        raise Fault(who, "is no drawzoo.Dataset", repr(dataset)[:200], "derive its class from it")
    if not isinstance(getattr(dataset, "support", None), Support):
        raise Fault(
            who,
            "does not say what a pixel may be",
            f"support is {getattr(dataset, 'support', None)!r}",
            "set support = drawzoo.data.dataset.Support.LEVELS, BINARY or AFRESH",
        )
    splits = getattr(dataset, "splits", None)
    if not (
        isinstance(splits, tuple) and splits and all(isinstance(s, str) for s in splits)
    ) or len(set(splits)) < len(splits):
        raise Fault(
            who,
            "does not name its splits",
            f"splits is {splits!r}",
            'set splits = ("train", "test"): a tuple of names, each once, "train" for training',
        )
    shapes: dict[str, list[int]] = {}
    seen: dict[str, set[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="drawzoo-") as empty:
        for split in splits:
            images = _loaded(who, dataset, split, root, Path(empty))
            if images is not None:
                shapes[split] = list(images.pixels.shape[1:])
                _check_apart(who, split, images, seen)
    if len({tuple(shape) for shape in shapes.values()}) > 1:
        raise Fault(
            who, "has splits of different shapes", str(shapes), "give all images one [C, H, W]"
        )


def _check_apart(who: str, split: str, images: Images, seen: dict[str, set[bytes]]) -> None:
    """No split is another one, or most of another one; `seen` has the splits before."""
    found = {hashlib.sha256(image.numpy().tobytes()).digest() for image in images.pixels}
    for other, theirs in seen.items():
        if len(found & theirs) > min(len(found), len(theirs)) / 2:
            raise Fault(
                who,
                f"has the same images in its splits {other!r} and {split!r}",
                f"{len(found & theirs)} images are in both",
                "hold images out that training never sees",
            )
    seen[split] = found


def _loaded(who: str, dataset: Any, split: str, root: Path | None, empty: Path) -> Images | None:
    """The checked images of a split, or None if its files are not there and need not be."""
    place = root or empty
    before = _files(place)
    try:
        with settings_kept(who):
            images = dataset.load(place, split, download=False)
            again = dataset.load(place, split, download=False)
        check_unseeded(who, "when it is loaded", lambda: dataset.load(place, split, download=False))
    except Fault:
        raise
    except DataError as error:
        if root is None:
            return None
        raise Fault(
            who, f"cannot be read: its split {split!r}: {error}", str(root), "give its files' root"
        ) from error
    except Exception as error:
        raise Fault(
            who,
            f"fails in its split {split!r}: {reason(error)}",
            f"load({root or '(an empty folder)'}, {split!r}, download=False)",
            "raise drawzoo.errors.DataError, in one line, for files that are missing or damaged",
        ) from error
    if changed := sorted(before ^ _files(place)):
        raise Fault(
            who,
            f"writes into the folder of data when its split {split!r} is loaded",
            f"{changed[0][0]}, with download=False",
            "write nothing; where a download is allowed, write files that are checked",
        )
    if not isinstance(images, Images):
        raise Fault(
            who,
            f"gives no Images in its split {split!r}",
            f"a {type(images).__name__}",
            "return drawzoo.data.images.Images(pixels, labels, …)",
        )
    with blame(who, f"has a split {split!r} that cannot be used", repr(images)[:200], "see above"):
        pixels, labels = images.pixels, images.labels
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or not pixels.numel():
            raise Fault(
                who,
                f"has pixels that are not uint8 [N, C, H, W] in its split {split!r}",
                f"{pixels.dtype} {list(pixels.shape)}",
                "give grey values from 0 to 255, with a dimension for the channels",
            )
        if labels is not None and (labels.dtype != torch.int64 or labels.shape != pixels.shape[:1]):
            raise Fault(
                who,
                f"has labels that are not int64 [N] in its split {split!r}",
                f"{labels.dtype} {list(labels.shape)} for {len(pixels)} images",
                "give one whole number for each image, or None",
            )
        if labels is not None and (labels < 0).any():
            raise Fault(
                who,
                f"has labels below 0 in its split {split!r}",
                f"from {labels.min()} to {labels.max()}",
                "number the classes from 0",
            )
        if images.binarize != (dataset.support is Support.AFRESH):
            raise Fault(
                who,
                f"is binarised otherwise than it says in its split {split!r}",
                f"support is {dataset.support.name}, and its Images have "
                f"binarize={images.binarize}",
                "give binarize=True for Support.AFRESH alone",
            )
        _check_levels(who, split, images, dataset.support)
        theirs = again.labels
        for what, equal in (
            ("images", pixels.equal(again.pixels)),
            ("labels", theirs is None if labels is None else labels.equal(theirs)),
        ):
            if not equal:
                raise Fault(
                    who,
                    f"gives other {what} each time in its split {split!r}",
                    "two loads differ",
                    "seed a generator of its own: a run must be repeatable",
                )
        _check_batches(who, images)
    return images


def _check_levels(who: str, split: str, images: Images, support: Support) -> None:
    """Bytes that mean what the support says: black is 0, and white 255."""
    found = images.pixels.unique()  # type: ignore[no-untyped-call]
    if support is Support.BINARY and not ((found == 0) | (found == 255)).all():
        raise Fault(
            who,
            f"has pixels that are not binary in its split {split!r}",
            f"support is BINARY, and there is the value {found[(found > 0) & (found < 255)][0]}",
            "give 0 and 255 alone, or set support = Support.LEVELS or AFRESH",
        )
    if found.max() == 1:
        raise Fault(
            who,
            f"has pixels that are all but black in its split {split!r}",
            "there is no larger value than 1, of 255",
            "give grey values from 0 to 255: multiply by 255 what is from 0 to 1",
        )


def _check_batches(who: str, images: Images) -> None:
    """Batches of the images that were asked for, by the generator's random numbers."""
    few = images.pixels[:64].clone()
    index = torch.arange(min(8, len(few)))
    batches = []
    for seed in (0, 1):
        with seeded(seed):
            batches.append(images.batch(index, torch.Generator().manual_seed(0)))
        if not images.pixels[:64].equal(few):
            raise Fault(
                who,
                "changes its pixels when a batch is taken",
                "pixels has other values after batch(index, generator)",
                "compute new tensors: pixels[index] is a copy, pixels[index] = … is none",
            )
    if not batches[0].equal(batches[1]):
        raise Fault(
            who,
            "draws random numbers that are not the generator's",
            "batch(index, generator) differs for the same generator",
            "draw from the generator that batch is given",
        )
    if (
        batches[0].dtype != torch.float32
        or not (batches[0] >= 0).logical_and(batches[0] <= 1).all()
    ):
        raise Fault(
            who,
            "gives batches that are not float32 in [0, 1]",
            f"{batches[0].dtype} from {batches[0].min()} to {batches[0].max()}",
            "divide grey values by 255",
        )
    if batches[0].shape != (expected := (len(index), *few.shape[1:])):
        raise Fault(
            who,
            f"gives batches of the shape {list(batches[0].shape)}, expected {list(expected)}",
            f"batch(index) for an index [{len(index)}]",
            "give [B, C, H, W], of the images' size",
        )
    # Black images and, as the last, a white one: a change of the images leaves them apart.
    probe = torch.zeros_like(few)
    probe[-1] = 255
    index = torch.arange(len(few)).flip(0)[:8]
    found = images._replace(pixels=probe).batch(index, torch.Generator().manual_seed(0))
    if (found.mean((1, 2, 3)) > 0.5).tolist() != [row == len(few) - 1 for row in index.tolist()]:
        raise Fault(
            who,
            "gives other images in a batch than those at the index",
            f"batch({index.tolist()}) of black images, but for the last, which is white",
            "take pixels[index]",
        )


def _files(folder: Path) -> set[tuple[str, int, int]]:
    """Every file below a folder, with its size and time."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {
        (path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns)
        for path, stat in stats.items()
    }
