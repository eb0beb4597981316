"""Files beside the pages: a link to `../drawzoo/…` leads to a page with the source.

The pages are links between files on a git host; on the site they stay links, offline too.
"""

from __future__ import annotations

import html
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
FOLDER = "source"
PAGES = {"SECURITY.md": "security", "CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing"}
"""Files outside `docs` that are pages of the site."""
LANGUAGES = {".py": "python", ".c": "c", ".h": "c", ".toml": "toml", ".json": "json", ".js": "js"}

wanted: set[Path] = set()


def page(path: Path) -> str:
    return f"{FOLDER}/{path.relative_to(ROOT).as_posix()}"


def want(path: Path) -> str:
    """The name of the page of a file or folder, which will be made."""
    wanted.add(path)
    if path.is_dir():
        wanted.update(files(path))
    return page(path)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in LANGUAGES)


def address(module: str, name: str) -> str | None:
    """Where the source of a Python object is, from a page at the top."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    found = inspect.unwrap(found.fget if isinstance(found, property) else found) if found else None
    try:
        path = Path(inspect.getsourcefile(found) or "")  # type: ignore[arg-type]
        line = inspect.getsourcelines(found)[1]  # type: ignore[arg-type]
    except (TypeError, OSError):
        return None
    if not path.is_relative_to(ROOT) or ".venv" in path.parts:
        return None
    return f"{want(path)}.html#line-{line}"


def relink(app: Any, doctree: nodes.document) -> None:
    """Links out of `docs` become links to pages."""
    docname = app.env.docname
    here = Path(app.env.doc2path(docname)).parent
    for node in [*doctree.findall(addnodes.download_reference), *doctree.findall(is_link)]:
        target, _, anchor = node["reftarget"].partition("#")
        path = (here / target).resolve()
        if node.get("refdomain") == "doc":
            # MyST takes the suffix of a page away, and the path of a page outside is whole.
            path, anchor = path.with_name(f"{path.name}.md"), node["reftargetid"] or ""
        if not path.exists() or path.is_relative_to(DOCS) or not path.is_relative_to(ROOT):
            continue
        name = PAGES.get(path.name) if path.parent == ROOT else None
        name = name if name in app.env.found_docs else want(path)
        uri = f"{'../' * docname.count('/')}{name}.html{'#' * bool(anchor)}{anchor}"
        node.replace_self(nodes.reference("", "", *node.children, refuri=uri, internal=True))


def is_link(node: nodes.Node) -> bool:
    return isinstance(node, addnodes.pending_xref) and node.get("reftype") == "myst"


def collect(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path in sorted(wanted):
        name = path.relative_to(ROOT).as_posix()
        if path.is_dir():
            items = [
                f'<li><a href="{path.name}/{file.relative_to(path).as_posix()}.html">'
                f"{file.relative_to(path).as_posix()}</a></li>"
                for file in files(path)
            ]
            body = f"<ul>{''.join(items)}</ul>"
        else:
            language = LANGUAGES.get(path.suffix, "none")
            body = app.builder.highlighter.highlight_block(
                path.read_text(encoding="utf-8"), language, lineanchors="line"
            )
        yield (
            page(path),
            {"title": name, "body": f"<h1>{html.escape(name)}</h1>{body}"},
            "page.html",
        )


def setup(app: Any) -> dict[str, Any]:
    # Before the collector of downloads, which is at 500.
    app.connect("doctree-read", relink, priority=400)
    app.connect("html-collect-pages", collect)
    return {"parallel_read_safe": False}
