"""Plants whose arithmetic can be done by hand: even minutes, no jitter, nothing late."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watcher.core.model import TABLE_WRITE, Billing, Dimension, Kind
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, MinuteTruth, Plant, TableSpec

MIDNIGHT = 1_699_920_000  # 2023-11-14T00:00:00Z, a Tuesday
NOON = MIDNIGHT + 12 * 3600


def even_plant(start: int = NOON, *, actuation: float = 30.0) -> Plant:
    return Plant(start, jitter=0.0, late_share=0.0, spread=0.0, actuation=actuation)


def script(
    *rates: float, dimension: Dimension = TABLE_WRITE, start: int = NOON, hot: tuple[KeyShare, ...] = ()
) -> Callable[[int], MinuteDemand]:
    """Units per second, one rate per minute from ``start``; the last one goes on for ever."""

    def demand(minute: int) -> MinuteDemand:
        rate = rates[min((minute - start) // 60, len(rates) - 1)]
        return MinuteDemand({dimension: rate * 60.0}, {dimension: hot} if hot else {})

    return demand


def table(
    demand: Callable[[int], MinuteDemand],
    *,
    write: int = 10,
    read: int = 10,
    billing: Billing = Billing.PROVISIONED,
    on_demand_max: Mapping[Kind, int] | None = None,
    indexes: tuple[IndexSpec, ...] = (),
    retry_factor: float = 0.0,
    units_per_request: float = 1.0,
) -> TableSpec:
    return TableSpec(
        "orders",
        read,
        write,
        billing,
        on_demand_max or {},
        indexes,
        demand,
        retry_factor=retry_factor,
        units_per_request=units_per_request,
    )


def minutes(plant: Plant, dimension: Dimension = TABLE_WRITE) -> list[MinuteTruth]:
    """The truth of each finished minute of the table, oldest first."""
    return list(plant.truth("orders", dimension).values())
