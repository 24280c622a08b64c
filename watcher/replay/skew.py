"""Ways in which traffic is uneven over keys: what goes into :attr:`MinuteDemand.hot`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watcher.clock import utc
from watcher.replay.spec import KeyShare

Skew = Callable[[int], tuple[KeyShare, ...]]
"""Minute start (seconds since the epoch) -> the shares of the named keys. A pure function of the minute."""


def steadily(*shares: KeyShare) -> Skew:
    """The same in every minute."""
    return lambda _: shares


def zipf(exponent: float, keys: int, named: int) -> tuple[KeyShare, ...]:
    """The ``named`` most popular of ``keys`` keys, the n-th with a weight of n ** -exponent; largest first."""
    total = sum(number**-exponent for number in range(1, keys + 1))
    return tuple(KeyShare(f"customer#{number:05d}", number**-exponent / total) for number in range(1, named + 1))


def together(home: str, shares: Mapping[str, float]) -> tuple[KeyShare, ...]:
    """Keys that live in one partition until it splits, with the share of each."""
    return tuple(KeyShare(key, share, home=home) for key, share in shares.items())


def moving_key(share: float) -> Skew:
    """All of it goes to the key that is named after the present minute, like 2026-11-23T00:41."""
    return lambda minute: (KeyShare(_stamp(minute), share),)


def rising_sort(key: str, share: float) -> Skew:
    """All of it goes to the item of ``key`` whose sort key is the present minute."""
    return lambda minute: (KeyShare(key, share, sort=_stamp(minute)),)


def _stamp(minute: int) -> str:
    return f"{utc(minute):%Y-%m-%dT%H:%M}"
