"""Which hot keys of a table or an index share a partition, and how heat drives them apart.

AWS: adaptive capacity isolates frequently accessed items, and a partition that stays hot is split; a single item cannot
be split, nor an item collection whose sort keys only rise ("Burst and adaptive capacity", DynamoDB Developer Guide).
How long a partition must have been hot before it is split, AWS does not publish: ``split_after`` is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watcher.core.model import Kind
from watcher.replay.spec import KeyShare

Name = tuple[str, ...]
"""Of a group: ("home", h) of several keys, ("key", k) of one, ("item", k, s) of one item, ("rest", k) of the items of a
key that have no name of their own."""


@dataclass(frozen=True, slots=True)
class Group:
    """Shares that have partitions to themselves.

    members: their numbers. share: their sum. parts: how many partitions they are spread over evenly.
    """

    name: Name
    members: tuple[int, ...]
    share: float
    parts: int = 1

    @property
    def heat(self) -> float:
        """The part of the traffic that one partition has to serve."""
        return self.share / self.parts


Groups = tuple[Group, ...]
"""Hottest first."""


class Partitions:
    """Of one table or index.

    split_after: a group splits when it was throttled in that many seconds of the last two times as many.
    has_items: whether keys have a sort key, so that there is more than one item to a key. monotonic: whether sort keys
    only rise, so that the heat is always at the end of a partition and splitting it parts nothing.
    """

    def __init__(self, split_after: float, *, has_items: bool, monotonic: bool) -> None:
        self._split_after = split_after
        self._by_item = has_items and not monotonic
        self._split: set[Name] = set()
        self._rests: dict[str, int] = {}  # into how many partitions the unnamed items of a key are split
        self._heated: dict[Name, dict[int, int]] = {}  # throttled seconds by minute
        self._known: dict[Kind, tuple[tuple[KeyShare, ...], Groups]] = {}

    def groups(self, kind: Kind, shares: tuple[KeyShare, ...]) -> Groups:
        """As they are partitioned now. kind: of the traffic that ``shares`` are of."""
        known = self._known.get(kind)
        if known is None or known[0] is not shares:
            known = self._known[kind] = shares, self._grouped(shares)
        return known[1]

    def note(self, minute: int, groups: Groups, seconds: Mapping[int, int]) -> None:
        """What was throttled in a minute. seconds: how many of it, by the number of a group."""
        for number, count in seconds.items():
            group = groups[number]
            if self._can_split(group):
                heated = self._heated.setdefault(group.name, {})
                heated[minute] = max(count, heated.get(minute, 0))  # reads and writes heat the same partition

    def settle(self, minute: int) -> None:
        """The minute is over: split what has been hot for long enough."""
        if not self._heated:
            return
        since = minute + 60 - 2 * self._split_after
        for name, heated in list(self._heated.items()):
            recent = {at: count for at, count in heated.items() if at >= since}
            if sum(recent.values()) >= self._split_after:
                self._part(name)
                recent = {}
            if recent:
                self._heated[name] = recent
            else:
                del self._heated[name]

    def _part(self, name: Name) -> None:
        """Split a group, for good."""
        self._split.add(name)
        self._known.clear()
        if name[0] != "home":
            self._rests[name[1]] = 2 * self._rests.get(name[1], 1)

    def _can_split(self, group: Group) -> bool:
        return group.name[0] == "home" or (self._by_item and group.name[0] != "item")

    def _grouped(self, shares: tuple[KeyShare, ...]) -> Groups:
        members: dict[Name, list[int]] = {}
        for number, share in enumerate(shares):
            members.setdefault(self._name(share), []).append(number)
        found = [
            Group(
                name,
                tuple(numbers),
                sum(shares[number].share for number in numbers),
                self._rests[name[1]] if name[0] == "rest" else 1,
            )
            for name, numbers in members.items()
        ]
        return tuple(sorted(found, key=lambda group: (-group.heat, group.name)))

    def _name(self, share: KeyShare) -> Name:
        if share.home and ("home", share.home) not in self._split:
            return "home", share.home
        if ("key", share.key) not in self._split:
            return "key", share.key
        return ("item", share.key, share.sort) if share.sort else ("rest", share.key)
