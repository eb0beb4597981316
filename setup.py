"""Which packages the wheel holds, and its library in C; everything else is in pyproject.toml.

The finder looks in `.` and `plugins`. It cannot be told in pyproject.toml that `model_cards/`,
which is no package, goes into the wheel below `drawzoo/`.
"""

import platform
import sys

from setuptools import Extension, find_packages, setup

core = find_packages(".", include=["drawzoo", "drawzoo.*"])
plugins = find_packages("plugins")


def library(name: str, *processor: str) -> Extension:
    """The kernels, for some processors. No Python in it: `drawzoo.ops` loads it as a library.

    Where it cannot be built, drawzoo does without, as on other systems, whose compilers have no
    OpenMP by themselves. -std=gnu11 lets the compiler fuse multiplications and additions,
    -fno-wrapv lets it make vectors of loops, which Python's own flags do not, and
    -frename-registers leaves sums where they are; nothing is -ffast-math.
    """
    return Extension(
        f"drawzoo.ops.{name}",
        [f"drawzoo/ops/csrc/{part}.c" for part in ("attention", "lstm", "products")],
        depends=["drawzoo/ops/csrc/products.h", "drawzoo/ops/csrc/vectors.h"],
        extra_compile_args=[
            *("-O3", "-std=gnu11", "-fno-trapping-math", "-fno-math-errno", "-fno-wrapv"),
            *("-frename-registers", "-Wno-psabi", "-fopenmp", *processor),
        ],
        extra_link_args=["-fopenmp"],
        optional=True,
    )


libraries = [library("_kernels")] if sys.platform == "linux" else []
if libraries and platform.machine() == "x86_64":
    # What the compiler makes of vectors for all x86 processors is far slower.
    avx2, avx512 = ("-mavx2", "-mfma"), ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
    libraries.append(library("_kernels_avx2", *avx2))
    libraries.append(library("_kernels_avx512", *avx2, *avx512))

setup(
    ext_modules=libraries,
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
        "drawzoo_site": ["static/*", "static/engine/*"],
    },
)
