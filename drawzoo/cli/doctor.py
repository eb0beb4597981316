"""`drawzoo doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from drawzoo.cli.options import cache_option, data_option, json_option


@click.command
@click.option("--online", is_flag=True, help="Also ask the Hub whether it can be reached.")
@data_option
@cache_option
@json_option
def command(online: bool, data: Path | None, cache_dir: Path | None, as_json: bool) -> None:
    """Says whether drawzoo can be used here, and what to do where it cannot.

    A line each on the versions, torch, the processor, the kernels, the cache, the data sets, the
    plugins and the line for completion by the Tab key. A note is of what works, but not as well as
    it could. Exit code 1 if something cannot be used.
    """
    from rich.console import Console

    from drawzoo.cli.completion import switch_on
    from drawzoo.cli.printing import print_json
    from drawzoo.doctor.examine import examine
    from drawzoo.doctor.finding import Check
    from drawzoo.errors import DrawzooError, counted, one_line, short

    checks: list[Check] = []

    def tell(check: Check) -> None:
        checks.append(check)
        if not as_json:
            state = check.state.upper() if check.state == "fault" else check.state
            hint = f"; {check.hint}" if check.hint else ""
            click.echo(short(one_line(f"{state:6} {check.name:12} {check.says}{hint}")))

    with Console(stderr=True).status("looking around") as status:
        for check in examine(data=data, cache=cache_dir, online=online, watch=status.update):
            tell(check)
    shell, file, line = switch_on()
    facts = {"shell": shell, "file": file, "line": line}
    says = f"by the Tab key in {shell}, with this line in {file}: {line}"
    tell(Check("completion", "ok", says, facts=facts))
    faults = [check for check in checks if check.state == "fault"]
    if as_json:
        print_json(
            {"usable": not faults, "checks": [check._asdict() for check in checks]}, indent=2
        )
    if faults:
        names = ", ".join(dict.fromkeys(check.name for check in faults))
        raise DrawzooError(f"{counted(len(faults), 'fault')} found ({names}); see the hints")
