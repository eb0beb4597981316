"""What pyproject.toml cannot say: which packages the wheel holds, its library in C, and its README.

The finder looks in `.` and `plugins`. It cannot be told in pyproject.toml that `model_cards/`,
which is no package, goes into the wheel below `drawzoo/`.
"""

import os
import platform
import re
import sys
import tomllib
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!\w+:|#)([^)\s]+)\)")
"""A link of Markdown, or a picture, to a file beside it."""


def description() -> str:
    """The README, whose links lead to the repository: the package index has no other file."""
    root = Path(__file__).parent
    text = (root / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if not (source := project.get("urls", {}).get("Source")):
        return text
    kinds = {"!": "raw", "": "blob"}
    return LINK.sub(lambda m: f"{m[1]}{m[2]}({source}/{kinds[m[1]]}/HEAD/{m[3]})", text)


core = find_packages(".", include=["drawzoo", "drawzoo.*"])
plugins = find_packages("plugins")


def library(name: str, *processor: str) -> Extension:
    """The kernels, for some processors. No Python in it: `drawzoo.ops` loads it as a library.

    Where it cannot be built, drawzoo does without, as on other systems, whose compilers have no
    OpenMP by themselves. -std=gnu11 lets the compiler fuse multiplications and additions,
    -fno-wrapv lets it make vectors of loops, which Python's own flags do not, and
    -frename-registers leaves sums where they are; nothing is -ffast-math. -g0 keeps the paths of
    the machine that builds out of the library.
    """
    return Extension(
        f"drawzoo.ops.{name}",
        [f"drawzoo/ops/csrc/{part}.c" for part in ("attention", "lstm", "products")],
        depends=["drawzoo/ops/csrc/products.h", "drawzoo/ops/csrc/vectors.h"],
        extra_compile_args=[
            *("-O3", "-g0", "-std=gnu11", "-fno-trapping-math", "-fno-math-errno", "-fno-wrapv"),
            *("-frename-registers", "-Wno-psabi", "-fopenmp", *processor),
        ],
        extra_link_args=["-fopenmp"],
        optional=True,
    )


class Build(build_ext):
    """Builds libraries that hold no Python: neither its version in the name nor its own paths."""

    def build_extensions(self) -> None:
        """Leaves out where Python finds libraries of its own."""
        linker = self.compiler.linker_so
        self.compiler.linker_so = [word for word in linker if not word.startswith("-Wl,-rpath")]
        super().build_extensions()

    def get_ext_filename(self, name: str) -> str:
        """The file of a library."""
        return str(Path(*name.split("."))) + ".so"


class Wheel(bdist_wheel):
    """A wheel for every Python, of one platform with the kernels, or of any platform without."""

    def get_tag(self) -> tuple[str, str, str]:
        """Python, binary interface and platform that the wheel is for."""
        # Only now is known whether the compiler could do its work.
        self.root_is_pure = not any(Path(self.bdist_dir).glob("drawzoo/ops/*.so"))
        *_, system = super().get_tag()
        return "py3", "none", system


wanted = sys.platform == "linux" and os.environ.get("DRAWZOO_KERNELS") != "0"
libraries = [library("_kernels")] if wanted else []
if libraries and platform.machine() == "x86_64":
    # What the compiler makes of vectors for all x86 processors is far slower.
    avx2, avx512 = ("-mavx2", "-mfma"), ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
    libraries.append(library("_kernels_avx2", *avx2))
    libraries.append(library("_kernels_avx512", *avx2, *avx512))

setup(
    cmdclass={"build_ext": Build, "bdist_wheel": Wheel},
    ext_modules=libraries,
    include_package_data=False,
    long_description=description(),
    long_description_content_type="text/markdown",
    packages=[*core, *plugins, "drawzoo.model_cards"],
    package_dir={
        "drawzoo": "drawzoo",
        "drawzoo.model_cards": "model_cards",
        **{name: f"plugins/{name.replace('.', '/')}" for name in plugins},
    },
    package_data={
        "drawzoo": [
            *("py.typed", "manifest.json", "data/*.safetensors"),
            *("evaluation/digits/digits.*", "templates/*/*.in"),
        ],
        "drawzoo.model_cards": ["*/*"],
        "drawzoo_presentation": ["seeds.json"],
        "drawzoo_site": ["static/*", "static/engine/*"],
    },
)
