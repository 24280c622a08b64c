"""How the domain's values are written down. See :mod:`watcher.store.format` for the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from watcher.core.insights import SamplerMode
from watcher.core.model import Action, Change, Decision, Dimension, Intent, Lever, Switch
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.state import DimensionState, KeyMark, Normal, Refusal, SamplerState, TableState
from watcher.store.codec_incidents import (
    ALERT,
    PAUSE,
    REGION,
    read_blocked,
    read_incident,
    write_blocked,
    write_incident,
)
from watcher.store.format import (
    Format,
    Json,
    maybe,
    present,
    read_dimension,
    read_integer,
    read_number,
    read_table,
    read_text,
    write_dimension,
    write_table,
)
from watcher.store.rules import KEPT_DIMENSION_FIELDS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an intent: a Settlement without the intent it closes."""

    outcome: Outcome
    time: float
    detail: str


# -- table state ------------------------------------------------------------------------------------------------------


def _write_dimension_state(dimension: Dimension, state: DimensionState) -> Json:
    kept = {name: getattr(state, name) for name in KEPT_DIMENSION_FIELDS}
    return write_dimension(dimension) | present(kept | {"offers": [*map(list, state.offers)] or None})


def _read_dimension_state(document: Json) -> DimensionState:
    return DimensionState(
        expected=maybe(read_integer, document.get("expected")),
        raised_at=maybe(read_number, document.get("raised_at")),
        lowered_at=maybe(read_number, document.get("lowered_at")),
        advised=maybe(read_integer, document.get("advised")),
        floor_before=maybe(read_integer, document.get("floor_before")),
        floor_set=maybe(read_integer, document.get("floor_set")),
        offers=tuple((read_number(since), read_integer(units)) for since, units in document.get("offers", ())),
    )


def _write_normal(normal: Normal) -> Json:
    return present(
        {
            "mean": normal.mean,
            "minutes": normal.minutes,
            "newest": normal.newest,
            "slow_minutes": normal.slow_minutes,
            "average": normal.average,
            "p99": normal.p99,
            "p99_mean": normal.p99_mean or None,
            "p99_minutes": normal.p99_minutes or None,
            "p99_slow_minutes": normal.p99_slow_minutes or None,
        }
    )


def _read_normal(document: Json) -> Normal:
    return Normal(
        mean=read_number(document["mean"]),
        minutes=read_integer(document["minutes"]),
        newest=read_integer(document["newest"]),
        slow_minutes=read_integer(document["slow_minutes"]),
        average=read_number(document["average"]),
        p99=maybe(read_number, document.get("p99")),
        p99_mean=read_number(document.get("p99_mean", 0.0)),
        p99_minutes=read_integer(document.get("p99_minutes", 0)),
        p99_slow_minutes=read_integer(document.get("p99_slow_minutes", 0)),
    )


def _write_refusal(refusal: Refusal) -> Json:
    return {"outcome": refusal.outcome.value, "at": refusal.at, "detail": refusal.detail}


def _read_refusal(document: Json) -> Refusal:
    return Refusal(Outcome(document["outcome"]), read_number(document["at"]), read_text(document["detail"]))


def _write_sampler(sampler: SamplerState) -> Json:
    return present(
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
        found=maybe(SamplerMode, document.get("found")),
        set=SamplerMode(document["set"]),
        set_at=maybe(read_number, document.get("set_at")),
        until=maybe(read_number, document.get("until")),
        full_at=maybe(read_number, document.get("full_at")),
        spent=read_number(document["spent"]),
        spent_day=maybe(read_number, document.get("spent_day")),
        refused_at=maybe(read_number, document.get("refused_at")),
        refusal=read_text(document["refusal"]),
        advised=maybe(SamplerMode, document.get("advised")),
        noted=read_text(document["noted"]),
        in_force=bool(document["in_force"]),
        reserved=read_number(document["reserved"]),
        told={note: read_number(at) for note, at in document.get("told", {}).items()},
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
        at=read_number(document["at"]),
        told={verdict: tuple(read_text(key) for key in keys) for verdict, keys in document["told"].items()},
    )


def _write_state(state: TableState) -> Json:
    return present(
        {
            "dimensions": [_write_dimension_state(key, value) for key, value in state.dimensions.items()],
            "latency": {operation: _write_normal(normal) for operation, normal in state.latency.items()},
            "incident": None if state.incident is None else write_incident(state.incident),
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
            "last_incident": None if state.last_incident is None else write_incident(state.last_incident),
            "blocked": [write_dimension(key) | write_blocked(value) for key, value in state.blocked.items()] or None,
            "samplers": {index: _write_sampler(sampler) for index, sampler in state.samplers.items()} or None,
            "hot_keys": {index: _write_key_mark(mark) for index, mark in state.hot_keys.items()} or None,
        }
    )


def _read_state(document: Json) -> TableState:
    return TableState(
        dimensions={read_dimension(entry): _read_dimension_state(entry) for entry in document["dimensions"]},
        latency={operation: _read_normal(normal) for operation, normal in document["latency"].items()},
        incident=maybe(read_incident, document.get("incident")),
        changes=tuple(read_number(instant) for instant in document["changes"]),
        foreign_at=maybe(read_number, document.get("foreign_at")),
        pending=read_text(document["pending"]),
        marks={
            read_dimension(mark): (Reason(mark["reason"]), read_integer(mark["after"])) for mark in document["marks"]
        },
        refusal=maybe(_read_refusal, document.get("refusal")),
        point=read_text(document.get("point", "")),
        point_goal=maybe(read_number, document.get("point_goal")),
        point_at=maybe(read_number, document.get("point_at")),
        dearer_since=maybe(read_number, document.get("dearer_since")),
        on_demand_since=maybe(read_number, document.get("on_demand_since")),
        last_incident=maybe(read_incident, document.get("last_incident")),
        blocked={read_dimension(entry): read_blocked(entry) for entry in document.get("blocked", [])},
        samplers={index: _read_sampler(sampler) for index, sampler in document.get("samplers", {}).items()},
        hot_keys={index: _read_key_mark(mark) for index, mark in document.get("hot_keys", {}).items()},
    )


# -- decisions, intents, verdicts -------------------------------------------------------------------------------------


def _write_decision(decision: Decision) -> Json:
    return {
        "time": decision.time,
        "table": write_table(decision.table),
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
        time=read_number(document["time"]),
        table=read_table(document["table"]),
        dimension=read_dimension(document["dimension"]),
        before=read_integer(document["before"]),
        after=read_integer(document["after"]),
        reason=Reason(document["reason"]),
        sentence=read_text(document["sentence"]),
        mode=Mode(document["mode"]),
        outcome=Outcome(document["outcome"]),
        evidence={name: read_number(value) for name, value in document["evidence"].items()},
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
        "action": present(
            {
                "table": write_table(action.table),
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
        time=read_number(document["time"]),
        action=Action(
            table=read_table(action["table"]),
            lever=Lever(action["lever"]),
            changes=tuple(_read_change(change) for change in action["changes"]),
            mode=Mode(action["mode"]),
            switch=maybe(_read_switch, action.get("switch")),
        ),
    )


def _write_verdict(verdict: Verdict) -> Json:
    return {"outcome": verdict.outcome.value, "time": verdict.time, "detail": verdict.detail}


def _read_verdict(document: Json) -> Verdict:
    return Verdict(Outcome(document["outcome"]), read_number(document["time"]), read_text(document["detail"]))


STATE = Format("table state", _write_state, _read_state)
DECISION = Format("decision", _write_decision, _read_decision)
INTENT = Format("intent", _write_intent, _read_intent)
VERDICT = Format("verdict", _write_verdict, _read_verdict)

__all__ = ["ALERT", "DECISION", "INTENT", "PAUSE", "REGION", "STATE", "VERDICT", "Format", "Json", "Verdict"]
