"""`llms.txt` (https://llmstxt.org): the pages in their order, each with its first sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes


def line(env: Any, docname: str) -> str:
    tree = env.get_doctree(docname)
    first = next(iter(tree.findall(nodes.paragraph)), None)
    said = " ".join(first.astext().split()) if first is not None else ""
    source = f"_sources/{docname}.md.txt"
    return f"- [{env.titles[docname].astext()}]({source}){': ' * bool(said)}{said}"


def write(app: Any, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    env = app.env
    tree = env.get_doctree("index")
    summary = " ".join(next(iter(tree.findall(nodes.paragraph))).astext().split())
    text = [f"# {app.config.project}", "", f"> {summary}"]
    for toctree in tree.findall(addnodes.toctree):
        text += ["", f"## {toctree['caption']}", ""]
        text += [line(env, docname) for _, docname in toctree["entries"]]
    Path(app.outdir, "llms.txt").write_text("\n".join(text) + "\n", encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
