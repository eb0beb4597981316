"""The tables of `docs/json.md`, and whether what a command prints is what they say."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "json.md"
WHOLE = {"count", "bytes"}
REAL = {"number", "share", "nats", "bits", "pixels", "ms", "seconds", "minutes"}
OTHERS = {"text", "yes/no", "object", "figure"}
HEAD = "| key | kind | |"
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z/]+)( or null)?(\?)? \| .+ \|$")


class Row:
    """A key's path, the kind of its value, and whether it may be null or missing."""

    def __init__(self, path, kind, null, optional):
        self.path, self.kind = path, kind
        self.null, self.optional = bool(null), bool(optional)
        # A key may have dots in it, where any may stand.
        self.pattern = re.compile(re.escape(path).replace(r"\*", r"[^\[\]]+?"))


def sections():
    """Heading (`evaluate`, or `evaluate` `bound`) → rows, in the order of the page."""
    found, command, rows = {}, None, None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"(##|###) `([^`]+)`", line):
            name = heading[2] if heading[1] == "##" else f"{command} {heading[2]}"
            command = heading[2] if heading[1] == "##" else command
            rows = found[name] = []
            inside = False
        elif line == HEAD:
            inside = True
        elif rows is not None and inside and line.startswith("|") and line != "|---|---|---|":
            row = ROW.fullmatch(line)
            assert row, line
            rows.append(Row(*row.groups()))
        elif not line:
            inside = False
    return found


SECTIONS = sections()


def values(value, rows, path=""):
    """Path → values, down to what the tables say is an object or a figure, or to a leaf."""
    row = find(rows, path)
    parts = isinstance(value, dict | list)
    if row and (
        row.kind == "figure" or not parts or (row.kind == "object" and not below(rows, path))
    ):
        yield row, path, value
        return
    if isinstance(value, dict):
        for key, part in value.items():
            yield from values(part, rows, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for part in value:
            yield from values(part, rows, f"{path}[]")
    else:
        yield None, path, value


def find(rows, path):
    return next((row for row in rows if row.pattern.fullmatch(path)), None)


def below(rows, path):
    return any(row.path.startswith(f"{path}[]") for row in rows)


def check(name, *printed):
    """Fails unless the items that a command printed, in some calls, are what the page says.

    Arguments:
        name: The heading of the command's section.
        printed: What each call printed: an object, or an array of objects.
    """
    rows = SECTIONS[name]
    if name.startswith("evaluate "):
        rows = [*SECTIONS["evaluate"], *rows] if name != "evaluate --against" else rows
    items = [i for one in printed for i in (one if isinstance(one, list) else [one])]
    assert rows and items, name
    seen = set()
    for item in items:
        for row, path, value in values(item, rows):
            assert row is not None, f"{name}: {path} is not on the page"
            assert fits(row, value), f"{name}: {path} is {value!r}, and not {row.kind}"
            seen.add(row.path)
    missing = {row.path for row in rows if not row.optional} - seen
    assert not missing, f"{name}: {missing} are on the page, and not printed"


def fits(row, value):
    if value is None:
        return row.null
    if row.kind == "figure":
        check(f"evaluate {value['protocol']}", {k: v for k, v in value.items() if v is not None})
        return True
    if row.kind == "object":
        return True
    if row.kind in WHOLE:
        return type(value) is int
    if row.kind in REAL:
        return type(value) in (int, float) and (row.kind != "share" or value >= 0)
    return type(value) is (bool if row.kind == "yes/no" else str)
