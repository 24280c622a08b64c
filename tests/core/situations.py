"""Every message that a table's trouble can bring, by family of causes: what stands in ``tests/core/golden``.

Each comes through ``step``, so that the words belong to numbers that were decided upon. ``python -m
tests.core.situations`` writes the golden files anew; read the difference as somebody who is woken by it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from tests.core.builders import (
    INDEX,
    INDEX_WRITE,
    NOON,
    ago,
    even,
    observed,
    only,
    points,
    policy,
    remembered,
    run,
    table,
    throughput,
)
from watcher.clock import iso
from watcher.core.insights import KeySample, KeyTrace, SamplerMode
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Alert,
    Answer,
    Billing,
    Dimension,
    Intent,
    Kind,
    Metric,
    Query,
    ScalableTarget,
    Settlement,
    Status,
    TableDescription,
    TableObservation,
)
from watcher.core.policy import AutoScaling, Bounds, Links, TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome, Reason, Severity
from watcher.core.state import Blocked, Incident, Normal, Refusal, TableState
from watcher.core.telling.done import after_refusals

GOLDEN = Path(__file__).with_name("golden")
WIDTH = 110
LINKS = Links("https://watcher.example.org", "https://wiki.example.org/dynamodb/{cause}?table={table}")
INDEXED = table(index=throughput(50, 50))


@dataclass(frozen=True, slots=True)
class Situation:
    """answer: what AWS then says to the change, and its words; None where it has not answered."""

    title: str
    seen: TableObservation
    rules: TablePolicy
    state: TableState | None = None
    answer: tuple[Outcome, str] | None = None

    @property
    def alert(self) -> Alert:
        """The one message of it, as AWS's answer leaves it where there is one."""
        rules = replace(self.rules, links=LINKS)
        result = run(self.seen, rules=rules, state=self.state, now=self.seen.described_at)
        alert = only(result.alerts)
        if self.answer is None:
            return alert
        outcome, detail = self.answer
        intents = [Intent("i", alert.time, action) for action in result.actions]
        return after_refusals(alert, [Settlement(intent, outcome, alert.time + 2.0, detail) for intent in intents])


def incident(
    cause: Cause = Cause.PROVISIONED,
    *,
    opened: float = 1200.0,
    bad: float = 900.0,
    index: str = "",
    severity: Severity = Severity.WARNING,
    events: float = 1234.0,
    flaps: int = 0,
    sequence: int = 1,
    peak: float = 0.3,
    closed: float | None = None,
    followed: float = 60.0,
    retell: bool = False,
    now: float = NOON,
) -> Incident:
    """opened, bad, closed, followed: seconds before ``now``."""
    return Incident(
        id=f"eu-west-1.orders.{int(now - opened)}",
        opened_at=now - opened,
        cause=cause,
        index=index,
        severity=severity,
        sequence=sequence,
        peak=peak,
        last_bad=now - bad,
        events=events,
        flaps=flaps,
        closed_at=None if closed is None else now - closed,
        followed_at=now - followed,
        retell=retell,
    )


STARVED = {(TABLE_WRITE, Cause.PROVISIONED): {1: 6000.0, 2: 6000.0}}
BUSY = {TABLE_WRITE: [*even(70, 25), *even(100, 5)]}
SCALED = {TABLE_WRITE: ScalableTarget(50, 400)}
# Demand is above capacity and nothing throttles: the burst bucket serves it still.
ABOVE = {TABLE_WRITE: [*even(70, 25), *even(100, 2), *even(130, 3)]}


def starved(
    description: TableDescription | None = None,
    scaling: Mapping[Dimension, ScalableTarget] | None = None,
    *,
    unread: bool = False,
) -> TableObservation:
    return observed(description, consumed=BUSY, causes=STARVED, scaling=scaling, scaling_unread=unread)


def with_p99(seen: TableObservation, operation: str, rates: Sequence[float | None]) -> TableObservation:
    query = Query(seen.description.key.name, Metric.LATENCY_P99, operation=operation)
    return replace(seen, answers={**seen.answers, query: Answer(points(rates, per=1))})


def capacity() -> Iterator[Situation]:
    act, advise = policy(), policy(Mode.ADVISE)
    yield Situation("raised", starved(), act)
    yield Situation("raised to the configured maximum", starved(), policy(bounds=Bounds(5, 400)))
    yield Situation("raised, and the maximum is below the demand", starved(), policy(bounds=Bounds(5, 150)))
    denied = (Outcome.DENIED, "User watcher is not authorized to perform: dynamodb:UpdateTable")
    yield Situation("raised, and AWS then denies it", starved(), act, answer=denied)
    yield Situation("advised", starved(), advise)
    yield Situation(
        "advised, and the maximum is below the demand", starved(), policy(Mode.ADVISE, bounds=Bounds(5, 150))
    )
    yield Situation("only observed", starved(), policy(Mode.OBSERVE))
    yield Situation("at the maximum", starved(), policy(bounds=Bounds(5, 100)))
    yield Situation("under another scaler", starved(scaling=SCALED), act)
    yield Situation(
        "under another scaler whose maximum is too low", starved(scaling={TABLE_WRITE: ScalableTarget(50, 200)}), act
    )
    yield Situation("another scaler's minimum raised", starved(scaling=SCALED), policy(auto_scaling=AutoScaling.FLOOR))
    yield Situation(
        "another scaler's minimum raised to its maximum, which is below the demand",
        starved(scaling={TABLE_WRITE: ScalableTarget(50, 150)}),
        policy(auto_scaling=AutoScaling.FLOOR),
    )
    yield Situation(
        "another scaler's minimum, advised",
        starved(scaling=SCALED),
        policy(Mode.ADVISE, auto_scaling=AutoScaling.FLOOR),
    )
    yield Situation("another scaler cannot be seen", starved(unread=True), act)
    yield Situation("after another hand", starved(), act, TableState(foreign_at=NOON - 720.0))
    yield Situation("a global table", starved(table(replicas=("us-east-1",))), act)
    yield Situation("no bounds", starved(), policy(bounds=None))
    yield Situation(
        "AWS denies it",
        starved(),
        act,
        TableState(
            refusal=Refusal(
                Outcome.DENIED,
                NOON - 60.0,
                "UpdateTable of table orders: User: arn:aws:sts::111122223333:assumed-role/watcher/i-0abc is not "
                "authorized to perform: dynamodb:UpdateTable on resource: "
                "arn:aws:dynamodb:eu-west-1:111122223333:table/orders (allow dynamodb:UpdateTable)",
            )
        ),
    )
    yield Situation(
        "above AWS's quota",
        starved(),
        act,
        TableState(
            refusal=Refusal(
                Outcome.QUOTA,
                NOON - 60.0,
                "UpdateTable of table orders: This operation cannot be performed with given input values. The "
                "requested WriteCapacityUnits is above the per table maximum for the account in eu-west-1.",
            )
        ),
    )
    yield Situation(
        "changed too often", starved(), act, TableState(changes=tuple(NOON - 60.0 * n for n in range(1, 21)))
    )
    yield Situation(
        "just raised",
        starved(table(throughput(write=400))),
        act,
        TableState(remembered(TABLE_WRITE, expected=400, raised_at=NOON - 30.0)),
    )
    yield Situation(
        "a raise is under way",
        starved(table(throughput(status=Status.UPDATING))),
        act,
        TableState(remembered(TABLE_WRITE, expected=400, raised_at=NOON - 30.0)),
    )
    yield Situation(
        "no decreases left",
        starved(table(throughput(decreases=5, lowered=NOON - 1500.0))),
        act,
    )
    yield from coming_back()


def coming_back() -> Iterator[Situation]:
    """The life of one incident after its first message."""
    act = policy()
    yield Situation(
        "worse: another cause",
        starved(),
        act,
        TableState(incident=incident(Cause.UNCLASSIFIED, opened=600.0, bad=120.0, peak=0.01)),
    )
    yield Situation(
        "it came back, for the third time",
        starved(),
        act,
        TableState(last_incident=incident(opened=6600.0, bad=1500.0, flaps=1, sequence=4, closed=900.0)),
    )
    again = replace(act, incidents=replace(act.incidents, repeats=(7200.0,)))
    yield Situation(
        "reminder: it still throttles at the maximum",
        starved(),
        replace(again, bounds=dict.fromkeys(Kind, Bounds(5, 100))),
        TableState(incident=incident(opened=7210.0, bad=120.0, followed=70.0, severity=Severity.CRITICAL)),
    )
    yield Situation(
        "reminder: it is calm at the moment",
        observed(),
        again,
        TableState(incident=incident(opened=7210.0, bad=400.0, followed=70.0)),
    )
    yield Situation(
        "retold after a storm",
        starved(),
        act,
        TableState(incident=incident(opened=600.0, bad=120.0, retell=True, severity=Severity.CRITICAL)),
    )
    yield Situation("resolved soon", observed(), act, TableState(incident=incident(opened=960.0, sequence=2)))
    yield Situation(
        "resolved after long",
        observed(),
        act,
        TableState(incident=incident(Cause.KEY_RANGE, opened=21_600.0, sequence=5, events=1_204_500.0)),
    )
    yield Situation(
        "resolved after it had come back twice",
        observed(),
        act,
        TableState(incident=incident(opened=9_000.0, bad=2_700.0, flaps=2, sequence=7)),
    )


def index() -> Iterator[Situation]:
    seen = observed(
        table(throughput(write=200), index=throughput(50, 50)),
        {TABLE_WRITE: even(70), INDEX_WRITE: even(50)},
        causes={(INDEX_WRITE, Cause.PROVISIONED): {1: 600}},
        throttled={TABLE_WRITE: {1: 600}},
    )
    yield Situation("an index starves, and its table with it: raised", seen, policy())
    yield Situation("an index starves: advised", seen, policy(Mode.ADVISE))
    yield Situation("an index starves at its maximum", seen, policy(index_bounds=Bounds(5, 50)))
    yield Situation("an index starves that has no bounds", seen, policy(index_bounds=None))
    both = observed(
        table(throughput(write=70), index=throughput(50, 50)),
        {TABLE_WRITE: even(70), INDEX_WRITE: even(50)},
        causes={(INDEX_WRITE, Cause.PROVISIONED): {1: 600, 2: 600}, (TABLE_WRITE, Cause.PROVISIONED): {1: 900, 2: 900}},
    )
    yield Situation("an index and its table starve: both raised", both, policy())
    yield Situation(
        "the index's own cause is not known yet",
        observed(INDEXED, throttled={INDEX_WRITE: {1: 60}, TABLE_WRITE: {1: 60}}),
        policy(),
    )
    yield Situation(
        "resolved",
        observed(INDEXED),
        policy(),
        TableState(incident=incident(index=INDEX, events=600.0)),
    )
    yield Situation(
        "resolved: a change of it was held",
        observed(INDEXED),
        policy(),
        TableState(incident=incident(Cause.CANNOT_ACT, index=INDEX, events=0.0, peak=0.0)),
    )


def trace(label: str, events: float) -> KeyTrace:
    """Throttled as often in each of the last five minutes."""
    return KeyTrace(label, label, label, {ago(minute): events for minute in range(1, 6)})


NAMED = KeySample(
    NOON - 3600,
    NOON,
    SamplerMode.THROTTLED,
    throttled=(trace("key:54a317ed989b", 300), trace("key:0b1d6f6e2a90", 6)),
    since=NOON - 86_400,
)
UNREAD = KeySample(NOON, NOON, note="cloudwatch:GetInsightRuleReport is denied", complete=False)
HOT = {(TABLE_WRITE, Cause.KEY_RANGE): dict.fromkeys(range(1, 6), 306.0)}


def heated(sample: KeySample | None = None) -> TableObservation:
    """Several partitions' traffic, of which one is over its limit."""
    described = table(throughput(write=2000))
    return observed(described, {TABLE_WRITE: even(1400)}, causes=HOT, hot_keys={"": sample} if sample else None)


def keys() -> Iterator[Situation]:
    wide = policy(bounds=Bounds(5, 4000), index_bounds=Bounds(5, 4000))
    yield Situation("the key is named", heated(NAMED), wide)
    yield Situation("the keys cannot be read", heated(UNREAD), wide)
    yield Situation("keys are not sampled", heated(), wide)
    yield Situation(
        "of an index",
        observed(
            table(throughput(write=2000), index=throughput(50, 2000)),
            {TABLE_WRITE: even(1400), INDEX_WRITE: even(1400)},
            causes={(INDEX_WRITE, Cause.KEY_RANGE): {1: 12_000, 2: 9000}},
        ),
        wide,
    )
    yield Situation(
        "the key is named after the first message",
        heated(NAMED),
        wide,
        TableState(incident=incident(Cause.KEY_RANGE, opened=120.0, bad=120.0)),
    )
    yield Situation(
        "the key is named, and it is worse",
        heated(NAMED),
        wide,
        TableState(incident=incident(Cause.UNCLASSIFIED, opened=120.0, bad=120.0, peak=0.002)),
    )
    mixed = {(TABLE_WRITE, Cause.PROVISIONED): {1: 600.0}, (TABLE_WRITE, Cause.KEY_RANGE): {1: 8000.0}}
    both = observed(table(throughput(write=2000)), {TABLE_WRITE: even(1200)}, causes=mixed)
    yield Situation("two causes at once", both, wide)
    yield Situation("AWS gives no cause", observed(throttled={TABLE_WRITE: {4: 300}}), policy())
    yield Situation("resolved", observed(), policy(), TableState(incident=incident(Cause.KEY_RANGE)))


def limits() -> Iterator[Situation]:
    yield Situation(
        "an account or table quota", observed(causes={(TABLE_READ, Cause.ACCOUNT_LIMIT): {1: 300}}), policy()
    )
    capped = table(throughput(0, 0, cap={Kind.WRITE: 100}), billing=Billing.ON_DEMAND)
    seen = observed(
        capped,
        {TABLE_WRITE: even(100), TABLE_READ: even(3)},
        causes={(TABLE_WRITE, Cause.ON_DEMAND_CAP): {1: 300}},
    )
    yield Situation("the owner's on-demand maximum", seen, policy())
    yield Situation("resolved", observed(), policy(), TableState(incident=incident(Cause.ACCOUNT_LIMIT)))


def latency() -> Iterator[Situation]:
    slow = Normal(10.0, 600, ago(7))
    yield Situation(
        "slow on average",
        observed(latency={"Query": even(90, 6)}),
        policy(),
        TableState(latency={"Query": slow}),
    )
    yield Situation(
        "slow, an operation of which little is known",
        observed(latency={"ExecuteStatement": even(90, 6)}),
        policy(),
        TableState(latency={"ExecuteStatement": slow}),
    )
    yield Situation(
        "slow for one request in a hundred",
        with_p99(observed(latency={"GetItem": even(5, 11)}), "GetItem", even(400, 11)),
        policy(),
        TableState(latency={"GetItem": replace(Normal(4.0, 600, ago(12)), p99=12.0, p99_mean=12.0, p99_minutes=600)}),
    )
    yield Situation("resolved", observed(), policy(), TableState(incident=incident(Cause.SLOW, events=0.0, peak=9.0)))


def sight() -> Iterator[Situation]:
    seen = observed(silent=(TABLE_READ, TABLE_WRITE))
    yield Situation("blind", seen, policy(), TableState(remembered(TABLE_WRITE, [70, *[None] * 9])))
    yield Situation("resolved", observed(), policy(), TableState(incident=incident(Cause.BLIND, events=0.0, peak=0.0)))


def held(
    reason: Reason, seconds: float = 360.0, dimension: Dimension = TABLE_WRITE, *, rising: bool = True
) -> TableState:
    return TableState(blocked={dimension: Blocked(reason, NOON - seconds, rising)})


def cannot_act() -> Iterator[Situation]:
    act = policy()
    above = observed(consumed=ABOVE)
    yield Situation("at the maximum", above, policy(bounds=Bounds(5, 100)), held(Reason.HOLD_AT_MAX))
    indexed = observed(INDEXED, consumed={INDEX_WRITE: [*even(35, 25), *even(50, 2), *even(65, 3)]})
    yield Situation(
        "an index at its maximum",
        indexed,
        policy(index_bounds=Bounds(5, 50)),
        held(Reason.HOLD_AT_MAX, dimension=INDEX_WRITE),
    )
    yield Situation("another scaler", observed(consumed=ABOVE, scaling=SCALED), act, held(Reason.HOLD_AUTO_SCALING))
    yield Situation(
        "another scaler at its maximum",
        observed(consumed=ABOVE, scaling={TABLE_WRITE: ScalableTarget(50, 100)}),
        policy(auto_scaling=AutoScaling.FLOOR),
        held(Reason.HOLD_AUTO_SCALING),
    )
    yield Situation("another hand", above, act, replace(held(Reason.HOLD_FOREIGN_CHANGE), foreign_at=NOON - 720.0))
    yield Situation(
        "a global table",
        observed(table(replicas=("us-east-1",)), consumed=ABOVE),
        act,
        held(Reason.HOLD_GLOBAL_TABLE),
    )
    yield Situation("no bounds", above, policy(bounds=None), held(Reason.HOLD_UNBOUNDED))
    yield Situation(
        "changed too often",
        above,
        act,
        replace(held(Reason.HOLD_RATE_LIMIT), changes=tuple(NOON - 60.0 * n for n in range(1, 21))),
    )
    for outcome, detail in (
        (
            Outcome.DENIED,
            "User watcher is not authorized to perform: dynamodb:UpdateTable (allow dynamodb:UpdateTable)",
        ),
        (Outcome.QUOTA, "the requested WriteCapacityUnits is above the per table maximum for the account in eu-west-1"),
        (Outcome.INVALID, "one or more parameter values were invalid"),
    ):
        refusal = Refusal(outcome, NOON - 120.0, detail)
        yield Situation(f"AWS refuses it: {outcome}", above, act, replace(held(Reason.HOLD_REFUSED), refusal=refusal))
    spent = table(throughput(write=400, decreases=5, lowered=NOON - 1500.0))
    yield Situation(
        "the budget of decreases",
        observed(spent, consumed={TABLE_WRITE: even(70)}),
        act,
        held(Reason.HOLD_BUDGET, 5460.0, rising=False),
    )
    yield Situation("resolved", observed(), act, TableState(incident=incident(Cause.CANNOT_ACT, events=0.0, peak=0.0)))


FAMILIES: Mapping[str, Callable[[], Iterator[Situation]]] = {
    "too-little-capacity": capacity,
    "an-index": index,
    "hot-keys": keys,
    "quotas-and-caps": limits,
    "slow": latency,
    "blind": sight,
    "cannot-act": cannot_act,
}


def printed(alert: Alert) -> str:
    """The whole message as a reader gets it, whatever the format."""
    lines = [f"Subject: {alert.subject}", "", *wrap(alert.sentence, WIDTH), ""]
    width = max((len(name) for name, _ in alert.facts), default=0)
    for name, value in alert.facts:
        first, *rest = wrap(value, WIDTH - width, break_long_words=False, break_on_hyphens=False)
        lines += [f"  {name:<{width}}  {first}", *(f"  {'':<{width}}  {line}" for line in rest)]
    lines += [""] if alert.facts else []
    lines += [*wrap(f"Done: {alert.done}", WIDTH), ""] if alert.done else []
    lines += [*wrap(f"To do: {alert.todo}", WIDTH), ""] if alert.todo else []
    lines += [f"{name}: {url}" for name, url in alert.links]
    again = f", reminder of {alert.repeats[0]:.0f} s" if alert.repeats else ""
    lines.append(
        f"({alert.severity}, {alert.state}{again}, {alert.cause}, message {alert.sequence}, {iso(alert.time)})"
    )
    return "\n".join(lines)


def written(family: str) -> str:
    """A golden file."""
    texts = (f"=== {situation.title} ===\n\n{printed(situation.alert)}\n" for situation in FAMILIES[family]())
    return "\n\n".join(texts)


def path(family: str) -> Path:
    return GOLDEN / f"{family}.txt"


def main() -> int:
    GOLDEN.mkdir(exist_ok=True)
    for family in FAMILIES:
        path(family).write_text(written(family), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
