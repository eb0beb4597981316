"""The version of drawzoo."""

__version__ = "0.2.0"
