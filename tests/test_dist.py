"""The distributions: what is in them, and that they install and work far from the checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import drawzoo

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout of git"),
]
TIMEOUT = 600


def run(*command, **options):
    """The output of a command that must succeed."""
    options = {"env": {**os.environ, "HF_HUB_OFFLINE": "1"}, "cwd": ROOT} | options
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        **options,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def build(source, to, *kind, **env):
    """Builds with the packages that are installed."""
    env = {**os.environ, **env}
    run(sys.executable, "-m", "build", "-n", *kind, "-o", to, source, env=env, cwd=to.parent)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the source distribution, a wheel of it, and a wheel made without a compiler."""
    root = tmp_path_factory.mktemp("dist")
    names = run("git", "ls-files", "-z").split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (root / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / "tree" / name)
    build(root / "tree", root / "made")
    (sdist,) = (root / "made").glob("*.tar.gz")
    shutil.unpack_archive(sdist, root, filter="data")
    (root / "nothing").mkdir()
    unpacked = root / sdist.name.removesuffix(".tar.gz")
    build(unpacked, root / "made", "--wheel", PATH=str(root / "nothing"), CC="")
    return root / "made"


@pytest.fixture(params=["kernels", "any"])
def wheel(made, request):
    """A wheel with kernels, where there is a compiler for them, and one without."""
    wheels = {path.stem.endswith("-any"): path for path in made.glob("*.whl")}
    if (request.param == "any") not in wheels:
        pytest.skip("there is no compiler with OpenMP, or not for this system")
    return wheels[request.param == "any"]


def test_holds_what_git_tracks_and_nothing_of_this_machine(made):
    told = run(sys.executable, ".ci/dist.py", made)
    assert all(line.endswith(" MB") for line in told.splitlines())


def test_what_is_wrong_is_told(made, tmp_path):
    (wheel, *_) = made.glob("*-any.whl")
    bad = tmp_path / wheel.name.replace("-any", "-linux_x86_64")
    with zipfile.ZipFile(wheel) as good, zipfile.ZipFile(bad, "w") as new:
        for name in good.namelist():
            if name not in ("drawzoo/manifest.json", "drawzoo/py.typed"):
                new.writestr(name, good.read(name))
        new.writestr("drawzoo/py.typed", f"made in {ROOT}/drawzoo")
        new.writestr("drawzoo/notes.txt", "")
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/dist.py", tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 1
    for word in ("manifest.json is missing", "notes.txt", "py.typed names", "with 0 kernels"):
        assert word in done.stdout


def test_works_where_nothing_else_of_drawzoo_is(wheel, tmp_path):
    """Installed in a new environment, which sees the other packages of this one."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    (inside,) = (tmp_path / "env").rglob("site-packages")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "-q", wheel)
    # Not `addsitedir`: what is installed to be edited must not be found.
    seen = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    (inside / "outer.pth").write_text("\n".join(map(str, seen)) + "\n")
    here = tmp_path / "here"
    here.mkdir()
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}

    def installed(*command):
        return run(python, "-m", *command, cwd=here, env=env)

    code = "import drawzoo; from drawzoo import ops; print(drawzoo.__file__, ops.available())"
    file, kernels = run(python, "-c", code, cwd=here, env=env).split()
    assert Path(file).is_relative_to(inside)
    assert kernels == str(not wheel.stem.endswith("-any"))
    assert installed("drawzoo", "--version").split()[-1] == drawzoo.__version__
    installed("drawzoo", "pull", "model3-mnist")
    installed("drawzoo", "sample", "model3-mnist", "--num", "4", "--out", "digits.png")
    assert (here / "digits.png").read_bytes().startswith(b"\x89PNG")
    rows = installed("drawzoo", "verify").splitlines()
    names = {row.split()[0] for row in rows if " good " in row}
    assert names == {path.name for path in (ROOT / "model_cards").iterdir()}


def test_tags_say_what_is_in_a_wheel(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/WHEEL"))
        about = Parser().parsestr(file.read(name).decode())
        libraries = [name for name in file.namelist() if name.endswith(".so")]
    python, abi, platform = about["Tag"].split("-")
    assert (python, abi) == ("py3", "none")
    assert (platform == "any") == (not libraries) == (about["Root-Is-Purelib"] == "true")
