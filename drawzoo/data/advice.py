"""What to try where a dataset's files are missing. Free of torch."""

from __future__ import annotations

from drawzoo.registry.loader import registry

__all__ = ["without_download"]


def without_download(name: str, split: str) -> str:
    """Advice that needs no download: the dataset's sample, if one ships with that split."""
    known = {entry.name for entry in registry().entries("dataset")}
    if split == "test" and f"{name}-sample" in known:
        return f"say --dataset {name}-sample"
    return "say --set dataset=synthetic" if split == "train" else "say --dataset synthetic"
