"""Send, hold or silence: every combination of what waits, what was told, quiet hours and pauses."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_merge import messages
from watcher.core.dispatch import Step, decide
from watcher.core.model import Alert
from watcher.core.reasons import IncidentState, Severity
from watcher.core.words import time_of_day

SEND, HOLD, SILENCE = Step.SEND, Step.HOLD, Step.SILENCE


def nights(alert: Alert) -> bool:
    """Quiet hours, as every topic has them."""
    return alert.severity is not Severity.CRITICAL


def never(_alert: Alert) -> bool:
    return False


@pytest.mark.parametrize(
    ("text", "told", "by_day", "at_night", "paused"),
    [
        pytest.param("o", False, SEND, HOLD, HOLD, id="a beginning"),
        pytest.param("o!", False, SEND, SEND, HOLD, id="a critical one: no night holds it, a pause does"),
        pytest.param("o w", False, SEND, HOLD, HOLD, id="two messages of what nobody has heard of"),
        pytest.param("o w!", False, SEND, SEND, HOLD, id="critical by its second message: both go out at night"),
        pytest.param("o r", False, SEND, HOLD, SILENCE, id="what came and went: a pause makes it pointless"),
        pytest.param("o w! r", False, SEND, SEND, SILENCE, id="however bad it was"),
        pytest.param("o r o", False, SEND, HOLD, HOLD, id="what came back is open"),
        pytest.param("o r o r", False, SEND, HOLD, SILENCE, id="what came and went twice"),
        pytest.param("r", False, SEND, HOLD, SEND, id="an end alone: its beginning may have been told"),
        pytest.param("w", False, SEND, HOLD, HOLD, id="worse, to a topic that hears of the worse only"),
        pytest.param("w r", False, SEND, HOLD, SILENCE, id="worse and over, to such a topic"),
        pytest.param("w", True, SEND, HOLD, HOLD, id="worse than was told"),
        pytest.param("r", True, SEND, HOLD, SEND, id="the end of what was told closes it elsewhere, pause or not"),
        pytest.param("r!", True, SEND, SEND, SEND, id="of a critical one at once"),
        pytest.param("w! r", True, SEND, SEND, SEND, id="with how it worsened in between"),
        pytest.param("r o", True, SEND, HOLD, HOLD, id="over and back"),
        pytest.param("r o r", True, SEND, HOLD, SEND, id="over, back and over"),
        pytest.param("n", True, SEND, HOLD, SILENCE, id="nobody who has taken it upon himself is reminded of it"),
        pytest.param("n n!", True, SEND, SEND, SILENCE, id="how ever often"),
        pytest.param("o n", False, SEND, HOLD, HOLD, id="a beginning with a reminder is a beginning"),
    ],
)
def test_what_becomes_of_what_waits(text: str, told: bool, by_day: Step, at_night: Step, paused: Step) -> None:  # noqa: FBT001 - a column
    waiting = messages(text)
    assert decide(waiting, told, never, paused=False).action is by_day
    assert decide(waiting, told, nights, paused=False).action is at_night
    assert decide(waiting, told, never, paused=True).action is paused
    # A pause at night: whatever either holds is held.
    both = HOLD if paused is SEND else paused
    assert decide(waiting, told, nights, paused=True).action is (SEND if at_night is SEND and paused is SEND else both)


def test_what_may_have_arrived_although_sending_failed_is_closed_in_a_pause_too() -> None:
    assert decide(messages("o r"), told=False, quiet=never, paused=True, tried=True).action is SEND
    assert decide(messages("o"), told=False, quiet=never, paused=True, tried=True).action is HOLD


@dataclass
class Topic:
    """A topic and its thread, as the outbox keeps it. heard: ids and states sent, in order."""

    waiting: list[Alert] = field(default_factory=list)
    told: bool = False
    heard: list[Alert] = field(default_factory=list)
    silenced: set[str] = field(default_factory=set)

    def deliver(self, *, quiet: bool, paused: bool) -> None:
        if not self.waiting:
            return
        verdict = decide(self.waiting, self.told, nights if quiet else never, paused)
        if verdict.action is HOLD:
            return
        ended = self.waiting[-1].state is IncidentState.RESOLVED
        if verdict.action is SEND:
            self.heard.append(verdict.alert)
            self.told = not ended
        else:
            self.silenced.update(one.id for one in self.waiting)
            self.told = self.told and not ended
        self.waiting.clear()


LIVES = st.lists(
    st.tuples(st.sampled_from(["o", "w", "w!", "r", "n", ""]), st.booleans(), st.booleans()), min_size=1, max_size=12
)


@given(LIVES)
def test_nothing_is_lost_or_told_out_of_order_whatever_holds_it(life: list[tuple[str, bool, bool]]) -> None:
    topic, is_open, course = Topic(), False, []
    for wish, _, _ in life:  # make an incident's life of it: it begins before it worsens, and ends once
        letter = "o" if wish and not is_open else "w" if wish == "o" else wish
        course.append(letter)
        is_open = is_open if not letter else letter != "r"
    alerts = iter(messages(" ".join(letter for letter in course if letter) or "o"))
    begun: list[Alert] = []
    for letter, (_, quiet, paused) in zip(course, life, strict=True):
        if letter:
            alert = next(alerts)
            begun += [alert] if letter == "o" else []
            topic.waiting.append(alert)
        topic.deliver(quiet=quiet, paused=paused)
    topic.deliver(quiet=False, paused=False)
    sequences = [one.sequence for one in topic.heard]
    assert sequences == sorted(set(sequences))
    assert topic.waiting == []
    # Every beginning was told, by itself or in a later message's story, or a pause made it pointless.
    for alert in begun:
        stories = [f"{one.sentence} {one.subject}" for one in topic.heard]
        told = (alert.subject, f" at {time_of_day(alert.time, alert.time)}")
        assert alert.id in topic.silenced or any(words in story for story in stories for words in told)
    # Who holds it for open in the end is right.
    assert topic.told == is_open
