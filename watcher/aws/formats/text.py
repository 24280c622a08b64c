"""Plain text: read in a mail at night, top to bottom; then the alert as one line of JSON after a line of dashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from watcher.aws.formats.record import alert_json, compact, other_tables
from watcher.clock import iso
from watcher.core.model import Alert

WIDEST_NAME = 40  # of a fact; a longer one pushes only its own value to the right
LINE = 100  # characters of a line of names
INDENT = "  "


def text(alert: Alert) -> str:
    """The last line is JSON, and ``---`` stands alone in a line before it and nowhere else: lines of texts after their
    first one are indented, so nothing in a key's value can pass for it."""
    blocks = [
        _hanging(alert.sentence),
        "\n".join(_aligned(alert.facts)),
        f"Done: {_hanging(alert.done)}" if alert.done else "",
        f"To do: {_hanging(alert.todo)}" if alert.todo else "",
        "\n".join(("Links:", *_aligned(alert.links))) if alert.links else "",
        "\n".join(_tables(alert)),
        "\n".join(_footer(alert)),
    ]
    return "\n\n".join(block for block in blocks if block) + f"\n\n---\n{compact(alert_json(alert))}\n"


def _tables(alert: Alert) -> Iterator[str]:
    title, names = other_tables(alert)
    if names:
        yield f"{title}:"
        yield from _packed(names)


def _footer(alert: Alert) -> Sequence[str]:
    reminder = " (reminder)" if alert.is_reminder else ""
    return (
        _place(alert),
        f"{alert.severity}, {alert.state}{reminder}, cause {alert.cause}",
        f"incident {alert.incident}, message {alert.sequence}, opened {iso(alert.opened_at)}, as of {iso(alert.time)}",
    )


def _place(alert: Alert) -> str:
    key = alert.table
    account = f", account {key.account}" if key.account else ""
    if not key.name:
        return f"Region {key.region}{account}"
    index = f", index {alert.index}" if alert.index else ""
    return f"table {key.name}{index}{account}, {key.region}"


def _aligned(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = min(WIDEST_NAME, max((len(name) for name, _value in pairs), default=0))
    for name, value in pairs:
        yield f"{INDENT}{name:<{width}}{INDENT}{_hanging(value, INDENT * 2 + ' ' * width)}"


def _hanging(lines: str, indent: str = INDENT) -> str:
    return lines.replace("\n", f"\n{indent}")


def _packed(names: Iterable[str]) -> Iterator[str]:
    """As many to a line as are read easily."""
    line = ""
    for name in names:
        if line and len(line) + len(name) + len(", ") > LINE:
            yield f"{INDENT}{line},"
            line = ""
        line = f"{line}, {name}" if line else name
    if line:
        yield f"{INDENT}{line}"
