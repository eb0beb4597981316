"""`python -m drawzoo`."""

from drawzoo.cli import main

main()
