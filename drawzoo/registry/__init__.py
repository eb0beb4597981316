"""Names and the things behind them: hooks, plugins, the registry, building. Free of torch."""

COMMANDS = (
    "card",
    "evaluate",
    "info",
    "list",
    "new-plugin",
    "plot",
    "plugins",
    "publish",
    "pull",
    "sample",
    "train",
    "verify",
)
"""The commands that `drawzoo.cli` has itself, whose names no plugin may take."""
