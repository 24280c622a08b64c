"""How hot each key of one table or index was: what Contributor Insights named, measured against CloudWatch's minutes.

Denominators. A share of traffic is a key's units over the place's consumed units in the very minutes of which accesses
were sampled, from the first throttled one on where any is. A share of throttles is a key's throttled requests over the
larger of what all named keys had together and what CloudWatch counts of the place itself: an index's refusals are not
counted on the table ("Contributor Insights for DynamoDB: How it works"). Both values are approximate, hence the larger
one, so that no share exceeds 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, inf, isfinite

from watcher.core.demand import Minute
from watcher.core.insights import KeySample, KeyShape, KeyTrace, SamplerMode
from watcher.core.model import Kind
from watcher.core.reasons import Cause
from watcher.core.series import MINUTE

PARTITION_CEILING = 180_000.0  # throughput units a minute
# Throughput units of a capacity unit: "Contributor Insights for DynamoDB: How it works".
WEIGHT = {Kind.READ: 1.0, Kind.WRITE: 3.0}
# Causes that a key range can have. Where AWS gives no cause, it may as well have been one: Regions without cause
# metrics, and the minutes before these are published.
OF_CAPACITY = frozenset({Cause.PROVISIONED, Cause.ACCOUNT_LIMIT, Cause.ON_DEMAND_CAP})
# Key ranges matter where they have this part of the throttled requests; with less it is a capacity problem.
HOT_PART = 0.1
# A key is in its heat in a minute with this part of its busiest one. Any throttling is heat, but for dust; of its
# traffic only half a peak is, since keys are always accessed a little.
HOT_THROTTLES = 0.05
HOT_TRAFFIC = 0.5
# One minute may be missing in an unbroken heat: points come late, and approximate reports leave one out.
LONGEST_STEP = 2 * MINUTE
# Halves of the judged minutes differ by this much before heat is called rising: approximate values differ by less.
RISING = 1.1
FEWEST_FOR_RISING = 4
# When data first appears after switching on is undocumented: heat that begins this soon is older than the sample.
FIRST_DATA = 2 * MINUTE
# One kind with this part of all traffic is what the traffic is made of.
MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class Load:
    """CloudWatch's word on the judged minutes.

    consumed: throughput units by minute. costs: throughput units that a throttled request would have cost, by minute,
    and ``cost`` on average. own: the place's own throttled requests by minute, without an index's refusals; hot: those
    of them that a key range can have refused. causes: throttled requests by cause. hot_kinds, own_kinds: whose these
    are. mostly: what nearly all of the traffic is. newest: start of the newest minute.
    """

    consumed: Mapping[int, float]
    costs: Mapping[int, float]
    cost: float
    own: Mapping[int, float]
    hot: Mapping[int, float]
    causes: Mapping[Cause, float]
    hot_kinds: frozenset[Kind]
    own_kinds: frozenset[Kind]
    mostly: Kind | None
    newest: int | None


@dataclass(frozen=True, slots=True)
class Heat:
    """One partition key in the judged minutes. share, of_traffic, ceiling_share, asked_share, since, rising: as in
    ``HotKey``. throttled: requests in its busiest minute. throttle_share: of the place's own throttled requests;
    hot_share: of those that a key range can have refused. refused_share: what was throttled in its busiest minute, as
    a part of a partition's ceiling. last: start of its newest hot minute. size: what it is sorted by."""

    label: str
    identity: str
    shape: KeyShape
    share: float
    of_traffic: bool
    ceiling_share: float | None
    asked_share: float | None
    throttled: float
    throttle_share: float
    hot_share: float
    refused_share: float
    since: int | None
    last: int
    rising: bool | None
    size: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What can be judged. heats: hottest first, by what they asked for, or by throttles where accesses are not sampled.

    accessed, throttled, accessed_items, throttled_items: the named keys with their clean points, over the whole
    sample. sampled: whether accesses were, in the judged minutes; named: throttled requests that carry a key; own: the
    place's own throttled requests in the same minutes as CloudWatch counts them, or ``named`` where that is more; hot:
    those of them that a key range can have refused. horizon: before this instant the sample knows nothing.
    """

    now: float
    first: float
    sample: KeySample
    load: Load
    heats: tuple[Heat, ...]
    accessed: tuple[KeyTrace, ...]
    throttled: tuple[KeyTrace, ...]
    accessed_items: tuple[KeyTrace, ...]
    throttled_items: tuple[KeyTrace, ...]
    sampled: bool
    named: float
    own: float
    hot: float
    newest: int | None
    horizon: float

    @property
    def mode(self) -> SamplerMode:
        return self.sample.mode

    def cause(self, cause: Cause) -> float:
        return self.load.causes.get(cause, 0.0)

    @property
    def is_hot(self) -> bool:
        """Whether key ranges, as far as is known, refuse a part of the requests that is worth a verdict."""
        return self.hot > 0 and self.hot >= HOT_PART * self.own

    @property
    def refused_minutes(self) -> int:
        """In how many of the judged minutes requests that carry a key were throttled."""
        return len(_minutes_of(_within(self.throttled, self.first)))

    @property
    def refused_part(self) -> float:
        """What was throttled and carries a key, as a part of what was asked for; 1 where consumption is not known."""
        refused = self.named * self.load.cost
        return refused / (refused + sum(self.load.consumed.values())) if refused > 0 else 0.0

    @property
    def of_capacity(self) -> float:
        return sum(self.cause(cause) for cause in OF_CAPACITY)


def gather(now: float, sample: KeySample, minutes: Mapping[Kind, Sequence[Minute]], window: float) -> Evidence:
    """The evidence of the finished minutes that start in the last ``window`` seconds."""
    first = now - window
    load = _load(first, now, minutes)
    begun = sample.since if sample.since is not None else -inf
    accessed, throttled = _clean(sample.accessed, now, begun), _clean(sample.throttled, now)
    taken, refused = _within(accessed, first), _within(throttled, first)
    span = _span(refused, sample.since, first)
    named = fsum(trace.total for trace in refused)
    own = max(named, sum(load.own.get(minute, 0.0) for minute in span or load.own))
    sampled = _minutes_of(taken)
    bare = Evidence(
        now=now,
        first=first,
        sample=sample,
        load=load,
        heats=(),
        accessed=accessed,
        throttled=throttled,
        accessed_items=_clean(sample.accessed_items, now, begun),
        throttled_items=_clean(sample.throttled_items, now),
        sampled=bool(sampled),
        named=named,
        own=own,
        hot=own * _hot_part(load, span),
        newest=max((*sampled, *span), default=load.newest),
        horizon=_horizon(sample, (*accessed, *throttled)),
    )
    return replace(bare, heats=_heats(bare, taken, refused, sampled))


def _hot_part(load: Load, span: range) -> float:
    """The part of the place's own throttled requests that a key range can have refused: all of them where CloudWatch
    has none yet, as Contributor Insights may be a minute ahead of it."""
    for minutes in (span, load.own):
        own = sum(load.own.get(minute, 0.0) for minute in minutes)
        if own > 0:
            return sum(load.hot.get(minute, 0.0) for minute in minutes) / own
    return 1.0


def _load(first: float, now: float, minutes: Mapping[Kind, Sequence[Minute]]) -> Load:
    judged = [(kind, minute) for kind, of_kind in minutes.items() for minute in of_kind if first <= minute.start < now]
    consumed: dict[int, float] = {}
    own: dict[int, float] = {}
    hot: dict[int, float] = {}
    refused: dict[int, float] = {}
    events: dict[int, float] = {}
    causes: dict[Cause, float] = {}
    by_kind: dict[Kind, list[float]] = {kind: [0.0, 0.0, 0.0] for kind in minutes}
    for kind, minute in judged:
        start, units = minute.start, minute.served * WEIGHT[kind]
        mine = max(0.0, minute.throttled - minute.causes.get(Cause.INDEX_BACK_PRESSURE, 0.0))
        hers = max(0.0, mine - sum(minute.causes.get(cause, 0.0) for cause in OF_CAPACITY))
        for series, value in ((consumed, units), (own, mine), (hot, hers), (events, minute.throttled)):
            series[start] = series.get(start, 0.0) + value
        refused[start] = refused.get(start, 0.0) + minute.refused * WEIGHT[kind]
        for cause, number in minute.causes.items():
            causes[cause] = causes.get(cause, 0.0) + number
        by_kind[kind] = [total + value for total, value in zip(by_kind[kind], (hers, mine, units), strict=True)]
    key_range = frozenset(kind for kind, minute in judged if minute.causes.get(Cause.KEY_RANGE, 0.0) > 0)
    units = sum(consumed.values())
    mostly = [kind for kind, (_, _, part) in by_kind.items() if part > 0 and part >= MOSTLY * units]
    return Load(
        consumed=consumed,
        costs={start: refused[start] / number for start, number in events.items() if number > 0},
        cost=_mean_cost(sum(refused.values()), sum(events.values()), mostly),
        own=own,
        hot=hot,
        causes=causes,
        hot_kinds=key_range or frozenset(kind for kind, (number, _, _) in by_kind.items() if number > 0),
        own_kinds=frozenset(kind for kind, (_, number, _) in by_kind.items() if number > 0),
        mostly=mostly[0] if mostly else None,
        newest=max((minute.start for _, minute in judged), default=None),
    )


def _mean_cost(refused: float, events: float, mostly: list[Kind]) -> float:
    """Throughput units of a throttled request; the least that one costs where CloudWatch counts none."""
    if events > 0:
        return refused / events
    return WEIGHT[mostly[0]] if mostly else min(WEIGHT.values())


def _clean(traces: Iterable[KeyTrace], now: float, begun: float = -inf) -> tuple[KeyTrace, ...]:
    """One trace per key, of whole minutes with something in them. Half a minute would look like relief: the one under
    way, and of accesses the one in which their sampling began."""
    found: dict[str, KeyTrace] = {}
    for trace in traces:
        whole = {start: value for start, value in trace.points.items() if begun <= start <= now - MINUTE}
        points = {start: value for start, value in whole.items() if value > 0 and isfinite(value)}
        twin = found.get(trace.identity)
        if twin is not None:
            points = {
                start: max(points.get(start, 0.0), twin.points.get(start, 0.0)) for start in {*points, *twin.points}
            }
        if points:
            found[trace.identity] = replace(twin or trace, points=dict(sorted(points.items())))
    return tuple(found.values())


def _within(traces: Iterable[KeyTrace], first: float) -> tuple[KeyTrace, ...]:
    cut = (replace(trace, points={m: value for m, value in trace.points.items() if m >= first}) for trace in traces)
    return tuple(trace for trace in cut if trace.points)


def _minutes_of(traces: Iterable[KeyTrace]) -> frozenset[int]:
    return frozenset(minute for trace in traces for minute in trace.points)


def _span(refused: tuple[KeyTrace, ...], since: float | None, first: float) -> range:
    """The minutes in which throttles were sampled: from when sampling began, as far as known, to the newest point.

    What CloudWatch has after that is not yet reported, which is lateness and no sign of unnamed keys.
    """
    seen = _minutes_of(refused)
    if not seen:
        return range(0)
    oldest = min(seen)
    if since is not None:
        begun = max(first, since)
        oldest -= max(0, int((oldest - begun) // MINUTE)) * MINUTE
    return range(oldest, max(seen) + MINUTE, MINUTE)


def _horizon(sample: KeySample, traces: Iterable[KeyTrace]) -> float:
    """Switching the mode keeps the throttles named before, so a point older than the switch moves it back."""
    oldest = min(_minutes_of(traces), default=None)
    if sample.since is None or (oldest is not None and oldest + MINUTE <= sample.since):
        return sample.start
    return max(sample.start, sample.since + FIRST_DATA)


def _heats(
    evidence: Evidence,
    taken: tuple[KeyTrace, ...],
    refused: tuple[KeyTrace, ...],
    sampled: frozenset[int],
) -> tuple[Heat, ...]:
    shared = _shared(evidence.load, sampled, refused)
    traced = {minute: fsum(trace.points.get(minute, 0.0) for trace in taken) for minute in shared}
    traffic = {minute: max(units, evidence.load.consumed.get(minute, 0.0)) for minute, units in traced.items()}
    consumption = {trace.identity: trace for trace in taken}
    throttles = {trace.identity: trace for trace in refused}
    accessed = {trace.identity: trace for trace in evidence.accessed}
    throttled = {trace.identity: trace for trace in evidence.throttled}
    heats = []
    for identity in {**consumption, **throttles}:
        whole = throttled[identity] if identity in throttles else accessed[identity]
        heats.append(_heat(evidence, consumption.get(identity), throttles.get(identity), whole, traffic, sampled))
    return tuple(sorted(heats, key=lambda heat: (-heat.size, heat.label)))


def _shared(load: Load, sampled: frozenset[int], refused: tuple[KeyTrace, ...]) -> frozenset[int]:
    """The minutes of which shares of traffic are: those since throttling began, where anything is throttled. Calm
    minutes before that would make the culprit look small just when the alert goes out."""
    began = min(_minutes_of(refused) or {minute for minute, number in load.own.items() if number > 0}, default=0)
    return frozenset(minute for minute in sampled if minute >= began) or sampled


def _part(consumed: Mapping[int, float], traffic: Mapping[int, float]) -> float:
    whole = fsum(traffic.values())
    return fsum(consumed.get(minute, 0.0) for minute in traffic) / whole if whole > 0 else 0.0


def _heat(
    evidence: Evidence,
    taken: KeyTrace | None,
    refused: KeyTrace | None,
    whole: KeyTrace,
    traffic: Mapping[int, float],
    sampled: frozenset[int],
) -> Heat:
    load = evidence.load
    throttled = refused.points if refused else {}
    consumed = taken.points if taken else {}
    missed = {minute: number * load.costs.get(minute, load.cost) for minute, number in throttled.items()}
    asked = {minute: consumed.get(minute, 0.0) + missed.get(minute, 0.0) for minute in sampled} if taken else {}
    number = sum(throttled.values())
    throttle_share = number / evidence.own if refused else 0.0
    bar = HOT_THROTTLES * max(throttled.values()) if refused else HOT_TRAFFIC * max(consumed.values())
    # Where CloudWatch counted no throttled request at all, no key can have had one, sampled or not.
    calm = frozenset(minute for minute, refusals in load.own.items() if refusals <= 0) if refused else frozenset()
    since, last = _present_heat(whole.points, evidence.horizon, bar, calm)
    return Heat(
        label=whole.label,
        identity=whole.identity,
        shape=whole.shape,
        share=_part(consumed, traffic) if taken else throttle_share,
        of_traffic=taken is not None,
        ceiling_share=max(consumed.values()) / PARTITION_CEILING if taken else None,
        asked_share=max(asked.values()) / PARTITION_CEILING if taken else None,
        throttled=max(throttled.values(), default=0.0),
        throttle_share=throttle_share,
        # The larger keys may also have requests that capacity refused: their part of what a key range did is no more
        # than all of it.
        hot_share=min(1.0, number / evidence.hot) if evidence.hot > 0 else 0.0,
        refused_share=max(missed.values(), default=0.0) / PARTITION_CEILING,
        since=since,
        last=last,
        rising=_rising(throttled or consumed),
        size=sum(asked.values()) or (sum(missed.values()) if evidence.sampled else number),
    )


def _present_heat(
    points: Mapping[int, float], horizon: float, bar: float, calm: frozenset[int]
) -> tuple[int | None, int]:
    """(first minute of its present heat, newest hot minute); the first is None where heat reaches back to where the
    sample knows nothing. calm: minutes in which it cannot have been hot."""
    hot = [minute for minute, value in sorted(points.items()) if value >= bar]
    first = last = hot[-1]
    for minute in reversed(hot):
        if first - minute > LONGEST_STEP:
            break
        first = minute
    known = first >= horizon + MINUTE or first - MINUTE in calm
    return (first if known else None), last


def _rising(points: Mapping[int, float]) -> bool | None:
    first, last = min(points), max(points)
    values = [points.get(minute, 0.0) for minute in range(first, last + MINUTE, MINUTE)]
    if len(values) < FEWEST_FOR_RISING:
        return None
    half = len(values) // 2
    return sum(values[-half:]) > RISING * sum(values[:half])
