"""What a user may call a model: `hf-hub:user/repo@revision`, `local-dir:PATH`, a name."""

import os

import pytest
from loopback import TOKEN

from drawzoo.disk.paths import hub_cache
from drawzoo.errors import ConfigError, HubError, UnknownNameError, WeightsError
from drawzoo.schema.base import encode, override
from drawzoo.schema.manifest import CONFIG, WEIGHTS, Published, pin
from drawzoo.store import client as hub_client
from drawzoo.store import fetching
from drawzoo.store import published as published_store
from drawzoo.store.sources import locate, parse_address
from drawzoo.store.validate import read_config


@pytest.fixture(autouse=True)
def manifest(monkeypatch):
    """The manifest, empty."""
    manifest = {}
    monkeypatch.setattr(published_store, "read", lambda path: manifest)
    return manifest


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def one_line(error):
    text = str(error.value)
    assert text.isprintable()
    return text


class TestAddress:
    @pytest.fixture
    def folder(self, tiny, tmp_path):
        """A small model."""
        from drawzoo import build
        from drawzoo.engine.saving import write_model

        folder = tmp_path / "model"
        folder.mkdir()
        model = build(tiny())
        write_model(folder, model.config, model.state_dict())
        return folder

    @pytest.fixture
    def commit(self, loopback, folder):
        return loopback.commit("a/b", contents(folder))

    def test_branch_is_resolved_once_and_said(self, loopback, commit, folder, caplog):
        loopback.commit("a/b", {}, "other")
        found = locate("hf-hub:a/b@main")
        assert found.commit == commit
        (said,) = (record.getMessage() for record in caplog.records)
        assert f"hf-hub:a/b@main is commit {commit}" in said
        assert contents(found.folder) == contents(folder)
        assert all(commit in path for path in loopback.paths() if "resolve" in path)
        assert loopback.paths().count("/api/models/a/b/revision/main") == 1

    def test_commit_needs_no_second_request(self, loopback, commit, caplog):
        first = locate(f"hf-hub:a/b@{commit}")
        loopback.requests.clear()
        assert locate(f"hf-hub:a/b@{commit}") == first
        assert loopback.requests == []
        assert not caplog.records

    def test_branch_that_moves(self, loopback, commit, folder):
        locate("hf-hub:a/b")
        second = loopback.commit("a/b", contents(folder))
        assert locate("hf-hub:a/b").commit == second
        assert locate(f"hf-hub:a/b@{commit}").commit == commit

    def test_other_files_are_left_alone(self, loopback, folder):
        loopback.commit("a/b", contents(folder) | {"pytorch_model.bin": b"x", "model.py": b"x"})
        assert sorted(contents(locate("hf-hub:a/b").folder)) == [CONFIG, WEIGHTS]

    def test_token_is_not_sent(self, loopback, commit, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        locate("hf-hub:a/b")
        assert loopback.requests and not any(token for _, _, token in loopback.requests)

    def test_known_commit_is_verified(self, loopback, manifest, commit, folder):
        pins = {name: pin(folder / name) for name in (CONFIG, WEIGHTS)}
        manifest["draw-mnist"] = Published(
            repository="a/b", commit=commit, parameters=1, files=pins, figures=[]
        )
        loopback.fault("wrong", path=WEIGHTS)
        with pytest.raises(WeightsError, match="not the published file"):
            locate("hf-hub:a/b")

    def test_unreachable(self, monkeypatch, loopback, commit, caplog):
        known = locate("hf-hub:a/b")
        monkeypatch.setattr(hub_client, "DEADLINE", 0.5)
        for kind, value in (("reset", None), ("status", 503), ("hang", 30)):
            loopback.faults.clear()
            loopback.fault(kind, value)
            # What the branch meant last is in the cache.
            assert locate("hf-hub:a/b") == known
            with pytest.raises(HubError, match="hf-hub:|a/c") as error:
                locate("hf-hub:a/c")
            one_line(error)

    @pytest.mark.parametrize(
        "address, reason",
        [
            ("a/none", "public repository"),
            ("a/b@none", "no revision none"),
            ("a/b@" + "0" * 40, "no revision"),
        ],
    )
    def test_not_there(self, commit, address, reason):
        with pytest.raises(HubError, match=reason) as error:
            locate(f"hf-hub:{address}")
        one_line(error)

    def test_private(self, loopback, commit):
        loopback.repositories["a/b"].private = True
        with pytest.raises(HubError, match="no such public repository"):
            locate("hf-hub:a/b")

    @pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
    def test_giant_files_are_not_fetched(self, monkeypatch, loopback, folder, file):
        monkeypatch.setattr(fetching, "CHEAP_BYTES", 1 << 20)
        loopback.commit("a/b", contents(folder) | {file: bytes(3 << 20)})
        with pytest.raises(WeightsError, match="longer than") as error:
            locate("hf-hub:a/b")
        assert file in one_line(error)
        assert not list(hub_cache().rglob("*"))

    def test_weights_too_short_for_the_configuration_are_not_fetched(self, loopback, folder):
        config = override(read_config(folder), {"image": [1, 900, 900]})
        loopback.commit("a/b", contents(folder) | {CONFIG: encode(config)})
        with pytest.raises(WeightsError, match="does not fit config.json") as error:
            locate("hf-hub:a/b")
        assert "hf-hub:a/b@" in one_line(error)
        assert not list(hub_cache().rglob("*"))

    def test_configuration_alone(self, loopback, folder):
        loopback.commit("a/b", contents(folder))
        found = locate("hf-hub:a/b", files=(CONFIG,)).folder
        assert [path.name for path in found.iterdir()] == [CONFIG]
        assert sorted(path.name for path in locate("hf-hub:a/b").folder.iterdir()) == [
            CONFIG,
            WEIGHTS,
        ]

    def test_configuration_is_read_before_weights_are_fetched(self, loopback, folder):
        loopback.commit("a/b", contents(folder) | {CONFIG: b'{"steps": 3, "steps": 4}'})
        with pytest.raises(ConfigError, match="'steps' is there twice") as error:
            locate("hf-hub:a/b")
        one_line(error)
        assert not [path for path in loopback.paths() if WEIGHTS in path]

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "a",
            "a/",
            "/b",
            "/a/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/.b",
            "a/../../etc",
            "a/b@",
            "a/b@../../x",
            "a/b@/etc/passwd",
            "a/b@x//y",
            "a/b@.git",
            "a\\b",
            "a/b@C:\\x",
            "\\\\host\\share/x",
            "C:\\a/b",
            "C:/a",
            "file:///etc/passwd",
            "https://example.org/a/b",
            "a--b/c",
            "a/b@x y",
            "a/b\n",
            "a/b@main\n",
            "ä/b",
            "-a/b",
            "~/b",
            "a/b\x00",
        ],
    )
    def test_unsafe_addresses(self, loopback, address):
        with pytest.raises(UnknownNameError, match="no address"):
            parse_address(f"hf-hub:{address}")
        with pytest.raises(UnknownNameError) as error:
            locate(f"hf-hub:{address}")
        one_line(error)
        assert loopback.requests == []


class TestNamedFolder:
    def test_folder(self, tiny, tmp_path):
        folder = tmp_path / "a folder"
        with pytest.raises(WeightsError, match="no folder"):
            locate(f"local-dir:{folder}")
        folder.mkdir()
        with pytest.raises(WeightsError, match="no model in"):
            locate(f"local-dir:{folder}")
        (folder / CONFIG).write_bytes(encode(tiny()))
        assert locate(f"local-dir:{folder}") == (folder, "local-dir", None)

    def test_home_is_meant_by_a_tilde(self, monkeypatch, tiny, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / CONFIG).write_bytes(encode(tiny()))
        assert locate("local-dir:~").folder == tmp_path

    @pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
    def test_links_out_of_it_are_not_followed(self, tmp_path, file):
        folder = tmp_path / "folder"
        folder.mkdir()
        (tmp_path / file).touch()
        for target in (tmp_path / file, f"../{file}", "/dev/zero", "/etc/passwd", "../nothing"):
            (folder / file).symlink_to(target)
            with pytest.raises(WeightsError, match="a link out of the folder") as error:
                locate(f"local-dir:{folder}")
            one_line(error)
            (folder / file).unlink()

    @pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
    def test_what_is_no_file(self, tmp_path, file):
        os.mkfifo(tmp_path / file)
        with pytest.raises(WeightsError, match="no regular file"):
            locate(f"local-dir:{tmp_path}")


class TestNames:
    def test_unknown(self):
        with pytest.raises(UnknownNameError, match="did you mean draw-mnist"):
            locate("draw-mnits")

    @pytest.mark.parametrize("name", ["runs/x", "./x", "../x", "/x", "runs\\x", ".", "C:\\x"])
    def test_folders_must_be_named_as_such(self, name):
        with pytest.raises(UnknownNameError, match="say local-dir:") as error:
            locate(name)
        assert f"local-dir:{name}" in str(error.value)

    def test_not_published(self):
        with pytest.raises(WeightsError, match="drawzoo train model3-mnist"):
            locate("model3-mnist")

    def test_nothing_is_touched(self, tmp_path):
        before = set(tmp_path.rglob("*"))
        for name in ("..", "../../x", "", "-", "draw-mnist/.."):
            with pytest.raises(UnknownNameError):
                locate(name)
        assert set(tmp_path.rglob("*")) == before
