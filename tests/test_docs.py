"""The pages belong together: contents, links, names; the site is built without a warning."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
API = {"drawzoo": "api.md", "drawzoo.commands": "api-commands.md"}


def text_of(page):
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page):
    """The anchors of a page's headings, as git hosts and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.M)
    plain = (re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def links(page):
    text = text_of(page)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_is_dead(page):
    dead = []
    for link in links(page):
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(link)
    assert dead == []


def test_every_page_is_in_the_contents_once():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = re.findall(
        r"^([a-z][\w-]*)$", "\n".join(re.findall(r"```{toctree}.*?```", index, re.S)), re.M
    )
    found = [page.stem for page in DOCS.glob("*.md") if page.stem != "index"]
    assert sorted(listed) == sorted(found)


@pytest.mark.parametrize("module", API)
def test_every_public_name_is_on_its_page_once(module):
    page = (DOCS / API[module]).read_text(encoding="utf-8")
    shown = re.findall(rf"^\.\. auto\w+:: {re.escape(module)}\.(\w+)$", page, re.M)
    assert sorted(shown) == sorted(importlib.import_module(module).__all__)


def test_every_variable_is_on_the_page_of_settings():
    files = [*(ROOT / "drawzoo").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    used = {
        name
        for file in files
        for name in re.findall(r"\bDRAWZOO_[A-Z_]+\b", file.read_text(encoding="utf-8"))
    }
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"`(DRAWZOO_[A-Z_]+)", page))
    assert used == shown


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    for package in ("sphinx", "furo", "myst_parser", "sphinx_click", "sphinx_copybutton"):
        pytest.importorskip(package, reason="the documentation's packages: pip install '.[docs]'")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", DOCS, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    for file in ("index.html", "api.html", "commands.html", "llms.txt"):
        assert (tmp_path / file).stat().st_size > 500
