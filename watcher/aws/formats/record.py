"""The alert for machines, the same in every format that has room for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from watcher.clock import iso
from watcher.core.model import Alert


def alert_json(alert: Alert) -> dict[str, Any]:
    """The alert for machines. Times are ISO 8601 UTC; table, index and account are null where there is none: an
    incident of a whole Region has no table, and lists those it concerns in ``tables``."""
    return {
        **alert.attributes(),
        "table": alert.table.name or None,
        "index": alert.index or None,
        "account": alert.table.account or None,
        "kind": alert.cause.kind.value,
        "sequence": alert.sequence,
        "reminder": alert.is_reminder,
        "time": iso(alert.time),
        "opened_at": iso(alert.opened_at),
        "subject": alert.subject,
        "sentence": alert.sentence,
        "facts": _by_name(alert.facts),
        "done": alert.done,
        "todo": alert.todo,
        "links": _by_name(alert.links),
        "tables": list(alert.tables),
    }


def compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def other_tables(alert: Alert) -> tuple[str, list[str]]:
    """What to call the tables that no fact tells of by their name, and their names."""
    told = {name for name, _ in alert.facts}
    names = [name for name in alert.tables if name not in told]
    whole = len(names) == len(alert.tables)
    return f"{'Tables' if whole else 'Other tables'} ({len(names):,})", names


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A merged story may say two things by one name: the second is told as ``name (2)``."""
    found: dict[str, str] = {}
    for name, value in pairs:
        number, unused = 1, name
        while unused in found:
            number += 1
            unused = f"{name} ({number})"
        found[unused] = value
    return found
