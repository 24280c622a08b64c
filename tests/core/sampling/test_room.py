"""What a Region has to give: rules, turns and the day's dollars; and who goes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tests.core.sampling.sampling_cases import (
    ALL,
    COMING,
    FULL,
    HOUR,
    INCIDENT,
    KEYS,
    LIMITS,
    MIDNIGHT,
    NOON,
    OFF,
    OURS,
    THROTTLED,
    case,
    described,
    key,
    only,
    ours_full,
    surveyed,
)
from watcher.core.insights import Place, Sampler, SamplerMode, Sampling, Survey
from watcher.core.model import (
    TableKey,
)
from watcher.core.reasons import Mode, Reason
from watcher.core.sampling import SamplingCase, SamplingLimits, SamplingPlan, mode_rules, monthly_dollars, plan
from watcher.core.state import SamplerState

# -- rules, dollars, turns ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "has_sort", "rules"),
    [
        pytest.param(OFF, True, 0, id="off takes none"),
        pytest.param(THROTTLED, False, 1, id="throttled keys, partition key only"),
        pytest.param(THROTTLED, True, 2, id="throttled keys, with a sort key"),
        pytest.param(FULL, False, 2, id="all keys, partition key only"),
        pytest.param(FULL, True, 4, id="all keys, with a sort key"),
    ],
)
def test_rules_of_a_mode(mode: SamplerMode, has_sort: bool, rules: int) -> None:  # noqa: FBT001  # a table's column
    assert mode_rules(mode, has_sort) == rules


def test_a_month_costs_its_rules_and_its_events() -> None:
    assert monthly_dollars(4, 0) == 2.0
    # 10,000 requests a second all month, with a sort key: some 52.6 billion events.
    assert monthly_dollars(4, 10_000 * 2 * 43_800 * 60) == pytest.approx(2 + 1_576.8)


@pytest.mark.parametrize(
    ("one", "rules", "is_on"),
    [
        pytest.param(case(), 98, True, id="two left, two taken"),
        pytest.param(case(), 99, False, id="one left, two taken"),
        pytest.param(case(sort=""), 99, True, id="one left, without a sort key one taken"),
        pytest.param(case(sort=""), 100, False, id="none left"),
        pytest.param(case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT), 96, True, id="full mode takes four"),
        pytest.param(case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT), 97, False, id="and not three"),
        pytest.param(
            replace(case(sort=""), description=described(schemas=False)),
            99,
            False,
            id="an unknown key may have a sort key",
        ),
        pytest.param(case(), 250, False, id="the quota is overdrawn"),
    ],
)
def test_the_quota(one: SamplingCase, rules: int, is_on: bool) -> None:  # noqa: FBT001  # a table's column
    assert bool(only(one, surveyed(rules=rules)).actions) == is_on


@pytest.mark.parametrize(
    ("others", "is_on"),
    [
        # 49 x 2 and 98 leave two of the hundred, which throttled keys with a sort key take.
        pytest.param({f"t{at}": ALL for at in range(49)}, True, id="49 strange tables with all keys: 98 at least"),
        pytest.param({f"t{at}": ALL for at in range(50)}, False, id="50 of them: 100 at least"),
        pytest.param({f"t{at}": KEYS for at in range(98)}, True, id="98 with throttled keys: 98 at least"),
        pytest.param({f"t{at}": KEYS for at in range(99)}, False, id="99 of them: 99 at least"),
    ],
)
def test_what_is_on_has_rules_whether_cloudwatch_counts_them_or_not(
    others: Mapping[str, Sampler],
    is_on: bool,  # noqa: FBT001  # a table's column
) -> None:
    survey = replace(surveyed(rules=0), samplers={Place(name): sampler for name, sampler in others.items()})
    assert bool(only(case(), survey).actions) == is_on


def names(plans: Mapping[TableKey, SamplingPlan], *, on: bool = True) -> list[str]:
    actions = [action for made in plans.values() for action in made.actions]
    return sorted(a.table.name for a in actions if a.switch is not None and (a.switch.after is not OFF) == on)


@pytest.mark.parametrize(
    ("cases", "first"),
    [
        pytest.param(
            [
                case("a", needs={"": 900.0}),
                case("b", sampling=Sampling.ON_INCIDENT, needs={"": 1.0}),
            ],
            "b",
            id="full mode comes before throttled keys",
        ),
        pytest.param(
            [
                case("a", sampling=Sampling.ON_INCIDENT, needs={"": 10.0}),
                case("b", sampling=Sampling.ON_INCIDENT, needs={"": 11.0}),
            ],
            "b",
            id="the most throttled first",
        ),
        pytest.param([case("a"), case("b", needs={"": 1.0})], "b", id="what throttles before what does not"),
        pytest.param([case("a", mode=Mode.ADVISE), case("b")], "b", id="act mode before advice"),
        pytest.param([case("a", events={"": 1.0}), case("b", events={"": 2.0})], "b", id="the busier"),
        pytest.param([case("b"), case("a")], "a", id="by name when all else is equal"),
    ],
)
def test_who_goes_first(cases: Sequence[SamplingCase], first: str) -> None:
    made = plan(NOON, SamplingLimits(switches=1), surveyed(), cases)
    assert names(made) == [first]
    (other,) = [one.key for one in cases if one.key.name != first]
    assert "has its turn" in made[other].lost[""]
    assert made[other].decisions == ()


@pytest.mark.parametrize(
    ("switches_allowed", "back", "on"),
    [
        pytest.param(3, 2, 1, id="put-backs come first"),
        pytest.param(2, 2, 0, id="and may take all turns"),
        pytest.param(1, 2, 0, id="and are never held back"),
    ],
)
def test_so_many_switches_in_a_cycle(switches_allowed: int, back: int, on: int) -> None:
    cases = [case(name, sampling=Sampling.OFF, samplers={"": OURS}) for name in "ab"] + [case("c"), case("d")]
    survey = Survey(NOON, {Place("a"): KEYS, Place("b"): KEYS}, 4)
    made = plan(NOON, SamplingLimits(switches=switches_allowed), survey, cases)
    assert (len(names(made, on=False)), len(names(made))) == (back, on)


def test_rules_that_are_put_back_are_free_in_the_next_cycle_only() -> None:
    cases = [case("a", sampling=Sampling.OFF, samplers={"": OURS}), case("b")]
    made = plan(NOON, SamplingLimits(rules=2), Survey(NOON, {Place("a"): KEYS}, 2), cases)
    assert (names(made, on=False), names(made)) == (["a"], [])
    assert made[key("b")].decisions == ()
    assert "freed" in made[key("b")].lost[""]


def test_what_was_switched_on_since_the_survey_counts() -> None:
    asked = replace(OURS, set_at=NOON, in_force=True)
    cases = [case("a", samplers={"": asked}), case("b")]
    made = plan(NOON + 60, SamplingLimits(rules=3), Survey(NOON - 200, {}, 0), cases)
    assert names(made) == []
    assert [decision.reason for decision in made[key("b")].decisions] == [Reason.HOLD_SAMPLING_QUOTA]
    assert names(plan(NOON + 60, SamplingLimits(rules=4), Survey(NOON - 200, {}, 0), cases)) == ["b"]


def test_what_is_just_being_switched_on_may_not_be_counted_yet() -> None:
    survey = Survey(NOON, {Place("x"): COMING}, 0)
    waits = plan(NOON, SamplingLimits(rules=3), survey, [case("b")])
    assert names(waits) == []
    assert waits[key("b")].decisions == ()
    assert names(plan(NOON, SamplingLimits(rules=4), survey, [case("b")])) == ["b"]


# -- giving way --------------------------------------------------------------------------------------------------------


def crowd(**of_a: object) -> list[SamplingCase]:
    """Two calm tables of ours in throttled mode, a the calmer, and one in need of full mode; the quota is used up."""
    return [
        replace(case("a", samplers={"": OURS}, events={"": 1.0}), **of_a),  # type: ignore[arg-type]  # the caller's
        case("b", samplers={"": OURS}, events={"": 2.0}),
        case("c", sampling=Sampling.ON_INCIDENT, needs=INCIDENT),
    ]


ALL_ON = {Place("a"): KEYS, Place("b"): KEYS}


@pytest.mark.parametrize(
    ("rules", "cases", "back"),
    [
        pytest.param(96, crowd(), [], id="there is room: nobody gives way"),
        pytest.param(98, crowd(), ["a"], id="two missing: the calmest gives way"),
        pytest.param(99, crowd(), ["a", "b"], id="three missing: both do"),
        pytest.param(101, crowd(), [], id="five missing: in vain, so nobody does"),
        pytest.param(
            98,
            crowd(state=case("a", samplers={"": replace(OURS, set_at=NOON - 3600)}).state),
            ["a"],
            id="on for an hour: may give way",
        ),
        pytest.param(
            98,
            crowd(state=case("a", samplers={"": replace(OURS, set_at=NOON - 3599)}).state),
            ["b"],
            id="on for a second less: the next one does",
        ),
        pytest.param(98, crowd(needs={"": 1.0}), ["b"], id="one that throttles itself does not"),
        pytest.param(98, crowd(unseen=True), ["b"], id="nor one that was not looked at, which may throttle"),
        pytest.param(98, crowd(state=case("a").state), ["b"], id="nor one of another hand"),
    ],
)
def test_who_gives_way(rules: int, cases: Sequence[SamplingCase], back: list[str]) -> None:
    made = plan(NOON, LIMITS, Survey(NOON, ALL_ON, rules), cases)
    assert names(made, on=False) == back
    assert names(made) == (["c"] if rules == 96 else [])
    if back:
        assert "freed" in made[key("c")].lost[""]
        assert "its rules go to c, which throttles" in made[key(back[0])].decisions[0].sentence


@pytest.mark.parametrize(
    ("switches", "back"),
    [
        pytest.param(0, [], id="nothing may be switched on: nobody gives way in vain"),
        pytest.param(1, ["a"], id="one switch: the calmest does"),
    ],
)
def test_nobody_gives_way_where_nothing_is_switched_on(switches: int, back: list[str]) -> None:
    made = plan(NOON, SamplingLimits(switches=switches), Survey(NOON, ALL_ON, 98), crowd())
    assert names(made, on=False) == back


def test_an_advice_makes_nobody_give_way() -> None:
    cases = [*crowd()[:2], case("c", sampling=Sampling.ON_INCIDENT, mode=Mode.ADVISE, needs=INCIDENT)]
    made = plan(NOON, LIMITS, Survey(NOON, ALL_ON, 99), cases)
    assert names(made, on=False) == []
    assert [decision.reason for decision in made[key("c")].decisions] == [Reason.HOLD_SAMPLING_QUOTA]


def test_a_calm_place_does_not_take_what_one_in_need_waits_for() -> None:
    cases = [*crowd(), case("d")]
    made = plan(NOON, LIMITS, Survey(NOON, ALL_ON, 98), cases)
    assert names(made) == []
    assert [decision.reason for decision in made[key("d")].decisions] == [Reason.HOLD_SAMPLING_QUOTA]


# -- dollars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "spent_day", "is_on"),
    [
        pytest.param(4.64, MIDNIGHT, True, id="4.64 of today and 0.36 more: just the limit"),
        pytest.param(4.65, MIDNIGHT, False, id="a cent too much"),
        pytest.param(4.65, MIDNIGHT - 86_400, True, id="what yesterday cost does not count"),
    ],
)
def test_the_days_dollars_are_of_the_whole_region(spent: float, spent_day: float, is_on: bool) -> None:  # noqa: FBT001
    other = case("other", samplers={"": SamplerState(spent=spent, spent_day=spent_day)})
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, events={"": 400_000.0})
    made = plan(NOON, LIMITS, surveyed(), [other, one])[key()]
    assert bool(made.actions) == is_on
    assert [decision.reason for decision in made.decisions] == [
        Reason.SAMPLE_FULL if is_on else Reason.HOLD_SAMPLING_COST
    ]


def test_two_windows_in_one_cycle_share_the_day() -> None:
    cases = [case(name, sampling=Sampling.ON_INCIDENT, needs=INCIDENT, events={"": 3_000_000.0}) for name in ("a", "b")]
    assert names(plan(NOON, LIMITS, surveyed(), cases)) == ["a"]


@pytest.mark.parametrize(
    ("events", "others", "spent", "goes_back"),
    [
        pytest.param(500_000.0, 0.0, 0.5, False, id="less than it was given: that stays set aside"),
        pytest.param(1_000_000.0, 0.0, 0.9, False, id="twice the traffic, and room for it: it is counted"),
        pytest.param(1_000_000.0, 4.1, 0.9, False, id="just the limit"),
        pytest.param(1_000_000.0, 4.11, 0.9, True, id="a cent more: back at once"),
        pytest.param(500_000.0, 4.9, 0.5, False, id="beyond the limit, but not by this place"),
        pytest.param(None, 4.9, 0.5, False, id="traffic that is not known is not priced"),
    ],
)
def test_full_mode_is_priced_anew_while_it_is_on(
    events: float | None,
    others: float,
    spent: float,
    goes_back: bool,  # noqa: FBT001  # a table's column
) -> None:
    other = case("other", samplers={"": SamplerState(spent=others, spent_day=MIDNIGHT)})
    one = case(
        sampling=Sampling.ON_INCIDENT,
        needs=INCIDENT,
        events={} if events is None else {"": events},
        samplers={"": ours_full()},
    )
    made = plan(NOON, LIMITS, surveyed({"": ALL}), [other, one])[key()]
    memory = made.state.samplers[""]
    assert memory.spent == pytest.approx(spent)
    assert memory.reserved == pytest.approx(spent)
    assert bool(made.actions) == goes_back
    assert [decision.sentence.partition(": ")[2] for decision in made.decisions] == (
        ["it costs more than expected, and today's dollars are spent"] if goes_back else []
    )


def test_what_cannot_be_put_back_yet_is_priced_when_it_can() -> None:
    one = case(
        sampling=Sampling.ON_INCIDENT, needs=INCIDENT, events={"": 9_000_000.0}, samplers={"": ours_full(NOON - 60)}
    )
    early = only(one, surveyed(at=NOON - 60))
    assert (early.actions, early.state.samplers[""].spent) == ((), 0.5)
    late = only(replace(one, state=early.state), surveyed({"": ALL}, at=NOON + 60), now=NOON + 60)
    assert len(late.actions) == 1


def test_what_grows_after_midnight_is_of_the_new_day() -> None:
    one = case(
        sampling=Sampling.ON_INCIDENT,
        needs=INCIDENT,
        events={"": 1_000_000.0},
        samplers={"": replace(ours_full(MIDNIGHT - 300), spent=4.9, spent_day=MIDNIGHT - 86_400)},
    )
    memory = only(one, surveyed({"": ALL}, at=MIDNIGHT), now=MIDNIGHT).state.samplers[""]
    assert memory.spent == pytest.approx(0.4)
    assert memory.spent_day == MIDNIGHT


def test_a_new_day_begins_at_nothing() -> None:
    old = SamplerState(full_at=MIDNIGHT - HOUR, spent=4.9, spent_day=MIDNIGHT - 86_400)
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, samplers={"": old}, events={"": 400_000.0})
    made = only(one, surveyed(at=MIDNIGHT), now=MIDNIGHT)
    assert made.state.samplers[""].spent == pytest.approx(0.36)
    assert made.state.samplers[""].spent_day == MIDNIGHT


# -- advice ------------------------------------------------------------------------------------------------------------


def test_advices_fit_the_quota_all_together() -> None:
    cases = [case(name, mode=Mode.ADVISE) for name in "abc"]
    limits = SamplingLimits(rules=4)
    first = plan(NOON, limits, surveyed(), cases)
    assert names(first) == ["a", "b"]
    (held,) = first[key("c")].decisions
    assert (held.reason, held.evidence["used"]) == (Reason.HOLD_SAMPLING_QUOTA, 4)
    cases = [replace(one, state=first[one.key].state) for one in cases]
    second = plan(NOON + 60, limits, surveyed(at=NOON + 60), cases)
    assert [made.decisions for made in second.values()] == [(), (), ()]
    followed = Survey(NOON + 120, {Place("a"): KEYS}, 2)
    assert names(plan(NOON + 120, SamplingLimits(rules=6), followed, cases)) == ["c"]


def test_standing_advice_takes_nothing_from_those_that_act() -> None:
    cases = [case("a", mode=Mode.ADVISE, samplers={"": SamplerState(advised=THROTTLED)}), case("b")]
    assert names(plan(NOON, SamplingLimits(rules=2), surveyed(), cases)) == ["b"]


# -- not looked at -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "back"),
    [
        pytest.param(case(unseen=True), [], id="nothing is switched on"),
        pytest.param(case(unseen=True, mode=Mode.ADVISE), [], id="nor advised to"),
        pytest.param(
            case(unseen=True, sampling=Sampling.ON_INCIDENT, samplers={"": ours_full()}, events={"": 9e9}),
            [],
            id="whether the need is over, or traffic grew, is not known",
        ),
        pytest.param(
            case(unseen=True, sampling=Sampling.ON_INCIDENT, samplers={"": ours_full(NOON - 900)}),
            ["orders"],
            id="but its time is up all the same",
        ),
        pytest.param(
            case(unseen=True, sampling=Sampling.OFF, samplers={"": ours_full()}),
            ["orders"],
            id="and the config is known",
        ),
        pytest.param(
            case(unseen=True, left=True, samplers={"": ours_full()}), ["orders"], id="as when the table has left it"
        ),
    ],
)
def test_a_table_that_was_not_looked_at(one: SamplingCase, back: list[str]) -> None:
    survey = surveyed({"": ALL} if one.state.samplers else {})
    made = plan(NOON, LIMITS, survey, [one])
    assert (names(made), names(made, on=False)) == ([], back)
    assert len(made[key()].decisions) == len(back)


def test_the_dollars_of_a_table_that_was_not_looked_at_count() -> None:
    other = case("other", unseen=True, samplers={"": SamplerState(spent=4.65, spent_day=MIDNIGHT)})
    one = case(sampling=Sampling.ON_INCIDENT, needs=INCIDENT, events={"": 400_000.0})
    assert names(plan(NOON, LIMITS, surveyed(), [other, one])) == []
