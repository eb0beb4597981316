"""The public names: there, documented, and all that a plugin needs."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PUBLIC = ("drawzoo", "drawzoo.commands", "drawzoo.testing")
NAMES = [(module, name) for module in PUBLIC for name in importlib.import_module(module).__all__]
PLUGINS = sorted(
    path
    for folder in ("plugins", "examples")
    for path in (ROOT / folder).rglob("*.py")
    if not {"build", ".venv"} & set(path.parts)
)


def source(module):
    """The syntax tree of a module of drawzoo."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def home(module, name):
    """The module that defines what others re-export, and its name there."""
    for node in ast.walk(source(module)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("drawzoo"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return home(node.module, alias.name)
    return module, name


def documentation(module, name):
    """The docstring of a class or function, or the string below an assignment."""
    if (ROOT.joinpath(*module.split("."), name)).is_dir():
        return ast.get_docstring(source(f"{module}.{name}"))
    body = source(module).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node)
        targets = node.targets if isinstance(node, ast.Assign) else ()
        named = [
            one.id
            for target in targets
            for one in (target.elts if isinstance(target, ast.Tuple) else [target])
            if isinstance(one, ast.Name)
        ]
        if name in named:
            said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            return after.value.value if said else None
    raise AssertionError(f"{module} does not define {name}")


@pytest.mark.parametrize("module, name", NAMES)
def test_public_names_are_there_and_documented(module, name):
    there = importlib.import_module(module)
    assert getattr(there, name) is not None and name in dir(there)
    assert documentation(*home(module, name))


@pytest.mark.parametrize("module", PUBLIC)
def test_each_is_listed_once_in_order_and_imported_for_type_checkers(module):
    names = importlib.import_module(module).__all__
    assert len(names) == len(set(names))
    for name in getattr(importlib.import_module(module), "_LAZY", ()):
        assert name in names and home(module, name) != (module, name)


def used(tree):
    """(module, name) for all that a plugin takes from drawzoo; name None for a whole module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.module, alias.name
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "drawzoo":
                yield "drawzoo", node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # What is registered may be a string "package.module:attribute".
            for target in re.finditer(r"^([\w.]+):(\w+)$", node.value):
                yield target[1], target[2]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_use_public_names_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = [(m, n) for m, n in used(tree) if m == "drawzoo" or m.startswith("drawzoo.")]
    public = {*NAMES, *((module, None) for module in PUBLIC)}
    public |= {("drawzoo", "commands"), ("drawzoo", "testing"), ("drawzoo", "__version__")}
    assert [found for found in ours if found not in public] == []


def test_hooks_of_the_page_are_all_there_are():
    """docs/plugins.md has a row for each hook, and what it names there is public."""
    from drawzoo.registry import hookspecs

    hooks = {name for name, hook in vars(hookspecs).items() if hasattr(hook, "drawzoo_spec")}
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(register_\w+)\(\w+\)` \|", page, flags=re.MULTILINE)
    assert sorted(rows) == sorted(hooks)
    named = re.findall(r"`(drawzoo(?:\.commands|\.testing)?)\.(\w+)\b", page)
    rooms = [("drawzoo", "commands"), ("drawzoo", "testing")]
    assert named and [name for name in named if name not in (*NAMES, *rooms)] == []


def test_base_names_occur_once():
    """A file's name alone says which module of drawzoo it is."""
    modules = [path.name for path in (ROOT / "drawzoo").rglob("*.py")]
    names = [name for name in modules if name not in ("__init__.py", "__main__.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
