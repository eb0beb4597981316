"""The card of a model: text, tables and pictures, making it, publishing it."""
