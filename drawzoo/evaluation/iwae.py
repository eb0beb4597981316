"""The `iwae` protocol: the importance-weighted bound.

References:
    | Importance Weighted Autoencoders (Burda et al., 2016)
    | https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drawzoo.data.images import Images
from drawzoo.distributed import ALONE, World
from drawzoo.evaluation.common import Progress, moments
from drawzoo.figures import IwaeFigure
from drawzoo.model import Draw

__all__ = ["evaluate_iwae"]

ROWS = 1_000
"""Samples in one forward pass: it bounds the memory, whatever k is."""
BLOCK = 10
"""Samples of an image whose noise is drawn at once."""


def evaluate_iwae(
    model: Draw,
    images: Images,
    *,
    dataset: str,
    split: str,
    k: int = 100,
    seed: int = 0,
    name: str | None = None,
    rows: int = ROWS,
    progress: Progress = iter,
    world: World = ALONE,
) -> IwaeFigure:
    r"""The mean over images of −log (1/k) Σ_j w_j, from k samples of the codes an image.

    Every image has a generator of its own, from which its binarisation and then the noise of its
    samples are drawn, always in blocks of the same size. So neither `rows` nor the number of images
    changes what an image gives, and k samples are the beginning of the same longer sequence.

    Arguments:
        model: The model.
        images: The images.
        dataset: Their dataset's name, for the record.
        split: Its split's name, for the record.
        k: Samples an image.
        seed: Of binarisation and noise.
        name: What to call the model; its configuration's name unless given.
        rows: Samples in one forward pass at most, of several images or of a part of the k.
        progress: Wraps the sequence of forward passes.
        world: The processes that share the images; all get the figure of one.
    """
    source = torch.Generator().manual_seed(seed)
    at_once, total = max(1, rows // k), len(images.pixels)
    part = max(1, rows // BLOCK) * BLOCK
    passes = math.ceil(total / at_once) * math.ceil(k / part)
    advance = iter(progress(range(passes)))
    # The two bounds of each image; zeros for those of other processes.
    parts = torch.zeros(2, total, dtype=torch.float64, device=model.initial_canvas.device)
    for first in range(0, total, at_once):
        index = torch.arange(first, min(first + at_once, total))
        generators = [
            torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=source)))
            for _ in index
        ]
        if first // at_once % world.size != world.rank:
            continue
        pairs = zip(index, generators, strict=True)
        x = torch.cat([images.batch(i.view(1), generator) for i, generator in pairs])
        weights = []
        for start in range(0, k, part):
            next(advance)
            noise = _noise(model, min(part, k - start), generators)
            weights.append(model.log_weights(x, noise).double())
        log_w = torch.cat(weights)
        parts[:, index] = torch.stack([math.log(k) - log_w.logsumexp(dim=0), -log_w.mean(dim=0)])
    for _ in advance:
        pass  # what other processes did
    tight, loose = world.sum(parts).cpu()
    bound, (mean, std, stderr) = moments(loose), moments(tight)
    return IwaeFigure(
        model=name or model.config.name,
        dataset=dataset,
        split=split,
        images=total,
        seed=seed,
        k=k,
        nats_mean=mean,
        nats_std=std,
        nats_stderr=stderr,
        bound_mean=bound.mean,
        bound_stderr=bound.stderr,
    )


def _noise(model: Draw, samples: int, generators: list[torch.Generator]) -> Tensor:
    """The next noise of each image, [T, K, B, Z]."""
    # torch's stream of normal numbers depends on how many are asked for at once.
    blocks = [
        torch.stack([model.noise(BLOCK, model.config.steps, g) for g in generators], dim=2)
        for _ in range(0, samples, BLOCK)
    ]
    return torch.cat(blocks, dim=1)[:, :samples]
