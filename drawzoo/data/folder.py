"""`folder:PATH`: the user's own images, of any size, fitted to a model's canvas.

All image files below the folder are taken, except hidden ones, and fitted as the module
`drawzoo.data.pictures` states: for three channels resized so that they cover the canvas, of which
the middle is taken; for one channel as figures, light on dark, sized and centred as MNIST's. One
image in ten is of the test split, by a hash of the file's content: a file is in the same split
whatever its name, and whatever is added. Where all images lie in sub-folders, the labels are the
sub-folders' places in alphabetical order.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from drawzoo.data.dataset import Dataset, Support
from drawzoo.data.ink import FigureWarning
from drawzoo.data.reading import watched
from drawzoo.disk.atomic import open_regular
from drawzoo.errors import DataError

if TYPE_CHECKING:
    from drawzoo.data.images import Images

__all__ = ["FOLDER", "Folder"]

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
LARGEST = 100_000_000
"""Bytes of a file; a larger one is skipped unread."""
TEST = 10
"""One image in so many is of the test split."""


class Folder(Dataset):
    """The images of a folder, for a model of images (C, H, W)."""

    splits = ("train", "test")
    licence = "the user's own images"
    source = "the folder named with --data folder:PATH"

    def __init__(self, image: tuple[int, int, int] = (3, 32, 32)) -> None:
        self.image = image
        self.support = Support.AFRESH if image[0] == 1 else Support.LEVELS

    def at(self, image: tuple[int, int, int]) -> Folder:
        """The same folder's images, fitted to another canvas."""
        return Folder(image)

    def load(self, root: Path, split: str, *, download: bool) -> Images:
        """A split; image files that cannot be read are skipped, with a warning that names them."""
        import torch

        from drawzoo.data.images import Images
        from drawzoo.data.pictures import read_images

        files = _image_files(root)
        pixels, chosen, broken = [], [], []
        for file in watched(files, f"folder {split}"):
            try:
                if _split(root / file) == split:
                    with warnings.catch_warnings():
                        # Of one picture a note helps; of thousands it hides all others.
                        warnings.simplefilter("ignore", FigureWarning)
                        fitted = read_images([root / file], self.image)
                    pixels.append(fitted.pixels)
                    chosen.append(file)
            except DataError as error:
                broken.append((file, str(error).removeprefix(f"{root / file} ")))
        if broken:
            first, reason = broken[0]
            others = f", then {', '.join(str(f) for f, _ in broken[1:6])}" if broken[1:] else ""
            more = f" and {len(broken) - 6:,} more" if broken[6:] else ""
            warnings.warn(
                f"folder: skipped {len(broken):,} of {len(files):,} files: {first} "
                f"({reason[:100]}){others}{more}",
                stacklevel=2,
            )
        if not pixels:
            raise DataError(
                f"folder: no image of the split {split} can be read in {root}, of {len(files):,} "
                f"files of which one in {TEST} is of test, by a hash of its content; add images"
            )
        names = sorted({file.parts[0] for file in files if len(file.parts) > 1})
        labels = None
        if all(len(file.parts) > 1 for file in files):
            labels = torch.tensor([names.index(file.parts[0]) for file in chosen])
        return Images(torch.cat(pixels), labels, self.support is Support.AFRESH)


def _image_files(root: Path) -> list[Path]:
    """The image files below a folder, relative to it, in order."""
    if not root.is_dir():
        raise DataError(f"folder: there is no folder {root}; name one with --data folder:PATH")
    files = []
    for place, folders, names in os.walk(root):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        files += [
            (Path(place) / name).relative_to(root)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    if not files:
        raise DataError(
            f"folder: there are no image files ({', '.join(sorted(SUFFIXES))}) in {root}; name a "
            "folder of images with --data folder:PATH"
        )
    return sorted(files)


def _split(path: Path) -> str:
    """The split of a file, by its content."""
    try:
        with open_regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > LARGEST:
                raise DataError(f"{path} has {size:,} bytes; at most {LARGEST:,} are read")
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    return "train" if int.from_bytes(digest[:8]) % TEST else "test"


FOLDER = Folder()
