"""What becomes of the messages that wait for one topic to hear of one incident: sent, held, or made pointless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from watcher.core.merge import merged
from watcher.core.model import Alert
from watcher.core.reasons import IncidentState


class Step(StrEnum):
    SEND = "send"
    HOLD = "hold"  # they wait for the end of the quiet hours or of the pause, and tell one story then
    SILENCE = "silence"  # closed without being sent


@dataclass(frozen=True, slots=True)
class Dispatch:
    """alert: the one message that stands for all that wait."""

    action: Step
    alert: Alert


def decide(
    alerts: Sequence[Alert],
    told: bool,  # noqa: FBT001 - the thread's own word
    quiet: Callable[[Alert], bool],
    paused: bool,  # noqa: FBT001 - the pause's own word
    *,
    tried: bool = False,
) -> Dispatch:
    """For the waiting messages of one thread: at least one, of one incident, oldest first.

    told: whether the topic holds the incident for open. quiet: whether its quiet hours hold a message. paused: whether
    somebody has taken the incident's table upon himself. tried: whether sending failed before: it may have arrived all
    the same, and then its end must follow.
    """
    alert = merged(alerts, told)
    if paused:
        pointless = alert.is_reminder or _came_and_went(alerts, told=told or tried)
        if pointless:
            return Dispatch(Step.SILENCE, alert)
        if alert.state is not IncidentState.RESOLVED:
            return Dispatch(Step.HOLD, alert)
    return Dispatch(Step.HOLD if quiet(alert) else Step.SEND, alert)


def _came_and_went(alerts: Sequence[Alert], *, told: bool) -> bool:
    """Whether all of the incident lies in these messages. An end alone is sent: its beginning was told, or nobody knows
    any more whether it was."""
    return (
        not told
        and alerts[-1].state is IncidentState.RESOLVED
        and any(alert.state is not IncidentState.RESOLVED for alert in alerts)
    )
