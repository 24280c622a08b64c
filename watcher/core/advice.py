"""What is wrong and what to do about it, in words: the whole message, of parts from :mod:`watcher.core.telling`."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.core.briefing import Briefing
from watcher.core.links import links_of
from watcher.core.reasons import IncidentState
from watcher.core.state import Incident
from watcher.core.telling.case import case_of
from watcher.core.telling.done import done_of
from watcher.core.telling.facts import facts_of
from watcher.core.telling.names import CAUSE_WORDS, headed, shortened
from watcher.core.telling.sentence import resolved_of, sentence_of, verdict
from watcher.core.telling.subject import subject_of
from watcher.core.telling.todo import todo_of

__all__ = ["CAUSE_WORDS", "Text", "compose", "headed", "shortened", "verdict"]


@dataclass(frozen=True, slots=True)
class Text:
    """subject: without the table's name, which :func:`headed` puts before it. facts: numbers by name, in reading order.
    links: URLs by name."""

    subject: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    done: str
    todo: str
    links: tuple[tuple[str, str], ...] = ()


def compose(
    incident: Incident,
    state: IncidentState,
    briefing: Briefing,
    *,
    reminder: bool = False,
    retold: bool = False,
    before: Incident | None = None,
) -> Text:
    """The whole message. Times are left to the renderer: an Alert carries them as instants.

    incident: as it is after this step; its ``flaps`` make an ``open`` message tell that it came back. reminder: nothing
    is new, and it is still open. retold: it was a part of a storm that is over. before: the incident as it was
    told last, None where it opens, or comes back.
    """
    case = case_of(incident, state, briefing, reminder=reminder, retold=retold, before=before)
    return Text(
        subject=subject_of(case),
        sentence=resolved_of(case) if state is IncidentState.RESOLVED else sentence_of(case),
        facts=facts_of(case),
        done=done_of(case),
        todo=todo_of(case),
        links=links_of(briefing.policy.links, briefing.description.key, incident.index, incident.cause),
    )
