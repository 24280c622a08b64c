"""The post room dies at every call in turn, before it or after it, and a new life goes on: nothing is lost, nothing is
out of order, and only what was sent and could not be written down is sent twice."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.store.samples import OTHER_TOPIC, TOPIC, USERS, T, alert, pause
from tests.support.wire import Crash
from tests.test_post import Desk, critical, end, worse
from watcher.core.pauses import Pause
from watcher.core.reasons import IncidentState
from watcher.ports import Outgoing
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

PAUSED: list[Pause] = [pause("users", since=T - 60)]


def before_the_crash(desk: Desk) -> None:
    """Incidents in every state that a thread may be in, on two topics."""
    desk.topics.topics = (TOPIC, OTHER_TOPIC)
    desk.pauses = PAUSED
    desk.record(alert(1, "told"), alert(1, "ending"))
    desk.deliver()
    desk.record(
        critical(worse(2, "told")),
        end(2, "ending"),
        *(alert(1, "story"), worse(2, "story")),
        *(alert(1, "whole"), worse(2, "whole"), end(3, "whole")),
        *(alert(1, "silent", table=USERS), end(2, "silent", table=USERS)),
        alert(1, "held", table=USERS),
    )


def interrupted(directory: Path, engine: str, number: int, *, after: bool) -> tuple[Desk, list[Outgoing], bool]:
    """The second life, all that was sent in both, and whether the first one died at call ``number`` of its delivery."""
    store = MemoryStore() if engine == "memory" else SqliteStore(directory / "watcher.db")
    first = Desk(store)
    before_the_crash(first)
    first.wire.die_at, first.wire.die_after = len(first.wire.calls) + number, after
    publish = first.topics.publish
    first.topics.publish = lambda outgoing: first.wire.call("notifier.publish", publish, (outgoing,))  # type: ignore[method-assign]  # tapped
    with contextlib.suppress(Crash):
        first.deliver(60)
    died = len(first.wire.calls) > first.wire.die_at
    if isinstance(store, SqliteStore):
        store.close()
        store = SqliteStore(directory / "watcher.db")
    second = Desk(store)
    second.topics.topics, second.pauses = first.topics.topics, PAUSED
    second.clock.advance(120)
    second.deliver()
    return second, [*first.topics.sent, *second.topics.sent], died


def check(desk: Desk, sent: list[Outgoing]) -> int:
    """Returns how many were sent twice."""
    for topic in (TOPIC, OTHER_TOPIC):
        heard: dict[str, list[tuple[int, IncidentState]]] = {}
        for one in sent:
            if one.topic_arn == topic:
                heard.setdefault(one.alert.incident, []).append((one.alert.sequence, one.alert.state))
        assert {incident: list(dict.fromkeys(told)) for incident, told in heard.items()} == {
            "told": [(1, "open"), (2, "worsened")],
            "ending": [(1, "open"), (2, "resolved")],
            "story": [(2, "open")],
            "whole": [(3, "resolved")],
        }
        assert not any(desk.store.hearers(incident) for incident in ("ending", "whole", "silent"))
        assert sorted(desk.store.hearers("told")) == sorted(desk.store.hearers("story")) == sorted([TOPIC, OTHER_TOPIC])
    assert [thread.incident for thread in desk.store.outbox(T + 120)] == ["held", "held"]
    assert desk.store.waiting() == 2
    return len(sent) - len({(one.id, one.topic_arn) for one in sent})


@pytest.mark.parametrize("after", [False, True], ids=["dying before the call", "dying after the call"])
@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_killed_at_every_call_of_a_delivery(engine: str, after: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a column
    number, died, doubled = 0, True, list[int]()
    while died:
        directory = tmp_path / str(number)
        directory.mkdir()
        second, sent, died = interrupted(directory, engine, number, after=after)
        doubled.append(check(second, sent))
        if isinstance(second.store, SqliteStore):
            second.store.close()
        number += 1
    assert number > 15  # outbox, two silences, eight messages sent and written down, one count
    # Only a death between a message's arrival and its writing down doubles it: eight of them, one message each.
    assert sorted(doubled)[-9:] == [0] + [1] * 8
