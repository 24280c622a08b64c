"""When Contributor Insights is not switched: refusals, pauses, advice; and that it is said once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.sampling.sampling_cases import (
    ALL,
    BROKEN,
    COMING,
    FOREIGN,
    FULL,
    INCIDENT,
    KEYS,
    NOON,
    OFF,
    ON,
    OURS,
    case,
    key,
    only,
    ours_full,
    said,
    sentence,
    surveyed,
    switches,
)
from watcher.core.insights import Sampling, Survey
from watcher.core.prices import dollars
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.sampling import SamplingCase, SamplingLimits, absorbed, plan
from watcher.core.state import SamplerState

# -- refusals, failures and pauses -------------------------------------------------------------------------------------


def test_what_aws_failed_is_put_back_with_its_words_and_rests_an_hour() -> None:
    made = only(case(samplers={"": OURS}), surveyed({"": BROKEN}))
    assert sentence(made) == (
        "put sampling of throttled keys of orders back as found (off): AWS could not switch it on: "
        "LimitExceededException: too many rules"
    )
    assert made.state.samplers[""].refused_at == NOON
    assert "too many rules" in made.state.samplers[""].refusal


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        pytest.param(SamplerState(refused_at=NOON - 3599, refusal="denied"), "denied", id="refused 3,599 s ago: rest"),
        pytest.param(SamplerState(refused_at=NOON - 3600, refusal="denied"), None, id="an hour ago: again"),
        pytest.param(SamplerState(full_at=NOON - 3599), "were sampled lately", id="full mode began 3,599 s ago: rest"),
        pytest.param(SamplerState(full_at=NOON - 3600), None, id="full mode began an hour ago: again"),
        pytest.param(SamplerState(set_at=NOON - 89), "just being switched", id="put back 89 s before the survey: wait"),
        pytest.param(SamplerState(set_at=NOON - 90), None, id="put back 90 s before the survey: again"),
    ],
)
def test_pauses(memory: SamplerState, told: str | None) -> None:
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, samplers={"": memory})
    made = only(one, surveyed())
    assert switches(made) == ([] if told else [(OFF, FULL, Mode.ACT)])
    assert told is None or told in made.lost[""]


@pytest.mark.parametrize(
    ("refused_at", "goes_back"),
    [
        pytest.param(NOON - 299, False, id="put-back refused 299 s ago: wait"),
        pytest.param(NOON - 300, True, id="300 s ago: again"),
        pytest.param(NOON - 700, True, id="the refusal was of something earlier"),
    ],
)
def test_a_refused_put_back_is_tried_again_every_five_minutes(refused_at: float, goes_back: bool) -> None:  # noqa: FBT001
    asked = replace(ours_full(NOON - 2000), set_at=NOON - 600, until=NOON - 600, refused_at=refused_at)
    made = only(case(sampling=Sampling.ON_INCIDENT, samplers={"": asked}), surveyed({"": ALL}))
    assert bool(switches(made)) == goes_back


FULL_MONTH = 4 * 0.5 + 2 * 1_000 * 43_800 * 0.03e-6


@pytest.mark.parametrize(
    ("one", "survey", "reason", "words"),
    [
        pytest.param(
            case(),
            surveyed({"": ALL}),
            Reason.HOLD_SAMPLING_FOREIGN,
            f"full mode costs about {dollars(FULL_MONTH)} a month at 2,000 events a minute",
            id="full mode of another hand, and what it costs",
        ),
        pytest.param(
            case(events={}),
            surveyed({"": ALL}),
            Reason.HOLD_SAMPLING_FOREIGN,
            "$2.00 a month for 4 rules, and every access on top",
            id="the same where traffic is not known",
        ),
        pytest.param(
            case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT),
            surveyed({"": KEYS}),
            Reason.HOLD_SAMPLING_FOREIGN,
            "another hand samples throttled keys of orders",
            id="throttled keys of another hand",
        ),
        pytest.param(
            case(),
            surveyed({"": BROKEN}),
            Reason.HOLD_SAMPLING_FOREIGN,
            "is FAILED: LimitExceededException: too many rules",
            id="FAILED of another hand",
        ),
        pytest.param(
            case(), None, Reason.HOLD_SAMPLING_REFUSED, "nothing is switched on unseen", id="the Region is not surveyed"
        ),
        pytest.param(
            case(),
            replace(surveyed(rules=None), error="cloudwatch:DescribeInsightRules is denied"),
            Reason.HOLD_SAMPLING_REFUSED,
            "cloudwatch:DescribeInsightRules is denied",
            id="the rules are not counted",
        ),
        pytest.param(
            case(samplers={"": SamplerState(refused_at=NOON - 200, refusal="AccessDenied")}),
            surveyed(),
            Reason.HOLD_SAMPLING_REFUSED,
            "not tried again before 12:56 UTC: AccessDenied",
            id="a refusal",
        ),
        pytest.param(
            case(),
            surveyed(rules=99),
            Reason.HOLD_SAMPLING_QUOTA,
            "it takes 2 Contributor Insights rules, and 99 of the Region's 100 are in use or promised",
            id="no rules left",
        ),
        pytest.param(
            case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, events={"": 6_000_000.0}),
            surveyed(),
            Reason.HOLD_SAMPLING_COST,
            "15 min at 12,000,000 events a minute cost about $5.40, and $0.00 of today's $5.00 are spent",
            id="too dear",
        ),
        pytest.param(
            case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, events={}),
            surveyed(),
            Reason.HOLD_SAMPLING_COST,
            "its requests a minute are not known",
            id="of unknown cost",
        ),
    ],
)
def test_what_holds_is_said_once_and_shown_always(
    one: SamplingCase, survey: Survey | None, reason: Reason, words: str
) -> None:
    first = only(one, survey)
    assert said(first) == [(reason, Mode.ACT, Outcome.NONE)]
    assert words in sentence(first)
    assert first.actions == ()
    again = only(replace(one, state=first.state), None if survey is None else replace(survey, at=NOON + 60))
    assert again.decisions == ()
    assert again.lost == first.lost
    assert bool(first.lost) != ("full mode costs" in sentence(first) or "every access on top" in sentence(first))


@pytest.mark.parametrize(
    ("later", "told"),
    [
        pytest.param(3_599, [], id="it comes and goes within the hour: told already"),
        pytest.param(3_600, [FOREIGN], id="an hour after it was told: news"),
        pytest.param(-1, [FOREIGN], id="the clock was set back: news"),
    ],
)
def test_what_holds_is_said_again_after_it_was_well(later: float, told: list[tuple[Reason, Mode, Outcome]]) -> None:
    one = case()
    first = only(one, surveyed({"": ALL}))
    well = only(replace(one, state=first.state), surveyed({}, at=NOON + 60), now=NOON + 60)
    assert said(well) == [ON]
    quiet = replace(case(sampling=Sampling.OFF), state=first.state)
    forgotten = only(quiet, surveyed({"": ALL}, at=NOON + 60), now=NOON + 60)
    assert forgotten.state.samplers[""].noted == ""
    again = only(replace(one, state=forgotten.state), surveyed({"": ALL}), now=NOON + later)
    assert said(again) == told
    assert again.state.samplers[""].noted


def test_what_was_told_is_forgotten_in_time() -> None:
    first = only(case(), surveyed({"": ALL}))
    quiet = replace(case(sampling=Sampling.OFF), state=first.state)
    assert only(quiet, surveyed({"": ALL}), now=NOON + 3_600).state.samplers == {}


@pytest.mark.parametrize(
    ("lame", "held"),
    [
        pytest.param(None, Reason.HOLD_SAMPLING_QUOTA, id="the Region is surveyed every other minute only"),
        pytest.param(surveyed(rules=None), Reason.HOLD_SAMPLING_QUOTA, id="its rules are counted every other minute"),
    ],
)
def test_a_survey_that_comes_and_goes_does_not_repeat_what_holds(lame: Survey | None, held: Reason) -> None:
    state, told = case().state, []
    for minute in range(0, 300, 2):
        for survey, at in ((surveyed(rules=99), minute), (lame, minute + 1)):
            made = only(replace(case(), state=state), survey, now=NOON + 60 * at)
            state = made.state
            told += [decision.reason for decision in made.decisions]
            assert made.lost[""]
    assert told == [held]


@pytest.mark.parametrize(
    ("mode", "limits", "most"),
    [
        pytest.param(Mode.ACT, SamplingLimits(rules=0), 5, id="no rules"),
        pytest.param(Mode.ACT, SamplingLimits(usd_per_day=0.0), 5, id="no dollars"),
        pytest.param(Mode.ADVISE, SamplingLimits(), 5, id="advice"),
    ],
)
def test_a_need_that_comes_and_goes_is_told_once_an_hour(mode: Mode, limits: SamplingLimits, most: int) -> None:
    one, told = case(sampling=Sampling.ON_INCIDENT, mode=mode), 0
    state = one.state
    for minute in range(300):
        now = NOON + 60 * minute
        needs = INCIDENT if minute % 15 < 3 else {}
        made = only(replace(one, state=state, needs=needs), surveyed(at=now), now=now, limits=limits)
        state = made.state
        told += len(made.decisions)
        assert bool(made.lost) == bool(needs)
        assert len(made.actions) <= len(made.decisions)
    assert told == most


# -- tries that fail ---------------------------------------------------------------------------------------------------

PASSING = [Outcome.THROTTLED, Outcome.BUSY, Outcome.CANCELLED, Outcome.UNKNOWN, Outcome.DENIED]


def tried(one: SamplingCase, survey: Survey, outcome: Outcome, minutes: int) -> tuple[int, list[str]]:
    """How often it was tried while AWS always answers so, and what was told."""
    state, tries, told = one.state, 0, []
    for minute in range(minutes):
        now = NOON + 60 * minute
        made = only(replace(one, state=state), replace(survey, at=now), now=now)
        memory = made.state.samplers[""]
        for action in made.actions:
            assert action.switch is not None
            memory = absorbed(memory, action.switch, outcome, "no", now + 1)
        state = replace(made.state, samplers={"": memory})
        tries += len(made.actions)
        told += [decision.sentence for decision in made.decisions]
    return tries, told


@pytest.mark.parametrize("outcome", PASSING)
def test_a_put_back_that_fails_again_and_again_is_told_once_per_reason(outcome: Outcome) -> None:
    tries, told = tried(case(sampling=Sampling.OFF, samplers={"": OURS}), surveyed({"": KEYS}), outcome, 300)
    assert tries >= 300 / 6
    assert [one.partition(": ")[2] for one in told] == [
        'the config now says sampling = "off"',
        "the last attempt was not seen to work",
    ]


@pytest.mark.parametrize("outcome", PASSING)
def test_a_switch_on_that_fails_again_and_again_is_told_three_times_an_hour(outcome: Outcome) -> None:
    """For five hours. What was denied is tried once an hour, and why it waits is told once."""
    tries, told = tried(case(), surveyed(), outcome, 300)
    denied = outcome is Outcome.DENIED
    assert tries >= 5
    assert len([one for one in told if one.startswith("sample throttled keys")]) == (5 if denied else 3 * 5)
    assert len(told) == (6 if denied else 3 * 5)


def test_once_it_was_on_the_next_switch_is_news() -> None:
    first = only(case(), surveyed())
    (action,) = first.actions
    assert action.switch is not None
    on = absorbed(first.state.samplers[""], action.switch, Outcome.APPLIED, "", NOON)
    back = only(case(sampling=Sampling.OFF, samplers={"": on}), surveyed({"": KEYS}, at=NOON + 90), now=NOON + 90)
    (action,) = back.actions
    assert action.switch is not None
    off = absorbed(back.state.samplers[""], action.switch, Outcome.APPLIED, "", NOON + 90)
    assert (off.is_ours, off.noted) == (False, "")
    assert said(only(case(samplers={"": off}), surveyed(at=NOON + 180), now=NOON + 180)) == [ON]


def test_a_changed_reason_is_news() -> None:
    first = only(case(), surveyed(rules=99))
    second = only(replace(case(), state=first.state), surveyed({"": ALL}))
    assert [decision.reason for decision in (*first.decisions, *second.decisions)] == [
        Reason.HOLD_SAMPLING_QUOTA,
        Reason.HOLD_SAMPLING_FOREIGN,
    ]


# -- advice ------------------------------------------------------------------------------------------------------------


def test_advice_is_given_once_until_the_need_ends_and_once_an_hour() -> None:
    one = case(sampling=Sampling.ON_INCIDENT, mode=Mode.ADVISE, needs=INCIDENT)
    told = []
    state = one.state
    for at, needs in ((0, INCIDENT), (60, INCIDENT), (120, {}), (180, INCIDENT), (240, {}), (3_600, INCIDENT)):
        made = only(replace(one, state=state, needs=needs), surveyed(), now=NOON + at)
        told.append(len(made.decisions))
        assert bool(made.lost) == bool(needs)
        state = made.state
    assert told == [1, 0, 0, 0, 0, 1]
    assert not state.samplers[""].is_ours


def test_advice_to_a_need_that_came_back_soon_is_not_repeated_later() -> None:
    one = case(sampling=Sampling.ON_INCIDENT, mode=Mode.ADVISE, needs=INCIDENT)
    told = []
    state = one.state
    for at, needs in ((0, INCIDENT), (60, {}), (120, INCIDENT), (3_600, INCIDENT)):
        made = only(replace(one, state=state, needs=needs), surveyed(), now=NOON + at)
        told.append(len(made.decisions))
        state = made.state
    assert told == [1, 0, 0, 0]


@pytest.mark.parametrize(
    "survey",
    [
        pytest.param(None, id="while the Region is not surveyed"),
        pytest.param(surveyed({"": COMING}), id="while another hand is switching"),
        pytest.param(surveyed({"": KEYS}), id="while another hand samples throttled keys"),
    ],
)
def test_a_need_that_ends_unseen_ends_the_advice_too(survey: Survey | None) -> None:
    advised = SamplerState(advised=FULL)
    made = only(case(sampling=Sampling.ON_INCIDENT, mode=Mode.ADVISE, samplers={"": advised}), survey)
    assert made.state.samplers == {}


def test_advice_takes_neither_rules_nor_dollars_from_those_that_act() -> None:
    limits = SamplingLimits(rules=4, usd_per_day=0.5)
    events = {"": 400_000.0}  # $0.36 a window
    cases = [
        case("a", sampling=Sampling.ON_INCIDENT, mode=Mode.ADVISE, needs={"": 90.0}, events=events),
        case("b", sampling=Sampling.ON_INCIDENT, needs={"": 10.0}, events=events),
        case("c", sampling=Sampling.ON_INCIDENT, mode=Mode.ADVISE, needs={"": 5.0}, events=events),
    ]
    made = plan(NOON, limits, surveyed(), cases)
    assert [len(made[key(name)].actions) for name in "abc"] == [1, 1, 0]
    assert [decision.reason for decision in made[key("c")].decisions] == [Reason.HOLD_SAMPLING_COST]
