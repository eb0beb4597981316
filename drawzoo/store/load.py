"""A model by name, with its trained weights. Free of torch until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drawzoo.engine.draw import Draw

__all__ = ["load"]


def load(name: str) -> Draw:
    """A model with its trained weights, in evaluation mode.

    Arguments:
        name: A registered name, such as "model3-mnist", "local-dir:PATH", or
            "hf-hub:user/repo@revision". What is neither in the cache nor ships is fetched.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If the weights are missing, damaged, or do not fit.
        HubError: If they could only come from the Hub, and do not.

    Example:
        >>> model = load("model3-mnist")
        >>> model.sample(2).shape
        torch.Size([2, 1, 28, 28])
    """
    from drawzoo.store.sources import locate

    # Before torch is imported: what is refused here is refused at once.
    folder = locate(name).folder

    from drawzoo.store.weights import read_model

    return read_model(folder)
