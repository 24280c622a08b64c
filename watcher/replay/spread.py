"""How the units of one minute fall on its sixty seconds, and the stateless random numbers of the plant.

Every draw is a function of (seed, what it is for, minute), so that neither the order of calls nor the size of the
steps changes anything.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from math import log2
from random import Random

SECONDS = 60
POOL = 512  # profiles per volume; more would not be told apart by a bucket of 300 s
SMALLEST, LARGEST = -5, 12  # exponents of two of the gamma shape
EVEN = ((1.0 / SECONDS,) * SECONDS, 1.0 / SECONDS)

_MASK = (1 << 64) - 1

Profile = tuple[tuple[float, ...], float]
"""Sixty weights that sum to 1, and the largest of them."""


def salt(seed: int, *parts: str) -> int:
    """A 64-bit number that stands for a seed and a purpose."""
    text = "\0".join((str(seed), *parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def mixed(purpose: int, minute: int) -> int:
    """64 well-mixed bits of a salt and a minute (the finaliser of SplitMix64)."""
    bits = (purpose + minute * 0x9E3779B97F4A7C15) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def fraction(bits: int) -> float:
    """The low 32 bits as a number in [0, 1)."""
    return (bits & 0xFFFFFFFF) / 4_294_967_296.0


@lru_cache(maxsize=64)
def _profiles(exponent: int) -> tuple[Profile, ...]:
    shape = 2.0**exponent
    draw = Random(exponent).gammavariate  # noqa: S311 - simulated traffic, not a secret
    pool = []
    for _ in range(POOL):
        seconds = [draw(shape, 1.0) for _ in range(SECONDS)]
        total = sum(seconds)
        weights = tuple(second / total for second in seconds)
        pool.append((weights, max(weights)))
    return tuple(pool)


def profile(purpose: int, minute: int, units: float, dispersion: float) -> Profile:
    """The weights of the seconds of one minute with ``units`` in it.

    Independent gamma draws divided by their sum: what a gamma-mixed Poisson process looks like when its minute's sum
    is known, without whole numbers. The squared coefficient of variation of a second is 1/mean (counting noise) plus
    ``dispersion``; its inverse is the gamma's shape, rounded to a power of two so that profiles can be prepared.
    dispersion 0 is an exactly even minute.
    """
    if dispersion <= 0.0 or units <= 0.0:
        return EVEN
    shape = max(2.0**SMALLEST, 1.0 / (SECONDS / units + dispersion))
    exponent = min(LARGEST, round(log2(shape)))
    return _profiles(exponent)[mixed(purpose, minute) % POOL]
