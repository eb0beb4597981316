"""What an error says to do next is what helps."""

import socket

import msgspec
import pytest

from drawzoo.schema.base import override


@pytest.fixture
def offline(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


@pytest.mark.parametrize(
    "name, advice",
    [
        ("user/repo", "hf-hub:user/repo\n"),
        ("user/repo@v1", "hf-hub:user/repo@v1\n"),
        ("https://huggingface.co/user/repo", "say hf-hub:user/repo\n"),
        ("https://huggingface.co/user/repo/", "say hf-hub:user/repo\n"),
        ("https://huggingface.co/user/repo/tree/v1", "say hf-hub:user/repo@v1\n"),
        ("./here", "say local-dir:./here\n"),
        ("a/b/c", "say local-dir:a/b/c\n"),
    ],
)
@pytest.mark.parametrize("command", ["sample", "pull", "verify"])
def test_addresses_and_paths(fails, monkeypatch, tmp_path, command, name, advice):
    monkeypatch.chdir(tmp_path)
    code, line = fails(command, name)
    assert code == 4 and advice in line


def test_folders_that_are_there(fails, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "draw").mkdir(parents=True)
    line = fails("sample", "runs/draw")[1]
    assert "local-dir:runs/draw" in line and "hf-hub:" not in line


def test_verify_of_an_address(fails):
    assert "drawzoo pull hf-hub:user/repo" in fails("verify", "hf-hub:user/repo")[1]


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("name", ["mnist", "binarized-mnist"])
def test_missing_data(fails, offline, model, tmp_path, name, there):
    root = tmp_path / "data"
    if there:
        root.mkdir()
    code, line = fails("evaluate", model, "--dataset", name, "--data", root)
    assert code == 5
    assert f"--dataset {name}-sample" in line and "--data" in line
    assert "train" not in line
    # What was made in vain is gone, and what was there is not.
    assert list(tmp_path.glob("data*")) == ([root] if there else [])
    assert not there or list(root.iterdir()) == []


def test_missing_training_data(fails, offline, tmp_path):
    args = ["--data", tmp_path / "data", "--out", tmp_path / "run"]
    code, line = fails("train", "draw-mnist", *args)
    assert code == 5 and "--set dataset=synthetic" in line
    assert list(tmp_path.iterdir()) == []


def test_no_source_for_a_model_that_is_nowhere(invoke, shelve, models, tmp_path):
    from drawzoo.schema.manifest import read_manifest, write_manifest
    from drawzoo.store import published

    path = published.shelf("drawzoo").manifest
    for name, entry in read_manifest(path).items():
        write_manifest(path, name, msgspec.structs.replace(entry, commit=None))
    shelve(path, tmp_path / "nowhere")
    code, out, _ = invoke("list", "draw-mnist", "--json")
    assert code == 0 and '"source": null' in out
    assert "nowhere" in invoke("list", "draw-mnist")[1]


@pytest.mark.parametrize(
    "key, say",
    [("reader", "reader.name="), ("reader.config", "reader.SETTING=")],
)
def test_settings_of_components(tiny, key, say):
    from drawzoo.errors import ConfigError

    with pytest.raises(ConfigError, match=f"say {say}"):
        override(tiny(), {key: 1})
