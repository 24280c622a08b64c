"""What is found of the hot keys of one table or index. Import these from ``hot_keys``, where the judge is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from watcher.core.insights import KeyShape, Place, SamplerMode
from watcher.core.model import Kind


class KeyVerdict(StrEnum):
    ONE_KEY = "one-key"  # one key asks for more than a partition serves: capacity cannot help
    FEW_KEYS = "few-keys"  # a few keys share a partition: adaptive capacity and splits help, in a while
    MOVING_KEY = "moving-key"  # the heat wanders from key to key: time-ordered keys
    INDEX_KEY = "index-key"  # the hot key is an index's, not the table's
    NO_SINGLE_KEY = "no-single-key"  # the heat is everybody's: a capacity problem after all
    UNKNOWN = "unknown"  # nothing can be said, and the sentence says why


@dataclass(frozen=True, slots=True)
class HotKey:
    """One hot key. key: in the allowed form.

    share: its part, 0 to 1, of the traffic of its table or index in the judged minutes; in throttled-keys mode, where
    traffic is not sampled, of the throttled requests (``of_traffic`` False). ceiling_share: what it consumed in its
    busiest minute as a part of one partition's ceiling, None where consumption is not sampled. asked_share: the same
    with what was throttled added, None where not known. throttled: throttled requests in its busiest judged minute.
    since: start of the first minute of its present heat, None when older than the sample. rising: whether it is still
    growing, None while that cannot be told.
    """

    key: str
    share: float
    of_traffic: bool
    ceiling_share: float | None
    asked_share: float | None
    throttled: float
    since: int | None
    rising: bool | None
    shape: KeyShape = KeyShape.PLAIN


@dataclass(frozen=True, slots=True)
class HotKeyFinding:
    """The verdict on one place. keys: the hot ones, hottest first; empty for NO_SINGLE_KEY and UNKNOWN.

    sentence: what is, one sentence with its numbers. todo: what a person should do. kinds: whether reads, writes or
    both are hot, as far as that can be told. blind: what this verdict cannot see, a sentence each. mode: what the
    verdict was made from. at: start of the newest judged minute, None when there was none.
    """

    place: Place
    verdict: KeyVerdict
    keys: tuple[HotKey, ...]
    sentence: str
    todo: str
    kinds: frozenset[Kind] = frozenset()
    blind: tuple[str, ...] = ()
    mode: SamplerMode = SamplerMode.OFF
    at: int | None = None
