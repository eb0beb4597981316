"""`drawzoo verify`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.options import cache_option, json_option


@click.command
@click.argument("models", nargs=-1, metavar="[MODEL...]")
@cache_option
@json_option
def command(models: tuple[str, ...], cache_dir: Path | None, as_json: bool) -> None:
    """Checks the files of models, cached and shipped, against their published SHA-256.

    All models unless named. Exit code 6 if a file differs or a named model has no copy here.
    """
    import json

    from drawzoo.cli.table import print_table
    from drawzoo.errors import WeightsError
    from drawzoo.hub import cached, published_model, shipped
    from drawzoo.manifest import manifest, mismatch

    rows: list[tuple[str, str, Path, list[str]]] = []
    for name, published in map(published_model, models or manifest()):
        copies = {"cache": cached(name, cache_dir), "shipped": shipped(name)}
        if models and not any(copies.values()):
            raise WeightsError(f"{name} has no copy here; get it with: drawzoo pull {name}")
        for source, folder in copies.items():
            if folder:
                found = [mismatch(folder / file, pin) for file, pin in published.files.items()]
                rows.append((name, source, folder, [problem for problem in found if problem]))
    if as_json:
        keys = ("name", "source", "folder", "problems")
        rows_as_text = [(name, source, str(folder), bad) for name, source, folder, bad in rows]
        click.echo(
            json.dumps([dict(zip(keys, row, strict=True)) for row in rows_as_text], indent=2)
        )
    else:
        print_table(
            ["name", "source", "state", "folder"],
            [
                [name, source, "DAMAGED" if problems else "good", str(folder)]
                for name, source, folder, problems in rows
            ],
        )
    if bad := [row for row in rows if row[-1]]:
        name, source, _, problems = bad[0]
        mend = f"drawzoo pull {name}" if source == "cache" else "reinstall drawzoo"
        raise WeightsError(
            f"{len(bad)} of {len(rows)} copies are damaged: {problems[0]}; mend it: {mend}"
        )
