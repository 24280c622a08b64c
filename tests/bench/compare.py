"""Many replays of one policy as one line of ratios to a reference on the same traffic.

Definitions. cost, penalised, hourly: geometric mean over the traffic of the ratio to the reference; penalised adds ten
times the on-demand price for each throttled unit; hourly bills each clock hour's maximum. pooled: mean throttled
fraction over the reference's mean. calm: traffic of which the reference throttles less than CALM. worse: traffic of
which the policy throttles more than the reference and more than CALM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import exp, fsum, log

from watcher.replay.figures import Figures, Relief, Result, relief

CALM = 1e-4
APART = 10**10  # seconds between two recordings when their episodes are pooled: more than any lasts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison needs of a replay."""

    figures: Figures
    throttled_seconds: Sequence[int]


@dataclass(frozen=True, slots=True)
class Summary:
    """Ratios, None where there is nothing to divide by. dearest: the largest ratio of cost of all the traffic."""

    policy: str
    penalised: float
    cost: float
    pooled: float | None
    to_clairvoyant: float | None
    hourly: float
    calm_to_clairvoyant: float | None
    calm_worst: float | None
    relief: Relief
    refused: int
    worse: Sequence[str]
    dearest: float


Outcomes = Mapping[str, Outcome]
"""One policy's, by the name of the traffic."""


def outcome_of(result: Result) -> Outcome:
    return Outcome(result.figures, tuple(result.throttled_seconds))


def summarise(policy: str, outcomes: Outcomes, reference: Outcomes, clairvoyant: Outcomes | None = None) -> Summary:
    """The line of one policy. All three hold the same traffic."""
    calm = [name for name in outcomes if reference[name].figures.throttled_fraction < CALM]
    fractions = {name: one.figures.throttled_fraction for name, one in outcomes.items()}
    return Summary(
        policy=policy,
        penalised=_ratio(outcomes, reference, lambda figures: figures.penalised_cost_usd),
        cost=_ratio(outcomes, reference, _cost),
        pooled=pooled(outcomes, reference),
        to_clairvoyant=_ratio(outcomes, clairvoyant, _cost) if clairvoyant else None,
        hourly=_ratio(outcomes, reference, hourly_cost),
        calm_to_clairvoyant=_ratio({name: outcomes[name] for name in calm}, clairvoyant, _cost)
        if clairvoyant and calm
        else None,
        calm_worst=max((fractions[name] for name in calm), default=None),
        relief=pooled_relief(list(outcomes.values())),
        refused=sum(one.figures.rejected_updates for one in outcomes.values()),
        worse=[
            name
            for name, fraction in fractions.items()
            if fraction > max(CALM, reference[name].figures.throttled_fraction)
        ],
        dearest=max(one.figures.cost_usd / reference[name].figures.cost_usd for name, one in outcomes.items()),
    )


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive values. Raises ValueError for none, or for one that is not positive."""
    if not values:
        raise ValueError("no values")
    return exp(fsum(map(log, values)) / len(values))


def pooled(outcomes: Outcomes, reference: Outcomes) -> float | None:
    """Mean throttled fraction over the reference's; None where the reference throttles nothing."""
    total = fsum(reference[name].figures.throttled_fraction for name in outcomes)
    return fsum(one.figures.throttled_fraction for one in outcomes.values()) / total if total else None


def pooled_relief(outcomes: Sequence[Outcome]) -> Relief:
    """Percentiles over the episodes of all the traffic."""
    shifted = ((APART * number + second for second in one.throttled_seconds) for number, one in enumerate(outcomes))
    return relief(chain.from_iterable(shifted))


def hourly_cost(figures: Figures) -> float:
    """US dollars if each clock hour's maximum is billed; the cost itself on demand."""
    return figures.cost_usd * figures.billed_unit_hours / figures.unit_hours if figures.unit_hours else figures.cost_usd


def _cost(figures: Figures) -> float:
    return figures.cost_usd


def _ratio(outcomes: Outcomes, reference: Outcomes, amount: Callable[[Figures], float]) -> float:
    return geometric_mean([amount(one.figures) / amount(reference[name].figures) for name, one in outcomes.items()])
