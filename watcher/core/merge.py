"""One story out of the messages that have waited for the same reader: who wakes up to three of them reads one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from watcher.core.model import Alert
from watcher.core.reasons import IncidentState, Severity
from watcher.core.telling.names import WORSE, WORSE_CRITICAL
from watcher.core.words import time_of_day

LATE = 300.0  # seconds after which a message is no longer of now
NAME_ENDS = ": "  # in a subject; neither a table nor a Region has one in its name
IDLE = "Nothing"  # begins what says that nothing was done
# Of the worst, beside its sentence; facts of an index name it.
AT_WORST = ("demand", "provisioned", "throttled", "hot keys", "keys")

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
    facts = last.facts
    state = _state(heard, told=told)
    if last.state is _RESOLVED and worst is not last:
        sentence += f" At its worst: {worst.sentence}"
        facts += tuple((f"{name}, at its worst", value) for name, value in worst.facts if _is_of_worst(name))
    return replace(
        last,
        state=state,
        subject=last.subject if told or state is not _OPEN else _first_told(last.subject),
        severity=worst.severity,
        critical=tuple(sorted({name for alert in heard for name in alert.critical})),
        sentence=sentence,
        facts=facts,
        done=_done(heard, last.time),
        links=last.links or worst.links,
        repeats=(),
    )


def delayed(alert: Alert, now: float) -> Alert:
    """The message as it leaves at ``now``: one that something held for long says so first, since its times and its
    tenses are of when it was written."""
    if now - alert.time <= LATE:
        return alert
    until, written = time_of_day(now, now), time_of_day(alert.time, now)
    return replace(alert, sentence=f"Delayed until {until}; what follows is of {written}: {alert.sentence}")


def _first_told(subject: str) -> str:
    """For who has heard nothing so far, nothing is worse than before."""
    name, ends, what = subject.partition(NAME_ENDS)
    return f"{name}{ends}{what.removeprefix(WORSE).removeprefix(WORSE_CRITICAL)}"


def _is_of_worst(fact: str) -> bool:
    return fact in AT_WORST or fact.startswith(("hot keys of ", "keys of "))


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
    """What was done, each deed once and with its time where there are several; of a time in which nothing was done,
    why at its end."""
    deeds: dict[str, float] = {}
    for alert in heard:
        if not alert.done:
            continue
        before = next(reversed(deeds), "")
        if before.startswith(IDLE) and alert.done.startswith(IDLE):
            del deeds[before]
        deeds.setdefault(alert.done, alert.time)
    if len(deeds) == 1:
        return next(iter(deeds))
    return " ".join(f"At {time_of_day(at, now)}: {done}" for done, at in deeds.items())
