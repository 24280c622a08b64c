"""Example cycles made of real core types, shared by the tests of the telemetry and of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watcher.clock import instant
from watcher.core.hot_keys import HotKey, HotKeyFinding, KeyVerdict
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Action,
    Alert,
    Billing,
    Change,
    Decision,
    Dimension,
    Intent,
    Kind,
    Lever,
    Settlement,
    Switch,
    TableDescription,
    TableKey,
    Throughput,
)
from watcher.core.pauses import Pause
from watcher.core.policy import Bounds
from watcher.core.reasons import Cause, Freshness, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.region_state import Folded, RegionState, Storm
from watcher.core.result import DimensionReport, Explanation, LatencyReport
from watcher.core.sampling import SamplingPlan
from watcher.core.state import Incident, TableState
from watcher.ports import CycleReport, TableReport

NOW = instant("2026-11-22T03:04:05Z")
NEWEST = int(instant("2026-11-22T03:01:00Z"))
REGION = "us-east-1"
ACCOUNT = "123456789012"
BOUNDS = Bounds(5, 2000)
INDEX_WRITE = Dimension("by-customer", Kind.WRITE)


def key(name: str = "orders", region: str = REGION) -> TableKey:
    return TableKey(ACCOUNT, region, name)


def dimension_report(
    dimension: Dimension = TABLE_WRITE,
    *,
    provisioned: int = 100,
    consumed: float | None = 60.0,
    demand: float | None = 60.0,
    freshness: Freshness = Freshness.FRESH,
    throttled: Mapping[Cause, float] | None = None,
    bounds: Bounds | None = BOUNDS,
    newest: int | None = NEWEST,
    decreases_left: int = 3,
    next_decrease_in: float = 0.0,
) -> DimensionReport:
    return DimensionReport(
        dimension=dimension,
        provisioned=provisioned,
        bounds=bounds,
        freshness=freshness,
        consumed=consumed,
        demand=demand,
        throttled=throttled or {},
        gained=throttled or {},
        newest=newest,
        cause=max(throttled, key=lambda cause: throttled[cause]) if throttled else Cause.NONE,
        decreases_left=decreases_left,
        next_decrease_in=next_decrease_in,
    )


def decision(
    table: TableKey,
    dimension: Dimension = TABLE_WRITE,
    *,
    before: int = 100,
    after: int = 100,
    reason: Reason = Reason.HOLD_STEADY,
    sentence: str = "Steady at 60 % of capacity.",
    time: float = NOW,
    mode: Mode = Mode.ACT,
    outcome: Outcome = Outcome.NONE,
) -> Decision:
    return Decision(time, table, dimension, before, after, reason, sentence, mode, outcome)


def raise_decision(table: TableKey, *, outcome: Outcome = Outcome.PENDING) -> Decision:
    return decision(
        table,
        before=100,
        after=579,
        reason=Reason.RAISE_THROTTLED,
        sentence="Writes want 405/s and get 100/s, so 579/s leaves room.",
        outcome=outcome,
    )


def settlement(one: Decision, outcome: Outcome, detail: str = "", lever: Lever = Lever.CAPACITY) -> Settlement:
    action = Action(one.table, lever, (Change(one.dimension, one.before, one.after),), one.mode)
    return Settlement(Intent("01-intent", one.time, action), outcome, one.time + 1, detail)


def incident(
    cause: Cause = Cause.PROVISIONED, severity: Severity = Severity.CRITICAL, *, events: float = 1204, index: str = ""
) -> Incident:
    return Incident("orders-1", NOW - 240, cause, index, severity, 1, 0.12, NEWEST, events)


def alert(table: TableKey, state: IncidentState, severity: Severity = Severity.CRITICAL) -> Alert:
    return Alert(
        incident="orders-1",
        sequence=1,
        state=state,
        severity=severity,
        cause=Cause.PROVISIONED,
        table=table,
        index="",
        time=NOW,
        opened_at=NOW - 240,
        subject="orders: writes throttled",
        sentence="Writes of orders are throttled: demand is 405/s and capacity 100/s.",
        todo="Nothing, capacity is being raised.",
    )


PAGES = "arn:aws:sns:us-east-1:123456789012:pages"
CHAT = "arn:aws:sns:us-east-1:123456789012:chat"
PERMISSION_LOST = Incident("us-east-1-p", NOW - 600, Cause.PERMISSION, "", Severity.WARNING, 1, 0.0, NOW)
BLIND = Incident("us-east-1-b", NOW - 300, Cause.BLIND, "", Severity.CRITICAL, 2, 0.0, NOW, flaps=2)
STORM = Incident("us-east-1-s", NOW - 120, Cause.STORM, "", Severity.CRITICAL, 1, 0.0, NOW)


def region(*incidents: Incident, storm: Sequence[str] = (), over: Sequence[str] = ()) -> RegionState:
    """A Region with incidents of its own, and a storm of tables, of which some are over."""
    tables = {name: Folded(f"{name}-1", Cause.PROVISIONED, name not in over) for name in storm}
    return RegionState(
        account=ACCOUNT,
        incidents={one.cause: one for one in incidents},
        storm=Storm(STORM, tables, len(tables)) if tables else None,
    )


def regional_alert(
    incident: Incident = BLIND, state: IncidentState = IncidentState.OPEN, tables: Sequence[str] = (), sequence: int = 1
) -> Alert:
    return Alert(
        incident=incident.id,
        sequence=sequence,
        state=state,
        severity=incident.severity,
        cause=incident.cause,
        table=key(""),
        index="",
        time=NOW,
        opened_at=incident.opened_at,
        subject="us-east-1: nothing can be read",
        sentence="Nothing of us-east-1 can be read since 02:59 UTC.",
        todo="Look at the network of the watcher.",
        tables=tuple(tables),
    )


def pause(match: str = "orders", *, region: str = "", seconds: float = 7200.0, advise_only: bool = False) -> Pause:
    return Pause(match, NOW - 60, NOW - 60 + seconds, "deploying", region, "ana@db-7", advise_only)


def description(table: TableKey, billing: Billing = Billing.PROVISIONED, *indexes: str) -> TableDescription:
    units = 0 if billing is Billing.ON_DEMAND else 100
    throughputs = {index: Throughput({Kind.READ: units, Kind.WRITE: units}) for index in ("", *indexes)}
    return TableDescription(table, billing, throughputs)


def table_report(
    name: str = "orders",
    *,
    region: str = REGION,
    mode: Mode = Mode.ACT,
    billing: Billing = Billing.PROVISIONED,
    cause: Cause = Cause.NONE,
    sentence: str = "Well: reads and writes are served in full.",
    dimensions: Sequence[DimensionReport] | None = None,
    decisions: Sequence[Decision] | None = None,
    new_decisions: Sequence[Decision] = (),
    latency: Sequence[LatencyReport] = (),
    trouble: Incident | None = None,
    settlements: Sequence[Settlement] = (),
    error: str = "",
    hot_keys: Sequence[HotKeyFinding] = (),
    sampling: SamplingPlan | None = None,
) -> TableReport:
    table = key(name, region)
    seen = (dimension_report(TABLE_READ), dimension_report(TABLE_WRITE)) if dimensions is None else tuple(dimensions)
    made = [decision(table, one.dimension, mode=mode) for one in seen] if decisions is None else decisions
    explanation = Explanation(
        cause,
        sentence,
        seen,
        tuple(made),
        tuple(new_decisions),
        tuple(latency),
        trouble,
        hot_keys={finding.place.index: finding for finding in hot_keys},
    )
    indexes = sorted({one.dimension.index for one in seen} - {""})
    about = description(table, billing, *indexes)
    return TableReport(table, mode, about, explanation, settlements, error, sampling=sampling)


def unseen(name: str = "orders", *, region: str = REGION, error: str = "DescribeTable timed out.") -> TableReport:
    return TableReport(key(name, region), Mode.ACT, None, None, (), error)


def hot_key(
    label: str,
    share: float,
    ceiling_share: float | None,
    throttled: float = 0.0,
    *,
    of_traffic: bool = True,
    asked_share: float | None = None,
    since: int | None = None,
    rising: bool | None = None,
) -> HotKey:
    return HotKey(label, share, of_traffic, ceiling_share, asked_share, throttled, since, rising)


HOTTEST = hot_key("key:0a1b2c3d4e5f", 0.62, 1.18, 1204.0, asked_share=1.4, since=NEWEST - 540, rising=True)
SECOND = hot_key("key:99aa88bb77cc", 0.11, 0.21)
INDEX_HOTTEST = hot_key("key:5f4e3d2c1b0a", 0.8, None, 310.0, of_traffic=False, since=NEWEST - 120, rising=False)


def finding(
    verdict: KeyVerdict = KeyVerdict.ONE_KEY,
    *keys: HotKey,
    table: str = "orders",
    index: str = "",
    mode: SamplerMode = SamplerMode.FULL,
) -> HotKeyFinding:
    return HotKeyFinding(
        place=Place(table, index),
        verdict=verdict,
        keys=keys,
        sentence="One key asks for 140 % of what a partition serves.",
        todo="Shard this key over several, or cache what is read of it; more capacity does not help.",
        kinds=frozenset({Kind.WRITE}),
        blind=("PartiQL is not counted.",),
        mode=mode,
        at=NEWEST,
    )


def hot_table() -> TableReport:
    """orders: one key above what a partition serves; an index with throttled keys only, and one without sampling."""
    told = decision(
        key(),
        before=0,
        after=0,
        reason=Reason.HOT_KEYS,
        sentence=f"one-key: {HOTTEST.key} asks for 140 % of what a partition serves.",
    )
    unsampled = "throttled keys of index by-day of orders are not sampled: no rule is left of the 100 of the account"
    plan = SamplingPlan(
        TableState(),
        current={"": SamplerMode.FULL, "by-customer": SamplerMode.THROTTLED, "by-day": SamplerMode.OFF},
        lost={"by-day": unsampled},
    )
    return table_report(
        cause=Cause.KEY_RANGE,
        sentence="Writes are throttled: one key range is above a partition's 1,000 write units/s.",
        dimensions=(
            dimension_report(TABLE_READ),
            dimension_report(consumed=96.0, demand=96.0, throttled={Cause.KEY_RANGE: 1204}),
            dimension_report(INDEX_WRITE, consumed=41.5, demand=41.5, throttled={Cause.KEY_RANGE: 310}),
        ),
        new_decisions=(told,),
        trouble=incident(Cause.KEY_RANGE),
        hot_keys=(
            finding(KeyVerdict.ONE_KEY, HOTTEST, SECOND),
            finding(KeyVerdict.INDEX_KEY, INDEX_HOTTEST, index="by-customer", mode=SamplerMode.THROTTLED),
        ),
        sampling=plan,
    )


def switch(outcome: Outcome, detail: str = "", index: str = "by-customer") -> tuple[Decision, Settlement]:
    """The decision to sample the throttled keys of an index, and what became of it."""
    decided = decision(
        key(),
        Dimension(index, Kind.READ),
        before=0,
        after=0,
        reason=Reason.SAMPLE_THROTTLED,
        sentence="Its throttled keys are sampled from now on",
        outcome=Outcome.PENDING,
    )
    turn = Switch(index, SamplerMode.OFF, SamplerMode.THROTTLED)
    action = Action(key(), Lever.SAMPLING, (), Mode.ACT, turn)
    return decided, Settlement(Intent("02-intent", NOW, action), outcome, NOW + 1, detail)


def throttled_table(outcome: Outcome = Outcome.APPLIED) -> TableReport:
    """orders: writes throttled for want of capacity, raised at once, incident open."""
    raised = raise_decision(key())
    return table_report(
        cause=Cause.PROVISIONED,
        sentence="Writes are throttled: demand is 405/s and capacity 100/s; raised to 579/s.",
        dimensions=(
            dimension_report(TABLE_READ),
            dimension_report(consumed=100.0, demand=405.0, throttled={Cause.PROVISIONED: 1204}, next_decrease_in=1500),
            dimension_report(INDEX_WRITE, consumed=41.5, demand=41.5, bounds=None, decreases_left=4),
        ),
        decisions=(decision(key(), TABLE_READ), raised, decision(key(), INDEX_WRITE)),
        new_decisions=(raised,),
        latency=(LatencyReport("PutItem", 6.25, 18.0, 5.5), LatencyReport("GetItem", 2.5, None, None)),
        trouble=incident(),
        settlements=(settlement(raised, outcome),),
    )


def cycle(
    *tables: TableReport,
    at: float = NOW,
    told: Sequence[Alert] = (),
    region_errors: Mapping[str, str] | None = None,
    delivered: int = 0,
    undelivered: int = 0,
    acting: bool = True,
    dead: int = 0,
    outbox: int | None = 0,
    rules: Mapping[str, int] | None = None,
    regions: Mapping[str, RegionState] | None = None,
    pauses: Sequence[Pause] = (),
    silenced: int = 0,
    held: int = 0,
    failing: Mapping[str, str] | None = None,
) -> CycleReport:
    return CycleReport(
        started_at=at - 1.5,
        finished_at=at,
        seconds=1.5,
        tables=tables,
        region_errors=region_errors or {},
        unmatched=2,
        told=told,
        delivered=delivered,
        undelivered=undelivered,
        phases={"observe": 1.25, "step": 0.05},
        acting=acting,
        dead=dead,
        outbox=outbox,
        rules=rules or {},
        regions=regions or {},
        pauses=pauses,
        silenced=silenced,
        held=held,
        failing=failing or {},
    )
