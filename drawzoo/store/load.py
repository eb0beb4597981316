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
            "hf-hub:user/repo@revision". A model neither cached nor shipped is fetched.

    Raises:
        UnknownNameError: If there is no such model.
        WeightsError: If the weights are missing, damaged, or do not fit.
        HubError: If only the Hub has the weights, and does not give them.

    Example:
        >>> model = load("model3-mnist")
        >>> model.sample(2).shape
        torch.Size([2, 1, 28, 28])
    """
    from drawzoo.store.sources import locate

    # Before torch is imported, so that a refusal comes at once.
    folder = locate(name).folder

    from drawzoo.store.weights import read_model

    return read_model(folder)
