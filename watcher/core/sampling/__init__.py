"""Where Contributor Insights is to be switched on or off: a plan for a whole Region, whose rules share a quota."""

from watcher.core.sampling.cost import SamplingLimits, mode_rules, monthly_dollars
from watcher.core.sampling.memory import absorbed
from watcher.core.sampling.planning import SamplingCase, SamplingPlan, plan, release

__all__ = [
    "SamplingCase",
    "SamplingLimits",
    "SamplingPlan",
    "absorbed",
    "mode_rules",
    "monthly_dollars",
    "plan",
    "release",
]
