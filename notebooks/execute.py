"""Runs the notebooks from top to bottom and keeps what they show: python notebooks/execute.py."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def execute(path: Path, folder: Path, *, timeout: int = 120) -> nbformat.NotebookNode:
    """The notebook after all of its cells have been run.

    Arguments:
        path: The notebook.
        folder: Where it runs.
        timeout: Seconds that a cell may take.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    # How many pieces a cell's text arrives in depends on how fast the machine is.
    client = NotebookClient(
        notebook, timeout=timeout, resources=resources, record_timing=False, coalesce_streams=True
    )
    client.execute()
    return notebook


def main() -> None:
    """Writes each notebook again, with its outputs."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        start = time.perf_counter()
        notebook = execute(path, FOLDER)
        # What Python ran it is no part of the notebook, nor are the numbers of a picture.
        notebook.metadata["language_info"] = {"name": "python"}
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    output["data"].pop("text/plain", None)
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
