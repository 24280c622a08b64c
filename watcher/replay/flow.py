"""Burst bucket, partition ceiling and index back pressure, second by second.

AWS: up to 300 s of unused capacity are kept for bursts; one partition serves at most 3,000 read and 1,000 write units
a second; a write is refused when one of the table's indexes cannot take its share ("Burst and adaptive capacity",
"Using global secondary indexes", DynamoDB Developer Guide).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from watcher.core.model import Kind
from watcher.core.reasons import Cause
from watcher.replay.partitions import Groups

BURST_SECONDS = 300.0
PARTITION_CEILING = {Kind.READ: 3000.0, Kind.WRITE: 1000.0}


@dataclass(slots=True)
class Meter:
    """What one dimension may take, and what it took since ``begin``.

    capacity: units per second. burst: seconds of it that can be saved up. bucket: units saved. cause: why it refuses
    what exceeds the two. ceiling: units per second of one partition. hot: what shares a partition, hottest first.
    over: key_range by group; heated: seconds in which a group was above its ceiling, only groups that were.
    throttled_seconds: bit n is set when second n of the minute refused anything.
    """

    capacity: float
    burst: float
    cause: Cause
    ceiling: float
    bucket: float = 0.0
    hot: Groups = ()
    demanded: float = 0.0
    served: float = 0.0
    refused: float = 0.0  # for want of capacity
    key_range: float = 0.0
    over: list[float] = field(default_factory=list)
    heated: dict[int, int] = field(default_factory=dict)
    capacity_seconds: float = 0.0
    throttled_seconds: int = 0

    def begin(self, hot: Groups) -> None:
        """Start a minute."""
        self.hot = hot
        self.demanded = self.served = self.refused = self.key_range = self.capacity_seconds = 0.0
        self.throttled_seconds = 0
        if hot:
            self.over = [0.0] * len(hot)
            self.heated = {}

    def resize(self, capacity: float) -> None:
        """A change takes effect: a smaller bucket is clipped, a larger one is not filled."""
        self.capacity = capacity
        self.bucket = min(self.bucket, capacity * self.burst)

    def hottest(self) -> float:
        """The largest share that goes to one partition."""
        return self.hot[0].heat if self.hot else 0.0

    def is_calm(self, peak: float) -> bool:
        """Whether nothing can be refused while no second asks for more than ``peak``."""
        return peak <= self.capacity and peak * self.hottest() <= self.ceiling

    def offer(self, asked: float) -> float:
        """How much of what one second asks can be taken; the rest is counted as refused."""
        if self.hot:
            asked -= self._above_ceiling(asked)
        room = self.capacity + self.bucket
        if asked <= room:
            return asked
        self.refused += asked - room
        return room

    def take(self, units: float) -> None:
        """Finish the second: ``units`` were admitted, what the capacity has left goes into the bucket."""
        self.served += units
        self.bucket = min(self.capacity * self.burst, self.capacity + self.bucket - units)

    def _above_ceiling(self, asked: float) -> float:
        total = 0.0
        for number, group in enumerate(self.hot):
            above = asked * group.share - self.ceiling * group.parts
            if above <= 0.0:
                break  # those that follow are cooler
            self.over[number] += above
            self.heated[number] = self.heated.get(number, 0) + 1
            total += above
        self.key_range += total
        return total


@dataclass(slots=True)
class Flow:
    """One stream of requests: reads of a table or an index alone, or a table's writes with all its indexes.

    followers: (index meter, its units per unit of the leader). retry: share of a second's refusals asked again in the
    next. pending: what is to be asked again.
    """

    leader: Meter
    followers: tuple[tuple[Meter, float], ...] = ()
    retry: float = 0.0
    pending: float = 0.0

    def begin(self) -> None:
        self.pending = 0.0

    def run(self, units: float, weights: Sequence[float], peak: float, first: int = 0) -> None:
        """Run the seconds of ``weights`` (each a part of the minute's ``units``) from second ``first`` of the minute
        on; peak: the largest weight."""
        highest = units * peak
        if (
            self.pending <= 0.0
            and self.leader.is_calm(highest)
            and all(meter.is_calm(highest * ratio) for meter, ratio in self.followers)
        ):
            self._run_calm(units * sum(weights) if len(weights) < 60 else units, len(weights))
        elif self.followers or self.leader.hot or self.retry:
            self._run_general(units, weights, first)
        else:
            self._run_plain(units, weights, first)
        for meter in (self.leader, *(follower for follower, _ in self.followers)):
            meter.capacity_seconds += meter.capacity * len(weights)

    def _run_calm(self, units: float, seconds: int) -> None:
        """No second asks for more than the capacity, so the buckets only rise and the order of seconds is idle."""
        self.leader.demanded += units
        for meter, ratio in ((self.leader, 1.0), *self.followers):
            meter.served += units * ratio
            full = meter.capacity * meter.burst
            meter.bucket = min(full, meter.bucket + meter.capacity * seconds - units * ratio)

    def _run_plain(self, units: float, weights: Sequence[float], first: int = 0) -> None:
        """The general loop without indexes, hot keys and retries, written out: most minutes under load end here."""
        meter = self.leader
        capacity = meter.capacity
        full = capacity * meter.burst
        bucket = meter.bucket
        refused = 0.0
        throttled_seconds = 0
        for second, weight in enumerate(weights, first):
            left = capacity + bucket - units * weight
            if left < 0.0:
                refused -= left
                bucket = 0.0
                throttled_seconds |= 1 << second
            elif left > full:
                bucket = full
            else:
                bucket = left
        asked = units * sum(weights) if len(weights) < 60 else units
        meter.bucket = bucket
        meter.demanded += asked
        meter.refused += refused
        meter.served += asked - refused
        meter.throttled_seconds |= throttled_seconds

    def _run_general(self, units: float, weights: Sequence[float], first: int = 0) -> None:
        leader, followers, retry = self.leader, self.followers, self.retry
        pending = self.pending
        for second, weight in enumerate(weights, first):
            asked = units * weight + pending
            leader.demanded += asked
            passed = admitted = leader.offer(asked)
            for meter, ratio in followers:
                share = passed * ratio
                taken = meter.offer(share)
                if taken < share:
                    admitted = min(admitted, taken / ratio)
                    meter.throttled_seconds |= 1 << second
            if admitted < asked:
                leader.throttled_seconds |= 1 << second
            leader.take(admitted)
            for meter, ratio in followers:
                meter.take(admitted * ratio)
            pending = retry * (asked - admitted)
        self.pending = pending
