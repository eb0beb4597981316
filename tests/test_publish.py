"""`drawzoo publish`: one commit of what was evaluated, and none if nothing changed."""

import json
import shutil

import msgspec
import pytest
import torch
from loopback import TOKEN
from safetensors.torch import load_file, save_file

import drawzoo.cards.upload
from drawzoo.cards.text import keep_notes
from drawzoo.schema.manifest import CARD, CONFIG, FILES, WEIGHTS, pin, read_manifest, write_manifest
from drawzoo.store import published as store
from drawzoo.store.sources import cached

NAME = "draw-mnist"
REPOSITORY = "user/new"
NOTES = "<!-- notes -->\nWritten by hand: \\1 \\g<0>.\n<!-- /notes -->"


# The client's own way of uploading, which only a filter that makes warnings errors ever shows.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(autouse=True)
def checkout(monkeypatch, tmp_path):
    """The user's token, in the checkout of what ships."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(models):
    return models[NAME]


def pinned():
    return read_manifest(store.shelf("drawzoo").manifest)[NAME]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def head(loopback, repository=REPOSITORY):
    """The commit of the main branch, and its files."""
    found = loopback.repositories[repository]
    commit = found.branches["main"]
    return commit, {k: v for k, v in found.commits[commit].items() if k in FILES}


class TestPublish:
    def test_one_commit_with_all_files(self, run, loopback, folder):
        code, (line,), said = run("publish", NAME, "--repo", REPOSITORY)
        commit, files = head(loopback)
        assert code == 0 and f"/{REPOSITORY}/commit/{commit}" in said
        assert files == contents(folder)
        assert len(loopback.repositories[REPOSITORY].commits) == 2  # the Hub makes the first
        entry = json.loads(line)[NAME]
        assert (entry["repository"], entry["commit"]) == (REPOSITORY, commit)
        assert entry["files"] == {file: msgspec.to_builtins(pin(folder / file)) for file in FILES}
        assert pinned().repository == f"user/{NAME}"
        assert TOKEN not in line + said
        assert said.count("\n") == 1  # the client's own bars are not shown

    def test_again_makes_no_commit(self, run, loopback, folder):
        _, first, _ = run("publish", NAME, "--repo", REPOSITORY)
        commit, _ = head(loopback)
        code, again, said = run("publish", folder, "--repo", REPOSITORY)
        assert (code, again, head(loopback)[0]) == (0, first, commit)
        assert "unchanged, no new commit" in said

    def test_pin_and_pull(self, run, loopback, folder):
        assert run("publish", NAME, "--repo", REPOSITORY, "--pin")[0] == 0
        store.read.cache_clear()
        assert store.manifest()[NAME].commit == head(loopback)[0]
        code, (line,), _ = run("pull", NAME, "--source", "hub")
        assert (code, line) == (0, str(cached(NAME)))
        assert contents(cached(NAME)) == contents(folder)

    def test_settings_of_the_client_are_left_alone(self, loopback, folder, monkeypatch):
        from huggingface_hub.utils import are_progress_bars_disabled, logging

        def settings():
            return logging.get_verbosity(), are_progress_bars_disabled()

        def old_card(repository, commit):
            seen.append(settings())
            return ""

        before, seen = settings(), []
        monkeypatch.setattr(drawzoo.cards.upload, "_old_card", old_card)
        found = drawzoo.cards.upload.candidate(NAME)
        drawzoo.cards.upload.publish(found, REPOSITORY)
        assert seen == [before] and settings() == before

    def test_all(self, run, loopback, models):
        code, lines, _ = run("publish", "--all", "--namespace", "user", "--pin")
        assert code == 0 and len(lines) == 2
        store.read.cache_clear()
        for name, folder in models.items():
            assert head(loopback, f"user/{name}")[1] == contents(folder)
        assert run("pull", "--all", "--source", "hub")[0] == 0

    def test_private(self, run, loopback, folder):
        run("publish", NAME, "--repo", REPOSITORY, "--private")
        assert loopback.repositories[REPOSITORY].private
        _, _, said = run("publish", NAME, "--repo", REPOSITORY)
        assert "unchanged" in said

    def test_pull_request(self, run, loopback, folder):
        loopback.commit(REPOSITORY, {CARD: b"old"})
        code, _, said = run("publish", NAME, "--repo", REPOSITORY, "--create-pr")
        assert code == 0 and "/discussions/1" in said
        assert head(loopback)[1] == {CARD: b"old"}

    def test_dry_run_asks_nobody(self, run, loopback, folder):
        code, (line,), said = run("publish", NAME, "--repo", REPOSITORY, "--dry-run")
        assert code == 0
        assert [said.count(f"{REPOSITORY}: {file}, ") for file in FILES] == [1] * len(FILES)
        assert json.loads(line)[NAME]["commit"] is None
        assert loopback.requests == []

    def test_other_files_are_left_alone(self, run, loopback, folder):
        loopback.commit(REPOSITORY, {"mine.png": b"mine"})
        run("publish", NAME, "--repo", REPOSITORY)
        commit, _ = head(loopback)
        assert loopback.repositories[REPOSITORY].commits[commit]["mine.png"] == b"mine"


class TestNotes:
    def test_are_kept(self, run, loopback, folder):
        loopback.commit(REPOSITORY, {CARD: f"# Old\n{NOTES}\nold".encode()})
        run("publish", NAME, "--repo", REPOSITORY, "--pin")
        commit, files = head(loopback)
        card = files[CARD].decode()
        assert f"\n# {NAME}\n" in card and card.count(NOTES) == 1 and "old" not in card
        # The copy that ships is the published one again.
        assert (folder / CARD).read_bytes() == files[CARD]
        assert run("verify", NAME)[0] == 0
        _, _, said = run("publish", NAME, "--repo", REPOSITORY)
        assert "unchanged" in said and head(loopback)[0] == commit

    @pytest.mark.parametrize(
        "new, expected",
        [
            ("# New\n", f"# New\n\n{NOTES}\n"),
            ("a\n<!-- notes -->x<!-- /notes -->\nb\n", f"a\n{NOTES}\nb\n"),
        ],
    )
    def test_have_their_place(self, new, expected):
        assert keep_notes(new, f"before {NOTES} after") == expected
        assert keep_notes(expected, expected) == expected

    @pytest.mark.parametrize("old", ["", "# Old", "<!-- notes --> never ends"])
    def test_no_notes(self, old):
        assert keep_notes("# New\n", old) == "# New\n"


class TestRefusals:
    def refused(self, run, loopback, args, code, *words):
        found, lines, said = run("publish", *args)
        assert (found, lines) == (code, [])
        assert said.startswith("Error: ") and said.count("\n") == 1
        assert all(word in said for word in words), said
        assert loopback.requests == []

    def test_file_that_was_not_evaluated(self, run, loopback, folder):
        tensors = load_file(folder / WEIGHTS)
        next(iter(tensors.values())).add_(1)
        save_file(tensors, folder / WEIGHTS)
        self.refused(run, loopback, [NAME, "--repo", REPOSITORY], 6, WEIGHTS, "evaluate it again")

    def test_no_figures(self, run, loopback, folder):
        entry = msgspec.structs.replace(pinned(), figures=[])
        write_manifest(store.shelf("drawzoo").manifest, NAME, entry)
        self.refused(run, loopback, [NAME, "--repo", REPOSITORY], 6, "no evaluation", "card")

    def test_other_manifest(self, run, loopback, folder, tmp_path):
        args = [folder, "--repo", REPOSITORY, "--manifest", tmp_path / "other.json"]
        self.refused(run, loopback, args, 6, "other.json has no evaluation")

    def test_values_that_are_not_finite(self, run, loopback, folder):
        tensors = load_file(folder / WEIGHTS)
        next(iter(tensors.values())).view(-1)[0] = torch.nan
        save_file(tensors, folder / WEIGHTS)
        self.refused(run, loopback, [NAME, "--repo", REPOSITORY], 6, "not finite")

    @pytest.mark.parametrize(
        "part, code", [({"name": "lstn"}, 4), ({"name": "x", "plugin": "elsewhere"}, 7)]
    )
    def test_component_that_is_not_registered(self, run, loopback, folder, part, code):
        config = json.loads((folder / CONFIG).read_text())
        config["encoder"] |= part
        (folder / CONFIG).write_text(json.dumps(config))
        self.refused(run, loopback, [folder, "--repo", REPOSITORY], code, "encoder")

    def test_no_card(self, run, loopback, folder):
        (folder / CARD).unlink()
        self.refused(run, loopback, [NAME, "--repo", REPOSITORY], 6, CARD)

    def test_no_such_model(self, run, loopback, folder):
        self.refused(run, loopback, ["nowhere", "--repo", REPOSITORY], 6, "name the folder")

    def test_one_bad_model_stops_all(self, run, loopback, models):
        shutil.copy(models[NAME] / WEIGHTS, models["model3-mnist"] / WEIGHTS)
        self.refused(run, loopback, ["--all", "--namespace", "user"], 6, "another file")

    @pytest.mark.parametrize("repository", ["new", "a/b/c", "../b", "a/b@main", "hf-hub:a/b"])
    def test_repository_that_cannot_be(self, run, loopback, folder, repository):
        self.refused(run, loopback, [NAME, "--repo", repository], 4, "user/repo")

    @pytest.mark.parametrize(
        "args",
        [
            [],
            [NAME],
            ["--repo", REPOSITORY],
            ["--all"],
            ["--namespace", "user"],
            [NAME, "--repo", REPOSITORY, "--all", "--namespace", "user"],
            [NAME, "--repo", REPOSITORY, "--all"],
            [NAME, "--repo", REPOSITORY, "--pin", "--create-pr"],
        ],
    )
    def test_wrong_usage(self, run, loopback, models, args):
        self.refused(run, loopback, args, 2, "publish --help")


class TestHubRefuses:
    @pytest.mark.parametrize(
        "fault, words",
        [
            ({"kind": "status", "value": 401}, "hf auth login"),
            ({"kind": "status", "value": 403}, "forbids"),
            ({"kind": "status", "value": 412, "path": "/commit/"}, "try again"),
            ({"kind": "status", "value": 429}, "too often"),
            ({"kind": "status", "value": 500}, "not available"),
            ({"kind": "reset"}, "try again later"),
            ({"kind": "reset", "path": "/lfs/"}, "try again later"),
        ],
    )
    def test_is_said_and_nothing_is_pinned(self, run, loopback, folder, fault, words):
        before = store.shelf("drawzoo").manifest.read_bytes()
        loopback.fault(**fault)
        code, lines, said = run("publish", NAME, "--repo", REPOSITORY, "--pin")
        assert (code, lines) == (10, [])
        assert words in said and said.count("\n") == 1 and TOKEN not in said
        assert store.shelf("drawzoo").manifest.read_bytes() == before
        loopback.faults.clear()
        assert run("publish", NAME, "--repo", REPOSITORY, "--pin")[0] == 0

    def test_what_others_do_meanwhile_is_not_undone(self, run, loopback, folder, monkeypatch):
        def old_card(repository, commit):
            loopback.commit(repository, {CARD: b"theirs"})
            return ""

        monkeypatch.setattr(drawzoo.cards.upload, "_old_card", old_card)
        code, _, said = run("publish", NAME, "--repo", REPOSITORY)
        assert code == 10 and "somebody else" in said and "try again" in said
        assert head(loopback)[1] == {CARD: b"theirs"}

    def test_token_is_needed(self, run, loopback, folder, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        code, _, said = run("publish", NAME, "--repo", REPOSITORY)
        assert code == 10 and "hf auth login" in said
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        code, _, said = run("publish", NAME, "--repo", REPOSITORY)
        assert code == 10 and "hf auth login" in said and "hf_wrong" not in said

    def test_repositories_of_others(self, run, loopback, folder):
        code, _, said = run("publish", NAME, "--repo", "other/new")
        assert code == 10 and "forbids" in said
