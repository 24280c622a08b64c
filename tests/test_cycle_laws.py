"""What must hold of every pass over any table, whatever its traffic: the law of acting, on seeded random worlds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wire import disk_full, down
from tests.support.world import POLICY, RANGE, REGION, World, check_order, in_mode, of
from watcher.core.model import TABLE_READ, TABLE_WRITE, Action, Dimension, Kind
from watcher.core.policy import Objective, TablePolicy
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.replay.plant import DemandSource, IndexSpec, KeyShare, MinuteDemand, TableSpec

PASSES = 60
NAMES = ("a", "b")


def wild(seed: str) -> DemandSource:
    """Calm, idle and violent quarters of an hour, with hot keys now and then; a pure function of the minute."""

    def demand(minute: int) -> MinuteDemand:
        quarter = Random(f"{seed}:{minute // 900}")  # noqa: S311 - simulated traffic, not a secret
        units = {
            dimension: 60.0 * quarter.choice((0.0, 5.0, 40.0, 90.0, 400.0, 2500.0))
            for dimension in (TABLE_READ, TABLE_WRITE, Dimension("by-day", Kind.READ))
        }
        hot = {TABLE_WRITE: (KeyShare("k1", 0.8),)} if quarter.random() < 0.3 else {}
        return MinuteDemand(units, hot)

    return demand


def wild_table(name: str, seed: int) -> TableSpec:
    draw = Random(f"{name}:{seed}")  # noqa: S311 - a simulated table, not a secret
    indexes = (IndexSpec("by-day", draw.choice((5, 300)), draw.choice((5, 800)), draw.choice((0.2, 1.0))),)
    return TableSpec(
        name,
        read=draw.choice((1, 60, 900)),
        write=draw.choice((2, 120, 3000, 6000)),  # also outside the bounds, on both sides
        indexes=indexes if draw.random() < 0.6 else (),
        demand=wild(f"{name}:{seed}"),
        retry_factor=draw.choice((0.0, 0.5)),
    )


def wild_world(seed: int, policy: TablePolicy, *, troubles: bool = False) -> World:
    world = World(*(wild_table(name, seed) for name in NAMES), policies=of(policy), seed=seed)
    if troubles:
        draw = Random(seed)  # noqa: S311 - simulated faults, not a secret
        for call in ("tables.describe", "tables.names", "metrics.read", "scaling.targets"):
            world.wire.faults[f"{REGION}/{call}"] = lambda *_: down() if draw.random() < 0.1 else None
        for call in ("record", "settle", "outbox", "delivered", "prune"):
            world.wire.faults[f"store.{call}"] = lambda *_: disk_full() if draw.random() < 0.1 else None

        def lose_the_answer(action: Action) -> BaseException | None:
            """An exception out of a hand is an answer that never came; the call itself may have arrived."""
            luck = draw.random()
            if luck < 0.1:
                world.aws.carry_out(action)
            return down() if luck < 0.2 else None

        world.wire.faults["hand.carry_out"] = lose_the_answer
    return world


def check_laws(world: World) -> None:
    for report in world.telemetry.reports:
        for table in report.tables:
            if table.explanation is None:
                continue
            for decision in table.explanation.decisions:
                assert decision.reason in Reason
                assert decision.sentence
                assert not decision.is_change or not decision.reason.startswith("hold")
    for _, action, outcome in world.changes():
        # The plant counts as AWS does: it never had to refuse a decrease, and nothing was asked for that it forbids.
        assert outcome is Outcome.APPLIED
        for change in action.changes:
            assert RANGE.min <= change.after <= RANGE.max
        # No decrease rides with an increase.
        assert len({change.is_decrease for change in action.changes}) == 1
    assert Outcome.BUDGET not in {decision.outcome for decision in world.store.history(limit=10_000)}
    check_order(world.box.sent)


seeds = given(seed=st.integers(0, 1_000_000))
few = settings(max_examples=6, deadline=None, derandomize=True)


@pytest.mark.parametrize("objective", list(Objective))
@seeds
@few
def test_laws_of_acting(objective: Objective, seed: int) -> None:
    policy = TablePolicy(mode=Mode.ACT, objective=objective, bounds=POLICY.bounds, index_bounds=POLICY.index_bounds)
    with wild_world(seed, policy) as world:
        world.run(PASSES)
        check_laws(world)


@seeds
@few
def test_laws_of_acting_while_everything_fails_now_and_then(seed: int) -> None:
    with wild_world(seed, POLICY, troubles=True) as world:
        world.run(PASSES)
        check_laws(world)
        # Once all is well again nothing stays open.
        world.wire.faults.clear()
        world.run(3)
        assert world.store.open_intents() == []
        assert world.store.waiting() == 0
        applied = [one for one in world.store.history(limit=10_000) if one.outcome is Outcome.APPLIED]
        assert len(applied) == sum(len(action.changes) for _, action, _ in world.changes())
        told = [one.id for one in world.box.sent]
        assert len(told) == len(set(told))


@pytest.mark.parametrize("mode", [Mode.ADVISE, Mode.OBSERVE])
@seeds
@few
def test_who_does_not_act_changes_nothing(mode: Mode, seed: int) -> None:
    with wild_world(seed, in_mode(mode)) as world:
        world.run(PASSES)
        check_laws(world)
        assert world.aws.calls == []
        for name in NAMES:
            assert len(world.plant.steps(name, TABLE_WRITE)) == 1
        outcomes = {one.outcome for one in world.store.history(limit=10_000) if one.is_change}
        assert outcomes <= ({Outcome.ADVISED} if mode is Mode.ADVISE else set())


@seeds
@few
def test_the_same_world_gives_the_same_life(seed: int) -> None:
    lives = []
    for _ in range(2):
        with wild_world(seed, POLICY) as world:
            world.run(30)
            lives.append((world.changes(), [(one.id, one.alert.sentence) for one in world.box.sent]))
    assert lives[0] == lives[1]
