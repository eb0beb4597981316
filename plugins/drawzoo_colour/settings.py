"""Settings of the likelihoods. Free of torch."""

from __future__ import annotations

import drawzoo

__all__ = ["MixtureConfig"]


class MixtureConfig(drawzoo.Config, frozen=True):
    """A mixture of discretised logistics.

    Attributes:
        components: K, the number of logistics for each pixel.
    """

    components: drawzoo.Size = 3
