"""Where Contributor Insights is switched on and off, and whose it is: rule by rule, each edge on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.core.sampling.sampling_cases import (
    ALL,
    BACK,
    BLANK,
    BROKEN,
    COMING,
    DARK,
    FOREIGN,
    FULL,
    GOING,
    INCIDENT,
    INDEX,
    KEYS,
    LIMITS,
    MIDNIGHT,
    NOON,
    OFF,
    ON,
    ON_FULL,
    OURS,
    THROTTLED,
    case,
    key,
    only,
    ours_full,
    said,
    sentence,
    surveyed,
    switches,
)
from watcher.core.insights import Sampler, SamplerMode, Sampling, Survey
from watcher.core.model import (
    Decision,
    Dimension,
    Kind,
    Switch,
)
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.sampling import SamplingLimits, release
from watcher.core.state import SamplerState


@pytest.mark.parametrize(
    ("sampling", "mode", "memory", "sampler", "needs", "told", "switched"),
    [
        pytest.param("off", "act", BLANK, DARK, {}, [], [], id="off: nothing is switched on"),
        pytest.param("off", "act", BLANK, ALL, {}, [], [], id="off: what another hand enabled is nobody's business"),
        pytest.param(
            "off", "act", OURS, KEYS, {}, [BACK], [(THROTTLED, OFF, "act")], id="off: what is ours is put back as found"
        ),
        pytest.param(
            "throttled", "act", BLANK, DARK, {}, [ON], [(OFF, THROTTLED, "act")], id="throttled: on without any need"
        ),
        pytest.param("throttled", "act", OURS, KEYS, {}, [], [], id="throttled: what is on stays on"),
        pytest.param("throttled", "act", BLANK, KEYS, {}, [], [], id="throttled by another hand is as good as by ours"),
        pytest.param(
            "throttled",
            "act",
            BLANK,
            ALL,
            {},
            [FOREIGN],
            [],
            id="throttled: another hand's full mode is left, and said",
        ),
        pytest.param(
            "throttled",
            "act",
            ours_full(),
            ALL,
            INCIDENT,
            [BACK],
            [(FULL, OFF, "act")],
            id="throttled instead of on-incident: full mode is put back first, even with a need",
        ),
        pytest.param("on-incident", "act", BLANK, DARK, {}, [], [], id="on-incident: without a need, as found"),
        pytest.param(
            "on-incident", "act", BLANK, DARK, INCIDENT, [ON_FULL], [(OFF, FULL, "act")], id="on-incident: full in need"
        ),
        pytest.param("on-incident", "act", ours_full(), ALL, INCIDENT, [], [], id="on-incident: on while it is needed"),
        pytest.param(
            "on-incident", "act", ours_full(), ALL, {}, [BACK], [(FULL, OFF, "act")], id="on-incident: the need is over"
        ),
        pytest.param(
            "on-incident",
            "act",
            OURS,
            KEYS,
            {},
            [BACK],
            [(THROTTLED, OFF, "act")],
            id="on-incident: not throttled keys",
        ),
        pytest.param("on-incident", "act", BLANK, KEYS, {}, [], [], id="on-incident: throttled keys of another hand"),
        pytest.param(
            "on-incident",
            "act",
            BLANK,
            KEYS,
            INCIDENT,
            [FOREIGN],
            [],
            id="on-incident: which are left in need, and said",
        ),
        pytest.param(
            "on-incident", "act", BLANK, ALL, INCIDENT, [], [], id="on-incident: full by another hand is fine"
        ),
        pytest.param(
            "on-incident", "act", BLANK, ALL, {}, [FOREIGN], [], id="on-incident: but left on without a need it is said"
        ),
        pytest.param("throttled", "observe", BLANK, DARK, {}, [], [], id="observe: nothing is switched"),
        pytest.param(
            "throttled", "observe", OURS, KEYS, {}, [BACK], [(THROTTLED, OFF, "act")], id="observe: ours is put back"
        ),
        pytest.param(
            "throttled",
            "advise",
            BLANK,
            DARK,
            {},
            [(Reason.SAMPLE_THROTTLED, Mode.ADVISE, Outcome.ADVISED)],
            [(OFF, THROTTLED, "advise")],
            id="advise: says what it would switch",
        ),
        pytest.param(
            "on-incident",
            "advise",
            BLANK,
            DARK,
            INCIDENT,
            [(Reason.SAMPLE_FULL, Mode.ADVISE, Outcome.ADVISED)],
            [(OFF, FULL, "advise")],
            id="advise: full mode in need",
        ),
        pytest.param("throttled", "advise", OURS, KEYS, {}, [], [], id="advise: what is ours and wanted is left on"),
        pytest.param(
            "off", "advise", OURS, KEYS, {}, [BACK], [(THROTTLED, OFF, "act")], id="advise: ours goes back in earnest"
        ),
        pytest.param("throttled", "act", BLANK, COMING, {}, [], [], id="another hand is just switching it on: wait"),
        pytest.param("throttled", "act", BLANK, GOING, {}, [], [], id="or off: wait"),
        pytest.param(
            "off", "act", OURS, COMING, {}, [BACK], [(THROTTLED, OFF, "act")], id="ours, and hung in ENABLING"
        ),
        pytest.param("off", "act", OURS, GOING, {}, [], [], id="ours, and on its way off: wait"),
        pytest.param("throttled", "act", BLANK, BROKEN, {}, [FOREIGN], [], id="FAILED by another hand: left, and said"),
        pytest.param(
            "on-incident", "act", BLANK, BROKEN, {}, [], [], id="FAILED by another hand, and no need: nothing"
        ),
        pytest.param(
            "throttled", "act", OURS, BROKEN, {}, [BACK], [(OFF, OFF, "act")], id="FAILED, and ours: put back"
        ),
    ],
)
def test_what_is_switched(
    sampling: str,
    mode: str,
    memory: SamplerState,
    sampler: Sampler,
    needs: Mapping[str, float],
    told: list[tuple[Reason, Mode, Outcome]],
    switched: list[tuple[SamplerMode, SamplerMode, str]],
) -> None:
    one = case(sampling=Sampling(sampling), mode=Mode(mode), needs=needs, samplers={"": memory})
    made = only(one, surveyed({"": sampler}))
    assert said(made) == told
    assert switches(made) == [(before, after, Mode(acting)) for before, after, acting in switched]
    assert made.current == {"": sampler.mode}
    for decision in made.decisions:
        assert (decision.time, decision.table, decision.dimension) == (NOON, key(), Dimension("", Kind.READ))
        assert (decision.before, decision.after) == (0, 0)


@pytest.mark.parametrize(
    ("memory", "sampler"),
    [
        pytest.param(OURS, KEYS, id="throttled keys"),
        pytest.param(ours_full(), ALL, id="all keys"),
    ],
)
def test_a_table_that_left_the_config_gets_back_what_was_found(memory: SamplerState, sampler: Sampler) -> None:
    made = only(case(left=True, needs=INCIDENT, samplers={"": memory}), surveyed({"": sampler}))
    assert switches(made) == [(memory.set, OFF, Mode.ACT)]
    assert sentence(made).endswith("the table has left the config")


def test_table_and_index_are_each_their_own() -> None:
    one = case("orders", INDEX, sampling=Sampling.ON_INCIDENT, needs={INDEX: 1_200.0})
    made = only(one, surveyed({"": KEYS}))
    assert [action.switch for action in made.actions] == [Switch(INDEX, OFF, FULL)]
    assert made.state.samplers.keys() == {INDEX}
    assert made.current == {"": THROTTLED, INDEX: OFF}


def test_full_mode_remembers_its_end_and_its_price() -> None:
    one = case(sampling=Sampling.ON_INCIDENT, needs={"": 1_200.0}, events={"": 160_000.0})
    made = only(one, surveyed())
    # 160,000 a minute, told twice with a sort key, for 15 min at $0.03 a million: $0.144.
    assert made.state.samplers[""] == SamplerState(
        found=OFF,
        set=FULL,
        set_at=NOON,
        until=NOON + 900,
        full_at=NOON,
        spent=pytest.approx(0.144),  # type: ignore[arg-type]  # equal to a float
        spent_day=MIDNIGHT,
        reserved=pytest.approx(0.144),  # type: ignore[arg-type]
        told={"on full": NOON},
    )
    assert sentence(made) == (
        "sample all keys of orders for at most 15 min: 1,200 throttled requests that a key may explain; about $0.14"
    )


@pytest.mark.parametrize(
    ("now", "limits", "is_over"),
    [
        pytest.param(NOON + 899, LIMITS, False, id="a second before its end"),
        pytest.param(NOON + 900, LIMITS, True, id="at its end"),
        pytest.param(NOON + 299, SamplingLimits(full_seconds=300), False, id="the config allows less by now: not yet"),
        pytest.param(NOON + 300, SamplingLimits(full_seconds=300), True, id="the config allows less by now: over"),
        pytest.param(NOON + 900, SamplingLimits(full_seconds=3600), True, id="the config allows more: not this window"),
        pytest.param(NOON - 60, LIMITS, True, id="the clock was set back behind its start"),
    ],
)
def test_when_full_mode_ends(now: float, limits: SamplingLimits, is_over: bool) -> None:  # noqa: FBT001  # a table's column
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, samplers={"": ours_full(NOON)})
    made = only(one, surveyed({"": ALL}, at=max(now, NOON + 1)), now=now, limits=limits)
    assert switches(made) == ([(FULL, OFF, Mode.ACT)] if is_over else [])


# -- whose it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "in_force", "sampler", "ours", "told"),
    [
        pytest.param(60, False, KEYS, True, [], id="seen as set: ours, and in force from now on"),
        pytest.param(0, False, DARK, True, [], id="the survey is of before the switch"),
        pytest.param(89, False, DARK, True, [], id="not seen yet, a second before it must be"),
        pytest.param(90, False, DARK, True, [ON], id="never switched, as after a crash: planned anew"),
        pytest.param(90, True, DARK, False, [FOREIGN], id="it was in force: another hand switched it off, left so"),
        pytest.param(89, True, DARK, True, [], id="or is not yet listed"),
        pytest.param(60, True, ALL, False, [], id="another hand made it full mode: theirs from now on"),
        pytest.param(90, True, ALL, False, [FOREIGN], id="which is said when it can be no echo of ours"),
        pytest.param(90, False, ALL, False, [FOREIGN], id="the same where ours was never seen"),
        pytest.param(600, True, GOING, True, [], id="switched off by another hand just now: wait until it is"),
    ],
)
def test_whose_it_is(
    age: float,
    in_force: bool,  # noqa: FBT001  # a table's column
    sampler: Sampler,
    ours: bool,  # noqa: FBT001
    told: list[tuple[Reason, Mode, Outcome]],
) -> None:
    memory = replace(OURS, set_at=NOON - age, in_force=in_force)
    made = only(case(samplers={"": memory}), surveyed({"": sampler}))
    after = made.state.samplers[""]
    assert said(made) == told
    assert after.is_ours == ours
    assert after.in_force == (ours and (in_force or sampler is KEYS))


def test_what_another_hand_switched_off_is_left_off_for_an_hour_and_said_once() -> None:
    state = case(samplers={"": OURS}).state
    told: list[Decision] = []
    switched = []
    for minute in range(62):
        now = NOON + 60 * minute
        made = only(replace(case(), state=state), surveyed(at=now), now=now)
        state = made.state
        told += made.decisions
        switched += [(minute, *pair) for pair in switches(made)]
        assert minute >= 60 or made.lost[""]
    assert [decision.reason for decision in told] == [Reason.HOLD_SAMPLING_FOREIGN, Reason.SAMPLE_THROTTLED]
    assert switched == [(60, OFF, THROTTLED, Mode.ACT)]


def test_full_mode_that_was_never_switched_on_gives_back_its_dollars_and_its_pause() -> None:
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, samplers={"": ours_full(NOON - 90, in_force=False)})
    made = only(one, surveyed())
    assert switches(made) == [(OFF, FULL, Mode.ACT)]
    assert made.state.samplers[""].spent == pytest.approx(1_000 * 2 * 15 * 0.03e-6)


@pytest.mark.parametrize(
    ("survey", "now", "goes_back"),
    [
        pytest.param(None, NOON, True, id="no survey: our full mode is ended all the same"),
        pytest.param(surveyed({"": ALL}, at=NOON - 900), NOON, True, id="a survey of before the switch"),
        pytest.param(None, NOON - 1, False, id="no survey: it has its time, though"),
    ],
)
def test_what_is_overdue_goes_back_unseen(survey: Survey | None, now: float, goes_back: bool) -> None:  # noqa: FBT001
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, samplers={"": ours_full(NOON - 900)})
    assert switches(only(one, survey, now=now)) == ([(FULL, OFF, Mode.ACT)] if goes_back else [])


@pytest.mark.parametrize(
    ("set_at", "goes_back"),
    [
        pytest.param(NOON - 89, False, id="just switched, and not surveyed since: wait"),
        pytest.param(NOON - 90, True, id="long enough ago"),
    ],
)
def test_what_is_not_wanted_any_more_waits_for_a_survey_or_a_while(set_at: float, goes_back: bool) -> None:  # noqa: FBT001
    one = case(sampling=Sampling.OFF, samplers={"": replace(OURS, set_at=set_at)})
    assert bool(switches(only(one, surveyed(at=set_at)))) == goes_back


def test_a_put_back_stays_ours_until_it_is_seen_and_is_repeated_when_it_is_not() -> None:
    one = case(sampling=Sampling.ON_INCIDENT, samplers={"": ours_full()})
    asked = only(one, surveyed({"": ALL}))
    assert asked.state.samplers[""].is_ours
    # A crash came in between, or the answer got lost, and by now it would even be needed again.
    again = replace(one, state=asked.state, needs=INCIDENT)
    repeated = only(again, surveyed({"": ALL}, at=NOON + 60), now=NOON + 60)
    assert switches(repeated) == [(FULL, OFF, Mode.ACT)]
    assert "not seen to work" in sentence(repeated)
    seen = only(again, surveyed({}, at=NOON + 60), now=NOON + 60)
    assert switches(seen) == []
    assert not seen.state.samplers[""].is_ours
    assert seen.state.samplers[""].spent == 0.5


def test_an_index_that_is_gone_is_forgotten_when_its_cost_is_of_another_day() -> None:
    one = case(sampling=Sampling.OFF, samplers={INDEX: ours_full()})
    gone = only(one, surveyed({}))
    assert gone.decisions == ()
    assert (gone.state.samplers[INDEX].is_ours, gone.state.samplers[INDEX].spent) == (False, 0.5)
    tomorrow = only(replace(one, state=gone.state), surveyed({}, at=NOON + 86_400), now=NOON + 86_400)
    assert tomorrow.state.samplers == {}


# -- shutdown ----------------------------------------------------------------------------------------------------------


def test_at_shutdown_full_mode_goes_back_and_throttled_keys_stay() -> None:
    cases = [
        case("a", INDEX, sampling=Sampling.ON_INCIDENT, needs=INCIDENT, samplers={"": ours_full(), INDEX: OURS}),
        case("b", samplers={"": OURS}),
        case("c", left=True, samplers={"": ours_full()}),
        case("d"),
    ]
    made = release(NOON, cases)
    assert made.keys() == {key("a"), key("c")}
    assert [action.switch for action in made[key("a")].actions] == [Switch("", FULL, OFF)]
    assert said(made[key("a")]) == [BACK]
    assert sentence(made[key("a")]) == "put sampling of all keys of a back as found (off): the watcher stops"
    assert made[key("a")].state.samplers[""].is_ours
    assert made[key("a")].state.samplers[INDEX] == OURS


def test_a_plan_that_changes_nothing_keeps_the_very_state() -> None:
    one = case(samplers={"": OURS})
    assert only(one, surveyed({"": KEYS})).state is one.state
