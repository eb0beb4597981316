"""Checks of models and of installed plugins."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from drawzoo.errors import DrawzooError
from drawzoo.schema.base import decode, encode
from drawzoo.schema.model import ModelConfig
from drawzoo.testing.fault import Fault, blame
from drawzoo.testing.kit import check_parts
from drawzoo.testing.seeding import seeded

__all__ = ["model_faults", "plugin_faults"]


def model_faults(model: str | ModelConfig) -> None:
    """See `drawzoo.testing.check_model`."""
    from drawzoo.engine.saving import write_model
    from drawzoo.registry.build import build, model_config
    from drawzoo.store.validate import check_stranger
    from drawzoo.store.weights import read_model

    who = f"model {model if isinstance(model, str) else model.name}"
    with blame(who, "cannot be built", repr(model), "see above"), seeded(0):
        config = model_config(model) if isinstance(model, str) else model
        built = build(config).eval()
    check_parts(built)
    if decode(encode(built.config), ModelConfig, who) != built.config:
        raise Fault(who, "has a configuration that JSON changes", repr(built.config), "see above")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, *config.image, generator=generator).round()
    noise = built.noise(2, config.steps, generator)
    labels = torch.zeros(2, dtype=torch.int64) if built.encoder.needs_labels else None
    seen = f"two images {list(config.image)}, {config.steps} steps"
    with blame(who, "fails in a training step", seen, "run check_encoder and the like"), seeded(0):
        terms = built(x, noise, labels)
        loss = terms.reconstruction.sum() + terms.kl.sum()
        torch.autograd.backward(loss if terms.auxiliary is None else loss + terms.auxiliary.sum())
    wrong = [
        name
        for name, parameter in built.named_parameters()
        if parameter.grad is not None and not parameter.grad.isfinite().all()
    ]
    if not loss.isfinite() or wrong:
        raise Fault(
            who,
            f"has a loss or gradients that are not finite{': of ' + wrong[0] if wrong else ''}",
            seen,
            "run check_encoder and the like: they say where",
        )
    with (
        tempfile.TemporaryDirectory(prefix="drawzoo-") as folder,
        blame(who, "does not survive saving", seen, "see above"),
        seeded(1),
    ):
        write_model(Path(folder), built.config, built.state_dict())
        check_stranger(Path(folder))
        back = read_model(Path(folder))
        with torch.no_grad():
            same = torch.allclose(back(x, noise).kl, built(x, noise).kl, rtol=1e-4, atol=1e-5)
        if not same:
            raise ValueError("the model that is read again gives another KL")
    with blame(who, "cannot draw", "sample(2)", "see above"):
        if not built.sample(2, generator=generator).isfinite().all():
            raise ValueError("pixels that are not finite")


def plugin_faults(name: str) -> None:
    """See `drawzoo.testing.check_plugin`."""
    from drawzoo.testing.installed import check_plugins

    try:
        for finding in check_plugins(name):
            if finding.problem:
                raise Fault(
                    f"plugin {finding.plugin}",
                    f"has a fault: {finding.what}: {finding.problem}",
                    f"drawzoo plugins --check {name}",
                    "mend what the first line says; DRAWZOO_DEBUG=1 shows tracebacks",
                )
    except DrawzooError as error:
        raise Fault(f"plugin {name}", str(error), "the installed plugins", "install it") from error
