"""Names and the things behind them: hooks, plugins, the registry, building. Free of torch."""

COMMANDS = (
    "card",
    "doctor",
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
"""The commands of `drawzoo.cli` itself; no plugin may take their names."""
