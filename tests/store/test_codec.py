"""What is written is what is read, old documents are migrated, and nothing doubtful is taken for good."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store import samples, strategies
from watcher.core.model import Action, Alert, Change, Decision, Intent, Switch
from watcher.core.pauses import Pause
from watcher.core.reasons import Severity
from watcher.core.region_state import Folded, RegionState, Storm
from watcher.core.state import Blocked, DimensionState, Incident, KeyMark, Normal, Refusal, SamplerState, TableState
from watcher.errors import StoreError
from watcher.store.codec import ALERT, DECISION, INTENT, PAUSE, REGION, STATE, VERDICT, Format, Json, Verdict
from watcher.store.rules import without_caches

FORMATS: list[Format[Any]] = [STATE, DECISION, INTENT, VERDICT, ALERT, REGION, PAUSE]
VALUES: list[Any] = [
    samples.state(),
    samples.decision(),
    samples.intent(),
    Verdict(samples.settlement(samples.intent()).outcome, samples.T, "done"),
    samples.storm_alert(),
    samples.region_state(),
    samples.pause(),
]
EACH = pytest.mark.parametrize(
    ("form", "value"), [pytest.param(f, v, id=f.name) for f, v in zip(FORMATS, VALUES, strict=True)]
)


@settings(max_examples=100, deadline=None)
@given(strategies.STATES)
def test_a_state_comes_back_without_its_caches(state: TableState) -> None:
    assert STATE.decode(STATE.encode(state)) == without_caches(state)


@settings(max_examples=100, deadline=None)
@given(strategies.DECISIONS)
def test_a_decision_comes_back_whole(decision: Decision) -> None:
    back = DECISION.decode(DECISION.encode(decision))
    assert back == decision
    assert list(back.evidence) == list(decision.evidence)  # the reading order is part of the story


@settings(max_examples=100, deadline=None)
@given(strategies.INTENTS)
def test_an_intent_comes_back_whole(intent: Intent) -> None:
    assert INTENT.decode(INTENT.encode(intent)) == intent


@settings(max_examples=50, deadline=None)
@given(strategies.VERDICTS)
def test_a_verdict_comes_back_whole(verdict: Verdict) -> None:
    assert VERDICT.decode(VERDICT.encode(verdict)) == verdict


@settings(max_examples=100, deadline=None)
@given(strategies.ALERTS)
def test_an_alert_comes_back_whole(alert: Alert) -> None:
    assert ALERT.decode(ALERT.encode(alert)) == alert


@settings(max_examples=50, deadline=None)
@given(strategies.REGIONS)
def test_the_state_of_a_region_comes_back_whole(state: RegionState) -> None:
    assert REGION.decode(REGION.encode(state)) == state


@settings(max_examples=50, deadline=None)
@given(strategies.PAUSES)
def test_a_pause_comes_back_whole(pause: Pause) -> None:
    assert PAUSE.decode(PAUSE.encode(pause)) == pause


DIMENSION_CACHES = {"consumed", "requests", "throttled", "causes", "counted", "track", "learned"}
WRITTEN_STATE = json.loads(STATE.encode(samples.state()))
WRITTEN_REGION = json.loads(REGION.encode(samples.region_state()))
WRITTEN_ACTION = json.loads(INTENT.encode(samples.intent()))["action"]
WRITTEN_SWITCHING = json.loads(INTENT.encode(samples.switch_intent()))["action"]


@pytest.mark.parametrize(
    ("of", "written"),
    [
        (TableState, WRITTEN_STATE),
        (Normal, WRITTEN_STATE["latency"]["GetItem"]),
        (Incident, WRITTEN_STATE["last_incident"]),
        (Refusal, WRITTEN_STATE["refusal"]),
        (SamplerState, WRITTEN_STATE["samplers"][""] | WRITTEN_STATE["samplers"]["by-day"]),
        (KeyMark, WRITTEN_STATE["hot_keys"][""]),
        (Decision, json.loads(DECISION.encode(samples.decision()))),
        (Intent, json.loads(INTENT.encode(samples.intent()))),
        (Action, WRITTEN_SWITCHING),
        (Switch, WRITTEN_SWITCHING["switch"]),
        (Alert, json.loads(ALERT.encode(samples.storm_alert()))),
        (RegionState, WRITTEN_REGION),
        (Storm, WRITTEN_REGION["storm"]),
        (Folded, WRITTEN_REGION["storm"]["tables"]["orders"]),
        (Pause, json.loads(PAUSE.encode(samples.pause()))),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_field_added_to_the_domain_is_not_forgotten_here(of: Any, written: Json) -> None:  # noqa: ANN401 - a class
    assert written.keys() - {"v"} == {field.name for field in fields(of)}


@pytest.mark.parametrize(
    ("severity", "critical"),
    [
        pytest.param(Severity.CRITICAL, ("orders", "users"), id="of one that is critical, all its tables are"),
        pytest.param(Severity.WARNING, (), id="of one that warns, none is"),
    ],
)
def test_an_alert_written_before_tables_had_severities_of_their_own(
    severity: Severity, critical: tuple[str, ...]
) -> None:
    written = json.loads(ALERT.encode(replace(samples.storm_alert(), severity=severity, tables=("orders", "users"))))
    del written["critical"]
    assert ALERT.decode(json.dumps(written), "the alert").critical == critical


@pytest.mark.parametrize(
    ("of", "written", "caches"),
    [
        pytest.param(DimensionState, WRITTEN_STATE["dimensions"][1], DIMENSION_CACHES, id="a dimension's state"),
        pytest.param(Blocked, WRITTEN_STATE["blocked"][0], set(), id="a change that is held"),
        pytest.param(Change, WRITTEN_ACTION["changes"][0], {"dimension"}, id="a change"),
    ],
)
def test_what_belongs_to_a_dimension_is_written_beside_its_name(of: Any, written: Json, caches: set[str]) -> None:  # noqa: ANN401 - a class
    assert written.keys() - {"index", "kind"} == {field.name for field in fields(of)} - caches


def test_caches_are_not_written() -> None:
    assert json.loads(STATE.encode(samples.state_with_caches()))["dimensions"] == [{"index": "", "kind": "read"}]


@EACH
def test_every_document_carries_its_version(form: Format[Any], value: object) -> None:
    assert json.loads(form.encode(value))["v"] == 1


@pytest.mark.parametrize("sentence", ["\ud800", "\x00", "\U0001f4a1 \u2028"], ids=ascii)
def test_odd_text_is_written_as_ascii_and_comes_back(sentence: str) -> None:
    odd = samples.decision(sentence=sentence)
    assert DECISION.encode(odd).isascii()
    assert DECISION.decode(DECISION.encode(odd)) == odd


@EACH
def test_a_newer_version_is_refused_with_the_remedy(form: Format[Any], value: object) -> None:
    text = form.encode(value).replace('{"v":1', '{"v":2', 1)
    with pytest.raises(StoreError) as caught:
        form.decode(text, "state.db")
    assert str(caught.value) == (
        f"decoding of a {form.name} in state.db: its format is version 2, this watcher reads up to version 1 "
        "(upgrade the watcher, or move the state file away to start with an empty memory)"
    )


@EACH
def test_a_version_without_a_migration_is_refused(form: Format[Any], value: object) -> None:
    with pytest.raises(StoreError, match="version 0, older than any this watcher reads"):
        form.decode(form.encode(value).replace('{"v":1', '{"v":0', 1))


def test_older_documents_are_migrated_one_version_at_a_time() -> None:
    def say(document: Json) -> Json:  # version 0 called the sentence "text"
        return document | {"sentence": document.pop("text")}

    def spell(document: Json) -> Json:  # version -1 abbreviated the mode
        return document | {"mode": {"A": "act"}[document["mode"]]}

    form = replace(DECISION, migrations={0: say, -1: spell})
    oldest = json.loads(DECISION.encode(samples.decision())) | {"v": -1, "mode": "A"}
    oldest["text"] = oldest.pop("sentence")
    assert form.decode(json.dumps(oldest)) == samples.decision()
    assert form.decode(json.dumps(oldest | {"v": 0, "mode": "act"})) == samples.decision()


def test_a_hot_key_verdict_written_before_it_had_a_time_is_read_as_long_ago() -> None:
    older = WRITTEN_STATE | {"hot_keys": {"by-day": ["one-key", "key:a"]}}
    assert STATE.decode(json.dumps(older)).hot_keys == {"by-day": KeyMark("one-key", "key:a", at=0.0, told={})}


def test_an_incident_written_before_it_was_followed_is_due_no_reminder_for_the_time_before() -> None:
    newer = {"flaps", "closed_at", "followed_at", "retell", "bad_since"}
    older = {name: value for name, value in WRITTEN_STATE["incident"].items() if name not in newer}
    incident = STATE.decode(json.dumps(WRITTEN_STATE | {"incident": older})).incident
    assert incident == replace(
        samples.incident(), flaps=0, followed_at=samples.incident().last_bad, retell=False, bad_since=None
    )


@pytest.mark.parametrize("at", [True, "noon", None, []])
def test_a_hot_key_verdict_of_no_time_is_damage(at: object) -> None:
    mark = WRITTEN_STATE["hot_keys"][""] | {"at": at}
    with pytest.raises(StoreError, match="expected a number"):
        STATE.decode(json.dumps(WRITTEN_STATE | {"hot_keys": {"": mark}}))


def test_a_migration_that_stumbles_over_damage_says_so() -> None:
    form = replace(DECISION, migrations={0: lambda document: document | {"sentence": document["text"]}})
    with pytest.raises(StoreError, match="it is damaged: KeyError 'text'"):
        form.decode('{"v":0}')


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half an object"),
        pytest.param("[]", id="a list"),
        pytest.param("7", id="a number"),
        pytest.param("{}", id="no version"),
        pytest.param('{"v":"1"}', id="a version in words"),
        pytest.param('{"v":null}', id="no version at all"),
        pytest.param('{"v":1}', id="nothing but the version"),
    ],
)
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_what_is_not_a_document_is_damage(form: Format[Any], text: str) -> None:
    with pytest.raises(StoreError, match=r"it is damaged: .*restore a backup, or move the state file away"):
        form.decode(text)


@EACH
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_value_of_the_wrong_type_is_damage_not_a_guess(form: Format[Any], value: object, data: st.DataObject) -> None:
    """Whatever one field is replaced by, the answer is a StoreError or an equally typed value: no other exception."""
    document = json.loads(form.encode(value))
    name = data.draw(st.sampled_from(sorted(document.keys() - {"v"})))
    document[name] = data.draw(st.sampled_from([None, True, 7, -1.5, "word", [], [[]], {}, {"": None}, [{"v": 1}]]))
    try:
        back = form.decode(json.dumps(document))
    except StoreError:
        return
    assert form.decode(form.encode(back)) == back


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_a_number_that_is_not_finite_is_neither_written_nor_read(wrong: float) -> None:
    with pytest.raises(StoreError, match="a number that is not finite"):
        DECISION.encode(replace(samples.decision(), evidence={"demand": wrong}))
    with pytest.raises(StoreError, match="expected a finite number"):
        DECISION.decode(DECISION.encode(samples.decision()).replace("350.5", json.dumps(wrong)))
