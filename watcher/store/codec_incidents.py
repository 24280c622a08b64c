"""How incidents, the messages about them, and silences are written down. See :mod:`watcher.store.format`."""

from __future__ import annotations

from watcher.core.model import Alert
from watcher.core.pauses import Pause
from watcher.core.reasons import Cause, IncidentState, Reason, Severity
from watcher.core.region_state import Folded, RegionState, Storm
from watcher.core.state import Blocked, Incident
from watcher.store.format import (
    Format,
    Json,
    maybe,
    present,
    read_flag,
    read_integer,
    read_number,
    read_numbers,
    read_pairs,
    read_table,
    read_text,
    read_texts,
    write_table,
)


def write_incident(incident: Incident) -> Json:
    return present(
        {
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
            "flaps": incident.flaps or None,
            "closed_at": incident.closed_at,
            "followed_at": incident.followed_at,
            "retell": incident.retell or None,
            "bad_since": incident.bad_since,
        }
    )


def read_incident(document: Json) -> Incident:
    return Incident(
        id=read_text(document["id"]),
        opened_at=read_number(document["opened_at"]),
        cause=Cause(document["cause"]),
        index=read_text(document["index"]),
        severity=Severity(document["severity"]),
        sequence=read_integer(document["sequence"]),
        peak=read_number(document["peak"]),
        last_bad=read_number(document["last_bad"]),
        events=read_number(document["events"]),
        named=read_texts(document.get("named", [])),
        flaps=read_integer(document.get("flaps", 0)),
        closed_at=maybe(read_number, document.get("closed_at")),
        # Written before incidents were followed: the newest thing known of when it was looked at, so that no reminder
        # is due for the time before.
        followed_at=read_number(document.get("followed_at", document["last_bad"])),
        retell=read_flag(document.get("retell", False)),
        bad_since=maybe(read_number, document.get("bad_since")),
    )


def write_blocked(blocked: Blocked) -> Json:
    return {"reason": blocked.reason.value, "since": blocked.since, "rising": blocked.rising}


def read_blocked(document: Json) -> Blocked:
    return Blocked(Reason(document["reason"]), read_number(document["since"]), read_flag(document["rising"]))


def _write_alert(alert: Alert) -> Json:
    return present(
        {
            "incident": alert.incident,
            "sequence": alert.sequence,
            "state": alert.state.value,
            "severity": alert.severity.value,
            "cause": alert.cause.value,
            "table": write_table(alert.table),
            "index": alert.index,
            "time": alert.time,
            "opened_at": alert.opened_at,
            "subject": alert.subject,
            "sentence": alert.sentence,
            "facts": [[name, value] for name, value in alert.facts],
            "done": alert.done,
            "todo": alert.todo,
            "links": [[name, url] for name, url in alert.links] or None,
            "tables": list(alert.tables) or None,
            "repeats": list(alert.repeats) or None,
            "storm": alert.storm or None,
            # Also where none is: without it, it was written before tables had severities of their own.
            "critical": list(alert.critical) if alert.tables or alert.critical else None,
        }
    )


def _read_alert(document: Json) -> Alert:
    return Alert(
        incident=read_text(document["incident"]),
        sequence=read_integer(document["sequence"]),
        state=IncidentState(document["state"]),
        severity=Severity(document["severity"]),
        cause=Cause(document["cause"]),
        table=read_table(document["table"]),
        index=read_text(document["index"]),
        time=read_number(document["time"]),
        opened_at=read_number(document["opened_at"]),
        subject=read_text(document["subject"]),
        sentence=read_text(document["sentence"]),
        facts=read_pairs(document["facts"]),
        done=read_text(document["done"]),
        todo=read_text(document["todo"]),
        links=read_pairs(document.get("links", [])),
        tables=read_texts(document.get("tables", [])),
        repeats=read_numbers(document.get("repeats", [])),
        storm=read_text(document.get("storm", "")),
        critical=read_texts(document.get("critical", _critical_of_old(document))),
    )


def _critical_of_old(document: Json) -> object:
    """Of an alert written before tables had severities of their own: all of its tables have the alert's."""
    return document.get("tables", []) if document["severity"] == Severity.CRITICAL.value else []


def _write_folded(folded: Folded) -> Json:
    return present(
        {
            "incident": folded.incident,
            "cause": folded.cause.value,
            "is_open": folded.is_open,
            "is_critical": folded.is_critical or None,
        }
    )


def _read_folded(document: Json) -> Folded:
    return Folded(
        incident=read_text(document["incident"]),
        cause=Cause(document["cause"]),
        is_open=read_flag(document["is_open"]),
        is_critical=read_flag(document.get("is_critical", False)),
    )


def _write_storm(storm: Storm) -> Json:
    return present(
        {
            "incident": write_incident(storm.incident),
            "tables": {name: _write_folded(folded) for name, folded in storm.tables.items()},
            "told": storm.told,
            "began": storm.began,
        }
    )


def _read_storm(document: Json) -> Storm:
    return Storm(
        incident=read_incident(document["incident"]),
        tables={name: _read_folded(folded) for name, folded in document["tables"].items()},
        told=read_integer(document["told"]),
        began=maybe(read_number, document.get("began")),
    )


def _write_region(state: RegionState) -> Json:
    return present(
        {
            "account": state.account,
            "incidents": {cause.value: write_incident(incident) for cause, incident in state.incidents.items()},
            "troubled_since": {cause.value: since for cause, since in state.troubled_since.items()},
            "opened": [[at, name] for at, name in state.opened],
            "storm": None if state.storm is None else _write_storm(state.storm),
            "finished_at": state.finished_at,
            "last_storm": None if state.last_storm is None else write_incident(state.last_storm),
        }
    )


def _read_region(document: Json) -> RegionState:
    return RegionState(
        account=read_text(document["account"]),
        incidents={Cause(cause): read_incident(incident) for cause, incident in document["incidents"].items()},
        troubled_since={Cause(cause): read_number(since) for cause, since in document["troubled_since"].items()},
        opened=tuple((read_number(at), read_text(name)) for at, name in document["opened"]),
        storm=maybe(_read_storm, document.get("storm")),
        finished_at=maybe(read_number, document.get("finished_at")),
        last_storm=maybe(read_incident, document.get("last_storm")),
    )


def _write_pause(pause: Pause) -> Json:
    return {
        "match": pause.match,
        "since": pause.since,
        "until": pause.until,
        "reason": pause.reason,
        "region": pause.region,
        "by": pause.by,
        "advise_only": pause.advise_only,
    }


def _read_pause(document: Json) -> Pause:
    return Pause(
        match=read_text(document["match"]),
        since=read_number(document["since"]),
        until=read_number(document["until"]),
        reason=read_text(document["reason"]),
        region=read_text(document["region"]),
        by=read_text(document["by"]),
        advise_only=read_flag(document["advise_only"]),
    )


ALERT = Format("alert", _write_alert, _read_alert)
REGION = Format("state of a Region", _write_region, _read_region)
PAUSE = Format("pause", _write_pause, _read_pause)
