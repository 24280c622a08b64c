"""A hot key buys no capacity; beside one, a table is raised to what all the others and the key's served part need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.world import POLICY, World, of, rates
from watcher.core.model import Kind, Lever
from watcher.core.policy import OBJECTIVES, Bounds, Objective, Tuning
from watcher.core.reasons import Cause
from watcher.replay.plant import TableSpec

WIDE = {kind: Bounds(5, 40_000) for kind in Kind}
TUNINGS = [
    pytest.param(POLICY.tuning, id="plain numbers"),
    *(pytest.param(OBJECTIVES[objective], id=objective.value) for objective in Objective),
]


def raises(spec: TableSpec, tuning: Tuning) -> list[tuple[int, int, int]]:
    """(seconds, before, after) of every raise of the writes within half an hour of trouble."""
    policy = replace(POLICY, bounds=WIDE, tuning=replace(tuning, max_raise_factor=100.0))
    with World(spec, policies=of(policy)) as world:
        world.run_until(1200)
        return [
            (second, change.before, change.after)
            for second, action, _ in world.changes()
            if action.lever is Lever.CAPACITY
            for change in action.changes
            if change.dimension.kind is Kind.WRITE and change.after > change.before
        ]


def table(rate: float, share: float = 0.0) -> TableSpec:
    """900 writes a second on 1,500; from 300 s on ``rate``, of which one key takes ``share``."""
    return TableSpec("orders", read=72, write=1500, demand=rates({0: 900.0, 300: rate}, hot={0: 0.0, 300: share}))


@pytest.mark.parametrize("tuning", TUNINGS)
def test_beside_a_hot_key_only_what_the_table_as_a_whole_needs_is_bought(tuning: Tuning) -> None:
    """3,000 a second, 45 % of them to one key: its partition serves 1,000 of the 1,350. What can be served at all is
    2,650, and that is what a table of 2,650 without a hot key would be given, when it would be given it."""
    mixed = raises(table(3000.0, 0.45), tuning)

    assert mixed
    assert mixed == raises(table(2650.0), tuning)
    assert mixed[-1][2] < raises(table(3000.0), tuning)[-1][2]


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_hot_key_alone_buys_nothing(tuning: Tuning) -> None:
    """1,400 a second on 2,100, as before, but now 90 % of them to one key: 1,260 to a partition of 1,000."""
    demand = rates({0: 1400.0}, hot={0: 0.0, 300: 0.9})
    spec = TableSpec("sessions", read=72, write=2100, demand=demand)

    assert raises(spec, tuning) == []
    with World(spec, policies=of(replace(POLICY, bounds=WIDE, tuning=tuning))) as world:
        world.run_until(1200)
        assert world.alerts("sessions")[0] == ("open", Cause.KEY_RANGE.value)
