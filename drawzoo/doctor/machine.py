"""What runs a model: torch, the processor, the kernels; tried in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawzoo
from drawzoo.doctor.finding import Check
from drawzoo.errors import counted, one_line

__all__ = ["kernels", "probe", "processor", "torch", "torchvision"]

Found = dict[str, dict[str, Any]]
"""Part → what the process found of it: its facts, or `error`."""

LIMIT_S = 180
"""Seconds after which the process is given up: from a cold disk torch takes ten."""

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from drawzoo.doctor.probe import tell
tell()
"""
"""The process sees the packages that this one sees."""


def probe() -> Found:
    """What a new process finds of torch, torchvision and the kernels; it may die of them."""
    paths = [path or str(Path.cwd()) for path in sys.path]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _START, json.dumps(paths)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"end": {"error": f"it took over {LIMIT_S} s"}}
    except OSError as error:
        return {"end": {"error": f"no process can be started: {error.strerror}"}}
    found: Found = {}
    for line in done.stdout.splitlines():
        # What torch says itself has no NUL in front.
        if line.startswith("\0"):
            found.update(json.loads(line[1:]))
    if done.returncode:
        found["end"] = {"error": _end(done.returncode, done.stderr)}
    return found


def _end(code: int, stderr: str) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the process ended by {signal.Signals(-code).name}"
    last = (stderr.strip().splitlines() or [""])[-1]
    return one_line(f"the process ended with code {code}: {last}")[:150]


def torch(found: Found) -> Check:
    """Whether torch multiplies."""
    part = found.get("torch") or found.get("end") or {"error": "the process said nothing"}
    if "error" in part:
        return _broken("torch", part)
    devices = ", ".join(["cpu", *part["devices"]])
    says = f"{part['version']}, on {devices}, {counted(part['threads'], 'thread')}"
    facts = {key: part[key] for key in ("version", "threads", "devices")}
    return Check("torch", "ok", says, facts=facts)


def torchvision(found: Found) -> Check:
    """Whether torchvision, which reads MNIST, fits torch."""
    part = found.get("torchvision") or found.get("end") or {"error": "the process said nothing"}
    if "error" in part:
        return _broken("torchvision", part)
    return Check("torchvision", "ok", part["version"], facts={"version": part["version"]})


def _broken(name: str, part: dict[str, Any]) -> Check:
    hint = "install a pair that fits: pip install -U torch torchvision (see pytorch.org)"
    return Check(name, "fault", f"cannot be imported: {part['error']}", hint, {"version": None})


def processor(found: Found) -> Check:
    """The processor, how many cores there are for drawzoo, and the width of their vectors."""
    usable: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    name = found.get("kernels", {}).get("processor") or platform.processor() or platform.machine()
    vectors = found.get("torch", {}).get("vectors")
    facts = {"name": name, "cores": cores, "vectors": vectors}
    says = f"{name}, {counted(cores, 'core')}, vectors: {vectors or 'not known without torch'}"
    return Check("processor", "ok", says, facts=facts)


def kernels(found: Found) -> Check:
    """The C library for the processor: built, loaded, and as wide as the processor's vectors."""
    part = found.get("kernels", {"error": "torch is needed to load one"})
    names = sorted(
        path.name
        for path in (Path(drawzoo.__file__).parent / "ops").glob("_kernels*")
        if path.suffix in (".so", ".pyd", ".dylib", ".dll")
    )
    compiler = _compiler()
    facts = {
        "used": part.get("used"),
        "lanes": part.get("lanes"),
        "built": names,
        "compiler": compiler,
    }

    def check(state: str, says: str, hint: str | None = None) -> Check:
        slower = "" if part.get("used") else "; tensor operations do the work, slower"
        return Check("kernels", state, f"{says}{slower}", hint, facts)  # type: ignore[arg-type]

    again = "pip install --force-reinstall --no-deps --no-binary drawzoo drawzoo"
    if used := part.get("used"):
        says = f"{used}, {part['lanes']} numbers at once"
        if part["best"] and part["lanes"] < part["best"]:
            return check("note", f"{says}, of {part['best']} that the processor can", again)
        return check("ok", says)
    if os.environ.get("DRAWZOO_KERNELS") == "0":
        return check("note", "switched off by DRAWZOO_KERNELS=0", "unset it")
    if names:
        reason = part.get("error", "they are of another drawzoo, or OpenMP is missing")
        return check("note", f"none that was built can be loaded: {reason}", again)
    if sys.platform != "linux":
        return check("ok", f"none are built on {platform.system()}")
    if compiler:
        return check("note", f"none was built, and there is a compiler, {compiler}", again)
    return check("note", "none was built, and no C compiler found", f"install gcc, then {again}")


def _compiler() -> str | None:
    """The C compiler that would build the kernels."""
    said = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "").split()
    return next(filter(None, map(shutil.which, [*said[:1], "cc", "gcc", "clang"])), None)
