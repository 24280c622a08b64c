"""The verdicts on hot keys of one table in one step, and which of them are news for history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from watcher.core.demand import Minute, minutes
from watcher.core.hot_keys import HotKeyFinding, KeyVerdict, judge, state_mark
from watcher.core.insights import KeySample, Place, SamplerMode, Sampling
from watcher.core.model import Decision, Dimension, Kind, TableDescription
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome, Reason
from watcher.core.series import MINUTE
from watcher.core.state import DimensionState, Incident, KeyMark, TableState
from watcher.core.words import time_of_day

OFF_NOTE = 'Contributor Insights is off here; sampling = "throttled" in the config, with mode = "act", switches it on'
JUDGED = 600.0  # seconds of visible minutes
ENDED = 150.0  # a sample that is this much older than a pass will not grow any more
PAUSE = 1800.0  # seconds from one verdict told to the next at least, unless the next is a new one by its word
REMEMBERED = 32  # hottest keys told, of each verdict: a key that moves for days must not fill the state
# Throttling that a key may explain: where AWS says so, and where it says nothing.
ASKS_FOR_KEYS = frozenset({Cause.KEY_RANGE, Cause.UNCLASSIFIED})
HOT = frozenset({KeyVerdict.ONE_KEY, KeyVerdict.FEW_KEYS, KeyVerdict.MOVING_KEY, KeyVerdict.INDEX_KEY})

Marks = Mapping[str, KeyMark]


def findings(
    now: float,
    policy: TablePolicy,
    description: TableDescription,
    states: Mapping[Dimension, DimensionState],
    samples: Mapping[str, KeySample],
    judged: float = JUDGED,
) -> dict[str, HotKeyFinding]:
    """The verdict on each sampled place that the table still has, by index. judged: seconds of visible minutes."""
    found = {}
    for index, sample in samples.items():
        if index not in description.throughputs:
            continue
        seen = {
            kind: minutes(
                now,
                policy.tuning,
                (dimension := Dimension(index, kind)),
                states,
                description.provisioned(dimension),
                min(now, sample.end) - judged - policy.tuning.stale_after,
            )
            for kind in Kind
        }
        place = Place(description.key.name, index)
        found[index] = _judged(now, policy, place, sample, seen, judged)
    return found


def _judged(
    now: float,
    policy: TablePolicy,
    place: Place,
    sample: KeySample,
    seen: Mapping[Kind, Sequence[Minute]],
    judged: float,
) -> HotKeyFinding:
    """The verdict; of a sample that does not grow any more, as of when it ended, and said to be so."""
    if sample.mode is SamplerMode.OFF:
        return judge(now, place, sample if sample.note else replace(sample, note=_off(policy)), seen, window=judged)
    if now - sample.end < ENDED:
        return judge(now, place, sample, seen, window=judged)
    finding = judge(sample.end, place, sample, seen, window=judged)
    return replace(finding, sentence=f"As of {time_of_day(sample.end - MINUTE, now)}: {finding.sentence}")


def _off(policy: TablePolicy) -> str:
    """Why nothing is sampled, and what is to become of that."""
    if policy.sampling is Sampling.OFF:
        return OFF_NOTE
    if policy.mode is Mode.ACT:
        return "Contributor Insights is off here and to be switched on; keys show some minutes after that"
    return (
        f'Contributor Insights is off here, and in {policy.mode} mode nothing is switched; mode = "act" switches it on'
    )


def hottest(found: Mapping[str, HotKeyFinding], index: str) -> HotKeyFinding | None:
    """The finding that names a hot key: of the place in trouble, else of any other of the table; None where none
    does."""
    places = sorted(found, key=lambda one: (one != index, one))
    return next((found[place] for place in places if found[place].verdict in HOT), None)


def news(
    now: float,
    policy: TablePolicy,
    description: TableDescription,
    state: TableState,
    found: Mapping[str, HotKeyFinding],
) -> tuple[list[Decision], Marks]:
    """Decisions for history, one per verdict that is news, and the marks to remember.

    Within one incident a verdict on the same hottest key is told once, however often it comes back, and another hottest
    key of a verdict told already only after a pause. That nothing can be said is news only where a key would explain
    something and nothing was known; and once the table's incident is over, the next one is told anew.
    """
    asks = state.incident is not None and state.incident.cause in ASKS_FOR_KEYS
    marks = dict(state.hot_keys) if state.incident is not None or found else {}
    told = []
    for index, finding in sorted(found.items()):
        if finding.verdict is KeyVerdict.UNKNOWN and (index in marks or not asks):
            continue
        mark = _mark(now, state.incident, marks.get(index), finding)
        if mark is None:
            continue
        marks[index] = mark
        told.append(_decision(now, policy, description, index, finding))
    return told, marks


def _mark(now: float, incident: Incident | None, last: KeyMark | None, finding: HotKeyFinding) -> KeyMark | None:
    """What to remember of a finding that is news, None for one that is not. last: told of the same place."""
    verdict, hottest = state_mark(finding)
    if last is None:
        return KeyMark(verdict, hottest, now, {verdict: (hottest,)})
    if (last.verdict, last.hottest) == (verdict, hottest):
        return None
    told = last.told if incident is None or last.at >= incident.opened_at else {}
    known = told.get(verdict, ())
    if hottest in known or (known and now - last.at < PAUSE):
        return None
    return KeyMark(verdict, hottest, now, {**told, verdict: (*known, hottest)[-REMEMBERED:]})


def _decision(
    now: float, policy: TablePolicy, description: TableDescription, index: str, finding: HotKeyFinding
) -> Decision:
    evidence = {"keys": float(len(finding.keys))}
    if finding.keys:
        evidence["share"] = round(finding.keys[0].share, 4)
        evidence["throttled"] = finding.keys[0].throttled
    return Decision(
        time=now,
        table=description.key,
        dimension=Dimension(index, Kind.READ),
        before=0,
        after=0,
        reason=Reason.HOT_KEYS,
        sentence=f"{finding.verdict}: {finding.sentence}",
        mode=policy.mode,
        outcome=Outcome.NONE,
        evidence=evidence,
    )
