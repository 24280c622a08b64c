"""How wrong a forecast has been: histograms of log(what came / what was expected), newer errors weighing more.

A quantile of them is the margin that a forecast needs. Packed as four-byte floats, so that ten thousand tables fit.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import exp

# Edges of the bins, natural logarithms. Narrow where calm tables differ, wide where only bursts go; the ends are open.
EDGES: tuple[float, ...] = (
    -0.5, -0.15, 0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25,
    0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.6, 2.4,
)  # fmt: skip
BINS = len(EDGES) - 1
PRIOR_WEIGHT = 240.0  # minutes of experience that the prior counts for
PRIOR_DEVIATION = 0.16


def prior() -> array[float]:
    """What is believed of a table never seen: errors of about an eighth either way."""
    densities = []
    for low, high in pairwise(EDGES):
        middle = (low + high) / 2
        densities.append((high - low) * exp(-0.5 * (middle / PRIOR_DEVIATION) ** 2))
    scale = PRIOR_WEIGHT / sum(densities)
    return array("f", [density * scale for density in densities])


def bin_of(error: float) -> int:
    """The bin an error belongs to; what lies beyond the ends counts in the last bin there."""
    return min(BINS - 1, max(0, bisect_right(EDGES, error) - 1))


def quantile(counts: Sequence[float], share: float, most: float) -> float:
    """The error that ``share`` of the experience stayed under: a margin, so never below 0, and at most ``most``."""
    needed = (1.0 - share) * sum(counts)
    above = 0.0
    for number in range(BINS - 1, -1, -1):
        count = counts[number]
        above += count
        if above >= needed:
            part = (above - needed) / count if count > 0.0 else 0.0
            edge = EDGES[number] + part * (EDGES[number + 1] - EDGES[number])
            return min(most, max(0.0, edge))
    return 0.0
