"""How the domain's values are written down: JSON documents, each carrying the version of its format.

Every engine stores these documents and knows nothing of what is in them. A document is one JSON object with the key
"v". Changing a format means: raise its version, and add the function that turns the previous version's object into
the new one's; old documents are then migrated one step at a time as they are read. A document of a newer version is
refused, because guessing at it could lose what the newer watcher knew.

Numbers must be finite: a NaN is a defect of whoever computed it, and writing it down would make the defect durable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from watcher.core.insights import SamplerMode
from watcher.core.model import Action, Alert, Change, Decision, Dimension, Intent, Kind, Lever, Switch, TableKey
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.state import DimensionState, Incident, KeyMark, Normal, Refusal, SamplerState, TableState
from watcher.errors import StoreError
from watcher.store.rules import KEPT_DIMENSION_FIELDS

Json = dict[str, Any]
T = TypeVar("T")

_VERSION = "v"
_FRESH_START = "restore a backup, or move the state file away to start with an empty memory"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an intent: a Settlement without the intent it closes."""

    outcome: Outcome
    time: float
    detail: str


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """One kind of document. ``migrations[n]`` turns the object of version n into that of version n + 1."""

    name: str
    write: Callable[[T], Json]
    read: Callable[[Json], T]
    version: int = 1
    migrations: Mapping[int, Callable[[Json], Json]] = field(default_factory=dict)

    def encode(self, value: T) -> str:
        """The document as text, ASCII only. Raises StoreError for a number that is not finite."""
        try:
            return json.dumps({_VERSION: self.version, **self.write(value)}, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise StoreError(
                "it holds a number that is not finite",
                operation="encoding",
                subject=f"{self.name} {value!r:.200}",
                hint="this is a defect of the watcher; report it with this message",
            ) from error

    def decode(self, text: str, where: str = "the state store") -> T:
        """The value. Raises StoreError, naming ``where``, for a document that is damaged or of an unknown version."""
        try:
            document = json.loads(text)
            return self.read(self._migrated(document, document.pop(_VERSION), where))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise self._unreadable(f"it is damaged: {type(error).__name__} {error}", where, _FRESH_START) from error

    def _migrated(self, document: Json, version: int, where: str) -> Json:
        if version > self.version:
            raise self._unreadable(
                f"its format is version {version}, this watcher reads up to version {self.version}",
                where,
                "upgrade the watcher, or move the state file away to start with an empty memory",
            )
        for step in range(version, self.version):
            if step not in self.migrations:
                cause = f"its format is version {step}, older than any this watcher reads"
                raise self._unreadable(cause, where, _FRESH_START)
            document = self.migrations[step](document)
        return document

    def _unreadable(self, cause: str, where: str, hint: str) -> StoreError:
        return StoreError(cause, operation="decoding", subject=f"a {self.name} in {where}", hint=hint)


# -- reading: JSON that is not of the expected type is damage, never converted into something plausible ---------------


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r:.80}")
    return value


def _number(value: object) -> float:
    # bool is an int to Python, but never a number to us.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r:.80}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value}")
    return value


def read_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r:.80}")
    return value


def _maybe(read: Callable[[Any], T], value: object) -> T | None:
    return None if value is None else read(value)


def _present(document: Json) -> Json:
    """Absent means None: most of a state is None most of the time, and it is written every minute."""
    return {key: value for key, value in document.items() if value is not None}


# -- the parts that several documents share ---------------------------------------------------------------------------


def _write_table(key: TableKey) -> list[str]:
    return [key.account, key.region, key.name]


def _read_table(value: object) -> TableKey:
    if not isinstance(value, list):
        raise TypeError(f"expected [account, region, name], found {value!r:.80}")
    account, region, name = value
    return TableKey(read_text(account), read_text(region), read_text(name))


def write_dimension(dimension: Dimension) -> Json:
    return {"index": dimension.index, "kind": dimension.kind.value}


def read_dimension(document: Json) -> Dimension:
    return Dimension(read_text(document["index"]), Kind(document["kind"]))


# -- table state ------------------------------------------------------------------------------------------------------


def _write_dimension_state(dimension: Dimension, state: DimensionState) -> Json:
    kept = {name: getattr(state, name) for name in KEPT_DIMENSION_FIELDS}
    return write_dimension(dimension) | _present(kept | {"offers": [*map(list, state.offers)] or None})


def _read_dimension_state(document: Json) -> DimensionState:
    return DimensionState(
        expected=_maybe(read_integer, document.get("expected")),
        raised_at=_maybe(_number, document.get("raised_at")),
        lowered_at=_maybe(_number, document.get("lowered_at")),
        advised=_maybe(read_integer, document.get("advised")),
        floor_before=_maybe(read_integer, document.get("floor_before")),
        floor_set=_maybe(read_integer, document.get("floor_set")),
        offers=tuple((_number(since), read_integer(units)) for since, units in document.get("offers", ())),
    )


def _write_normal(normal: Normal) -> Json:
    return _present(
        {
            "mean": normal.mean,
            "minutes": normal.minutes,
            "newest": normal.newest,
            "slow_minutes": normal.slow_minutes,
            "average": normal.average,
            "p99": normal.p99,
        }
    )


def _read_normal(document: Json) -> Normal:
    return Normal(
        mean=_number(document["mean"]),
        minutes=read_integer(document["minutes"]),
        newest=read_integer(document["newest"]),
        slow_minutes=read_integer(document["slow_minutes"]),
        average=_number(document["average"]),
        p99=_maybe(_number, document.get("p99")),
    )


def _write_incident(incident: Incident) -> Json:
    return {
        "id": incident.id,
        "opened_at": incident.opened_at,
        "cause": incident.cause.value,
        "index": incident.index,
        "severity": incident.severity.value,
        "sequence": incident.sequence,
        "peak": incident.peak,
        "last_bad": incident.last_bad,
        "events": incident.events,
        "named": list(incident.named),
    }


def _read_incident(document: Json) -> Incident:
    return Incident(
        id=read_text(document["id"]),
        opened_at=_number(document["opened_at"]),
        cause=Cause(document["cause"]),
        index=read_text(document["index"]),
        severity=Severity(document["severity"]),
        sequence=read_integer(document["sequence"]),
        peak=_number(document["peak"]),
        last_bad=_number(document["last_bad"]),
        events=_number(document["events"]),
        named=tuple(read_text(verdict) for verdict in document.get("named", ())),
    )


def _write_refusal(refusal: Refusal) -> Json:
    return {"outcome": refusal.outcome.value, "at": refusal.at, "detail": refusal.detail}


def _read_refusal(document: Json) -> Refusal:
    return Refusal(Outcome(document["outcome"]), _number(document["at"]), read_text(document["detail"]))


def _write_sampler(sampler: SamplerState) -> Json:
    return _present(
        {
            "found": None if sampler.found is None else sampler.found.value,
            "set": sampler.set.value,
            "set_at": sampler.set_at,
            "until": sampler.until,
            "full_at": sampler.full_at,
            "spent": sampler.spent,
            "spent_day": sampler.spent_day,
            "refused_at": sampler.refused_at,
            "refusal": sampler.refusal,
            "advised": None if sampler.advised is None else sampler.advised.value,
            "noted": sampler.noted,
            "in_force": sampler.in_force,
            "reserved": sampler.reserved,
            "told": dict(sampler.told) or None,
        }
    )


def _read_sampler(document: Json) -> SamplerState:
    return SamplerState(
        found=_maybe(SamplerMode, document.get("found")),
        set=SamplerMode(document["set"]),
        set_at=_maybe(_number, document.get("set_at")),
        until=_maybe(_number, document.get("until")),
        full_at=_maybe(_number, document.get("full_at")),
        spent=_number(document["spent"]),
        spent_day=_maybe(_number, document.get("spent_day")),
        refused_at=_maybe(_number, document.get("refused_at")),
        refusal=read_text(document["refusal"]),
        advised=_maybe(SamplerMode, document.get("advised")),
        noted=read_text(document["noted"]),
        in_force=bool(document["in_force"]),
        reserved=_number(document["reserved"]),
        told={note: _number(at) for note, at in document.get("told", {}).items()},
    )


def _write_key_mark(mark: KeyMark) -> Json:
    told = {verdict: list(keys) for verdict, keys in mark.told.items()}
    return {"verdict": mark.verdict, "hottest": mark.hottest, "at": mark.at, "told": told}


def _read_key_mark(document: Any) -> KeyMark:  # noqa: ANN401 - JSON of either shape
    if isinstance(document, list):  # as it was written before it had a time
        verdict, hottest = document
        return KeyMark(read_text(verdict), read_text(hottest))
    return KeyMark(
        verdict=read_text(document["verdict"]),
        hottest=read_text(document["hottest"]),
        at=_number(document["at"]),
        told={verdict: tuple(read_text(key) for key in keys) for verdict, keys in document["told"].items()},
    )


def _write_state(state: TableState) -> Json:
    return _present(
        {
            "dimensions": [_write_dimension_state(key, value) for key, value in state.dimensions.items()],
            "latency": {operation: _write_normal(normal) for operation, normal in state.latency.items()},
            "incident": None if state.incident is None else _write_incident(state.incident),
            "changes": list(state.changes),
            "foreign_at": state.foreign_at,
            "pending": state.pending,
            "marks": [
                write_dimension(key) | {"reason": reason.value, "after": after}
                for key, (reason, after) in state.marks.items()
            ],
            "refusal": None if state.refusal is None else _write_refusal(state.refusal),
            "point": state.point or None,
            "point_goal": state.point_goal,
            "point_at": state.point_at,
            "dearer_since": state.dearer_since,
            "on_demand_since": state.on_demand_since,
            "samplers": {index: _write_sampler(sampler) for index, sampler in state.samplers.items()} or None,
            "hot_keys": {index: _write_key_mark(mark) for index, mark in state.hot_keys.items()} or None,
        }
    )


def _read_state(document: Json) -> TableState:
    return TableState(
        dimensions={read_dimension(entry): _read_dimension_state(entry) for entry in document["dimensions"]},
        latency={operation: _read_normal(normal) for operation, normal in document["latency"].items()},
        incident=_maybe(_read_incident, document.get("incident")),
        changes=tuple(_number(instant) for instant in document["changes"]),
        foreign_at=_maybe(_number, document.get("foreign_at")),
        pending=read_text(document["pending"]),
        marks={
            read_dimension(mark): (Reason(mark["reason"]), read_integer(mark["after"])) for mark in document["marks"]
        },
        refusal=_maybe(_read_refusal, document.get("refusal")),
        point=read_text(document.get("point", "")),
        point_goal=_maybe(_number, document.get("point_goal")),
        point_at=_maybe(_number, document.get("point_at")),
        dearer_since=_maybe(_number, document.get("dearer_since")),
        on_demand_since=_maybe(_number, document.get("on_demand_since")),
        samplers={index: _read_sampler(sampler) for index, sampler in document.get("samplers", {}).items()},
        hot_keys={index: _read_key_mark(mark) for index, mark in document.get("hot_keys", {}).items()},
    )


# -- decisions, intents, verdicts, alerts -----------------------------------------------------------------------------


def _write_decision(decision: Decision) -> Json:
    return {
        "time": decision.time,
        "table": _write_table(decision.table),
        "dimension": write_dimension(decision.dimension),
        "before": decision.before,
        "after": decision.after,
        "reason": decision.reason.value,
        "sentence": decision.sentence,
        "mode": decision.mode.value,
        "outcome": decision.outcome.value,
        "evidence": dict(decision.evidence),
    }


def _read_decision(document: Json) -> Decision:
    return Decision(
        time=_number(document["time"]),
        table=_read_table(document["table"]),
        dimension=read_dimension(document["dimension"]),
        before=read_integer(document["before"]),
        after=read_integer(document["after"]),
        reason=Reason(document["reason"]),
        sentence=read_text(document["sentence"]),
        mode=Mode(document["mode"]),
        outcome=Outcome(document["outcome"]),
        evidence={name: _number(value) for name, value in document["evidence"].items()},
    )


def _write_change(change: Change) -> Json:
    return write_dimension(change.dimension) | {"before": change.before, "after": change.after}


def _read_change(document: Json) -> Change:
    return Change(read_dimension(document), read_integer(document["before"]), read_integer(document["after"]))


def _write_switch(switch: Switch) -> Json:
    return {"index": switch.index, "before": switch.before.value, "after": switch.after.value}


def _read_switch(document: Json) -> Switch:
    return Switch(read_text(document["index"]), SamplerMode(document["before"]), SamplerMode(document["after"]))


def _write_intent(intent: Intent) -> Json:
    action = intent.action
    return {
        "id": intent.id,
        "time": intent.time,
        "action": _present(
            {
                "table": _write_table(action.table),
                "lever": action.lever.value,
                "changes": [_write_change(change) for change in action.changes],
                "mode": action.mode.value,
                "switch": None if action.switch is None else _write_switch(action.switch),
            }
        ),
    }


def _read_intent(document: Json) -> Intent:
    action = document["action"]
    return Intent(
        id=read_text(document["id"]),
        time=_number(document["time"]),
        action=Action(
            table=_read_table(action["table"]),
            lever=Lever(action["lever"]),
            changes=tuple(_read_change(change) for change in action["changes"]),
            mode=Mode(action["mode"]),
            switch=_maybe(_read_switch, action.get("switch")),
        ),
    )


def _write_verdict(verdict: Verdict) -> Json:
    return {"outcome": verdict.outcome.value, "time": verdict.time, "detail": verdict.detail}


def _read_verdict(document: Json) -> Verdict:
    return Verdict(Outcome(document["outcome"]), _number(document["time"]), read_text(document["detail"]))


def _write_alert(alert: Alert) -> Json:
    return {
        "incident": alert.incident,
        "sequence": alert.sequence,
        "state": alert.state.value,
        "severity": alert.severity.value,
        "cause": alert.cause.value,
        "table": _write_table(alert.table),
        "index": alert.index,
        "time": alert.time,
        "opened_at": alert.opened_at,
        "subject": alert.subject,
        "sentence": alert.sentence,
        "facts": [[name, value] for name, value in alert.facts],
        "done": alert.done,
        "todo": alert.todo,
    }


def _read_alert(document: Json) -> Alert:
    return Alert(
        incident=read_text(document["incident"]),
        sequence=read_integer(document["sequence"]),
        state=IncidentState(document["state"]),
        severity=Severity(document["severity"]),
        cause=Cause(document["cause"]),
        table=_read_table(document["table"]),
        index=read_text(document["index"]),
        time=_number(document["time"]),
        opened_at=_number(document["opened_at"]),
        subject=read_text(document["subject"]),
        sentence=read_text(document["sentence"]),
        facts=tuple((read_text(name), read_text(value)) for name, value in document["facts"]),
        done=read_text(document["done"]),
        todo=read_text(document["todo"]),
    )


STATE = Format("table state", _write_state, _read_state)
DECISION = Format("decision", _write_decision, _read_decision)
INTENT = Format("intent", _write_intent, _read_intent)
VERDICT = Format("verdict", _write_verdict, _read_verdict)
ALERT = Format("alert", _write_alert, _read_alert)
