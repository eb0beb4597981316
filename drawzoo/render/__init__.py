"""Pictures: grids, animations with the attention windows, and the terminal."""

import logging

# Where its folder cannot be written, matplotlib takes a temporary one, which nobody needs to know.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
