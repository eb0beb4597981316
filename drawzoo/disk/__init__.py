"""Bytes on this machine: atomic writes, locks, where things lie. Free of torch."""
