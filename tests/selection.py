"""Which cases of a test are in the default suite."""

import pytest


def quick(cases, *chosen):
    """The chosen cases of a test by default, and all of them with `-m slow`, too."""
    assert all(case in cases for case in chosen)
    return [case if case in chosen else _slow(case) for case in cases]


def _slow(case):
    return pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.slow)
