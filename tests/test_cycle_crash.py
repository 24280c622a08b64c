"""The watcher dies at every call of a pass in turn, before it or after it, and a new life goes on.

Nothing may be done twice or forgotten: not a change, not a message, not what history says of it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.wire import Crash
from tests.support.world import World, check_order, heated, oversized, starved
from watcher.core.reasons import Outcome

LIFE = 17  # passes lived after the interrupted one


def nothing(_world: World) -> None:
    """The pass finds the world as it was left."""


def delete_the_hot_table(world: World) -> None:
    world.plant.delete("sessions")


@dataclass(frozen=True)
class Scene:
    """The pass that is interrupted: at which second, and what happens just before it."""

    at: int
    before: Callable[[World], None] = nothing


SCENES = [
    pytest.param(Scene(5), id="the pass that lowers an oversized table"),
    pytest.param(Scene(425), id="the pass that raises a starved table and opens two incidents"),
    pytest.param(Scene(485), id="the pass after it, while the change is under way"),
    pytest.param(Scene(605), id="a pass in the midst of it"),
    pytest.param(Scene(1145), id="a pass that resolves an incident"),
    pytest.param(Scene(665, delete_the_hot_table), id="the pass that learns of a deleted table"),
]


@dataclass(frozen=True)
class Life:
    """What a life comes to. applied: calls AWS accepted by (table, dimension, raise or not). told: the messages of each
    table in order, repetitions left out: of what was sent and could not be written down, also those in a story."""

    applied: Counter[tuple[str, str, bool]]
    told: dict[str, list[str]]


def came_to(world: World) -> Life:
    applied: Counter[tuple[str, str, bool]] = Counter()
    for _, action, outcome in world.changes():
        assert outcome is Outcome.APPLIED  # AWS never had to refuse
        applied.update((action.table.name, one.dimension.noun, one.after > one.before) for one in action.changes)
    told: dict[str, list[str]] = {}
    for name in ("orders", "sessions", "archive"):
        # Whether an incident worsens depends on when it was opened, so that may differ.
        texts = [f"{one.alert.state} {one.alert.cause}" for one in world.sent(name)]
        told[name] = [text for text, _ in groupby(text for text in texts if not text.startswith("worsened"))]
    return Life(applied, told)


def check_memory(world: World) -> None:
    """What the store says agrees with what happened."""
    check_order(world.box.sent)
    assert world.store.open_intents() == []
    assert world.store.waiting() == 0
    told = [one for one in world.store.history(limit=10_000) if one.is_change]
    assert Outcome.PENDING not in {one.outcome for one in told}
    said_applied = Counter((one.table.name, one.dimension.noun) for one in told if one.outcome is Outcome.APPLIED)
    applied = Counter((act.table.name, one.dimension.noun) for _, act, _ in world.changes() for one in act.changes)
    assert said_applied == applied
    for key, state in world.store.load().items():
        assert state.pending == "", key
        assert state.foreign_at is None, key


def world_of(engine: str, directory: Path) -> World:
    return World(starved(until=720), heated(until=720), oversized(), engine=engine, directory=directory)


def live_until(world: World, scene: Scene) -> None:
    if scene.at > 5:
        world.run_until(scene.at - 60)
    scene.before(world)
    assert world.cycle is not None  # what it reads at its start is not part of the pass


def undisturbed(scene: Scene, engine: str, directory: Path) -> Life:
    with world_of(engine, directory) as world:
        live_until(world, scene)
        world.run(1 + LIFE)
        check_memory(world)
        return came_to(world)


def interrupted(world: World, scene: Scene, number: int, *, after: bool, restarting: bool) -> bool:
    """Lives through an interruption at call ``number`` of the scene's pass; False when the pass has no such call."""
    live_until(world, scene)
    world.wire.die_at = len(world.wire.calls) + number
    world.wire.die_after = after
    world.wire.death = Crash if restarting else RuntimeError
    with contextlib.suppress(Crash, RuntimeError):
        world.cycle.run()
    died = len(world.wire.calls) > world.wire.die_at
    world.wire.die_at = None
    if restarting:
        world.restart()
    world.clock.advance(60)
    world.run(LIFE)
    return died


def check_every_interruption(
    scene: Scene, engine: str, directory: Path, *, after: bool, restarting: bool = True
) -> None:
    def fresh(name: str) -> Path:
        path = directory / name
        path.mkdir()
        return path

    expected = undisturbed(scene, engine, fresh("undisturbed"))
    number, died = 0, True
    while died:
        with world_of(engine, fresh(str(number))) as world:
            died = interrupted(world, scene, number, after=after, restarting=restarting)
            where = world.wire.calls
            life = came_to(world)
            assert life.applied == expected.applied, f"call {number} of {where}"
            assert life.told == expected.told, f"call {number}"
            check_memory(world)
        number += 1
    assert number > 8  # a pass without calls would prove nothing


@pytest.mark.parametrize("after", [False, True], ids=["dying before the call", "dying after the call"])
@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_every_call_and_started_again(
    scene: Scene,
    after: bool,  # noqa: FBT001 - a column of the table
    tmp_path: Path,
) -> None:
    check_every_interruption(scene, "memory", tmp_path, after=after)


def test_killed_after_every_call_with_the_state_in_a_file(tmp_path: Path) -> None:
    check_every_interruption(Scene(425), "sqlite", tmp_path, after=True)


@pytest.mark.parametrize("after", [False, True], ids=["failing before the call", "failing after the call"])
@pytest.mark.parametrize("scene", SCENES[1::4])
def test_a_bug_in_any_adapter_ends_one_pass_and_the_next_one_goes_on(
    scene: Scene,
    after: bool,  # noqa: FBT001 - a column of the table
    tmp_path: Path,
) -> None:
    check_every_interruption(scene, "memory", tmp_path, after=after, restarting=False)
