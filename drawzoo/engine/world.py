"""Several processes as one: `torchrun … -m drawzoo -- train|evaluate|sample`.

Every process knows its rank from the environment that torchrun or Slurm sets. Every process draws
the random numbers of a single process, and computes its share of the images; so the results do not
depend on the number of processes, up to rounding.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import Tensor, distributed

from drawzoo.errors import ConfigError, DistributedError

__all__ = ["ALONE", "World", "world"]

TIMEOUT = timedelta(minutes=5)
"""Time for a process that does not answer; a process that has died is noticed at once."""


class World(NamedTuple):
    """The processes of a run."""

    rank: int
    """The number of this process, from 0."""
    size: int
    """The number of processes."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and the messages."""
        return self.rank == 0

    def share(self, items: int) -> slice:
        """The slice of `items` items for this process; slices differ in length by one at most.

        Example:
            >>> [World(rank, 3).share(10) for rank in range(3)]
            [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
        """
        return slice(items * self.rank // self.size, items * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place.

        Raises:
            DistributedError: If another process has died.
        """
        if self.size > 1:
            with _deaths():
                distributed.all_reduce(tensor)
        return tensor

    def any(self, flag: bool, device: torch.device | str = "cpu") -> bool:
        """Whether the flag is set in any process; waits for all processes.

        Raises:
            DistributedError: If another process has died.
        """
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=device)) > 0)

    @contextlib.contextmanager
    def leader_first(self, device: torch.device | str = "cpu") -> Iterator[None]:
        """The leading process goes first, so that it downloads and the others find the files."""
        if not self.leads:
            self.any(False, device)
        try:
            yield
        finally:
            if self.leads:
                self.any(False, device)


ALONE = World(0, 1)
"""A single process."""


@contextlib.contextmanager
def world(device: str) -> Iterator[tuple[World, str]]:
    """The processes that torchrun has started, or this one alone, and this one's device.

    Arguments:
        device: "cpu", or "cuda", a GPU for each process of a machine.

    Raises:
        ConfigError: If there are fewer devices than processes.
        DistributedError: If the processes do not find each other.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE, device
        return
    if device.startswith("cuda"):
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"process {local} of this machine has no GPU of its own, there are "
                f"{torch.cuda.device_count()}; start as many processes as GPUs"
            )
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    with _deaths():
        distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield World(int(os.environ["RANK"]), size), device
    finally:
        with contextlib.suppress(RuntimeError):
            distributed.destroy_process_group()


@contextlib.contextmanager
def _deaths() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # gloo and nccl raise no type of their own for a peer that has gone.
        raise DistributedError(
            f"another process of this run has died or does not answer ({str(error).strip()[:120]})"
        ) from error
