"""The version of drawzoo."""

__version__ = "0.1.0"
