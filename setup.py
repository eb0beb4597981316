"""Which packages the wheel holds; everything else is in pyproject.toml.

The finder looks in `.` and `plugins`. It cannot be told in pyproject.toml that `model_cards/`,
which is no package, goes into the wheel as `drawzoo/model_cards`.
"""

from setuptools import find_packages, setup

core = find_packages(".", include=["drawzoo", "drawzoo.*"])
plugins = find_packages("plugins")

setup(
    packages=[*core, *plugins, "drawzoo.model_cards"],
    package_dir={
        "drawzoo": "drawzoo",
        "drawzoo.model_cards": "model_cards",
        **{name: f"plugins/{name.replace('.', '/')}" for name in plugins},
    },
    package_data={
        "drawzoo": ["py.typed", "manifest.json", "data/*.safetensors", "quality/digits.*"],
        "drawzoo.model_cards": ["*/*"],
    },
)
