"""Checks the distributions in a folder: `python .ci/dist.py dist`, in the checkout that built them.

The source distribution holds what git tracks, a wheel the packages and models of it, and nothing
else; a wheel's tag says whether it has the kernels, and none of its files names a folder of this
machine; each is small enough for the package index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 100 * 2**20
"""Bytes that the package index takes of one file."""

SDIST = re.compile(r"PKG-INFO|setup\.cfg|drawzoo\.egg-info/[\w.-]+")
"""What the source distribution has beside the files of git."""

KERNELS = {f"drawzoo/ops/_kernels{kind}.so" for kind in ("", "_avx2", "_avx512")}


def main(folder: Path) -> int:
    """Prints a line for each distribution, and one for each thing that is wrong."""
    made = sorted([*folder.glob("*.tar.gz"), *folder.glob("*.whl")])
    wrong = [] if made else [f"{folder} has no distributions"]
    for path in made:
        wrong += [f"{path.name}: {line}" for line in problems(path)]
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return bool(wrong)


def problems(path: Path) -> list[str]:
    """What is wrong with a distribution, a line each."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    tracked = set(subprocess.check_output(command, text=True).split("\0")) - {""}
    files = contents(path)
    wheel = path.suffix == ".whl"
    wrong = of_wheel(path.stem, files, tracked) if wheel else of_sdist(files, tracked)
    if path.stat().st_size > MOST:
        wrong.append(f"{path.stat().st_size:,} bytes are more than the package index takes")
    return wrong


def contents(path: Path) -> dict[str, bytes]:
    """The files of a distribution, without the folder that a source distribution has around it."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(path) as sdist:
        return {
            member.name.partition("/")[2]: file.read()
            for member in sdist
            if (file := sdist.extractfile(member))
        }


def of_sdist(files: dict[str, bytes], tracked: set[str]) -> list[str]:
    """What is wrong with the files of a source distribution."""
    return difference({name for name in files if not SDIST.fullmatch(name)}, tracked)


def of_wheel(stem: str, files: dict[str, bytes], tracked: set[str]) -> list[str]:
    """What is wrong with the files of a wheel, whose file's name without its ending is `stem`."""
    name, version, python, abi, platform = stem.split("-")
    about = f"{name}-{version}.dist-info/"
    meant = {
        name.removeprefix("plugins/")
        if name.startswith("plugins/")
        else name.replace("model_cards/", "drawzoo/model_cards/", 1)
        for name in tracked
        if name.startswith(("drawzoo/", "plugins/", "model_cards/"))
        and not name.startswith("drawzoo/ops/csrc/")
    }
    kernels = KERNELS & files.keys()
    wrong = difference({n for n in files if not n.startswith(about)} - kernels, meant)
    if (python, abi) != ("py3", "none"):
        wrong.append(f"the tag is of {python}-{abi}, though no Python is in the kernels")
    if bool(kernels) != (platform != "any"):
        wrong.append(f"it is for {platform}, with {len(kernels)} kernels")
    if kernels and "x86_64" in platform and kernels != KERNELS:
        wrong.append(f"{', '.join(sorted(KERNELS - kernels))} could not be built")
    places = {f"{place}/" for place in (ROOT, Path.home(), sys.prefix, sys.base_prefix)} - {"//"}
    for name, data in files.items():
        wrong += [f"{name} names {place}" for place in places if place.encode() in data]
    if about + "licenses/LICENSE" not in files:
        wrong.append("it has no licence")
    return wrong


def difference(have: set[str], meant: set[str]) -> list[str]:
    """A line for each file too many, and each that is missing."""
    return [
        *(f"{name} does not belong into it" for name in sorted(have - meant)),
        *(f"{name} is missing" for name in sorted(meant - have)),
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
