"""What doctests may use, how many threads the tests take, and what of them is no garbage."""

import gc
import os

# What is imported and collected stays to the end: to look for garbage in it takes seconds.
gc.disable()

# The models of the tests are so small that a second thread only gets in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


def pytest_collection_finish():
    """Leaves what is there now out of every later search."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["torch"] = torch
