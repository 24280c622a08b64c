"""What is asked of Contributor Insights in a pass: as little as will do, and never nothing where it matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from watcher.clock import SimulatedClock
from watcher.core.insights import (
    DISABLED,
    KeySample,
    KeyTrace,
    Place,
    Sampler,
    SamplerMode,
    SamplerStatus,
    Survey,
)
from watcher.core.model import Answer
from watcher.cycle_keys import Attention, KeyWatch
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

NOON = 1_790_000_040.0
ORDERS, USERS, BY_DAY = Place("orders"), Place("users"), Place("orders", "by-day")


def throttled(rule: str) -> Sampler:
    return Sampler(SamplerStatus.ENABLED, SamplerMode.THROTTLED, (rule,), updated=NOON - 7200)


def full(*rules: str) -> Sampler:
    return Sampler(SamplerStatus.ENABLED, SamplerMode.FULL, rules, updated=NOON - 7200)


@dataclass
class ScriptedInsights:
    """samplers: as AWS would describe them. peaks_of: the largest value by rule, 0 for none. errors: by method, asked
    before each call. asked: every call, in order."""

    samplers: dict[Place, Sampler] = field(default_factory=dict)
    peaks_of: dict[str, float] = field(default_factory=dict)
    busiest: float = 0.0
    incomplete: bool = False
    errors: dict[str, Callable[[], AwsError | None]] = field(default_factory=dict)
    asked: list[tuple[str, object]] = field(default_factory=list)

    def survey(self, now: float) -> Survey:
        self._note("survey", None)
        samplers = {place: replace(one, rules=()) for place, one in self.samplers.items() if one != DISABLED}
        return Survey(now, samplers, sum(len(one.rules) for one in self.samplers.values()))

    def describe(self, place: Place) -> Sampler:
        self._note("describe", place)
        return self.samplers.get(place, DISABLED)

    def peaks(self, rules: Sequence[str], start: float, end: float) -> Mapping[str, Answer]:
        self._note("peaks", tuple(rules))
        assert start % 60 == end % 60 == 0
        return {rule: Answer({int(start): value} if (value := self.peaks_of.get(rule, 0.0)) else {}) for rule in rules}

    def sample(self, place: Place, sampler: Sampler, rules: Sequence[str], start: float, end: float) -> KeySample:
        self._note("sample", (place, tuple(rules)))
        trace = KeyTrace("key:1", "1", "1", {int(start): self.busiest})
        return KeySample(start, end, sampler.mode, accessed=(trace,), complete=not self.incomplete)

    def _note(self, call: str, subject: object) -> None:
        self.asked.append((call, subject))
        error = self.errors.get(call, lambda: None)()
        if error is not None:
            raise error

    def calls(self, name: str) -> list[object]:
        return [subject for call, subject in self.asked if call == name]


@dataclass
class Bench:
    insights: ScriptedInsights
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(NOON))
    told: list[tuple[str, str]] = field(default_factory=list)
    attention: Attention = field(default_factory=Attention)
    watch: KeyWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = KeyWatch(self.insights, self.clock, lambda *told: self.told.append(told), self.attention)

    def look(
        self, heat: Mapping[Place, float] | None = None, *, surveying: bool = True, minutes: int = 0
    ) -> dict[str, dict[str, KeySample]]:
        self.clock.advance(minutes * 60.0)
        self.insights.asked.clear()
        return self.watch.look(self.clock.now(), heat or {}, [ORDERS, USERS, BY_DAY], surveying=surveying)


def denied() -> AwsError:
    return AwsDenied("not authorized", code="AccessDenied", operation="x", subject="y", hint="allow it")


def test_a_calm_region_costs_one_survey_in_five_minutes_and_a_description_of_what_samples() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}))

    assert bench.look() == {}
    assert [call for call, _ in bench.insights.asked] == ["survey", "describe"]
    for _ in range(4):
        assert bench.look(minutes=1) == {}
        assert bench.insights.asked == []
    bench.look(minutes=1)
    assert [call for call, _ in bench.insights.asked] == ["survey"]


def test_without_sampling_by_our_hand_nothing_is_surveyed() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}))

    assert bench.look(surveying=False) == {}
    assert bench.insights.asked == []
    assert bench.watch.survey is None


def test_once_nothing_is_sampled_by_our_hand_the_last_survey_counts_no_more() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}))
    bench.look()
    assert bench.watch.survey is not None

    bench.look(surveying=False, minutes=1)
    assert bench.watch.survey is None


def test_a_place_that_throttles_is_read_even_where_only_another_hand_samples() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}, {"r": 5.0}))

    found = bench.look({ORDERS: 30.0}, surveying=False)

    assert [call for call, _ in bench.insights.asked] == ["describe", "peaks", "sample"]
    assert found["orders"][""].mode is SamplerMode.THROTTLED
    assert (found["orders"][""].start, found["orders"][""].end) == (NOON // 60 * 60 + 60 - 3600, NOON // 60 * 60 + 60)


def test_reports_are_fetched_only_of_rules_that_have_something() -> None:
    bench = Bench(ScriptedInsights({ORDERS: full("pk", "sk"), USERS: throttled("u")}, {"pk": 5.0}))

    found = bench.look({ORDERS: 30.0, USERS: 10.0})

    assert bench.insights.calls("peaks") == [("pk", "sk", "u")]
    assert bench.insights.calls("sample") == [(ORDERS, ("pk",)), (USERS, ())]
    assert set(found) == {"orders", "users"}


def test_a_rule_whose_peak_is_not_known_is_fetched_all_the_same() -> None:
    class Partial(ScriptedInsights):
        def peaks(self, rules: Sequence[str], start: float, end: float) -> Mapping[str, Answer]:
            known = super().peaks(rules, start, end)
            return {rule: replace(known[rule], complete=False) for rule in ("pk",)}

    bench = Bench(Partial({ORDERS: full("pk", "sk")}))
    bench.look({ORDERS: 30.0})

    assert bench.insights.calls("sample") == [(ORDERS, ("pk", "sk"))]


@pytest.mark.parametrize(
    ("busiest", "seen"),
    [
        pytest.param(144_000.0, True, id="four fifths of a partition's 180,000 a minute: a warning"),
        pytest.param(143_999.0, False, id="just below: nothing to say"),
    ],
)
def test_where_all_keys_are_sampled_one_is_seen_coming(busiest: float, *, seen: bool) -> None:
    bench = Bench(ScriptedInsights({ORDERS: full("pk")}, {"pk": busiest}, busiest=busiest))

    assert bool(bench.look()) is seen
    assert bench.look(minutes=1) == {}  # with the sweep only
    assert bool(bench.look(minutes=4)) is seen


SILENCES = [
    pytest.param({}, "", id="sampling is off: the policy says what becomes of that"),
    pytest.param(
        {ORDERS: Sampler(SamplerStatus.ENABLING, SamplerMode.THROTTLED)}, "being switched on", id="being switched on"
    ),
    pytest.param(
        {ORDERS: Sampler(SamplerStatus.FAILED, failure="too many rules")}, "too many rules", id="failed, in AWS's words"
    ),
]


@pytest.mark.parametrize("surveying", [True, False])
@pytest.mark.parametrize(("samplers", "note"), SILENCES)
def test_a_place_that_throttles_and_tells_nothing_says_why(
    samplers: dict[Place, Sampler], note: str, *, surveying: bool
) -> None:
    sample = Bench(ScriptedInsights(samplers)).look({ORDERS: 30.0}, surveying=surveying)["orders"][""]

    assert sample.mode is SamplerMode.OFF
    assert note in sample.note
    assert not sample.complete


@pytest.mark.parametrize("call", ["describe", "peaks"])
@pytest.mark.parametrize(
    ("error", "note"),
    [
        pytest.param(denied(), "allow it", id="a permission is missing: the remedy"),
        pytest.param(
            AwsNotFound("no such table", code="ResourceNotFoundException", operation="x", subject="y"),
            "no such table",
            id="deleted meanwhile",
        ),
        pytest.param(
            AwsUnavailable("timed out", code="Timeout", operation="x", subject="y"), "timed out", id="no answer"
        ),
    ],
)
def test_what_cannot_be_read_is_said(call: str, error: AwsError, note: str) -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}, {"r": 1.0}, errors={call: lambda: error}))

    sample = bench.look({ORDERS: 30.0}, surveying=False)["orders"][""]

    assert note in sample.note
    assert not sample.complete


def test_a_survey_that_fails_is_told_and_reading_goes_on() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}, {"r": 1.0}, errors={"survey": denied}))

    found = bench.look({ORDERS: 30.0})

    assert [event for event, _ in bench.told] == ["insights.unreadable"]
    assert bench.watch.survey is None
    assert found["orders"][""].mode is SamplerMode.THROTTLED


def test_a_switch_of_ours_is_described_until_it_is_finished_without_another_survey() -> None:
    bench = Bench(ScriptedInsights({}))
    bench.look()
    bench.insights.samplers[ORDERS] = Sampler(SamplerStatus.ENABLING, SamplerMode.FULL, ("a", "b"))
    bench.watch.switched(ORDERS)

    bench.look(minutes=1)
    assert bench.insights.calls("survey") == []
    assert bench.watch.survey is not None
    assert bench.watch.survey.sampler(ORDERS).status is SamplerStatus.ENABLING
    assert bench.watch.survey.rules == 2

    bench.insights.samplers[ORDERS] = full("a", "b")
    bench.look(minutes=1)
    assert bench.watch.survey.sampler(ORDERS).is_reading
    assert bench.watch.survey.rules == 2
    assert bench.watch.survey.at == bench.clock.now()
    bench.look(minutes=1)
    assert bench.insights.asked == []


def test_rules_that_we_give_back_are_free_at_once() -> None:
    bench = Bench(ScriptedInsights({ORDERS: full("a", "b", "c", "d")}))
    bench.look()
    bench.insights.samplers[ORDERS] = DISABLED
    bench.watch.switched(ORDERS)

    bench.look(minutes=1)

    assert bench.watch.survey is not None
    assert bench.watch.survey.rules == 0


def test_what_was_switched_and_cannot_be_described_yet_is_shown_as_being_switched() -> None:
    bench = Bench(ScriptedInsights({}), attention=Attention(describes=1))
    bench.look()
    for place in (ORDERS, USERS):
        bench.insights.samplers[place] = throttled("r")
        bench.watch.switched(place)

    bench.look(minutes=1)
    survey = bench.watch.survey
    assert survey is not None
    assert survey.sampler(ORDERS).is_reading
    assert survey.sampler(USERS).status is SamplerStatus.ENABLING

    bench.insights.errors["describe"] = denied
    bench.look(minutes=1)
    assert bench.watch.survey is not None
    assert bench.watch.survey.sampler(USERS).status is SamplerStatus.ENABLING


def test_what_was_switched_and_described_elsewhere_still_adds_to_the_count_once() -> None:
    """Described as one that throttles while it is still being switched, and again when the survey is brought up."""
    bench = Bench(ScriptedInsights({}), attention=Attention(describes=2))
    bench.look()
    bench.insights.samplers[ORDERS] = Sampler(SamplerStatus.ENABLING, SamplerMode.FULL, ("a", "b"))
    bench.watch.switched(ORDERS)
    for _ in range(2):
        bench.look({ORDERS: 5.0}, minutes=1)
    bench.insights.samplers[ORDERS] = full("a", "b")
    bench.look({ORDERS: 5.0}, minutes=1)

    assert bench.watch.survey is not None
    assert bench.watch.survey.rules == 2


def test_a_survey_that_fails_is_not_tried_again_before_its_turn() -> None:
    bench = Bench(ScriptedInsights({}, errors={"survey": denied}))
    bench.look()
    for _ in range(4):
        bench.look(minutes=1)
        assert bench.insights.calls("survey") == []
    bench.look(minutes=1)
    assert bench.insights.calls("survey") == [None]


def test_everybody_has_a_turn() -> None:
    places = [Place(f"t{number}") for number in range(6)]
    insights = ScriptedInsights({place: throttled(place.table) for place in places}, {p.table: 1.0 for p in places})
    bench = Bench(insights, attention=Attention(places=2))
    heat = {place: 100.0 - number for number, place in enumerate(places)}
    read: set[object] = set()
    for _ in range(6):
        bench.clock.advance(60)
        insights.asked.clear()
        bench.watch.look(bench.clock.now(), heat, places, surveying=False)
        read.update(place for place, _ in cast("list[tuple[Place, object]]", insights.calls("sample")))

    assert read == set(places)


@dataclass
class Stopwatch:
    """Real seconds, each call of Contributor Insights taking so many."""

    insights: ScriptedInsights
    each: float

    def __call__(self) -> float:
        return len(self.insights.asked) * self.each


@pytest.mark.parametrize(
    ("each", "samples", "paused"),
    [
        pytest.param(0.1, 3, False, id="quick: all are read"),
        pytest.param(2.1, 0, False, id="2.1 s a call: three describes and the peaks take its 8 s"),
        pytest.param(8.0, 0, True, id="8 s a call: it pauses for five minutes, capacity must not wait"),
    ],
)
def test_reading_does_not_hold_up_capacity(each: float, samples: int, *, paused: bool) -> None:
    places = [ORDERS, USERS, BY_DAY]
    insights = ScriptedInsights({place: throttled(str(place)) for place in places}, {str(p): 1.0 for p in places})
    bench = Bench(insights)
    bench.watch.seconds = Stopwatch(insights, each)

    found = bench.look(dict.fromkeys(places, 5.0), surveying=False)
    assert len(insights.calls("sample")) == samples
    assert samples or "its turn comes" in found["users"][""].note

    bench.look(dict.fromkeys(places, 5.0), surveying=False, minutes=1)
    assert (insights.asked == []) is paused
    assert [event for event, _ in bench.told] == (["insights.slow"] if paused else [])
    bench.look(dict.fromkeys(places, 5.0), surveying=False, minutes=5)
    assert insights.asked != []


def test_a_watcher_that_stops_begins_nothing() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}, {"r": 1.0}))
    bench.watch.stopping = lambda: True

    bench.look({ORDERS: 5.0}, surveying=False)
    assert bench.insights.asked == []


def test_samples_are_forgotten_when_keys_may_be_shown_otherwise() -> None:
    bench = Bench(ScriptedInsights({ORDERS: full("r")}, {"r": 1.0}))
    bench.look({ORDERS: 5.0})
    bench.insights.samplers.clear()
    bench.watch.switched(ORDERS)
    bench.watch.forget_samples()

    assert bench.look({ORDERS: 5.0}, minutes=1)["orders"][""].accessed == ()


def test_an_incomplete_sample_makes_the_place_be_described_anew() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("old")}, {"old": 1.0, "new": 1.0}, incomplete=True))
    bench.look({ORDERS: 1.0}, surveying=False)
    bench.insights.samplers[ORDERS] = throttled("new")
    bench.insights.incomplete = False

    bench.look({ORDERS: 1.0}, surveying=False, minutes=1)

    assert bench.insights.calls("sample") == [(ORDERS, ("new",))]


def test_what_throttles_most_is_asked_first_where_not_all_can_be() -> None:
    insights = ScriptedInsights({ORDERS: throttled("o"), USERS: throttled("u"), BY_DAY: throttled("b")}, {"u": 1.0})
    bench = Bench(insights, attention=Attention(describes=1))

    found = bench.look({ORDERS: 5.0, USERS: 50.0, BY_DAY: 5.0}, surveying=False)

    assert insights.calls("describe") == [USERS]
    assert "its turn comes" in found["orders"][""].note
    assert "its turn comes" in found["orders"]["by-day"].note


def test_a_sample_holds_while_others_have_their_turn() -> None:
    insights = ScriptedInsights({ORDERS: throttled("o"), USERS: throttled("u")}, {"o": 1.0, "u": 1.0})
    bench = Bench(insights, attention=Attention(places=1))
    first = bench.look({ORDERS: 5.0}, surveying=False)["orders"][""]

    later = bench.look({ORDERS: 5.0, USERS: 50.0}, surveying=False, minutes=1)

    assert later["orders"][""] == first
    assert later["users"][""].mode is SamplerMode.THROTTLED


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        pytest.param(61, True, id="for an hour from the minute it was read in"),
        pytest.param(62, False, id="and no longer"),
    ],
)
def test_what_was_seen_is_told_on_after_sampling_has_ended(minutes: int, *, told: bool) -> None:
    bench = Bench(ScriptedInsights({ORDERS: full("r")}, {"r": 1.0}))
    seen = bench.look({ORDERS: 5.0})["orders"][""]
    bench.insights.samplers.clear()
    bench.watch.switched(ORDERS)

    assert (bench.look({ORDERS: 5.0}, minutes=minutes)["orders"][""] == seen) is told


def test_the_next_trouble_is_not_told_by_the_keys_of_the_last() -> None:
    bench = Bench(ScriptedInsights({ORDERS: full("r")}, {"r": 1.0}))
    bench.look({ORDERS: 5.0})
    bench.insights.samplers.clear()
    bench.watch.switched(ORDERS)

    bench.look(minutes=1)  # calm
    assert bench.look({ORDERS: 5.0}, minutes=1)["orders"][""].mode is SamplerMode.OFF


def test_a_description_that_is_old_is_better_than_none() -> None:
    insights = ScriptedInsights({ORDERS: throttled("o"), USERS: throttled("u")}, {"o": 1.0, "u": 1.0})
    bench = Bench(insights, attention=Attention(describes=1))
    bench.look({ORDERS: 5.0}, surveying=False)
    bench.look({ORDERS: 5.0, USERS: 1.0}, surveying=False, minutes=1)

    found = bench.look({ORDERS: 5.0, USERS: 9.0}, surveying=False, minutes=5)

    assert insights.calls("describe") == [USERS]
    assert {place for place, _ in cast("list[tuple[Place, object]]", insights.calls("sample"))} == {ORDERS, USERS}
    assert found["orders"][""].mode is found["users"][""].mode is SamplerMode.THROTTLED


def test_a_place_that_is_watched_no_longer_is_forgotten() -> None:
    bench = Bench(ScriptedInsights({ORDERS: throttled("r")}, {"r": 1.0}))
    bench.look({ORDERS: 1.0})

    bench.insights.asked.clear()
    bench.watch.look(bench.clock.now() + 60, {}, [USERS], surveying=True)
    bench.look({ORDERS: 1.0}, minutes=1)

    assert bench.insights.calls("describe") == [ORDERS]
