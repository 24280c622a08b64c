"""What the control bench compares: policies, worlds, and the watcher with one thing changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from watcher.config import TableRule
from watcher.core.model import Kind
from watcher.core.policy import DEFAULT_BOUNDS, TablePolicy, Tuning
from watcher.core.reasons import Mode
from watcher.replay.scenario import World

REFERENCE = "target tracking 70"
BALANCED = "watcher balanced"

# Label -> the replay's name of the policy. The watcher's own stand in WATCHERS.
BASELINES: Mapping[str, str] = {
    "target tracking 50": "target-tracking:50",
    REFERENCE: "target-tracking:70",
    "target tracking 90": "target-tracking:90",
    "dynamic-dynamodb": "dynamic-dynamodb",
    "dynamic-dynamodb tuned": "dynamic-dynamodb:tuned",
    "on-demand": "on-demand",
}
OBJECTIVES: Mapping[str, Mapping[str, object]] = {
    "watcher economy": {"objective": "economy"},
    BALANCED: {"objective": "balanced"},
    "watcher safe": {"objective": "safe"},
}
# Throttling objectives, where the config has them.
GOALS: Mapping[str, Mapping[str, object]] = {
    f"watcher at most {share:.0e}": {"max_throttled_fraction": share}
    for share in (1e-2, 1e-3, 1e-4, 1e-5)
    if "max_throttled_fraction" in TableRule.model_fields
}

# One thing changed at a time, in the balanced objective.
ABLATIONS: Mapping[str, Callable[[Tuning], Tuning]] = {
    "capacity as a hard limit: no burst bucket": lambda tuning: replace(tuning, bucket=False),
    "throttled units count for no more than capacity": lambda tuning: replace(tuning, most_shown=1.0),
    "a fixed margin of a quarter, nothing learned": lambda tuning: replace(tuning, margin_most=0.0, headroom=0.25),
    "no margin for elevated demand of its own": lambda tuning: replace(tuning, standing_out=1e9),
    "no ceiling from the last day": lambda tuning: replace(tuning, ceiling=1e9),
    "no season": lambda tuning: replace(tuning, seasons=False),
    "a sudden rise is taken as it is first seen": lambda tuning: replace(tuning, jump_from=1e9),
    "a climb is taken to end here": lambda tuning: replace(tuning, climb=0.0),
    "a minute of bucket kept in reserve": lambda tuning: replace(tuning, reserve_calm=60.0),
    "never lowered under demand": lambda tuning: replace(tuning, dip=0.0),
    "no wait after a raise or a throttle": lambda tuning: replace(tuning, raise_hold=0.0, throttle_hold=0.0),
    "any saving is worth a decrease": lambda tuning: replace(tuning, lower_saving=0.02, early_saving=0.02, reserve=0),
}

# The plant of the other tables, and everything that may well be otherwise on somebody's account.
AS_MEASURED = "as measured"
WORLDS: Mapping[str, World] = {
    AS_MEASURED: World(),
    "published after 30 s": World(publication=30.0),
    "published after 120 s": World(publication=120.0),
    "published after 180 s": World(publication=180.0),
    "effective after 10 s": World(actuation=10.0),
    "effective after 60 s": World(actuation=60.0),
    "effective after 120 s": World(actuation=120.0),
    "5 % of points late": World(late_share=0.05),
    "half of the refused asked again": World(retry_factor=0.5),
    "all of these at their worst": World(publication=180.0, actuation=120.0, late_share=0.05, retry_factor=0.5),
}


def owner(**knobs: object) -> TablePolicy:
    """A table's policy as the config makes it from its keys, within AWS's default quota, acting."""
    policy = TableRule.model_validate({"match": "*", **knobs}).policy()
    return replace(policy, mode=Mode.ACT, bounds=dict.fromkeys(Kind, DEFAULT_BOUNDS))


def watcher(label: str) -> TablePolicy:
    """The policy behind a label of OBJECTIVES, GOALS or ABLATIONS. Raises KeyError for another."""
    knobs = {**OBJECTIVES, **GOALS}
    if label in knobs:
        return owner(**knobs[label])
    balanced = owner(**OBJECTIVES[BALANCED])
    return replace(balanced, tuning=ABLATIONS[label](balanced.tuning))
