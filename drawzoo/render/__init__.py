"""Pictures: grids, animations with the attention windows, and the terminal."""
