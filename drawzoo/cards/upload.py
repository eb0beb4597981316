"""Publishing a model on the Hub: card, pictures, configuration and weights, in one commit."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from drawzoo.cards.make import registration
from drawzoo.cards.text import addressed, keep_notes
from drawzoo.errors import DrawzooError, HubError, OutputError, WeightsError
from drawzoo.registry.build import check_config
from drawzoo.registry.loader import registry
from drawzoo.schema.base import MAX_JSON_BYTES
from drawzoo.schema.manifest import (
    CARD,
    CONFIG,
    FILES,
    WEIGHTS,
    Pin,
    Published,
    mismatch,
    read_manifest,
)
from drawzoo.store.client import ABOUT, COMMIT, MissingFileError, Session, one_reason, refusal
from drawzoo.store.published import shelf, shipped
from drawzoo.store.validate import read_config
from drawzoo.version import __version__

__all__ = ["Candidate", "Publication", "candidate", "publish"]


class Candidate(NamedTuple):
    """A model that may be published."""

    name: str
    folder: Path
    manifest: Path
    entry: Published
    """Its entry in the manifest, as it is now."""


class Publication(NamedTuple):
    """What is on the Hub after publishing."""

    entry: Published
    """The entry for the manifest, with the commit and the hash of every file."""
    card: bytes
    changed: bool
    """Whether there is a new commit."""
    url: str


def candidate(model: str, manifest_path: Path | None = None) -> Candidate:
    """A model to publish, checked: it can be built, is finite, and was evaluated as it is.

    Arguments:
        model: A folder, or the name of a model that ships.
        manifest_path: The manifest that has its figures; unless given, the manifest of the
            distribution that registers the model.

    Raises:
        WeightsError: If its files are not the evaluated files, or not usable.
        UnknownNameError: If a component is not registered.
        PluginError: If a component's plugin is not installed.
    """
    folder = Path(model) if Path(model).is_dir() else shipped(model)
    if folder is None:
        raise WeightsError(f"{model} is no folder and does not ship; name the folder to publish")
    check_config(read_config(folder))

    # After all that needs no torch.
    from drawzoo.store.weights import read_model

    config = read_model(folder).config
    name = config.name
    if manifest_path is None:
        by_name = not Path(model).is_dir()
        registered = registry().find("model", model) if by_name else registration(config)
        if registered is None or registered.weights is None:
            raise WeightsError(f"no package pins {name}; say --manifest, as to drawzoo card")
        manifest_path = shelf(registered.weights).manifest
    entry = read_manifest(manifest_path).get(name)
    if entry is None or not entry.figures:
        raise WeightsError(
            f"{manifest_path} has no evaluation of {name}; make one with: "
            f"drawzoo card RUN --manifest {manifest_path}"
        )
    for file in (CONFIG, WEIGHTS):
        if problem := mismatch(folder / file, entry.files[file]):
            raise WeightsError(f"{problem}; its figures are of another file, evaluate it again")
    if not (folder / CARD).is_file():
        raise WeightsError(f"{folder} has no {CARD}; make one with: drawzoo card RUN")
    return Candidate(name, folder, manifest_path, entry)


def publish(
    model: Candidate, repository: str, *, private: bool = False, create_pr: bool = False
) -> Publication:
    """Makes the repository if need be, and a commit if a file differs.

    The user's own token is used. A part of the old card between `<!-- notes -->` and
    `<!-- /notes -->` is kept.

    Arguments:
        model: What to publish.
        repository: user/name.
        private: Whether a new repository is to be private.
        create_pr: Whether to ask for the change instead of making it.

    Raises:
        HubError: If the Hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(**ABOUT)
    with _hub_errors(repository):
        api.create_repo(repository, private=private or None, exist_ok=True)
        head = api.model_info(repository).sha
        ours = (model.folder / CARD).read_text(encoding="utf-8")
        card = keep_notes(addressed(ours, repository), _old_card(repository, head)).encode()
        there = [file for file in FILES if (model.folder / file).is_file()]
        contents = {file: (model.folder / file).read_bytes() for file in there} | {CARD: card}
        commit = api.create_commit(
            repository,
            [CommitOperationAdd(file, content) for file, content in contents.items()],
            commit_message=f"{model.name}, by drawzoo {__version__}",
            # Whoever else changes the repository now makes this fail instead of being undone.
            parent_commit=head,
            create_pr=create_pr,
        )
    pins = {
        file: Pin(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for file, content in contents.items()
    }
    entry = msgspec.structs.replace(
        model.entry, repository=repository, commit=commit.oid, files=pins
    )
    url = commit.pr_url or commit.commit_url
    return Publication(entry, card, commit.oid != head, url)


def _old_card(repository: str, commit: str | None) -> str:
    if commit is None or not COMMIT.fullmatch(commit):
        raise HubError(f"{repository}: the Hub's answer names no commit; check HF_ENDPOINT")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / CARD
        try:
            Session(token=True).fetch(repository, commit, CARD, path, MAX_JSON_BYTES)
        except MissingFileError:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turns whatever the client raises into one of our errors.

    Raises:
        HubError: If the Hub refuses or cannot be reached.
    """
    try:
        yield
    except DrawzooError:
        raise
    except Exception as error:
        raise _explain(error, repository) from error


def _explain(error: Exception, repository: str) -> DrawzooError:
    from huggingface_hub import errors

    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        # What stops an upload is wrapped.
        return _explain(error.__cause__, repository)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubError(f"{repository} cannot be published: HF_HUB_OFFLINE is set; unset it")
    if isinstance(error, errors.HfHubHTTPError):
        code = error.response.headers.get("x-error-code")
        return refusal(error.response.status_code, code, repository, repository, "main")
    if isinstance(error, OSError) and error.filename is not None:
        return OutputError(
            f"{repository} cannot be published: {error.filename}: {error.strerror}; mend it"
        )
    # The library under the client has changed more than once; its errors are told by their names.
    if isinstance(error, OSError) or type(error).__module__.startswith("httpx"):
        reason = one_reason(error)
        return HubError(f"{repository}: the Hub cannot be reached ({reason}); try again later")
    return HubError(f"{repository}: the Hub's client failed ({one_reason(error)})")
