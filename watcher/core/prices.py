"""What capacity costs. Amazon DynamoDB pricing, us-east-1, standard table class; US dollars.

Other Regions and classes charge other sums, but nearly in the same proportion, and only proportions decide anything.
"""

from __future__ import annotations

from watcher.core.model import Kind

PROVISIONED_PRICE = {Kind.READ: 0.00013, Kind.WRITE: 0.00065}  # a unit provisioned for an hour
ON_DEMAND_PRICE = {Kind.READ: 0.125e-6, Kind.WRITE: 0.625e-6}  # a unit
DAX_NODE_PRICE = 0.04  # a dax.t3.small node for an hour, as of April 2026; three nodes are AWS's least for production
DAX_NODES = 3
MONTH_HOURS = 730.0
PENALTY = 10.0  # times the on-demand price: what a throttled unit is taken to cost

# Contributor Insights, Amazon CloudWatch pricing, same Region.
INSIGHT_RULE_PRICE = 0.50  # a rule for a month
INSIGHT_EVENT_PRICE = 0.03e-6  # an event that a rule's table or index reports


def dollars(amount: float) -> str:
    """``$4.10``; below a dollar as many decimals as two figures need: ``$0.052``."""
    if amount >= 1.0:
        return f"${amount:,.2f}"
    decimals = 2
    while decimals < 6 and 0 < amount < 10.0 ** (1 - decimals):
        decimals += 1
    return f"${amount:.{decimals}f}"
