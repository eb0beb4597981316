"""Datasets in memory, registered as any plugin's would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drawzoo.registry.hookspecs import hookimpl

if TYPE_CHECKING:
    from drawzoo.registry.registry import Registrar


@hookimpl
def register_datasets(register: Registrar) -> None:
    """Gives the datasets of the core."""
    register(
        "mnist",
        "drawzoo.data.mnist:MNIST",
        summary="28×28 digits, binarised afresh each time an image is seen",
    )
    register(
        "fashion-mnist",
        "drawzoo.data.mnist:FASHION_MNIST",
        summary="28×28 pieces of clothing, binarised afresh each time an image is seen",
    )
    register(
        "binarized-mnist",
        "drawzoo.data.binarized_mnist:BINARIZED_MNIST",
        summary="the fixed binarised MNIST of Larochelle & Murray (2011)",
    )
    register(
        "svhn",
        "drawzoo.data.svhn:SVHN",
        summary="house numbers, 32×32 in colour; train, test and extra",
    )
    register(
        "svhn-10k",
        "drawzoo.data.svhn:SVHN_10K",
        summary="the first 10,000 house numbers of the test split of svhn",
    )
    register(
        "svhn54",
        "drawzoo.data.svhn54:SVHN54",
        summary="whole house numbers, 54×54 in colour, as the paper prepares them",
    )
    register(
        "folder",
        "drawzoo.data.folder:FOLDER",
        summary="your own images, fitted to the model's canvas: --data folder:PATH",
    )
    register("cifar10", "drawzoo.data.cifar10:CIFAR10", summary="photographs, 32×32 in colour")
    register(
        "multi-mnist",
        "drawzoo.data.composed:MULTI_MNIST",
        summary="two digits of mnist at random places of 60×60",
    )
    register(
        "cluttered-mnist",
        "drawzoo.data.composed:CLUTTERED_MNIST",
        summary="a digit of mnist and pieces of others at random places of 100×100",
    )
    register(
        "mnist-sample",
        "drawzoo.data.mnist_sample:MNIST_SAMPLE",
        summary="256 test images of mnist, which ship with drawzoo",
    )
    register(
        "binarized-mnist-sample",
        "drawzoo.data.mnist_sample:BINARIZED_MNIST_SAMPLE",
        summary="256 test images of binarized-mnist, which ship with drawzoo",
    )
    register(
        "synthetic",
        "drawzoo.data.synthetic:SYNTHETIC",
        summary="28×28 strokes made on the spot, to try things without a download",
    )
