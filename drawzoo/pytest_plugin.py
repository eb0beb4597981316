"""`pytest --drawzoo`: the conformance kit on all that a plugin registers, without a test file.

Every pytest in an environment with drawzoo imports this module, so torch waits until it is asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = ["pytest_addoption", "pytest_collection_modifyitems"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--drawzoo`."""
    parser.getgroup("drawzoo").addoption(
        "--drawzoo",
        nargs="?",
        const="",
        metavar="NAME",
        help="Check all that the drawzoo plugin NAME registers, by entry point or distribution; "
        "without NAME, the project of this folder's pyproject.toml.",
    )


# Before the items are chosen by -k and -m.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Adds a test for each thing that the plugin registers, and for the plugin itself."""
    name = config.getoption("drawzoo")
    if name is None:
        return
    from drawzoo.errors import DrawzooError
    from drawzoo.testing.registered import checks

    name = name or _project(config.invocation_params.dir, config.rootpath)
    try:
        found = checks(name)
    except DrawzooError as error:
        raise pytest.UsageError(f"--drawzoo: {error}") from error
    for what, check in found.items():
        item = _Check.from_parent(session, name=what, nodeid=f"{name}::{what}", check=check)
        items.append(item)


def _project(here: Path, root: Path) -> str:
    """The name of the project that pytest runs in.

    Arguments:
        here: The folder in which pytest was called.
        root: pytest's root; it may lie above the project, where other settings of pytest are.
    """
    above = [here, *here.parents]
    for folder in above[: above.index(root) + 1] if root in above else [root]:
        name = _name(folder / "pyproject.toml")
        if name is not None:
            return name
    raise pytest.UsageError(f"{root} has no pyproject.toml with a name; say --drawzoo=NAME")


def _name(path: Path) -> str | None:
    """The name of the project that a file describes, if it does."""
    try:
        with path.open("rb") as file:
            name = tomllib.load(file)["project"]["name"]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


class _Check(pytest.Item):
    """One check of the kit."""

    def __init__(self, *, check: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._check = check

    def runtest(self) -> None:
        self._check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from drawzoo.testing import Fault

        # The fault says all; the lines of the kit say nothing to an author.
        if isinstance(excinfo.value, Fault):
            cause = excinfo.value.__cause__
            said = f"\n  from: {type(cause).__name__}: {cause}" if cause else ""
            return f"{excinfo.value}{said}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid
