"""The laws of sampling, held against random stories of many cycles. Derandomised: the same stories in every run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.sampling.sampling_cases import FULL, OFF, THROTTLED
from tests.core.sampling.sampling_story import LIMITS, OURS, PLACES, SORTS, THEIRS, Beat, Told, World
from watcher.core.insights import Place, SamplerMode, SamplerStatus, Sampling
from watcher.core.model import Action
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.sampling import SamplingLimits, mode_rules
from watcher.core.sampling.memory import BACK, is_returning, spent_on

story = settings(
    max_examples=150, derandomize=True, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

NEEDS = st.dictionaries(st.sampled_from(PLACES), st.sampled_from([1.0, 40.0, 900.0]), max_size=4)
EVENTS = st.sampled_from([0.0, 1_000.0, 20_000.0, 600_000.0])
ORDINARY = st.builds(Beat, needs=NEEDS, events=EVENTS)
LATER = st.builds(Beat, needs=NEEDS, minutes=st.sampled_from([1, 5, 20, 61]))
HALF_SEEN = st.builds(Beat, needs=NEEDS, look=st.sampled_from(["stale", "none", "uncounted"]))
CUT_SHORT = st.builds(
    Beat,
    needs=NEEDS,
    fate=st.sampled_from(
        [f"{cause} {when}" for cause in ("crash", "lost", "forgotten") for when in ("before", "after")]
    ),
    minutes=st.sampled_from([1, 1, 15]),
    delay=st.sampled_from([2.0, 16.0]),
)
REFUSED = st.builds(Beat, needs=NEEDS, refuse=st.sampled_from([one for one in Outcome if one.is_refusal]))
RECONFIGURED = st.builds(Beat, needs=NEEDS, sampling=st.sampled_from(Sampling), mode=st.none() | st.sampled_from(Mode))
FOREIGN = st.builds(
    Beat, needs=NEEDS, foreign=st.dictionaries(st.sampled_from(PLACES), st.sampled_from(SamplerMode), max_size=2)
)
ALONE = st.lists(
    st.one_of(ORDINARY, ORDINARY, LATER, HALF_SEEN, CUT_SHORT, REFUSED, RECONFIGURED), min_size=5, max_size=30
)
AMONG_OTHERS = st.lists(
    st.one_of(ORDINARY, ORDINARY, LATER, HALF_SEEN, CUT_SHORT, REFUSED, RECONFIGURED, FOREIGN, FOREIGN), max_size=25
)
SAMPLINGS = st.sampled_from([Sampling.THROTTLED, Sampling.ON_INCIDENT, Sampling.ON_INCIDENT])
MODES = st.sampled_from([Mode.ACT, Mode.ACT, Mode.ADVISE])


def played(sampling: Sampling, mode: Mode, beats: list[Beat]) -> World:
    world = World(sampling, mode)
    for beat in beats:
        world.live(beat)
    return world


def place_of(action: Action) -> Place:
    assert action.switch is not None
    return Place(action.table.name, action.switch.index)


def rules_of(action: Action) -> int:
    assert action.switch is not None
    return mode_rules(action.switch.after, bool(SORTS[action.table.name]))


def touches_only_its_own(told: Told) -> None:
    for action in told.actions:
        place, switch = place_of(action), action.switch
        assert switch is not None
        sampler = told.survey.sampler(place) if told.survey is not None else None
        if switch.after is OFF:
            assert told.before[place].is_ours
        else:
            assert sampler is not None
            assert (sampler.status, sampler.mode) == (SamplerStatus.DISABLED, OFF)
            assert not told.before[place].is_ours or told.plans[action.table].state.samplers[place.index].is_ours


def acts_in_act_mode_only(told: Told) -> None:
    for action in told.actions:
        assert action.switch is not None
        if action.switch.after is not OFF:
            assert action.mode is told.mode
            assert told.mode in (Mode.ACT, Mode.ADVISE)
        else:
            assert action.mode is Mode.ACT


def stays_within_the_quota(told: Told) -> None:
    new = sum(rules_of(action) for action in told.actions if action.mode is Mode.ACT)
    if not new:
        return
    assert told.survey is not None
    assert told.survey.rules is not None
    unseen = sum(
        mode_rules(memory.set, bool(SORTS[place.table]))
        for place, memory in told.before.items()
        if memory.is_ours and not is_returning(memory) and (memory.set_at or 0.0) >= told.survey.at
        if told.survey.sampler(place).mode is not memory.set
    )
    assert told.survey.rules + unseen + new <= LIMITS.rules


def stays_within_the_days_dollars(told: Told) -> None:
    """Only traffic that has grown since may bring it beyond them; then what grew goes back, and nothing new begins."""
    day = told.now // 86_400 * 86_400
    planned = [memory for made in told.plans.values() for memory in made.state.samplers.values()]
    before, after = (sum(spent_on(memory, day) for memory in of) for of in (told.before.values(), planned))
    if after > max(before, LIMITS.usd_per_day) + 1e-9:
        switched = [action.switch for action in told.actions if action.switch is not None]
        assert any(switch.before is FULL and switch.after is OFF for switch in switched)
        assert all(switch.after is not FULL for switch in switched)


def switches_few_at_once(told: Told) -> None:
    on = [action for action in told.actions if action.switch is not None and action.switch.after is not OFF]
    assert len(on) <= LIMITS.switches
    assert len({place_of(action) for action in told.actions}) == len(told.actions)


def full_mode_is_always_owned(told: Told) -> None:
    for place, spot in told.cloud.items():
        if spot.mode is FULL and spot.owner == OURS:
            memory = told.memories[place]
            assert memory.is_ours
            assert memory.set is FULL


def every_action_is_told(told: Told) -> None:
    """Save for tries of what was told before: then that is remembered."""
    said = {(d.table.name, d.dimension.index, d.mode) for d in told.decisions if d.reason.is_switch}
    done = {(action.table.name, place_of(action).index, action.mode): action for action in told.actions}
    assert said <= done.keys()
    for silent in done.keys() - said:
        memory, switch = told.before[place_of(done[silent])], done[silent].switch
        assert switch is not None
        assert memory.told if switch.after is not OFF else memory.noted.startswith(BACK)
    for decision in told.decisions:
        assert decision.reason.is_of_place
        assert decision.sentence


LAWS = (
    touches_only_its_own,
    acts_in_act_mode_only,
    stays_within_the_quota,
    stays_within_the_days_dollars,
    switches_few_at_once,
    full_mode_is_always_owned,
    every_action_is_told,
)


@story
@given(SAMPLINGS, MODES, AMONG_OTHERS)
def test_the_laws_hold_in_every_cycle(sampling: Sampling, mode: Mode, beats: list[Beat]) -> None:
    world = played(sampling, mode, beats)
    for told in world.told:
        for law in LAWS:
            law(told)
    for usd in world.bought.values():
        assert usd <= LIMITS.usd_per_day + 1e-9


@story
@given(SAMPLINGS, MODES, ALONE)
def test_alone_in_its_region_it_never_runs_into_the_quota(sampling: Sampling, mode: Mode, beats: list[Beat]) -> None:
    assert played(sampling, mode, beats).cloud.failures == []


@story
@given(SAMPLINGS, MODES, AMONG_OTHERS)
def test_full_mode_ends_within_two_cycles_of_its_time(sampling: Sampling, mode: Mode, beats: list[Beat]) -> None:
    """Cycles in which the watcher could do as it planned; a refused put-back has its pause of five minutes."""
    world = played(sampling, mode, [*beats, *[Beat()] * 8])
    overdue = dict.fromkeys(PLACES, 0)
    for told in world.told:
        for place, spot in told.cloud.items():
            is_over = spot.mode is FULL and spot.owner == OURS and told.now - spot.since >= LIMITS.full_seconds
            if not is_over:
                overdue[place] = 0
            elif told.beat.refuse is not None:
                overdue[place] = -6
            elif told.beat.fate == "done":
                overdue[place] += 1
            assert overdue[place] <= 2


@story
@given(SAMPLINGS, MODES, AMONG_OTHERS)
def test_switched_off_everything_ends_as_it_was_found(sampling: Sampling, mode: Mode, beats: list[Beat]) -> None:
    world = played(sampling, mode, beats)
    theirs = {place: spot.mode for place, spot in world.cloud.spots.items() if spot.owner == THEIRS}
    for _ in range(15):
        world.live(Beat(sampling=Sampling.OFF))
    for place, spot in world.cloud.spots.items():
        assert spot.owner != OURS
        assert spot.mode is theirs.get(place, OFF)
        assert not world.memories()[place].is_ours


@story
@given(SAMPLINGS, AMONG_OTHERS)
def test_advice_changes_nothing_and_is_given_once(sampling: Sampling, beats: list[Beat]) -> None:
    advising = [beat for beat in beats if beat.mode is None]
    world = played(sampling, Mode.ADVISE, advising)
    assert all(spot.owner != OURS for spot in world.cloud.spots.values())
    for earlier, later in pairwise(world.told):
        again = {place_of(action) for action in earlier.actions} & {place_of(action) for action in later.actions}
        for place in again:
            assert earlier.memories[place].advised is not later.memories[place].advised


@story
@given(SAMPLINGS, MODES, AMONG_OTHERS)
def test_the_same_story_is_decided_the_same(sampling: Sampling, mode: Mode, beats: list[Beat]) -> None:
    one, other = played(sampling, mode, beats), played(sampling, mode, beats)
    assert [told.decisions for told in one.told] == [told.decisions for told in other.told]


def test_the_stories_are_not_idle() -> None:
    """Each lever is moved and each hold is said in some plain story: else the laws above would prove little."""
    needs: Mapping[Place, float] = dict.fromkeys(PLACES, 40.0)
    stories = [
        [Beat(foreign={PLACES[0]: FULL}, needs=needs), *[Beat(needs=needs)] * 20],
        [Beat(needs=needs, events=3_000_000.0)],
        [Beat(needs=needs, refuse=Outcome.DENIED), Beat(needs=needs), Beat(needs=needs)],
    ]
    seen: set[Reason] = set()
    for sampling in (Sampling.THROTTLED, Sampling.ON_INCIDENT):
        for beats in stories:
            world = played(sampling, Mode.ACT, [*beats])
            seen |= {decision.reason for told in world.told for decision in told.decisions}
    full = World(Sampling.THROTTLED, Mode.ACT)
    full.cloud.switch(PLACES[3], FULL, full.now, THEIRS, 1.0)
    full.cloud.quota = 8
    full.limits = SamplingLimits(rules=8, full_seconds=600.0, usd_per_day=1.0, switches=3)
    for _ in range(4):
        full.live(Beat())
    seen |= {decision.reason for told in full.told for decision in told.decisions}
    assert seen >= {reason for reason in Reason if reason.is_of_place} - {Reason.HOT_KEYS}


@pytest.mark.parametrize("fate", ["crash before", "crash after", "lost before", "lost after", "forgotten after"])
def test_full_mode_that_a_crash_left_behind_is_put_back(fate: str) -> None:
    world = World(Sampling.ON_INCIDENT, Mode.ACT)
    place = PLACES[2]
    world.live(Beat(needs={place: 9.0}, fate=fate))
    world.live(Beat(minutes=30))
    for _ in range(3):
        world.live(Beat())
    assert world.cloud.spots[place].mode is OFF
    assert not world.memories()[place].is_ours


def test_a_place_that_throttles_takes_the_rules_of_a_calm_one_in_the_next_cycle_but_one() -> None:
    world = World(Sampling.THROTTLED, Mode.ACT)
    world.limits = SamplingLimits(rules=5, full_seconds=600.0, usd_per_day=1.0, switches=3)
    world.cloud.quota = 5
    for _ in range(5):
        world.live(Beat())
    on = [place for place in PLACES if world.cloud.spots[place].mode is THROTTLED]
    (out,) = [place for place in PLACES if place not in on]
    world.live(Beat(minutes=60))
    for minute in range(4):
        told = world.live(Beat(needs={out: 5.0}))
        if minute == 0:
            assert [action.switch.after for action in told.actions if action.switch] == [OFF]
    assert world.cloud.spots[out].mode is THROTTLED
    assert world.cloud.rules <= 5
    assert world.cloud.failures == []
