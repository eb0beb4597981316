"""What doctests may use, and how many threads the tests take."""

import os

# The models of the tests are so small that a second thread only gets in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["torch"] = torch
