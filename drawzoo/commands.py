"""For plugins that add commands: what the commands of drawzoo are made of.

Options, tables, progress and errors as everywhere; files that are whole or not there; models and
figures by name; pictures. Free of torch until something that needs it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drawzoo import ops as ops
    from drawzoo.cli.completion import Registered
    from drawzoo.cli.loading import load_model, load_models
    from drawzoo.cli.options import (
        OutputFile,
        check_device,
        check_gif,
        data_option,
        json_option,
        parse_setting,
    )
    from drawzoo.cli.printing import print_json
    from drawzoo.cli.progress import bars, progress
    from drawzoo.cli.table import print_table
    from drawzoo.data.pictures import read_images
    from drawzoo.disk.atomic import (
        check_readable,
        check_regular,
        check_writable,
        make_folder,
        no_empty_folder,
        open_atomic,
        write_atomic,
    )
    from drawzoo.disk.paths import data_root, own_images
    from drawzoo.engine.compilation import compile_sampling
    from drawzoo.engine.drawing import join
    from drawzoo.engine.randomness import seeded
    from drawzoo.errors import counted, nearest
    from drawzoo.evaluation.bound import BoundFigure
    from drawzoo.evaluation.markdown import table as markdown_table
    from drawzoo.evaluation.measure import measure_all
    from drawzoo.evaluation.moments import bits_per_dimension
    from drawzoo.evaluation.protocol import read_figures
    from drawzoo.registry.build import check_config
    from drawzoo.registry.loader import registry
    from drawzoo.render.animation import Panel, film
    from drawzoo.render.animation import gif as animate
    from drawzoo.render.grid import grid, png, roomy_scale
    from drawzoo.render.plots import DPI, finish
    from drawzoo.render.terminal import show as show_picture
    from drawzoo.schema.base import decode, override, to_dict
    from drawzoo.schema.figures import facts, find, plus_minus
    from drawzoo.schema.model import COMPONENTS
    from drawzoo.store.published import manifest, pinned, shipped
    from drawzoo.store.sources import HUB, LOCAL, locate
    from drawzoo.training.validation import load_images

__all__ = [
    "make_folder",
    "BoundFigure",
    "COMPONENTS",
    "DPI",
    "HUB",
    "LOCAL",
    "OutputFile",
    "Panel",
    "Registered",
    "animate",
    "bars",
    "bits_per_dimension",
    "check_config",
    "check_device",
    "check_gif",
    "check_readable",
    "check_regular",
    "check_writable",
    "compile_sampling",
    "counted",
    "data_option",
    "data_root",
    "decode",
    "facts",
    "film",
    "find",
    "finish",
    "grid",
    "join",
    "json_option",
    "load_images",
    "load_model",
    "load_models",
    "locate",
    "manifest",
    "markdown_table",
    "measure_all",
    "nearest",
    "no_empty_folder",
    "open_atomic",
    "ops",
    "override",
    "own_images",
    "parse_setting",
    "pinned",
    "plus_minus",
    "png",
    "print_json",
    "print_table",
    "progress",
    "read_figures",
    "read_images",
    "registry",
    "roomy_scale",
    "seeded",
    "shipped",
    "show_picture",
    "to_dict",
    "write_atomic",
]

_LAZY = {
    "make_folder": "disk.atomic:make_folder",
    "BoundFigure": "evaluation.bound:BoundFigure",
    "COMPONENTS": "schema.model:COMPONENTS",
    "DPI": "render.plots:DPI",
    "HUB": "store.sources:HUB",
    "LOCAL": "store.sources:LOCAL",
    "OutputFile": "cli.options:OutputFile",
    "Panel": "render.animation:Panel",
    "Registered": "cli.completion:Registered",
    "animate": "render.animation:gif",
    "bars": "cli.progress:bars",
    "check_config": "registry.build:check_config",
    "check_device": "cli.options:check_device",
    "check_gif": "cli.options:check_gif",
    "check_readable": "disk.atomic:check_readable",
    "check_regular": "disk.atomic:check_regular",
    "check_writable": "disk.atomic:check_writable",
    "compile_sampling": "engine.compilation:compile_sampling",
    "counted": "errors:counted",
    "data_option": "cli.options:data_option",
    "data_root": "disk.paths:data_root",
    "decode": "schema.base:decode",
    "facts": "schema.figures:facts",
    "film": "render.animation:film",
    "find": "schema.figures:find",
    "finish": "render.plots:finish",
    "grid": "render.grid:grid",
    "join": "engine.drawing:join",
    "json_option": "cli.options:json_option",
    "load_images": "training.validation:load_images",
    "load_model": "cli.loading:load_model",
    "load_models": "cli.loading:load_models",
    "locate": "store.sources:locate",
    "manifest": "store.published:manifest",
    "markdown_table": "evaluation.markdown:table",
    "measure_all": "evaluation.measure:measure_all",
    "bits_per_dimension": "evaluation.moments:bits_per_dimension",
    "nearest": "errors:nearest",
    "no_empty_folder": "disk.atomic:no_empty_folder",
    "open_atomic": "disk.atomic:open_atomic",
    "override": "schema.base:override",
    "own_images": "disk.paths:own_images",
    "parse_setting": "cli.options:parse_setting",
    "pinned": "store.published:pinned",
    "plus_minus": "schema.figures:plus_minus",
    "png": "render.grid:png",
    "print_json": "cli.printing:print_json",
    "print_table": "cli.table:print_table",
    "progress": "cli.progress:progress",
    "read_figures": "evaluation.protocol:read_figures",
    "read_images": "data.pictures:read_images",
    "registry": "registry.loader:registry",
    "roomy_scale": "render.grid:roomy_scale",
    "seeded": "engine.randomness:seeded",
    "shipped": "store.published:shipped",
    "show_picture": "render.terminal:show",
    "to_dict": "schema.base:to_dict",
    "write_atomic": "disk.atomic:write_atomic",
    "ops": "ops:",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'drawzoo.commands' has no attribute {name!r}")
    import importlib

    module, _, attribute = _LAZY[name].partition(":")
    found = importlib.import_module(f"drawzoo.{module}")
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
