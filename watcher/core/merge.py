"""One story out of the messages that have waited for the same reader: who wakes up to three of them reads one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from watcher.core.model import Alert
from watcher.core.reasons import IncidentState, Severity
from watcher.core.words import time_of_day

_OPEN, _WORSENED, _RESOLVED = IncidentState.OPEN, IncidentState.WORSENED, IncidentState.RESOLVED


def news(alerts: Sequence[Alert]) -> Sequence[Alert]:
    """What is left to tell of the messages of one incident, oldest first: a reminder is worth nothing beside anything
    else, and of several only the newest counts."""
    return [alert for alert in alerts if not alert.is_reminder] or alerts[-1:]


def merged(alerts: Sequence[Alert], told: bool) -> Alert:  # noqa: FBT001 - the thread's own word
    """The one message that says all of ``alerts``: at least one, of one incident, oldest first.

    told: whether its reader holds the incident for open already. Who does not is told that it is open, however often it
    worsened meanwhile; and of one that is over, the whole of it. The numbers and the id are the newest message's, the
    severity is the worst of them all.
    """
    heard = news(alerts)
    last = heard[-1]
    if len(heard) == 1:
        return last
    worst = _worst(heard)
    steps = list(_steps(heard, told=told))
    sentence = f"{last.sentence} {_history(steps, told=told)}"
    facts = (*last.facts, ("story", "; ".join(f"{at} {step}: {alert.subject}" for at, step, alert in steps)))
    if last.state is _RESOLVED and worst is not last:
        sentence += f" At its worst: {worst.sentence}"
        facts += tuple((f"{name}, at its worst", value) for name, value in worst.facts)
    return replace(
        last,
        state=_state(heard, told=told),
        severity=worst.severity,
        sentence=sentence,
        facts=facts,
        done=_done(heard, last.time),
        links=last.links or worst.links,
        repeats=(),
    )


def _worst(heard: Sequence[Alert]) -> Alert:
    """The newest of the severest, an end only where there is nothing else."""
    going_on = [alert for alert in heard if alert.state is not _RESOLVED] or heard
    severest = max(going_on, key=lambda alert: list(Severity).index(alert.severity)).severity
    return [alert for alert in going_on if alert.severity is severest][-1]


def _state(heard: Sequence[Alert], *, told: bool) -> IncidentState:
    last = heard[-1].state
    if last is _RESOLVED:
        return _RESOLVED
    since = max((place + 1 for place, alert in enumerate(heard) if alert.state is _RESOLVED), default=0)
    states = {alert.state for alert in heard[since:]}
    if not told:
        return _OPEN if _OPEN in {alert.state for alert in heard} else last
    # Its reader holds it for open: that it worsened is the news, also where it was only named anew after that.
    return _WORSENED if _WORSENED in states else last


def _steps(heard: Sequence[Alert], *, told: bool) -> Iterator[tuple[str, str, Alert]]:
    """(time of day, what happened, message), oldest first."""
    is_open, ended = told, False
    for alert in heard:
        step = {_WORSENED: "worsened", _RESOLVED: "resolved"}.get(alert.state, "opened")
        if step == "opened" and is_open:
            step = "told more"
        elif step == "opened" and ended:
            step = "opened again"
        is_open = alert.state is not _RESOLVED
        ended = ended or not is_open
        yield time_of_day(alert.time, heard[-1].time), step, alert


def _history(steps: Sequence[tuple[str, str, Alert]], *, told: bool) -> str:
    course = ", ".join(f"{step} at {at}" for at, step, _ in steps)
    return f"Since the last message: {course}." if told else f"This is the first message of it: {course}."


def _done(heard: Sequence[Alert], now: float) -> str:
    """What was done, each deed once and with its time where there are several."""
    deeds: dict[str, float] = {}
    for alert in heard:
        if alert.done:
            deeds.setdefault(alert.done, alert.time)
    if len(deeds) == 1:
        return next(iter(deeds))
    return " ".join(f"At {time_of_day(at, now)}: {done}" for done, at in deeds.items())
