"""The verdict on hot keys through a step: judged once, shown everywhere, told when it is news."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import INDEX_WRITE, NOON, ago, observed, only, run, table, throughput
from watcher.core.hot_keys import KeyVerdict
from watcher.core.hot_keys.news import REMEMBERED, findings, hottest, news
from watcher.core.insights import KeySample, KeyTrace, SamplerMode
from watcher.core.model import TABLE_WRITE, Decision, Dimension, TableObservation
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Cause, IncidentState, Reason
from watcher.core.result import StepResult
from watcher.core.state import KeyMark, TableState

INDEX = INDEX_WRITE.index
INDEXED = table(index=throughput())


def trace(label: str, events: float) -> KeyTrace:
    """Throttled as often in each of the last five minutes."""
    return KeyTrace(label, label, label, {ago(minute): events for minute in range(1, 6)})


def named(*keys: tuple[str, float]) -> KeySample:
    traces = tuple(trace(label, events) for label, events in keys)
    return KeySample(NOON - 3600, NOON, SamplerMode.THROTTLED, throttled=traces, since=NOON - 86_400)


ONE = named(("key:a", 300))
OTHER = named(("key:b", 300))
FEW = named(("key:a", 100), ("key:b", 100), ("key:c", 100))
UNREAD = KeySample(NOON, NOON, note="no permission", complete=False)


def heated(sample: KeySample | None, events: float = 300.0, dimension: Dimension = TABLE_WRITE) -> TableObservation:
    causes = {(dimension, Cause.KEY_RANGE): dict.fromkeys(range(1, 6), events)} if events else {}
    return observed(INDEXED, causes=causes, hot_keys={} if sample is None else {dimension.index: sample})


def told(result: StepResult) -> list[Decision]:
    return [one for one in result.explanation.new_decisions if one.reason is Reason.HOT_KEYS]


def test_the_same_verdict_is_in_the_alert_the_explanation_and_history() -> None:
    result = run(heated(ONE))
    finding = result.explanation.hot_keys[""]
    alert, (decision,) = only(result.alerts), told(result)

    assert finding.verdict is KeyVerdict.ONE_KEY
    assert dict(alert.facts)["hot keys"] == finding.sentence
    assert alert.todo == finding.todo
    assert decision.sentence == f"one-key: {finding.sentence}"
    assert (decision.noun, decision.before, decision.after) == ("table", 0, 0)


def test_a_verdict_on_an_index_is_the_index_s() -> None:
    result = run(heated(ONE, dimension=INDEX_WRITE))

    assert result.explanation.hot_keys[INDEX].verdict is KeyVerdict.INDEX_KEY
    (decision,) = told(result)
    assert decision.noun == "index by-customer"
    assert "hot keys of index by-customer" in dict(only(result.alerts).facts)


def test_keys_of_an_index_that_is_gone_are_nobodys() -> None:
    seen = replace(heated(ONE), hot_keys={"gone": ONE})
    assert run(seen).explanation.hot_keys == {}


def at(seconds: float, verdict: str, hottest: str, **told: tuple[str, ...]) -> KeyMark:
    """A verdict told so many seconds ago. told: by the verdict's word, written as Python can."""
    return KeyMark(verdict, hottest, NOON - seconds, {word.replace("_", "-"): keys for word, keys in told.items()})


def open_since(seconds: float, mark: KeyMark | None = None) -> TableState:
    incident = run(heated(None)).state.incident
    assert incident is not None
    incident = replace(incident, opened_at=NOON - seconds)
    return TableState(incident=incident, hot_keys={} if mark is None else {"": mark})


@pytest.mark.parametrize(
    ("last", "sample", "news"),
    [
        pytest.param(None, ONE, True, id="the first verdict"),
        pytest.param(at(60, "one-key", "key:a", one_key=("key:a",)), ONE, False, id="the same verdict on the same key"),
        pytest.param(at(60, "one-key", "key:a", one_key=("key:a",)), OTHER, False, id="another key, so soon"),
        pytest.param(at(1799, "one-key", "key:a", one_key=("key:a",)), OTHER, False, id="another key before the pause"),
        pytest.param(at(1800, "one-key", "key:a", one_key=("key:a",)), OTHER, True, id="another key after the pause"),
        pytest.param(at(60, "one-key", "key:a", one_key=("key:a",)), FEW, True, id="a new verdict, at once"),
        pytest.param(
            at(60, "one-key", "key:a", one_key=("key:a",), few_keys=("key:a",)),
            FEW,
            False,
            id="a verdict that comes back",
        ),
        pytest.param(
            at(7000, "one-key", "key:a", one_key=("key:a",), few_keys=("key:a",)),
            FEW,
            False,
            id="a verdict that comes back after hours",
        ),
        pytest.param(
            at(1799, "one-key", "key:a", one_key=("key:a",), few_keys=("key:b",)),
            FEW,
            False,
            id="a verdict that comes back on another key, before the pause",
        ),
        pytest.param(
            at(1800, "one-key", "key:a", one_key=("key:a",), few_keys=("key:b",)),
            FEW,
            True,
            id="a verdict that comes back on another key, after the pause",
        ),
        pytest.param(None, UNREAD, True, id="that nothing can be said, where nothing was"),
        pytest.param(
            at(7000, "one-key", "key:a", one_key=("key:a",)), UNREAD, False, id="that nothing can be said any more"
        ),
        pytest.param(at(60, "unknown", "", unknown=("",)), ONE, True, id="a key, at once, where nothing could be said"),
    ],
)
def test_what_is_news_within_an_incident(last: KeyMark | None, sample: KeySample, *, news: bool) -> None:
    state = open_since(7200, last)
    result = run(heated(sample), state=state)

    assert bool(told(result)) is news
    if not news:
        assert result.state.hot_keys == state.hot_keys


@pytest.mark.parametrize(
    ("seconds", "sample", "news"),
    [
        pytest.param(601, OTHER, True, id="another key than before the incident, at once"),
        pytest.param(600, OTHER, False, id="another key than in it"),
        pytest.param(601, FEW, True, id="a verdict that the incident before had"),
        pytest.param(600, FEW, False, id="a verdict that this incident had"),
        pytest.param(601, ONE, False, id="what stands as it was told last"),
    ],
)
def test_each_incident_is_told_anew(seconds: float, sample: KeySample, *, news: bool) -> None:
    last = at(seconds, "one-key", "key:a", one_key=("key:a",), few_keys=("key:a",))
    result = run(heated(sample), state=open_since(600, last))

    assert bool(told(result)) is news
    if news:
        assert [len(keys) for keys in result.state.hot_keys[""].told.values()] == [1]


@pytest.mark.parametrize("sample", [pytest.param(OTHER, id="another key"), pytest.param(FEW, id="a verdict told")])
def test_what_is_too_little_for_an_incident_does_not_fill_history_either(sample: KeySample) -> None:
    last = at(60, "one-key", "key:a", one_key=("key:a",), few_keys=("key:a",))
    found = run(heated(sample)).explanation.hot_keys
    assert news(NOON, TablePolicy(), INDEXED, TableState(hot_keys={"": last}), found) == ([], {"": last})


@pytest.mark.parametrize(
    ("period", "keys", "expected"),
    [
        pytest.param(1, 2, 2, id="two keys in turns of a minute: each once"),
        pytest.param(10, 3, 3, id="three keys in turns of ten minutes: each once"),
        pytest.param(1, 720, 24, id="another key every minute: each half hour"),
    ],
)
def test_half_a_day_of_unsteady_keys_does_not_fill_history(period: int, keys: int, expected: int) -> None:
    steady = run(heated(ONE)).explanation.hot_keys[""]
    state, decisions = open_since(0), []
    for minute in range(720):
        hottest = replace(steady.keys[0], key=f"key:{minute // period % keys}")
        found = {"": replace(steady, keys=(hottest,))}
        new, marks = news(NOON + 60.0 * minute, TablePolicy(), INDEXED, state, found)
        decisions += new
        state = replace(state, hot_keys=marks)

    assert len(decisions) == expected


def test_of_a_key_that_moves_for_days_the_newest_are_remembered() -> None:
    several = tuple(f"key:{number}" for number in range(REMEMBERED))
    state = open_since(7200, KeyMark("one-key", several[-1], NOON - 3600, {"few-keys": ("",), "one-key": several}))
    mark = run(heated(OTHER), state=state).state.hot_keys[""]

    assert mark.told == {"few-keys": ("",), "one-key": (*several[1:], "key:b")}


def test_what_was_told_is_remembered_and_forgotten_with_the_incident() -> None:
    first = run(heated(ONE))
    assert first.state.hot_keys == {"": KeyMark("one-key", "key:a", NOON, {"one-key": ("key:a",)})}

    silent = run(heated(None, events=0), state=first.state, now=NOON + 300)
    assert silent.state.incident is not None
    assert silent.state.hot_keys == first.state.hot_keys

    over = run(heated(None, events=0), state=TableState(hot_keys=first.state.hot_keys))
    assert over.state.hot_keys == {}


def test_keys_found_after_the_first_message_get_one_of_their_own() -> None:
    first = run(heated(None))
    second = run(heated(ONE), state=first.state)
    third = run(heated(ONE), state=second.state)

    alert = only(second.alerts)
    assert (alert.state, alert.sequence) == (IncidentState.OPEN, 2)
    assert alert.incident == only(first.alerts).incident
    assert "key:a" in dict(alert.facts)["keys"]
    assert third.alerts == ()


def test_keys_named_in_the_first_message_need_no_second_one() -> None:
    first = run(heated(ONE))
    assert first.state.incident is not None
    assert first.state.incident.named == ("one-key",)
    assert run(heated(ONE), state=first.state).alerts == ()


def test_a_worse_message_that_names_the_keys_names_them_for_good() -> None:
    first = run(heated(None))
    worse = run(heated(named(("key:a", 3000)), events=3000.0), state=first.state)

    assert only(worse.alerts).state is IncidentState.WORSENED
    assert worse.state.incident is not None
    assert worse.state.incident.named == ("one-key",)


def test_another_verdict_is_worth_a_message_and_each_only_one() -> None:
    first = run(heated(ONE))
    second = run(heated(FEW), state=first.state)
    third = run(heated(ONE), state=second.state)

    assert "few keys" in only(second.alerts).subject
    assert third.alerts == ()
    assert third.state.incident is not None
    assert third.state.incident.named == ("one-key", "few-keys")


def test_of_several_places_the_one_in_trouble_is_told_first() -> None:
    samples = {"": ONE, INDEX: OTHER}
    seen = replace(heated(ONE), hot_keys=samples)
    result = run(seen)
    found = findings(NOON, TablePolicy(), INDEXED, result.state.dimensions, samples)

    for index in ("", INDEX):
        first = hottest(found, index)
        assert first is not None
        assert first.place.index == index


def test_a_place_without_a_hot_key_is_not_the_hottest() -> None:
    result = run(heated(UNREAD))
    assert hottest(result.explanation.hot_keys, "") is None


@pytest.mark.parametrize(
    ("cause", "news"),
    [
        pytest.param(Cause.KEY_RANGE, True, id="a key range: who wants to know learns why not"),
        pytest.param(Cause.PROVISIONED, False, id="too little capacity: nobody asked"),
        pytest.param(Cause.ON_DEMAND_CAP, False, id="the owner's own cap: nobody asked"),
    ],
)
def test_that_nothing_is_known_is_news_only_where_a_key_would_explain_something(cause: Cause, *, news: bool) -> None:
    causes = {(TABLE_WRITE, cause): dict.fromkeys(range(1, 6), 300.0)}
    assert bool(told(run(observed(INDEXED, causes=causes, hot_keys={"": UNREAD})))) is news


def test_nor_where_no_cause_is_given_can_nothing_be_said_in_silence() -> None:
    seen = replace(observed(INDEXED, throttled={TABLE_WRITE: {5: 3000.0}}), hot_keys={"": UNREAD})
    result = run(seen)

    assert result.explanation.cause is Cause.UNCLASSIFIED
    assert told(result)
