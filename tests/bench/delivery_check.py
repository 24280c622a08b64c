"""What the fault run came to, held against the truth: what was decided, and the trouble that was scripted."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from tests.bench.delivery_child import ROUTES
from tests.bench.delivery_script import MINUTE, RULES, Episode, Script, Trouble
from tests.bench.delivery_sns import AMBIGUOUS, Arrival, Way
from tests.bench.delivery_world import DELAY, Ledger, ScriptedAws
from watcher.aws.sns import SnsNotifier
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_WRITE, Alert, Metric, Query
from watcher.core.reasons import IncidentState
from watcher.store.codec import INTENT
from watcher.store.sqlite import SqliteStore

NOTICED = 12 * MINUTE  # after scripted trouble has ended, its incident has surely been opened
ENOUGH = 10.0  # throttled events in a minute that must open an incident

Thread = tuple[str, str]  # (topic, incident)


@dataclass(frozen=True)
class Run:
    """What a run left behind. deaths: by number of the life, the step at which it was killed."""

    script: Script
    directory: Path
    arrivals: Sequence[Arrival]
    mistakes: Sequence[str]
    deaths: Mapping[int, str]

    @cached_property
    def alerts(self) -> dict[str, list[Alert]]:
        """Recorded, by incident in the order of their numbers."""
        found: dict[str, list[Alert]] = defaultdict(list)
        with closing(SqliteStore.reader(self.directory / "watcher.db")) as store:
            for alert in store.alerts(10**9):
                found[alert.incident].append(alert)
        return {incident: sorted(alerts, key=lambda one: one.sequence) for incident, alerts in found.items()}

    @cached_property
    def taken(self) -> dict[Thread, list[Arrival]]:
        """What SNS took, in order."""
        found: dict[Thread, list[Arrival]] = defaultdict(list)
        for arrival in self.arrivals:
            if arrival.way.takes:
                found[arrival.topic, arrival.incident].append(arrival)
        return found

    @cached_property
    def journal(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.directory / "journal").read_text().splitlines()]

    def rows(self, query: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(f"file:{self.directory / 'watcher.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()


@dataclass
class Verdict:
    """problems: what must not be, a sentence each, by kind; figures: in reading order."""

    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, int] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not any(self.problems.values())


def judged(run: Run) -> Verdict:
    verdict = Verdict()
    dead = _dead(run)
    _check_told(run, dead, verdict)
    _check_storms(run, dead, verdict)
    _check_script(run, verdict)
    _check_order(run, verdict)
    _check_duplicates(run, verdict)
    _check_dead(run, dead, verdict)
    _check_store(run, verdict)
    verdict.problems["requests that SNS would refuse"] += run.mistakes
    verdict.figures |= _figures(run, dead)
    return verdict


def _figures(run: Run, dead: set[tuple[str, str]]) -> dict[str, int]:
    alerts = [alert for thread in run.alerts.values() for alert in thread]
    taken = [arrival for thread in run.taken.values() for arrival in thread]
    return {
        "scripted troubles": len(run.script.episodes),
        "incidents": len(run.alerts),
        "alerts decided": len(alerts),
        "of them folded into a storm": sum(bool(alert.storm) for alert in alerts),
        "messages addressed": int(run.rows("SELECT COUNT(*) FROM messages")[0][0]),
        "requests to SNS": len(run.arrivals),
        "messages that SNS took": len(taken),
        "repeats dropped by the FIFO topic": sum(arrival.dropped for arrival in taken),
        "messages dead, refused for themselves": len(dead),
        "lives": len(run.deaths) + 1,
    }


# -- nothing is lost --------------------------------------------------------------------------------------------------


def _check_told(run: Run, dead: set[tuple[str, str]], verdict: Verdict) -> None:
    """Each alert was told to each topic that wants it, by itself or by a later message that has its story; and the
    last thing that a topic heard of what is over is that it is over."""
    addressed = set(run.rows("SELECT topic, alert FROM messages"))
    for incident, alerts in run.alerts.items():
        for topic in wanting(alerts):
            mine = [alert for alert in alerts if topic in wanting([alert]) and (topic, alert.id) not in dead]
            heard = run.taken.get((topic, incident), [])
            newest = max((arrival.sequence for arrival in heard), default=0)
            lost = [alert for alert in mine if not alert.storm and alert.sequence > newest]
            verdict.problems["alerts lost"] += [f"{alert.id} ({alert.state}) to {topic}" for alert in lost]
            forgotten = [alert for alert in mine if not alert.storm and (topic, alert.id) not in addressed]
            verdict.problems["alerts never addressed"] += [f"{alert.id} to {topic}" for alert in forgotten]
            last = mine[-1] if mine else None
            if last is None or last.storm or lost or not heard:
                continue
            over, said = last.state is IncidentState.RESOLVED, heard[-1].state
            if over is not (said == IncidentState.RESOLVED.value):
                verdict.problems["ends not told last"].append(f"{last.id} is {last.state}, {topic} heard {said} last")


def wanting(alerts: Iterable[Alert]) -> list[str]:
    """The topics that the routes give these alerts to, were none of them folded into a storm."""
    notifier = SnsNotifier({}, ROUTES)
    return list(dict.fromkeys(topic for one in alerts for topic in notifier.topics_for(replace(one, storm=""))))


def _check_storms(run: Run, dead: set[tuple[str, str]], verdict: Verdict) -> None:
    """What was folded into a storm stands in one of its messages, for each topic that wanted it; unless SNS refused for
    itself the message in which it stood."""
    for alerts in run.alerts.values():
        for alert in alerts:
            name = alert.table.name
            listing = [one.id for one in run.alerts.get(alert.storm, ()) if name in one.tables]
            for topic in wanting([alert]) if alert.storm else ():
                heard = any(name in arrival.body for arrival in run.taken.get((topic, alert.storm), []))
                if not heard and not any((topic, ident) in dead for ident in listing):
                    verdict.problems["folded and not listed"].append(f"{alert.id} in {alert.storm} to {topic}")


def _check_script(run: Run, verdict: Verdict) -> None:
    """Each scripted trouble that a pass saw has an incident: decided by the script alone, not by what the watcher
    says of it."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for alerts in run.alerts.values():
        ended = alerts[-1].time if alerts[-1].state is IncidentState.RESOLVED else float("inf")
        spans[alerts[0].table.name].append((alerts[0].opened_at, ended))
    shown = list(_shown(run))
    verdict.figures["troubles that a pass saw"] = len(shown)
    for episode in shown:
        if not any(start <= episode.end + NOTICED and end >= episode.start for start, end in spans[episode.table]):
            verdict.problems["troubles without an incident"].append(f"{episode.table} from {episode.start}")


def _shown(run: Run) -> Iterator[Episode]:
    """The troubles that showed clearly in a pass that came as far as recording what it decided."""
    passes = [
        float(str(line["time"]))
        for line in run.journal
        if line["what"] == "store.record ends" and not run.script.is_dark(float(str(line["time"])))
    ]
    clock = SimulatedClock(float(run.script.end + NOTICED))
    with closing(Ledger(run.directory / "ledger")) as ledger:
        aws = ScriptedAws(replace(run.script, dark=()), clock, ledger)
        for episode in run.script.episodes:
            spans = list(_visible(run.script.tables[episode.table].kind, episode, aws))
            if any(start <= at < end for at in passes for start, end in spans):
                yield episode


def _visible(kind: Trouble, episode: Episode, aws: ScriptedAws) -> Iterator[tuple[float, float]]:
    """From when until when a pass must see that something is wrong. Silence shows when the last point is stale."""
    for phase in episode.phases:
        if kind is Trouble.SILENCE:
            yield phase.start + 7 * MINUTE, phase.end + DELAY
            continue
        query = Query(episode.table, Metric.THROTTLED, TABLE_WRITE)
        bad = [at for at, events in aws.read([query], phase.start, phase.end)[query].points.items() if events >= ENOUGH]
        if bad:
            yield bad[0] + MINUTE + DELAY, bad[-1] + RULES.window


# -- in order, and once ------------------------------------------------------------------------------------------------


def _check_order(run: Run, verdict: Verdict) -> None:
    for (topic, incident), heard in run.taken.items():
        for before, after in pairwise(heard):
            if after.sequence < before.sequence:
                said = f"{incident}: {after.sequence} after {before.sequence} to {topic}"
                verdict.problems["told in the wrong order"].append(said)


def _check_duplicates(run: Run, verdict: Verdict) -> None:
    """Each message that SNS took again has its reason in how it was taken before: an answer that never arrived, or a
    death before it could be marked."""
    marked = _marked(run.journal)
    failed = {key for line in run.journal if line["what"] == "notifier.publish fails" for key in _keys(line)}
    words: Counter[str] = Counter()
    for (topic, incident), heard in run.taken.items():
        last: dict[int, Arrival] = {}
        for arrival in heard:
            before = last.get(arrival.sequence)
            last[arrival.sequence] = arrival
            if before is None:
                continue
            key = (before.life, topic, incident, arrival.sequence)
            why = _attributed(before, run.deaths.get(before.life), marked=key in marked, failed=key in failed)
            verdict.duplicates[why or "unattributed"] += 1
            words["in other words"] += before.body != arrival.body
            if not why:
                verdict.problems["duplicates without a reason"].append(f"{incident}-{arrival.sequence} to {topic}")
            if before.state != arrival.state:
                said = f"{incident}-{arrival.sequence}: {before.state}, then {arrival.state} to {topic}"
                verdict.problems["one message in two states"].append(said)
    verdict.figures["duplicates"] = sum(verdict.duplicates.values())
    verdict.figures["of them in other words"] = words["in other words"]


def _attributed(before: Arrival, death: str | None, *, marked: bool, failed: bool) -> str:
    """Why a message taken so could not be known as delivered, "" where it could."""
    if before.way in AMBIGUOUS:
        return f"ambiguous answer: {before.way}"
    if death is not None and not marked:
        return f"killed {death}" if before.way is not Way.TAKEN_KILLED else before.way.value
    return "its answer came too late" if failed else ""


Told = tuple[int, str, str, int]  # (life, topic, incident, sequence)


def _marked(journal: Iterable[Mapping[str, object]]) -> set[Told]:
    return {key for line in journal if line["what"] == "store.delivered ends" for key in _keys(line)}


def _keys(line: Mapping[str, object]) -> list[Told]:
    sequences = line["sequences"]
    assert isinstance(sequences, list)
    return [(int(str(line["life"])), str(line["topic"]), str(line["incident"]), number) for number in sequences]


# -- dead, and left over -----------------------------------------------------------------------------------------------


def _dead(run: Run) -> set[tuple[str, str]]:
    """(topic, alert's id) of what was given up."""
    return {(topic, alert) for topic, alert in run.rows("SELECT topic, alert FROM messages WHERE dead = 1")}


def _check_dead(run: Run, dead: set[tuple[str, str]], verdict: Verdict) -> None:
    """Given up is what SNS refused for itself, or was merged into that, and nothing else."""
    refused: dict[Thread, int] = {}
    for arrival in run.arrivals:
        if arrival.way is Way.INVALID:
            thread = (arrival.topic, arrival.incident)
            refused[thread] = max(refused.get(thread, 0), arrival.sequence)
            if (arrival.topic, f"{arrival.incident}-{arrival.sequence}") not in dead:
                verdict.problems["refused and not dead"].append(f"{arrival.incident}-{arrival.sequence}")
    for topic, alert in dead:
        incident, _, sequence = alert.rpartition("-")
        if int(sequence) > refused.get((topic, incident), 0):
            verdict.problems["dead and not refused"].append(f"{alert} to {topic}")


def _check_store(run: Run, verdict: Verdict) -> None:
    waiting = run.rows("SELECT id FROM messages WHERE closed_at IS NULL")
    verdict.problems["messages left waiting"] += [str(ident) for (ident,) in waiting]
    still_open = run.rows("SELECT id FROM intents WHERE settled_at IS NULL")
    verdict.problems["intents left open"] += [str(ident) for (ident,) in still_open]
    intents = [INTENT.decode(document, "the intents") for (document,) in run.rows("SELECT document FROM intents")]
    meant = {(intent.action.table.name, int(intent.time)) for intent in intents}
    with closing(Ledger(run.directory / "ledger")) as ledger:
        for table in run.script.tables:
            for change in ledger.of(table):
                # A pass acts for a minute at most.
                if not any((table, int(change.at) - ago) in meant for ago in range(MINUTE)):
                    verdict.problems["changes never written down"].append(f"{table} at {change.at}")
