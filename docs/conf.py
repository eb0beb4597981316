"""The site that `make docs` builds. Nothing is fetched, and nothing is trained."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import ziamath

import drawzoo
from drawzoo.cli import cli

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "drawzoo"
author = "The drawzoo developers"
copyright = f"2026, {author}"
version = release = drawzoo.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.linkcode",
    "sphinx_click",
    "sphinx_copybutton",
    "docstrings",
    "mathml",
    "source_pages",
    "llms",
]
exclude_patterns = ["extensions"]
# Code that names no language is text.
highlight_language = "none"

myst_enable_extensions = ["dollarmath", "html_image"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# A default is shown as it is written: the value of a function cannot be read again.
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False

copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = f"drawzoo {version}"
html_static_path = [
    "static",
    str(Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"),
]
html_css_files = ["drawzoo.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#a34700", "color-brand-content": "#a34700"},
    "dark_css_variables": {"color-brand-primary": "#ffa657", "color-brand-content": "#ffa657"},
}


def name_commands(group: click.Group) -> None:
    """Gives each command the name that it is called by, for sphinx-click to print."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        command.name = name
        if isinstance(command, click.Group):
            name_commands(command)


name_commands(cli)


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The page and the line of a Python object's source."""
    from source_pages import address

    return address(info["module"], info["fullname"]) if domain == "py" else None
