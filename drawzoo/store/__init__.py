"""The files of a model: checked, read, written, found and fetched."""
