"""The laws of telling, held against days of traffic: ever fewer messages of what flaps, none of them late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.builders import ago, policy
from tests.core.story import Beat, Told, World, changes, random_policy, random_story
from tests.core.test_laws import BEATS, OPENINGS, POLICIES, played, story
from watcher.core.model import TABLE_WRITE, Alert, Answer, Billing, Metric, Query
from watcher.core.policy import IncidentRules, TablePolicy
from watcher.core.reasons import Cause, Freshness, IncidentState, Mode
from watcher.core.series import MINUTE
from watcher.core.state import Normal
from watcher.core.step import step

DAY_MINUTES = 1440
CALM = Beat()
# 40 of 1,840 requests: 2 %, of a kind that no capacity cures, so that only the traffic itself ends it.
BAD = Beat(hot={TABLE_WRITE: 40.0})
RULES = IncidentRules()  # calm for 10 minutes, back within 60, never longer than 120


def damped(rules: IncidentRules = RULES) -> TablePolicy:
    return policy(incidents=replace(rules, critical_after=1e9))  # lasting for long is another story


def flapping(spells: Iterable[tuple[int, int]], minutes: int = DAY_MINUTES) -> Iterator[Beat]:
    """Spells of so many bad and then so many calm minutes, a day of them."""
    left = minutes
    for bad, calm in spells:
        for beat in [BAD] * bad + [CALM] * calm:
            if not left:
                return
            left -= 1
            yield beat


def told_of(rules: TablePolicy, beats: Iterable[Beat]) -> list[Alert]:
    return [alert for told in lived(rules, beats) for alert in told.result.alerts]


def lived(rules: TablePolicy, beats: Iterable[Beat]) -> list[Told]:
    world = World(rules)
    for beat in beats:
        world.live(beat)
    return world.told


def spelled(alerts: Sequence[Alert]) -> str:
    return "".join({"open": "O", "worsened": "W", "resolved": "R"}[alert.state] for alert in alerts)


@pytest.mark.parametrize(
    ("bad", "calm", "messages"),
    [
        pytest.param(10, 9, "O", id="never calm for ten minutes: it stays open"),
        pytest.param(10, 10, "ORO", id="calm for ten minutes"),
        pytest.param(10, 19, "ORO", id="never for twenty"),
        pytest.param(3, 20, "ORORO", id="for twenty"),
        pytest.param(1, 69, "ORORORO", id="for forty, never for eighty"),
    ],
)
def test_a_table_that_flaps_is_told_of_less_and_less(bad: int, calm: int, messages: str) -> None:
    told = told_of(damped(), flapping([(bad, calm)] * DAY_MINUTES, 400))
    assert spelled(told) == messages
    assert len({alert.incident for alert in told}) == 1


@pytest.mark.parametrize("seed", range(2))
def test_a_table_that_flaps_all_day_is_told_of_in_a_number_that_grows_with_the_logarithm(seed: int) -> None:
    # Calms of up to 69 minutes always end within the hour after the resolve. 10, 20 and 40 minutes of calm can be had,
    # 80 cannot: three times resolved at most, however many spells a day has.
    dice = Random(seed)  # noqa: S311 - a reproducible story, not a secret
    spells = [(dice.randint(1, 30), dice.randint(1, 69)) for _ in range(DAY_MINUTES)]
    told = told_of(damped(), flapping(spells))
    undamped = told_of(damped(replace(RULES, flap_window=-1.0)), flapping(spells))
    assert len(told) <= 7
    assert len(undamped) > 3 * len(told)
    assert len({alert.incident for alert in told}) == 1


@pytest.mark.parametrize("seed", range(2))
def test_damping_never_delays_an_opening_message(seed: int) -> None:
    # Spells and calms of any length, so that incidents end for good, come back in time, and come back late.
    dice = Random(100 + seed)  # noqa: S311 - a reproducible story, not a secret
    spells = ((dice.randint(1, 40), dice.choice([5, 12, 30, 75, 140])) for _ in range(DAY_MINUTES))
    beats = list(flapping(spells, 900))
    tellings = lived(damped(), beats)
    undamped = lived(damped(replace(RULES, flap_window=-1.0)), beats)
    opened = 0
    for told, plain in zip(tellings, undamped, strict=True):
        if spelled(plain.result.alerts) == "O":
            was_open = told.before.incident is not None
            assert was_open or spelled(told.result.alerts) == "O"
            opened += not was_open
    assert opened >= 3


def test_after_the_longest_calm_it_is_resolved_however_often_it_flapped() -> None:
    # Six times back: 10 minutes, doubled six times, would be 640; the longest calm is 120.
    rules = replace(RULES, flap_window=1e9)
    told = told_of(damped(rules), flapping([(2, 125)] * 7))
    assert spelled(told) == "OR" * 7
    assert [alert.sequence for alert in told] == list(range(1, 15))


def test_what_comes_back_too_late_is_another_incident() -> None:
    told = told_of(damped(), flapping([(2, 80)] * 3, 240))
    assert spelled(told) == "OROROR"
    assert [alert.sequence for alert in told] == [1, 2] * 3
    assert len({alert.incident for alert in told}) == 3


SEEDS = range(8)
MINUTES = 250


@pytest.fixture(scope="module")
def nights() -> dict[int, World]:
    """Long stories in which everything happens, one per seed; reminders every quarter of an hour and every hour."""
    worlds = {}
    for seed in SEEDS:
        dice = Random(1_000 + seed)  # noqa: S311 - a reproducible story, not a secret
        rules = replace(random_policy(dice), incidents=replace(RULES, repeats=(900.0, 3600.0)))
        world = World(rules)
        burst = False
        for beat in random_story(dice, MINUTES):
            burst = burst if dice.random() > 0.03 else dice.random() < 0.5
            beat = replace(beat, burst=burst, hot={} if burst else beat.hot)  # noqa: PLW2901 - the same, with a bucket
            if dice.random() < 0.02 and world.state.incident is not None:
                world.state = replace(world.state, incident=replace(world.state.incident, retell=True))
            world.live(beat)
        worlds[seed] = world
    return worlds


@pytest.mark.parametrize("seed", SEEDS)
def test_the_messages_of_an_incident_are_one_thread(seed: int, nights: dict[int, World]) -> None:
    threads: dict[str, list[Alert]] = {}
    for told in nights[seed].told:
        for alert in told.result.alerts:
            threads.setdefault(alert.incident, []).append(alert)
    for alerts in threads.values():
        assert [alert.sequence for alert in alerts] == list(range(1, len(alerts) + 1))
        assert {alert.opened_at for alert in alerts} == {alerts[0].opened_at}
        assert alerts[0].state is IncidentState.OPEN
        for before, after in pairwise(alerts):
            if before.state is IncidentState.RESOLVED:
                assert after.state is IncidentState.OPEN
                assert not after.is_reminder
                assert after.time - before.time <= RULES.flap_window


def remembers_what_it_told(told: Told) -> None:
    """Open and told to be open are the same, and so are closed and told to be resolved."""
    before, after = told.before.incident, told.result.state.incident
    alert = told.result.alerts[0] if told.result.alerts else None
    assert len(told.result.alerts) <= 1
    if before is None and after is not None:
        assert alert is not None
        assert alert.state is IncidentState.OPEN
    if before is not None and after is None:
        assert alert is not None
        assert alert.state is IncidentState.RESOLVED
        last = told.result.state.last_incident
        assert last is not None
        assert (last.id, last.sequence, last.closed_at) == (before.id, before.sequence + 1, told.now)
    assert after is None or told.result.state.last_incident is None
    assert after is None or (after.closed_at is None and not after.retell and after.followed_at == told.now)


def forgets_what_cannot_come_back(told: Told) -> None:
    last = told.result.state.last_incident
    assert last is None or (last.closed_at is not None and told.now - last.closed_at <= RULES.flap_window)


def retells_when_asked(told: Told) -> None:
    before, after = told.before.incident, told.result.state.incident
    if before is not None and before.retell and after is not None:
        assert [(alert.state, alert.is_reminder) for alert in told.result.alerts] == [(IncidentState.OPEN, False)]


def reminds_of_nothing_but_the_incident_as_it_was(told: Told) -> None:
    for alert in told.result.alerts:
        if alert.is_reminder:
            before, after = told.before.incident, told.result.state.incident
            assert before is not None
            assert after is not None
            assert alert.state is IncidentState.OPEN
            assert (before.severity, before.cause, before.index) == (after.severity, after.cause, after.index)
            crossed = {r for r in (900.0, 3600.0) if (told.now - after.opened_at) % r < told.now - before.followed_at}
            assert set(alert.repeats) == crossed


def blames_nobody_who_was_not_asked_to_act(told: Told) -> None:
    state, on_demand = told.result.state, told.observation.description.billing is Billing.ON_DEMAND
    if told.policy.mode is not Mode.ACT or on_demand:
        assert state.blocked == {}
    opened = [alert for alert in told.result.alerts if alert.cause is Cause.CANNOT_ACT and not alert.is_reminder]
    for alert in opened:
        if alert.state is IncidentState.RESOLVED or told.before.incident is not None:
            continue  # of one that was open before, whatever holds now
        assert told.policy.mode is Mode.ACT
        assert not on_demand
        held = [d for d in state.blocked if d.index == alert.index]
        seen = {view.dimension: view for view in told.result.explanation.dimensions}
        assert any(seen[d].freshness is Freshness.FRESH for d in held)


def holds_only_what_is_not_done(told: Told) -> None:
    """A raise is held only of a dimension of which more is demanded than it has."""
    seen = {view.dimension: view for view in told.result.explanation.dimensions}
    for dimension, held in told.result.state.blocked.items():
        view, known = seen[dimension], told.before.blocked.get(dimension)
        if held.rising and held != known and view.demand is not None:
            assert view.demand > view.provisioned
        assert held.since == (known.since if known and known.rising is held.rising else told.now)


LAWS = [
    pytest.param(remembers_what_it_told, id="open is told, closed is told and remembered"),
    pytest.param(forgets_what_cannot_come_back, id="what was resolved is remembered for its window"),
    pytest.param(retells_when_asked, id="what a storm told is told anew after it"),
    pytest.param(reminds_of_nothing_but_the_incident_as_it_was, id="a reminder has no news, and comes when it is due"),
    pytest.param(blames_nobody_who_was_not_asked_to_act, id="nothing is held where nothing is to be done"),
    pytest.param(holds_only_what_is_not_done, id="a raise is held only where more is demanded"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("law", LAWS)
def test_law_of_telling(law: Callable[[Told], None], seed: int, nights: dict[int, World]) -> None:
    for told in nights[seed].told:
        law(told)


@pytest.mark.parametrize("law", [remembers_what_it_told, blames_nobody_who_was_not_asked_to_act])
def test_law_of_telling_in_stories_that_shrink(law: Callable[[Told], None]) -> None:
    @story
    @given(POLICIES, st.sampled_from(OPENINGS), BEATS)
    def holds(rules: TablePolicy, opening: list[Beat], beats: list[Beat]) -> None:
        for told in played(rules, opening + beats).told:
            law(told)

    holds()


def test_the_long_nights_reach_what_the_laws_are_about(nights: dict[int, World]) -> None:
    told = [one for world in nights.values() for one in world.told]
    alerts = [alert for one in told for alert in one.result.alerts]
    assert {alert.state for alert in alerts} == set(IncidentState)
    assert {True, False} == {alert.is_reminder for alert in alerts}
    assert Cause.CANNOT_ACT in {alert.cause for alert in alerts}
    assert any(one.result.state.incident and one.result.state.incident.flaps for one in told)
    assert any(one.before.incident and one.before.incident.retell and one.result.state.incident for one in told)
    assert any(held.rising for one in told for held in one.result.state.blocked.values())


def _with_latency(told: Told, average: float, p99: float) -> list[object]:
    """What the same step does about an operation that takes so long, its normal being 5 ms, its p99's 20."""
    name = told.observation.description.key.name
    newest = ago(1, told.now)
    normal = Normal(5.0, 60, newest - MINUTE, 30, 400.0, 900.0, p99_mean=20.0, p99_minutes=60, p99_slow_minutes=30)
    answers = {
        **told.observation.answers,
        Query(name, Metric.LATENCY_AVERAGE, operation="Query"): Answer({newest: average}),
        Query(name, Metric.LATENCY_P99, operation="Query"): Answer({newest: p99}),
    }
    before = replace(told.before, latency={"Query": normal})
    result = step(told.now, told.policy, before, replace(told.observation, answers=answers))
    return [result.actions, result.explanation.decisions, result.state.dimensions, result.state.blocked]


@story
@given(POLICIES, st.sampled_from(OPENINGS), BEATS, st.booleans())
def test_slowness_is_never_answered_with_capacity(
    rules: TablePolicy,
    opening: list[Beat],
    beats: list[Beat],
    only_the_tail: bool,  # noqa: FBT001 - drawn
) -> None:
    slow = (5.0, 900.0) if only_the_tail else (400.0, 900.0)
    for told in played(rules, opening + beats).told[-6:]:
        assert _with_latency(told, *slow) == _with_latency(told, 5.0, 20.0)


@pytest.mark.parametrize("average", [5.0, 400.0])
def test_that_slowness_was_a_verdict(average: float) -> None:
    (told,) = played(policy(), [CALM]).told
    name, newest = told.observation.description.key.name, ago(1, told.now)
    normal = Normal(5.0, 60, newest - MINUTE, 30, 400.0, 900.0, p99_mean=20.0, p99_minutes=60, p99_slow_minutes=30)
    answers = {
        **told.observation.answers,
        Query(name, Metric.LATENCY_AVERAGE, operation="Query"): Answer({newest: average}),
        Query(name, Metric.LATENCY_P99, operation="Query"): Answer({newest: 900.0}),
    }
    seen = replace(told.observation, answers=answers)
    result = step(told.now, told.policy, replace(told.before, latency={"Query": normal}), seen)
    assert result.explanation.cause is Cause.SLOW
    assert all(change.is_decrease for _, change in changes(replace(told, result=result)))
