r"""The observation model p(x | c_T): how the final canvas gives a distribution of images."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from drawzoo.engine.components import Component, Sizes

__all__ = ["Likelihood"]


class Likelihood(Component):
    """The observation model p(x | c_T), eq. 9; it may have parameters.

    Attributes:
        image_shape: (C, H, W) of an image, in pixels.
        canvas_shape: (C', H, W) of a canvas. Channels may differ from the image's, as where a
            canvas holds a mean and a scale for each pixel.
        is_bound: Whether `nats` is −log of a density of x, so that the training loss bounds
            −log p(x). The cross-entropy of intensities, for one, bounds nothing.
        bits_per_dimension: Whether bounds are also told in bits per dimension, nats / (C H W ln 2),
            as is usual for images of 256 levels.
    """

    image_shape: tuple[int, int, int]
    canvas_shape: tuple[int, int, int]
    is_bound: ClassVar[bool] = True
    bits_per_dimension: ClassVar[bool] = False

    def __init__(self, config: Any, sizes: Sizes) -> None:
        super().__init__()
        self.image_shape = self.canvas_shape = sizes.image

    def mean(self, canvas: Tensor) -> Tensor:
        """The expected image, in [0, 1]: canvas [B, C', H, W] → [B, C, H, W].

        A drawing shows the expected image, and the error image (eq. 3) is the difference from it.
        """
        raise NotImplementedError

    def nats(self, canvas: Tensor, x: Tensor) -> Tensor:
        """−log p(x | canvas) of each image, in nats, [B]; eq. 9."""
        raise NotImplementedError

    def canvas(self, mean: Tensor) -> Tensor:
        """A canvas whose expected image is `mean` [B, C, H, W]: where a drawing may start."""
        raise NotImplementedError

    def check(self, x: Tensor) -> None:
        """Refuses images [B, C, H, W] outside the support of the density p(x | canvas).

        By default every image with pixels in [0, 1] is in the support.

        Raises:
            ConfigError: If an image is outside; the message says what is in the support.
        """
