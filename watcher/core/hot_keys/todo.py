"""What a person should do about hot keys, with the arithmetic.

Sources: DynamoDB developer guide, "Best practices for designing and using partition keys effectively" (write sharding),
"Key range throughput exceeded (hot partitions)" (wait for split-for-heat first) and "Burst and adaptive capacity"; AWS
Database Blog, "Scaling DynamoDB: How partitions, hot keys, and split for heat impact performance" (splits need
sustained traffic; none inside an item collection where there is a local secondary index, none for an ever-increasing
sort key).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from watcher.core.hot_keys.heat import PARTITION_CEILING, WEIGHT, Evidence, Heat
from watcher.core.hot_keys.motion import Motion
from watcher.core.hot_keys.words import NAMED, WORTH_A_WORD, Scene, is_capacity, is_over, of_partition
from watcher.core.insights import KeyShape, KeyTrace, Place
from watcher.core.model import Kind
from watcher.core.prices import DAX_NODE_PRICE, DAX_NODES, MONTH_HOURS, PROVISIONED_PRICE, dollars
from watcher.core.reasons import Cause
from watcher.core.series import MINUTE
from watcher.core.words import duration, percent, rate, time_of_day, units

# A shard filled to the brim throttles at the first burst.
SHARD_FILL = 0.7
FEWEST_SHARDS = 2
# AWS names no time for a split, only that throttling "stops after a short period": a quarter of an hour is ours.
SPLIT_PATIENCE = 900.0
# An item this old is fresh enough for most readers of a hot key.
CACHE_SECONDS = 10.0
# One item with this part of its key's heat is the hot one; nothing splits an item.
ONE_ITEM = 0.5
# A starved table's key that asks for this much of a partition is the next limit.
NEXT_LIMIT = 0.9

CAPACITY_TODO = {
    Cause.PROVISIONED: "Capacity is the answer: raise it, or let the watcher.",
    Cause.ACCOUNT_LIMIT: "Ask for a higher DynamoDB throughput quota in Service Quotas.",
    Cause.ON_DEMAND_CAP: "Raise or remove the on-demand maximum if this traffic is wanted.",
}
SPLITS = "DynamoDB gives a hot partition spare capacity at once and splits it while the heat lasts"
UNSPLIT = "No split parts one item, nor the items of one partition key where there is a local secondary index"


def shards(asked_share: float) -> int:
    """How many keys must share what one asks for, so that each fills a partition to no more than SHARD_FILL."""
    return max(FEWEST_SHARDS, ceil(round(asked_share / SHARD_FILL, 9)))


def asked(heat: Heat) -> float:
    """What it asks for, as a part of a partition's ceiling. Where consumption is not sampled, a key that a key range
    refuses is taken to have all of its partition."""
    return heat.asked_share if heat.asked_share is not None else 1.0 + heat.refused_share


def for_one(scene: Scene, heat: Heat) -> str:
    inside = _inside(scene.place, scene.evidence, heat)
    return f"More capacity cannot help. {_relief(scene, heat)}{inside}{_capacity_too(scene)}"


def for_near(scene: Scene, heats: Sequence[Heat]) -> str:
    relief = _relief(scene, heats[0]) if len(heats) == 1 else _shards_each(scene, heats)
    return f"Nothing breaks yet, but more capacity cannot help. {relief}{_capacity_too(scene)}"


def for_each_over(scene: Scene, heats: Sequence[Heat]) -> str:
    return f"More capacity cannot help. {_shards_each(scene, heats)}{_capacity_too(scene)}"


def _shards_each(scene: Scene, heats: Sequence[Heat]) -> str:
    counts = ", ".join(f"{heat.label} over {shards(asked(heat))}" for heat in heats[:NAMED])
    more = " and so on" if len(heats) > NAMED else ""
    cached = f" {cache(heats[0])}" if scene.kind is Kind.READ else ""
    return f"Each needs shards of its own: {counts}{more} ({_arithmetic(scene, heats[0])} for the first).{cached}"


def for_few(scene: Scene, heats: Sequence[Heat]) -> str:
    """Wait for the split, and what then."""
    heat, now = heats[0], scene.evidence.now
    if is_over(scene.evidence, heat):
        return f"Nothing for now: it is calm. {SPLITS}; should it come back, spread what is named here over shards."
    begun = heat.since if heat.since is not None else scene.evidence.horizon
    names = heat.label if len(heats) == 1 else "the hottest of them"
    then = f"spread {names} over {shards(asked(heat))} shards" + _or_cache(scene)
    if now < begun + SPLIT_PATIENCE:
        until = time_of_day(begun + SPLIT_PATIENCE, now)
        wait = f"Wait until {until}: {SPLITS}, though AWS promises no time. If it is throttled still, {then}."
    else:
        wait = (
            f"Do not wait any longer: {SPLITS}, but {duration(now - begun)} should have been enough. {UNSPLIT}: {then}."
        )
    return wait + _capacity_too(scene)


def for_moving(scene: Scene, motion: Motion, heats: Sequence[Heat], *, by_sort_key: bool) -> str:
    number = max((shards(asked(heat)) for heat in heats), default=FEWEST_SHARDS)
    kind = (
        "time"
        if motion.shape is KeyShape.TIME
        else "counter"
        if motion.shape is KeyShape.COUNTER
        else "part that grows"
    )
    where = "the partition key" if by_sort_key else f"the partition key, before its {kind}"
    return (
        "Neither capacity nor splits can help: the heat has moved on before a split is done. "
        f"Put a shard number, 0 to {number - 1}, from a hash of something evenly spread into {where}, "
        f"so that what is written at one time goes to {number} keys.{_capacity_too(scene)}"
    )


def for_nobody(scene: Scene) -> str:
    evidence = scene.evidence
    if evidence.own <= 0:
        return "Nothing."
    if is_capacity(evidence):
        return CAPACITY_TODO[max(CAPACITY_TODO, key=evidence.cause)] + _next_limit(evidence)
    return f"Wait: {SPLITS}, though AWS promises no time. {UNSPLIT}.{_capacity_too(scene)}"


def _next_limit(evidence: Evidence) -> str:
    hottest = max(evidence.heats, key=lambda heat: heat.asked_share or 0.0)
    if hottest.asked_share is None or hottest.asked_share < NEXT_LIMIT:
        return ""
    return f" The next limit is near: {hottest.label} alone asks for {of_partition(hottest.asked_share)}."


def _relief(scene: Scene, heat: Heat) -> str:
    if scene.kind is Kind.READ:
        return f"{cache(heat)} Or copy it to {shards(asked(heat))} keys and read any ({_arithmetic(scene, heat)})."
    number = shards(asked(heat))
    spread = f"Spread {heat.label} over {number} shards ({_arithmetic(scene, heat)}): "
    owner = "the index's" if scene.place.index else "its"
    spread += f"add a number, 0 to {number - 1}, to {owner} partition key."
    return spread if scene.kind is Kind.WRITE else f"{spread} What only reads it can have a cache."


def _arithmetic(scene: Scene, heat: Heat) -> str:
    """``1,200 write units/s asked / 700 a shard = 1.7``."""
    about = "" if heat.asked_share is not None else "about "
    share = asked(heat)
    if scene.kind is None:
        return (
            f"{about}{percent(share)} of a partition asked / {percent(SHARD_FILL)} a shard = {share / SHARD_FILL:.1f}"
        )
    ceiling = PARTITION_CEILING / MINUTE / WEIGHT[scene.kind]
    wanted, held = units(share * ceiling), units(SHARD_FILL * ceiling)
    return f"{about}{wanted} {scene.kind} units/s asked / {held} a shard = {share / SHARD_FILL:.1f}"


def cache(heat: Heat) -> str:
    """The suggestion of a cache for a key that is read, and what it costs against the capacity that it frees."""
    reads = asked(heat) * PARTITION_CEILING / MINUTE
    left = DAX_NODES / CACHE_SECONDS
    bill = dollars(DAX_NODES * DAX_NODE_PRICE * MONTH_HOURS)
    freed = dollars(reads * PROVISIONED_PRICE[Kind.READ] * MONTH_HOURS)
    return (
        f"Cache it, if eventually consistent reads will do: {DAX_NODES} DAX nodes that keep an item "
        f"{duration(CACHE_SECONDS)} read each item {rate(left)} instead of {units(reads)} read units/s in all. "
        f"{DAX_NODES} dax.t3.small nodes are about {bill} a month; these read units, provisioned, are {freed}."
    )


def _or_cache(scene: Scene) -> str:
    return " or cache it (eventually consistent reads only)" if scene.kind is Kind.READ else ""


def _inside(place: Place, evidence: Evidence, heat: Heat) -> str:
    """Whether one item or many of a partition key are hot: items can be split apart, one item cannot."""
    pairs = evidence.accessed_items if evidence.sampled else evidence.throttled_items
    keys = evidence.accessed if evidence.sampled else evidence.throttled
    mine = [pair for pair in pairs if pair.partition == heat.identity and _recent(evidence, pair) > 0]
    whole = sum(_recent(evidence, key) for key in keys if key.identity == heat.identity)
    if not mine or whole <= 0:
        return ""
    hottest = max(mine, key=lambda pair: (_recent(evidence, pair), pair.label))
    part = min(1.0, _recent(evidence, hottest) / whole)  # both values are approximate
    if part >= ONE_ITEM:
        return f" One item has {percent(part)} of its heat: {hottest.label}."
    # An index has no local secondary index that would keep its items together.
    unless = "" if place.index else "without a local secondary index "
    return f" Its heat is spread over sort keys: {unless}DynamoDB may split it as well."


def _recent(evidence: Evidence, trace: KeyTrace) -> float:
    return sum(value for minute, value in trace.points.items() if minute >= evidence.first)


def _capacity_too(scene: Scene) -> str:
    evidence = scene.evidence
    cold = evidence.own - evidence.hot
    if evidence.own <= 0 or cold < WORTH_A_WORD * evidence.own or evidence.cause(Cause.PROVISIONED) <= 0:
        return ""
    return " Capacity is too small as well: that part, raising it cures."
