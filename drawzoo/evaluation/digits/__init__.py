"""How good samples look, told by a small classifier of digits that ships."""
