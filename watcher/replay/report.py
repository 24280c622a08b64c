"""A replay's results in the forms that other programs read: the JSON record and the timeline."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

from watcher.clock import iso
from watcher.errors import WatcherError
from watcher.replay.figures import Figures, Result

TIMELINE_HEADER = ["timestamp", "provisioned"]


def record_of(figures: Figures) -> dict[str, object]:
    """The figures by the contract's keys, in its order; relief_seconds is {p50, p95, max}."""
    return asdict(figures)


def write_timeline(path: Path, result: Result) -> None:
    """CSV: provisioned units per second at the trace's start, and anew whenever a change takes effect.

    Raises WatcherError when the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(TIMELINE_HEADER)
            writer.writerows((iso(second), units) for second, units in result.steps)
    except OSError as error:
        raise WatcherError(
            error.strerror or str(error), operation="write timeline", subject=str(path), hint="give a writable path"
        ) from error
