"""A server of one folder, for this machine alone."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from drawzoo import OutputError

__all__ = ["serve"]


class _Quiet(SimpleHTTPRequestHandler):
    """Files of the folder; no line for each."""

    extensions_map = {  # noqa: RUF012  # as the base class has it
        **SimpleHTTPRequestHandler.extensions_map,
        # A registry of Windows may say otherwise, and a browser runs modules of no other type.
        ".js": "text/javascript",
    }

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server on the loopback address that has yet to be run.

    Arguments:
        folder: What to serve.
        port: 0 for one that is free.

    Raises:
        OutputError: If the port is taken.
    """
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise OutputError(
            f"--port {port}: cannot be listened on ({error.strerror}); choose another"
        ) from error
