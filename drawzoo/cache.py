"""The part of the Hub's cache that is drawzoo's: what is in it, and removing it. Free of torch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from drawzoo.config import MAX_JSON_BYTES, ModelConfig, decode
from drawzoo.errors import ConfigError, OutputError, UnknownNameError
from drawzoo.files import open_regular
from drawzoo.hub import HUB, parse_address, published_model, repository_folder
from drawzoo.hub_client import hub_errors
from drawzoo.manifest import CONFIG, manifest
from drawzoo.paths import hub_cache

if TYPE_CHECKING:
    from huggingface_hub import HFCacheInfo

__all__ = ["CachedModel", "cached_models", "chosen", "outdated", "remove", "remove_remains"]

ABANDONED = 3600.0
"""Seconds after which an unfinished download is no longer anybody's."""


class CachedModel(NamedTuple):
    """A model's files of one commit in the cache."""

    repository: str
    commit: str
    bytes: int
    model: str | None
    """The model whose published weights these are."""
    folder: str


def cached_models(cache: Path | None = None) -> list[CachedModel]:
    """The cached models, published or not; whatever else is in the cache is left out."""
    pinned = {(p.repository, p.commit): name for name, p in manifest().items()}
    published = {repository for repository, _ in pinned}
    found = [
        CachedModel(
            repo.repo_id,
            revision.commit_hash,
            revision.size_on_disk,
            pinned.get((repo.repo_id, revision.commit_hash)),
            str(revision.snapshot_path),
        )
        for repo in _scan(cache).repos
        for revision in repo.revisions
        if repo.repo_type == "model"
        and (repo.repo_id in published or _is_model(revision.snapshot_path))
    ]
    return sorted(found)


def chosen(models: list[CachedModel], names: Iterable[str]) -> list[CachedModel]:
    """Those that are named, by a model's name or `hf-hub:user/repo@commit`.

    Raises:
        UnknownNameError: If one is not in the cache.
    """
    found = []
    for name in names:
        if name.startswith(HUB):
            repository, revision = parse_address(name)
            commit = revision if "@" in name else None
        else:
            repository, commit = published_model(name)[1].repository, None
        same = [m for m in models if m.repository == repository and commit in (None, m.commit)]
        if not same:
            raise UnknownNameError(f"{name} is not in the cache; see: drawzoo cache ls")
        found += same
    return sorted(set(found))


def outdated(models: list[CachedModel]) -> list[CachedModel]:
    """The commits of published models that this version of drawzoo does not use."""
    published = {entry.repository for entry in manifest().values()}
    return [m for m in models if m.repository in published and m.model is None]


def remove(models: list[CachedModel], cache: Path | None = None) -> int:
    """Removes models from the cache; returns the bytes that are free now.

    Raises:
        OutputError: If one cannot be removed.
    """
    if not models:
        return 0
    plan = _scan(cache).delete_revisions(*(model.commit for model in models))
    with hub_errors("the cache", ""):
        plan.execute()
    # The client says in its log what it could not remove, and goes on.
    if left := [model.folder for model in models if Path(model.folder).exists()]:
        raise OutputError(f"cannot remove {left[0]}; make it writable and try again")
    return plan.expected_freed_size


def remove_remains(cache: Path | None = None) -> int:
    """Removes what killed downloads of models left; returns its bytes."""
    cache = cache or hub_cache()
    repositories = {model.repository for model in cached_models(cache)}
    repositories |= {published.repository for published in manifest().values()}
    freed = 0
    for repository in repositories:
        for path in (repository_folder(repository, cache) / "blobs").glob("*.incomplete"):
            about = path.stat()
            if time.time() - about.st_mtime > ABANDONED:
                path.unlink(missing_ok=True)
                freed += about.st_size
    return freed


def _scan(cache: Path | None) -> HFCacheInfo:
    from huggingface_hub import CacheNotFound, HFCacheInfo, scan_cache_dir

    try:
        return scan_cache_dir(cache or hub_cache())
    except (CacheNotFound, ValueError):
        # ValueError: a file has its place.
        return HFCacheInfo(0, frozenset(), frozenset(), [])


def _is_model(folder: Path) -> bool:
    try:
        with open_regular(folder / CONFIG) as file:
            decode(file.read(MAX_JSON_BYTES + 1), ModelConfig, CONFIG)
    except (OSError, ConfigError):
        return False
    return True
