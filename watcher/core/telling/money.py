"""What it costs, and what it would: dollars a day for capacity that goes up or down."""

from __future__ import annotations

from collections.abc import Iterator

from watcher.core.model import Billing, Decision, Dimension
from watcher.core.prices import PROVISIONED_PRICE, dollars
from watcher.core.reasons import Mode, Reason
from watcher.core.telling.case import Case, wanted
from watcher.core.telling.names import FLOOR_REASONS, UNDER_WAY

HOURS = 24.0


def a_day(dimension: Dimension, units: float) -> float:
    """US dollars for ``units`` more a second, for a day."""
    return units * PROVISIONED_PRICE[dimension.kind] * HOURS


def cost_of(case: Case) -> str:
    """The change of cost, its sign first; "" on demand, where nothing is provisioned."""
    if case.briefing.description.billing is Billing.ON_DEMAND:
        return ""
    changes = [decision for decision in case.briefing.decisions if decision.is_change]
    if changes:
        sum_of_changes = sum(a_day(decision.dimension, _units(case, decision)) for decision in changes)
        if not round(sum_of_changes, 6):
            return "no change at once"
        if changes[0].mode is Mode.ACT:
            return f"{_signed(sum_of_changes)} a day while it lasts, at us-east-1 prices"
        return f"would be {_signed(sum_of_changes)} a day, at us-east-1 prices"
    held = sum(a_day(decision.dimension, units) for decision, units in _held(case))
    return f"would be {_signed(held)} a day, at us-east-1 prices" if held else "no change"


def _units(case: Case, decision: Decision) -> float:
    """How far capacity moves. A floor that rises takes it along from where it is; one put back moves nothing now."""
    if decision.reason not in FLOOR_REASONS:
        return decision.after - decision.before
    if decision.reason is Reason.RESTORE_FLOOR:
        return 0.0
    return max(0.0, decision.after - case.briefing.description.provisioned(decision.dimension))


def _held(case: Case) -> Iterator[tuple[Decision, float]]:
    for decision in case.decisions:
        units = wanted(decision)
        if units is not None and decision.reason not in UNDER_WAY:
            yield decision, units - case.briefing.description.provisioned(decision.dimension)


def _signed(amount: float) -> str:
    return f"{'-' if amount < 0 else '+'}{dollars(abs(amount))}"
