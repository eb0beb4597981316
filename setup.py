"""Which packages the wheel holds; everything else is in pyproject.toml.

The finder looks in `.` and `plugins`. It cannot be told in pyproject.toml that `model_cards/`
and the example plugin, which are no packages, go into the wheel below `drawzoo/`.
"""

from setuptools import find_packages, setup

core = find_packages(".", include=["drawzoo", "drawzoo.*"])
plugins = find_packages("plugins")

setup(
    packages=[*core, *plugins, "drawzoo.model_cards", "drawzoo.example"],
    package_dir={
        "drawzoo": "drawzoo",
        "drawzoo.model_cards": "model_cards",
        "drawzoo.example": "examples/drawzoo-gru",
        **{name: f"plugins/{name.replace('.', '/')}" for name in plugins},
    },
    package_data={
        "drawzoo": ["py.typed", "manifest.json", "data/*.safetensors", "quality/digits.*"],
        "drawzoo.model_cards": ["*/*"],
        "drawzoo.example": ["pyproject.toml"],
    },
)
