"""What is left of several messages that waited: one story, true in every part."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.merge import delayed, merged
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.words import time_of_day

T = 1_790_000_400.0  # 14:20:00Z
OPEN, WORSE, OVER = IncidentState.OPEN, IncidentState.WORSENED, IncidentState.RESOLVED
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def message(sequence: int, state: IncidentState, severity: Severity = WARNING, **changes: object) -> Alert:
    """One a minute; each says its own number wherever it can."""
    alert = Alert(
        incident="orders-1",
        sequence=sequence,
        state=state,
        severity=severity,
        cause=Cause.PROVISIONED,
        table=TableKey("123456789012", "us-east-1", "orders"),
        index="",
        time=T + 60 * sequence,
        opened_at=T + 60,
        subject=f"subject {sequence}",
        sentence=f"Sentence {sequence}.",
        facts=(("demand", f"{sequence}00/s"),),
        done=f"Deed {sequence}.",
        todo=f"Do {sequence}.",
    )
    return replace(alert, **changes)  # type: ignore[arg-type]  # a test's choice


def messages(text: str) -> list[Alert]:
    """``"o w! r"``: open, worsened to critical, resolved; ``n``: a reminder."""
    states = {"o": OPEN, "w": WORSE, "r": OVER, "n": OPEN}
    return [
        message(
            number,
            states[letter[0]],
            CRITICAL if "!" in letter else WARNING,
            repeats=(900.0,) if letter[0] == "n" else (),
        )
        for number, letter in enumerate(text.split(), start=1)
    ]


@pytest.mark.parametrize("told", [False, True], ids=["not told", "told"])
@pytest.mark.parametrize("text", ["o", "w", "r", "n"])
def test_one_message_is_sent_as_it_is(text: str, told: bool) -> None:  # noqa: FBT001 - a column of the table
    (alert,) = messages(text)
    assert merged([alert], told) is alert


@pytest.mark.parametrize(
    ("text", "told", "state", "severity", "number"),
    [
        pytest.param("o w", False, OPEN, WARNING, 2, id="who has not heard is told that it is open"),
        pytest.param("o w! w", False, OPEN, CRITICAL, 3, id="at the severity of its worst, with the newest numbers"),
        pytest.param("o r", False, OVER, WARNING, 2, id="of what came and went: that it is over"),
        pytest.param("o w! r", False, OVER, CRITICAL, 3, id="and how bad it was"),
        pytest.param("o r o", False, OPEN, WARNING, 3, id="of what came back: that it is open"),
        pytest.param("o r o w! r", False, OVER, CRITICAL, 5, id="of what came and went twice: that it is over"),
        pytest.param("o o", False, OPEN, WARNING, 2, id="of what was only named later: that it is open"),
        pytest.param("w w!", False, WORSE, CRITICAL, 2, id="no beginning is made up where there is none"),
        pytest.param("w r", True, OVER, WARNING, 2, id="who knows that it is open is told of the end"),
        pytest.param("w w!", True, WORSE, CRITICAL, 2, id="or that it is worse"),
        pytest.param("w! o", True, WORSE, CRITICAL, 2, id="also where it was named after it worsened"),
        pytest.param("r o", True, OPEN, WARNING, 2, id="or that it is open still"),
        pytest.param("w! r o", True, OPEN, CRITICAL, 3, id="what worsened before it was over does not count after it"),
        pytest.param("r o w!", True, WORSE, CRITICAL, 3, id="what worsened after it does"),
    ],
)
def test_a_story_ends_where_its_last_message_does(
    text: str,
    told: bool,  # noqa: FBT001 - a column of the table
    state: IncidentState,
    severity: Severity,
    number: int,
) -> None:
    story = merged(messages(text), told)
    assert (story.state, story.severity, story.id) == (state, severity, f"orders-1-{number}")
    assert (story.subject, story.todo) == (f"subject {number}", f"Do {number}.")
    assert story.sentence.startswith(f"Sentence {number}. ")
    assert story.facts[0] == ("demand", f"{number}00/s")


def test_the_story_of_what_worsened_says_when_it_began_and_all_that_was_done() -> None:
    story = merged(messages("o w!"), told=False)
    assert story.sentence == (
        "Sentence 2. This is the first message of it: opened at 14:21 UTC, worsened at 14:22 UTC."
    )
    assert story.facts == (("demand", "200/s"),)
    assert story.done == "At 14:21 UTC: Deed 1. At 14:22 UTC: Deed 2."


def test_the_story_of_what_is_over_says_how_bad_it_was_at_its_worst() -> None:
    story = merged(messages("o w! w r"), told=False)
    assert story.sentence == (
        "Sentence 4. This is the first message of it: opened at 14:21 UTC, worsened at 14:22 UTC, "
        "worsened at 14:23 UTC, resolved at 14:24 UTC. At its worst: Sentence 2."
    )
    assert ("demand, at its worst", "200/s") in story.facts


def test_of_the_worst_only_what_tells_how_bad_it_was_is_kept() -> None:
    names = (
        "since", "demand", "consumed", "provisioned", "throttled", "hot keys", "keys", "hot keys of index by-day",
        "keys of index by-day", "decreases left", "cost", "by hand",
    )  # fmt: skip
    first, last = message(1, OPEN, facts=tuple((name, "x") for name in names)), message(2, OVER)
    assert [name for name, _ in merged([first, last], told=False).facts[1:]] == [
        f"{name}, at its worst"
        for name in (
            *("demand", "provisioned", "throttled", "hot keys", "keys"),
            *("hot keys of index by-day", "keys of index by-day"),
        )
    ]


@pytest.mark.parametrize(
    ("text", "told", "subject"),
    [
        pytest.param("o w", False, "orders: writes throttled", id="who has heard nothing hears of nothing worse"),
        pytest.param("o w", True, "orders: worse: writes throttled", id="who knows of it hears that it is worse"),
        pytest.param("w w", False, "orders: worse: writes throttled", id="as who hears that it has worsened"),
    ],
)
@pytest.mark.parametrize("severity", Severity)
def test_the_subject_fits_the_state(text: str, told: bool, subject: str, severity: Severity) -> None:  # noqa: FBT001 - a column
    worse = "worse (critical): " if severity is CRITICAL else "worse: "
    first, last = messages(text)
    last = replace(last, subject=f"orders: {worse}writes throttled", severity=severity)
    story = merged([first, last], told)
    assert story.subject == subject.replace("worse: ", worse)
    assert (story.state is OPEN) == ("worse" not in story.subject)


@pytest.mark.parametrize(
    ("seconds", "begins"),
    [
        pytest.param(300, "Sentence 1.", id="five minutes late is in time"),
        pytest.param(
            301, "Delayed until 14:26 UTC; what follows is of 14:21 UTC: Sentence 1.", id="a second more is late"
        ),
        pytest.param(
            86_400, "Delayed until 14:21 UTC; what follows is of 2026-09-21 14:21 UTC: Sentence 1.", id="a day late"
        ),
    ],
)
def test_a_message_that_was_held_says_so_first(seconds: int, begins: str) -> None:
    one = message(1, OPEN)
    late = delayed(one, one.time + seconds)
    assert late.sentence == begins
    assert replace(late, sentence=one.sentence) == one


def test_the_story_of_what_came_back_tells_both_ends() -> None:
    assert "opened at 14:21 UTC, resolved at 14:22 UTC, opened again at 14:23 UTC." in (
        merged(messages("o r o"), told=False).sentence
    )
    assert merged(messages("r o o"), told=True).sentence == (
        "Sentence 3. Since the last message: resolved at 14:21 UTC, opened again at 14:22 UTC, told more at 14:23 UTC."
    )


def test_what_is_told_before_the_end_is_of_now_not_of_its_worst() -> None:
    story = merged(messages("o w! w"), told=False)
    assert "worst" not in story.sentence
    assert [name for name, _ in story.facts] == ["demand"]


def test_of_several_severest_messages_the_newest_tells_the_worst() -> None:
    assert merged(messages("o w! w! w r"), told=False).sentence.endswith("At its worst: Sentence 3.")


def test_what_is_told_again_of_an_open_incident_is_no_beginning() -> None:
    assert "message: told more at 14:21 UTC, worsened at 14:22 UTC." in merged(messages("o w"), told=True).sentence


def test_what_is_a_day_ago_has_its_date() -> None:
    old, new = message(1, OPEN, time=T - 86_400), message(2, WORSE)
    assert "opened at 2026-09-20 14:20 UTC" in merged([old, new], told=False).sentence


def test_a_deed_told_twice_was_done_once() -> None:
    same = [replace(one, done="Nothing.") for one in messages("o w r")]
    assert merged(same, told=False).done == "Nothing."
    assert merged([replace(one, done="") for one in same], told=False).done == ""
    first, second, third = messages("o w r")
    again = [first, second, replace(third, done=first.done)]
    assert merged(again, told=False).done == "At 14:21 UTC: Deed 1. At 14:22 UTC: Deed 2."


@pytest.mark.parametrize(
    ("deeds", "done"),
    [
        pytest.param(
            ("Nothing. Writes: held at 812/s.", "Nothing. Writes: held at 830/s."),
            "Nothing. Writes: held at 830/s.",
            id="that nothing was done is told once, with the newest reason",
        ),
        pytest.param(
            ("Nothing.", "Nothing, this is advice only.", "Writes: raised."),
            "At 14:22 UTC: Nothing, this is advice only. At 14:23 UTC: Writes: raised.",
            id="and of each time before a deed",
        ),
        pytest.param(
            ("Writes: raised to 2.", "Writes: raised to 4."),
            "At 14:21 UTC: Writes: raised to 2. At 14:22 UTC: Writes: raised to 4.",
            id="two deeds are two, however alike",
        ),
        pytest.param(
            ("Nothing. A.", "Writes: raised.", "Nothing. B."),
            "At 14:21 UTC: Nothing. A. At 14:22 UTC: Writes: raised. At 14:23 UTC: Nothing. B.",
            id="with a deed between them both times stay",
        ),
    ],
)
def test_what_was_done_is_told_in_order_and_idleness_once(deeds: tuple[str, ...], done: str) -> None:
    waiting = [message(number, OPEN if number == 1 else WORSE, done=one) for number, one in enumerate(deeds, start=1)]
    assert merged(waiting, told=False).done == done


@pytest.mark.parametrize(
    ("text", "number", "is_reminder"),
    [
        pytest.param("n n n", 3, True, id="of reminders the newest is left"),
        pytest.param("o n n", 1, False, id="beside the beginning there is nothing to remind of"),
        pytest.param("n w n", 2, False, id="nor beside other news"),
        pytest.param("n r", 2, False, id="nor beside the end"),
        pytest.param("o n w", 3, False, id="nor between two"),
    ],
)
def test_a_reminder_vanishes_beside_anything_else(text: str, number: int, is_reminder: bool) -> None:  # noqa: FBT001 - a column of the table
    story = merged(messages(text), told=True)
    assert (story.id, story.is_reminder) == (f"orders-1-{number}", is_reminder)


def test_the_links_of_a_message_without_any_are_those_of_the_worst() -> None:
    links = (("runbook", "https://example.com"),)
    first, last = message(1, OPEN, links=links), message(2, OVER)
    assert merged([first, last], told=False).links == links
    assert merged([first, replace(last, links=(("page", "x"),))], told=False).links == (("page", "x"),)


@given(st.lists(st.sampled_from(["o", "w", "r", "o!", "w!", "n"]), min_size=1, max_size=6).map(" ".join), st.booleans())
def test_whatever_waits_the_newest_news_is_told_at_the_severity_of_the_worst(text: str, told: bool) -> None:  # noqa: FBT001 - a column
    waiting = messages(text)
    story = merged(waiting, told)
    heard = [one for one in waiting if not one.is_reminder] or waiting[-1:]
    assert story.id == heard[-1].id
    assert (story.state is OVER) == (heard[-1].state is OVER)
    assert (story.severity is CRITICAL) == any(one.severity is CRITICAL for one in heard)
    if len(heard) > 1:
        assert all(f" at {time_of_day(one.time, one.time)}" in story.sentence for one in heard)
        assert all(one.done in story.done for one in heard)
