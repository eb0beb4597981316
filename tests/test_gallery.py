"""The gallery: every picture is there, small, and made by the command below it."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
GALLERY = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")


def test_pictures_are_made_by_the_commands_below_them_and_by_make():
    shown = re.findall(r"!\[.*?\]\((gallery/\w+\.png)\)", GALLERY)
    commands = re.findall(r"^drawzoo .*$", GALLERY, flags=re.MULTILINE)
    outs = [re.search(r"--out docs/(\S+)", command)[1] for command in commands]
    assert outs == shown
    made = re.findall(r"\$\(BIN\)/(drawzoo .*docs/gallery.*)", (ROOT / "Makefile").read_text())
    assert made == commands


def test_all_that_is_named_is_there_and_small():
    files = set((ROOT / "docs" / "gallery").iterdir())
    assert {ROOT / "docs" / name for name in re.findall(r"gallery/[\w.]+", GALLERY)} == files
    sizes = [file.stat().st_size for file in files]
    assert max(sizes) < 200_000 and sum(sizes) < 800_000
