"""The command line: one module a command, imported when it is asked for. Free of torch.

Data goes to stdout, talk to stderr. Errors are one line; their exit codes are in `drawzoo.errors`,
2 is wrong usage, 130 an interruption.
"""

from __future__ import annotations

import importlib
import io
import itertools
import logging
import os
import re
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import click

from drawzoo.cli import completion
from drawzoo.cli.options import PLUGIN_FILES
from drawzoo.cli.starting import watched
from drawzoo.errors import DrawzooError, OutputError, nearest, one_line, short
from drawzoo.registry import COMMANDS
from drawzoo.version import __version__

__all__ = ["cli", "main"]


CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""In no argument: a name is repeated in many lines. JSON may have tabs and line ends."""
EMPTY = re.compile(r"(--[a-z0-9-]+=)?")


class LazyGroup(click.Group):
    """Finds the built-in commands by module name, and the plugins' after them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from drawzoo.registry.loader import installed

        return sorted({*COMMANDS, *installed().commands})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            module = importlib.import_module(f"drawzoo.cli.{name.replace('-', '_')}")
            command: click.Command = module.command
            return command
        from drawzoo.registry.loader import installed

        return installed().commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = nearest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx) from error


def _run_files(ctx: click.Context, _: click.Parameter, files: tuple[Path, ...]) -> None:
    from drawzoo.registry.local import run_file

    if ctx.resilient_parsing:
        # The Tab key runs no file.
        return
    for file in files:
        click.echo(f"running {file}, which can do all that you can", err=True)
        run_file(file)
    ctx.meta[PLUGIN_FILES] = files


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="drawzoo")
@click.option(
    "--plugin",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_run_files,
    metavar="FILE.py",
    help="Run this file first, as a plugin: for any command, before its name. Repeatable.",
)
def cli() -> None:
    """The model zoo for DRAW, the Deep Recurrent Attentive Writer.

    To begin with:

    \b
      drawzoo pull model2-mnist
      drawzoo sample --steps 10

    The Tab key completes commands, options and names after this line in ~/.bashrc:

    \b
      eval "$(_DRAWZOO_COMPLETE=bash_source drawzoo)"

    `drawzoo doctor` gives the line for zsh and fish.
    """


def main(args: list[str] | None = None) -> None:
    """Runs the command line, and turns every error into one line and an exit code."""
    warnings.showwarning = _warn
    if completion.asked():
        logging.disable()
        warnings.simplefilter("ignore")
    _ready_output()
    stdout = sys.stdout
    try:
        _check_arguments(sys.argv[1:] if args is None else args)
        with watched():
            code = cli.main(args, prog_name="drawzoo", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "drawzoo"
        code = _fail(f"{error.format_message()} (see: {command} --help)", error.exit_code)
    except click.ClickException as error:
        code = _fail(error.format_message(), error.exit_code)
    except DrawzooError as error:
        code = _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        code = _fail("interrupted", 130)
    except SystemExit as error:
        # So click (which then replaces stdout) and rich leave when the reader of it has gone.
        gone = sys.stdout is not stdout or isinstance(error.__context__, BrokenPipeError)
        code = 0 if gone else error.code
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does: nothing is wrong.
        _drop_output()
        code = 0
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{where}{error.strerror or error}", OutputError.exit_code)
    except Exception as error:
        what = " ".join(str(error).split())
        code = _fail(f"unexpected {type(error).__name__}: {what} (DRAWZOO_DEBUG=1 shows where)", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _check_arguments(args: list[str]) -> None:
    """Refuses what no command can mean."""
    if any(map(CONTROLS.search, args)):
        raise click.UsageError(
            "an argument holds control characters, which can do anything to a terminal; leave "
            "them out, or rename the file"
        )
    for before, arg in itertools.pairwise(["drawzoo", *args]):
        if EMPTY.fullmatch(arg):
            # Click would take it for the current folder, and many a command for no choice.
            raise click.UsageError(
                f"the argument after {arg[:-1] or before} is empty, as from a variable of the "
                "shell that is not set; give a value, or leave it out"
            )


def _ready_output() -> None:
    """Makes the two streams safe to write to: there, and deaf to characters they cannot encode."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _drop_output() -> None:
    """Sends to nowhere what standard output cannot take, or Python would try again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(line: str, code: int) -> int:
    if os.environ.get("DRAWZOO_DEBUG"):
        traceback.print_exc()
    if not completion.asked():
        click.echo(short(f"Error: {one_line(line)}"), err=True)
    return code


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(short(f"Note: {one_line(str(message))}"), err=True)
