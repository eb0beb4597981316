"""New environments beside drawzoo: they see the packages of the one that runs the tests."""

import os
import subprocess
import sys
import venv
from pathlib import Path


class Environment:
    """A new environment in a folder, whose packages nobody else sees."""

    def __init__(self, folder):
        self.folder = folder
        venv.create(folder, system_site_packages=True, with_pip=False)
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        # The packages of the environment that runs the tests, which may be no system's.
        seen = next(path for path in map(Path, sys.path) if path.name == "site-packages")
        (inside,) = folder.rglob("site-packages")
        (inside / "outer.pth").write_text(f"import site; site.addsitedir({str(seen)!r})\n")
        for tool in ("drawzoo", "pip"):
            script = self.bin / tool
            script.write_text(f'#!/bin/sh\nexec "{self.bin / "python"}" -m {tool} "$@"\n')
            script.chmod(0o755)

    def run(self, *command, **options):
        """Runs a command that must succeed; gives its stdout."""
        env = {**os.environ, **options.pop("env", {})}
        env["PATH"] = f"{self.bin}{os.pathsep}{env['PATH']}"
        command = [str(self.bin / command[0]), *map(str, command[1:])]
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, **options
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout
