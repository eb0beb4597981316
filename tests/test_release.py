"""What a release says of itself: its version, what it needs, and the workflows that make it."""

import re
import shutil
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import drawzoo

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = ROOT / "CHANGELOG.md"
EXTRAS = PROJECT["optional-dependencies"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow):
    """The steps of all jobs, and jobs that are workflows themselves."""
    for job in workflow["jobs"].values():
        yield from job.get("steps", [job])


def test_the_latest_release_of_the_changelog_is_this_version():
    text = CHANGELOG.read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d[^\]]*)\] - (\S+)$", text, re.MULTILINE)
    versions = [Version(version) for version, _ in releases]
    assert str(versions[0]) == drawzoo.__version__
    assert versions == sorted(versions, reverse=True)
    days = [date.fromisoformat(day) for _, day in releases]
    assert days == sorted(days, reverse=True)
    assert text.index("## [Unreleased]") < text.index(f"## [{versions[0]}]")


def test_the_changelog_says_nothing_twice():
    entries = re.split(r"\n(?=[-#\n])", CHANGELOG.read_text(encoding="utf-8"))
    entries = [" ".join(entry.split()) for entry in entries if entry.startswith("- ")]
    assert len(entries) == len(set(entries)) > 50


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *sum(EXTRAS.values(), [])])
def test_each_dependency_has_a_lowest_version_and_no_highest(line):
    """`make lowest` tests the lowest; a highest would keep users from mended versions."""
    (bound,) = Requirement(line).specifier
    assert bound.operator == ">="


def test_each_python_that_is_named_is_tested():
    named = {
        version
        for line in PROJECT["classifiers"]
        if (version := line.removeprefix("Programming Language :: Python :: 3.")).isdigit()
    }
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert set(matrix["python"]) == {f"3.{version}" for version in named}
    assert f">=3.{min(map(int, named))}" == PROJECT["requires-python"]
    assert {system.partition("-")[0] for system in matrix["system"]} == {
        *("ubuntu", "macos", "windows")
    }


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_what_was_read_and_keep_no_secret_of_the_index(path):
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for step in steps(workflow):
        if "uses" in step and not step["uses"].startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])
    # The package index knows the workflow itself; the Hub's token is the only secret.
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"HF_TOKEN"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_make_has_each_target_that_a_workflow_calls(path):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    called = [word for line in lines if line.startswith("make ") for word in line.split()[1:]]
    assert {word for word in called if "=" not in word} <= set(targets)


URLS = '[project.urls]\nSource = "https://example.org/me/drawzoo"\n\n[project.scripts]'


@pytest.mark.parametrize("urls", [URLS, "[project.scripts]"], ids=["address", "none"])
def test_links_of_the_readme_lead_to_the_repository_once_it_has_an_address(urls, tmp_path):
    for name in ("setup.py", "README.md", "LICENSE", "drawzoo/__init__.py", "drawzoo/version.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in ("plugins", "model_cards"):
        (tmp_path / name).mkdir()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        text.replace("[project.scripts]", urls), encoding="utf-8"
    )
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "egg_info"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
    )
    about = (tmp_path / "drawzoo.egg-info" / "PKG-INFO").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/start.md)" in readme and "](docs/digits.png)" in readme
    if urls == URLS:
        assert "](https://example.org/me/drawzoo/blob/HEAD/docs/start.md)" in about
        assert "](https://example.org/me/drawzoo/raw/HEAD/docs/digits.png)" in about
        assert "](docs/" not in about and "](notebooks/" not in about
        assert "(https://arxiv.org/abs/1502.04623)" in about
    else:
        assert readme in about
