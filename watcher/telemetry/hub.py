"""Turns each finished cycle into logs, metrics, health and the page's snapshot.

One writer, the cycle's thread; the web threads only ever read ``snapshot``, a reference that is replaced whole.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from watcher.clock import iso
from watcher.core.hot_keys import HotKeyFinding, KeyVerdict
from watcher.core.model import Alert, Decision, Dimension, Settlement, TableKey
from watcher.core.pauses import Pause
from watcher.core.reasons import IncidentState, Reason, Severity
from watcher.core.words import capitalised, count
from watcher.ports import CycleReport, TableReport
from watcher.telemetry.health import Health
from watcher.telemetry.logs import Event, logger
from watcher.telemetry.metrics import WatcherMetrics
from watcher.telemetry.outcomes import settled, settlement_sentence
from watcher.telemetry.snapshot import (
    Snapshot,
    TableView,
    pauses_in_force,
    regional_incidents,
    regions_unread,
    store_loss,
)
from watcher.telemetry.troubles import Troubles

_INCIDENT_EVENTS: Mapping[IncidentState, Event] = {
    IncidentState.OPEN: Event.INCIDENT_OPENED,
    IncidentState.WORSENED: Event.INCIDENT_WORSENED,
    IncidentState.RESOLVED: Event.INCIDENT_RESOLVED,
}
SHORTEST_KEY = 4  # characters of a key that is found wherever it stands
_KEYS_ELSEWHERE = "It names hot keys, which no log does: see the alert, the page or `watcher history`."
_NAMELESS = frozenset({KeyVerdict.NO_SINGLE_KEY, KeyVerdict.UNKNOWN})
_SUBJECTS = ("region", "table", "index", "incident", "topic")  # facts that tell one trouble from another

_LEVELS: Mapping[str, int] = {Event.TOPIC_FAILING: logging.ERROR, Event.TOPIC_BACK: logging.INFO}
_TROUBLE_WORDS: Mapping[str, str] = {
    "discovery.failed": "The tables cannot be listed",
    "operations.failed": "The operations with latency cannot be listed",
    "store.failed": "The state store failed",
}


class TelemetryHub:
    """Implements :class:`watcher.ports.Telemetry`."""

    def __init__(
        self,
        metrics: WatcherMetrics,
        health: Health,
        *,
        version: str,
        regions: Iterable[str] = (),
        topics: Iterable[str] = (),
    ) -> None:
        """topics: ARNs of the configured ones."""
        self._metrics = metrics
        self._health = health
        self._log = logger()
        self._troubles = Troubles()
        self._learning = 0  # tables whose past was still to be learned, when that was last told
        self._last: dict[tuple[TableKey, Dimension], Decision] = {}
        self._unsayable: dict[TableKey, frozenset[str]] = {}  # hot keys and words with them, as of their last verdict
        self._topics = tuple(dict.fromkeys(topics))
        self._regional: dict[str, Alert] = {}  # the last message of each of the Regions' incidents
        self._snapshot = Snapshot(version=version, regions=tuple(regions), topics=self._topics)
        metrics.watch_cycle_age(health.cycle_age)

    @property
    def snapshot(self) -> Snapshot:
        """The newest picture; safe from any thread."""
        return self._snapshot

    def remember(self, decisions: Iterable[Decision]) -> None:
        """Take up decisions of an earlier run, newest first, so that the page knows the last ones after a restart."""
        for decision in decisions:
            if not decision.reason.is_of_table:
                self._last.setdefault((decision.table, decision.dimension), decision)

    def remember_alerts(self, alerts: Iterable[Alert]) -> None:
        """Take up alerts of an earlier run, newest first, so that the page has the words of the Regions' incidents."""
        for alert in alerts:
            if not alert.table.name:
                self._regional.setdefault(alert.incident, alert)

    def use_topics(self, topics: Iterable[str]) -> None:
        """ARNs of the topics of a reloaded config; shown from the next cycle on."""
        self._topics = tuple(dict.fromkeys(topics))

    def cycle_finished(self, report: CycleReport) -> None:
        before = {view.key: view for view in self._snapshot.tables}
        for table in report.tables:
            self._remember_new(table)
            self._remember_keys(table)
        after = self._views(report, before)
        snapshot = replace(
            self._snapshot, report=report, tables=after, topics=self._topics, regional=self._regional_words(report)
        )
        self._health.cycle_finished(store_available=not store_loss(report))
        self._metrics.cycle_finished(report, snapshot)
        self._snapshot = snapshot
        self._log_readability(report)
        self._log_tables(before, {view.key: view for view in after})
        self._log_learning(report.learning)
        self._log_pauses(report)
        for alert in report.told:
            self._log_alert(alert, before.get(alert.table))
        for table in report.tables:
            self._log_table(table)
        self._log_cycle(report)
        self._troubles.cycle_finished()

    def trouble(self, event: str, **facts: object) -> None:
        """Logged, as a warning unless the event has a level of its own, once until its facts change or a whole cycle
        passes without it.

        Give ``sentence`` for people, or the bare ``error`` where the event has words of its own; and of region,
        table, index, incident and topic those that apply.
        """
        if "sentence" not in facts and "error" in facts:
            facts["sentence"] = f"{_TROUBLE_WORDS.get(event, event)}: {facts['error']}"
        subject = (event, *(str(facts.get(name, "")) for name in _SUBJECTS))
        if self._troubles.is_news(subject, repr(sorted(facts.items(), key=lambda fact: fact[0]))):
            self._log.log(_LEVELS.get(event, logging.WARNING), event, **facts)

    # ---- the snapshot

    def _regional_words(self, report: CycleReport) -> Mapping[str, Alert]:
        """The last message of each of the Regions' open incidents, by incident; those of others are forgotten."""
        for alert in report.told:
            if not alert.table.name:
                self._regional[alert.incident] = alert
        open_ones = {incident.id for _, incident in regional_incidents(report)}
        self._regional = {number: alert for number, alert in self._regional.items() if number in open_ones}
        return dict(self._regional)

    def _remember_new(self, table: TableReport) -> None:
        for decision in settled(table.explanation.new_decisions if table.explanation else (), table.settlements):
            if not decision.reason.is_of_table:
                self._last[table.key, decision.dimension] = decision

    def _remember_keys(self, table: TableReport) -> None:
        findings = table.explanation.hot_keys.values() if table.explanation else ()
        hot = [finding for finding in findings if finding.verdict not in _NAMELESS]
        if hot:
            labels = (key.key for finding in hot for key in finding.keys)
            words = (words for finding in hot for words in (finding.sentence, finding.todo))
            self._unsayable[table.key] = frozenset((*labels, *words))

    def _views(self, report: CycleReport, before: Mapping[TableKey, TableView]) -> tuple[TableView, ...]:
        views = {table.key: self._view(table, before.get(table.key), report) for table in report.tables}
        for key, view in before.items():
            # Not seen because its Region was not: it may well exist, so its past stays on show, marked.
            if key not in views and key.region in report.region_errors:
                views[key] = replace(view, error=report.region_errors[key.region])
        for gone in [key for key in self._last if key[0] not in views and key[0] in before]:
            del self._last[gone]
        for unseen in [key for key in self._unsayable if key not in views]:
            del self._unsayable[unseen]
        return tuple(views[key] for key in sorted(views))

    def _view(self, table: TableReport, before: TableView | None, report: CycleReport) -> TableView:
        if table.explanation is None or table.description is None:
            past = before or TableView(table.key, table.mode)
            error = table.error or "Nothing is known of it yet."
            return replace(past, mode=table.mode, error=error, sampling=table.sampling or past.sampling)
        return TableView(
            key=table.key,
            mode=table.mode,
            billing=table.description.billing,
            explanation=table.explanation,
            seen_at=report.finished_at,
            error=table.error,
            last_decisions=tuple(
                self._last.get((table.key, decision.dimension), decision)
                for decision in settled(table.explanation.decisions, table.settlements)
            ),
            sampling=table.sampling or (before.sampling if before else None),
        )

    # ---- the log

    def _log_readability(self, report: CycleReport) -> None:
        lost = store_loss(report)
        if lost and self._troubles.begins((Event.STORE_UNAVAILABLE,), lost):
            self._log.error(Event.STORE_UNAVAILABLE, sentence=lost)
        elif not lost and self._troubles.ends((Event.STORE_UNAVAILABLE,)):
            self._log.info(Event.STORE_AVAILABLE, sentence="The state store is back.")
        unread = regions_unread(report)
        for region, error in sorted(unread.items()):
            if self._troubles.begins((Event.REGION_UNREADABLE, region), error):
                sentence = f"Region {region} cannot be read: {error}"
                self._log.error(Event.REGION_UNREADABLE, region=region, sentence=sentence)
        for region in self._troubles.over(Event.REGION_UNREADABLE, unread):
            self._log.info(Event.REGION_READABLE, region=region, sentence=f"Region {region} can be read again.")

    def _log_learning(self, waiting: int) -> None:
        """When tables join the queue, each time half of it is done, and at its end."""
        if waiting == 0 and self._learning:
            self._log.info(Event.PAST_LEARNED, sentence="The past of every table is learned.")
        elif waiting > self._learning or 0 < 2 * waiting <= self._learning:
            sentence = f"Learning the past of {count(waiting, 'table')} from CloudWatch, beside watching them."
            self._log.info(Event.PAST_LEARNING, tables=waiting, sentence=sentence)
        else:
            return
        self._learning = waiting

    def _log_tables(self, before: Mapping[TableKey, TableView], after: Mapping[TableKey, TableView]) -> None:
        for key in sorted(after.keys() - before.keys()):
            view = after[key]
            billing = f", {view.billing} capacity" if view.billing else ""
            sentence = f"Watching it in {view.mode} mode{billing}."
            self._log.info(Event.TABLE_FOUND, **_of(key), mode=view.mode.value, sentence=sentence)
        for key in sorted(before.keys() - after.keys()):
            self._troubles.ends((Event.TABLE_UNREADABLE, str(key)))
            self._log.info(
                Event.TABLE_GONE, **_of(key), sentence="It is no longer there, or no rule matches it any more."
            )

    def _log_table(self, table: TableReport) -> None:
        name = str(table.key)
        facts = _of(table.key)
        if table.error:
            if self._troubles.begins((Event.TABLE_UNREADABLE, name), table.error):
                self._log.warning(Event.TABLE_UNREADABLE, **facts, sentence=table.error)
        elif self._troubles.ends((Event.TABLE_UNREADABLE, name)):
            self._log.info(Event.TABLE_READABLE, **facts, sentence="It can be read again.")
        for decision in table.explanation.new_decisions if table.explanation else ():
            if decision.reason is Reason.HOT_KEYS:
                self._log_verdict(decision, table)
            else:
                self._log_decision(decision)
        for decision in table.sampling.decisions if table.sampling else ():
            self._log_decision(decision)
        for settlement in table.settlements:
            self._log_settlement(settlement)

    def _log_decision(self, decision: Decision) -> None:
        self._log.info(
            Event.DECISION_MADE,
            **_of(decision.table),
            index=decision.dimension.index,
            dimension=decision.dimension.kind.value,
            before=decision.before,
            after=decision.after,
            reason=decision.reason.value,
            mode=decision.mode.value,
            sentence=f"{capitalised(decision.noun)}: {self._sayable(decision.table, decision.sentence)}",
        )

    def _log_verdict(self, decision: Decision, table: TableReport) -> None:
        """A new verdict on hot keys. Whatever form they have, keys stand in the line for debugging only."""
        index = decision.dimension.index
        finding = table.explanation.hot_keys.get(index) if table.explanation else None
        facts: dict[str, object] = {**_of(decision.table), "index": index}
        if finding is not None:
            facts |= {"verdict": finding.verdict.value, "keys": len(finding.keys)}
        self._log.info(
            Event.HOT_KEYS_JUDGED, **facts, mode=decision.mode.value, sentence=_verdict_sentence(index, finding)
        )
        self._log.debug(Event.HOT_KEYS_NAMED, **facts, sentence=decision.sentence)

    def _log_settlement(self, settlement: Settlement) -> None:
        log = self._log.warning if settlement.outcome.is_refusal else self._log.info
        log(
            Event.ACTION_SETTLED,
            **_of(settlement.intent.action.table),
            intent=settlement.intent.id,
            lever=settlement.intent.action.lever.value,
            outcome=settlement.outcome.value,
            detail=settlement.detail,
            sentence=settlement_sentence(settlement),
        )

    def _log_alert(self, alert: Alert, before: TableView | None) -> None:
        event = _alert_event(alert, before)
        quiet = event in _QUIET_EVENTS
        critical = alert.severity is Severity.CRITICAL
        log = self._log.info if quiet else self._log.error if critical else self._log.warning
        facts: dict[str, object] = {"tables": len(alert.tables)} if alert.tables else {}
        if alert.storm:
            facts["storm"] = alert.storm
        log(
            event,
            **_of(alert.table),
            index=alert.index,
            incident=alert.incident,
            severity=alert.severity.value,
            cause=alert.cause.value,
            **facts,
            sentence=self._sayable_of(alert, alert.sentence),
            todo=self._sayable_of(alert, alert.todo),
        )

    def _log_pauses(self, report: CycleReport) -> None:
        """When the daemon first heeds a pause, and when it is over or was ended."""
        inforce = {(one.match, one.region): one for one in pauses_in_force(report)}
        for place, one in inforce.items():
            if self._troubles.begins((Event.PAUSE_BEGAN, *place), repr(one)):
                self._log.info(
                    Event.PAUSE_BEGAN, **_place(*place), until=iso(one.until), by=one.by, sentence=_paused(one)
                )
        for match, region in self._troubles.gone(Event.PAUSE_BEGAN, inforce):
            sentence = f"{_pause_words(match, region)} no longer paused."
            self._log.info(Event.PAUSE_ENDED, **_place(match, region), sentence=sentence)

    def _sayable(self, table: TableKey, text: str) -> str:
        """``text``, or where it names a hot key of the table, where to read it: from info upwards logs hold no keys."""
        return _KEYS_ELSEWHERE if names_any(text, self._unsayable.get(table, frozenset())) else text

    def _sayable_of(self, alert: Alert, text: str) -> str:
        """The same, of an alert; one of a whole Region may name keys of any of its tables."""
        for name in alert.tables or (alert.table.name,):
            text = self._sayable(replace(alert.table, name=name), text)
        return text

    def _log_cycle(self, report: CycleReport) -> None:
        self._log.debug(
            Event.CYCLE_FINISHED,
            seconds=round(report.seconds, 3),
            tables=len(report.tables),
            unmatched=report.unmatched,
            delivered=report.delivered,
            undelivered=report.undelivered,
            sentence=f"Cycle finished in {report.seconds:.1f} s; {count(len(report.tables), 'table')} seen.",
        )


def _of(key: TableKey) -> dict[str, str]:
    return {"table": key.name, "region": key.region, "account": key.account}


# Nobody needs to do anything about these at once: it is over, or told elsewhere.
_QUIET_EVENTS = frozenset({Event.INCIDENT_RESOLVED, Event.INCIDENT_FOLDED})


def _alert_event(alert: Alert, before: TableView | None) -> Event:
    """What the message is in its incident's life. before: the table as the last cycle left it."""
    if alert.storm:
        return Event.INCIDENT_FOLDED
    if alert.is_reminder:
        return Event.INCIDENT_STILL_OPEN
    if alert.state is not IncidentState.OPEN or alert.sequence == 1:
        return _INCIDENT_EVENTS[alert.state]
    was_open = before is None or before.incident is not None
    return Event.INCIDENT_EXPLAINED if alert.table.name and was_open else Event.INCIDENT_REOPENED


def _place(match: str, region: str) -> dict[str, str]:
    """What a pause is of, as facts of a line."""
    return {"match": match} | ({"region": region} if region else {})


def _pause_words(match: str, region: str) -> str:
    return f"{match} in {region} is" if region else f"{match} is"


def _paused(one: Pause) -> str:
    by = f" by {one.by}" if one.by else ""
    advised = "; its capacity is only advised on meanwhile" if one.advise_only else ""
    return f"{_pause_words(one.match, one.region)} paused until {iso(one.until)}{by}: {one.reason}{advised}"


_HOT_WORDS: Mapping[KeyVerdict, str] = {
    KeyVerdict.ONE_KEY: "one key asks for more than a partition serves",
    KeyVerdict.FEW_KEYS: "a few keys are hot",
    KeyVerdict.MOVING_KEY: "the heat moves from key to key",
    KeyVerdict.INDEX_KEY: "the hot key is the index's",
}


def _verdict_sentence(index: str, finding: HotKeyFinding | None) -> str:
    """What may be logged of a verdict: everything but the keys."""
    subject = f"Hot keys of index {index}" if index else "Hot keys"
    if finding is None:
        return f"{subject}: there is a new verdict."
    if finding.verdict in _NAMELESS:
        return f"{subject}: {finding.sentence}"
    named = f" ({count(len(finding.keys), 'key')} named on the page and in `watcher history`)" if finding.keys else ""
    return f"{subject}: {_HOT_WORDS[finding.verdict]}{named}."


def names_any(text: str, keys: Iterable[str]) -> bool:
    """Whether one of ``keys`` is in ``text``; a short one counts only where it stands alone, as numbers do not."""
    return any(
        key in text if len(key) >= SHORTEST_KEY else re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text) is not None
        for key in keys
        if key
    )
