"""Checks of single components by the conformance kit, and components that it must refuse."""

import pytest

import drawzoo
from drawzoo.testing import (
    Fault,
    check_decoder,
    check_encoder,
    check_latent,
    check_likelihood,
    check_reader,
    check_writer,
)

CHECKS = {
    drawzoo.Latent: check_latent,
    drawzoo.Decoder: check_decoder,
    drawzoo.Likelihood: check_likelihood,
    drawzoo.Reader: check_reader,
    drawzoo.Encoder: check_encoder,
    drawzoo.Writer: check_writer,
}


def check(component):
    next(check for base, check in CHECKS.items() if issubclass(component, base))(component)


class Faults(dict):
    """The faulty components of a test module, by name, each with what the first line must say."""

    def __call__(self, first_line):
        """Marks a faulty component."""

        def mark(component):
            self[component.__name__] = (component, first_line)
            return component

        return mark

    def check(self, name):
        """Fails unless the kit names the fault of a component, and says what to do."""
        component, first_line = self[name]
        with pytest.raises(Fault) as caught:
            check(component)
        first, seen, do = str(caught.value).splitlines()[:3]
        assert first_line in first and component.__name__ in first, str(caught.value)
        assert len(first) <= 300
        assert seen.startswith("  seen: ") and do.startswith("  do: ")
