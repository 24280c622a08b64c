"""What a simulated minute costs: microseconds per dimension and minute. ``python -m tests.bench.plant``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from watcher.clock import process_seconds
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Metric
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec

START = 1_700_006_400  # 2023-11-15T00:00:00Z
MINUTES = 2 * 1440
BUDGET = 40.0  # microseconds per dimension-minute of a plain table


def measure(load: float, indexes: tuple[IndexSpec, ...] = (), hot: float = 0.0) -> float:
    """Microseconds per dimension-minute of a table of 1,000/1,000 whose demand averages ``load`` of that."""
    shares: Mapping[Dimension, tuple[KeyShare, ...]] = {TABLE_WRITE: (KeyShare("k", hot),)} if hot else {}

    def demand(minute: int) -> MinuteDemand:
        units = 60_000.0 * load * (0.7 + 0.6 * (minute // 60 % 7) / 6)
        return MinuteDemand({TABLE_READ: units, TABLE_WRITE: units}, shares)

    plant = Plant(START)
    plant.create(TableSpec("bench", 1000, 1000, indexes=indexes, demand=demand))
    plant.advance(START + 600)  # the profiles are prepared here
    began = process_seconds()
    plant.advance(START + 600 + MINUTES * 60)
    return (process_seconds() - began) * 1e6 / (MINUTES * 2 * (1 + len(indexes)))


def reading() -> float:
    """Microseconds to read the newest ten minutes of one metric."""
    plant = Plant(START)
    plant.create(TableSpec("bench", 1000, 1000, demand=lambda _: MinuteDemand({TABLE_WRITE: 90_000.0})))
    plant.advance(START + 86_400)
    began = process_seconds()
    for _ in range(2000):
        plant.points("bench", Metric.CONSUMED, dimension=TABLE_WRITE, start=plant.now - 600, end=plant.now)
    return (process_seconds() - began) * 1e6 / 2000


def main() -> int:
    """Print the table; status 1 when a plain table is over its budget."""
    two = tuple(IndexSpec(name, 1000, 1000) for name in ("by-customer", "by-day"))
    plain = {
        "plain, far below capacity": measure(0.3),
        "plain, near capacity": measure(1.0),
        "plain, throttled throughout": measure(2.0),
    }
    rows = plain | {
        "two indexes, near capacity": measure(1.0, two),
        "one hot key, near capacity": measure(1.0, hot=0.5),
        "read ten minutes of one metric": reading(),
    }
    for name, cost in rows.items():
        sys.stdout.write(f"{name:<34}{cost:8.1f} us\n")
    return 0 if max(plain.values()) <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
