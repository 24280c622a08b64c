"""Tables whose sampling is planned, and what was planned for them, readably."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus, Sampling, Survey
from watcher.core.model import (
    Billing,
    KeySchema,
    Kind,
    Lever,
    TableDescription,
    TableKey,
    Throughput,
)
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.sampling import SamplingCase, SamplingLimits, SamplingPlan, plan
from watcher.core.state import SamplerState, TableState

MIDNIGHT = 1_699_920_000.0  # 2023-11-14T00:00:00Z
NOON = MIDNIGHT + 12 * 3600
INDEX = "by-status"
OFF, THROTTLED, FULL = SamplerMode.OFF, SamplerMode.THROTTLED, SamplerMode.FULL


def key(name: str = "orders") -> TableKey:
    return TableKey("111122223333", "eu-west-1", name)


def described(name: str = "orders", *indexes: str, sort: str = "at", schemas: bool = True) -> TableDescription:
    """A table, with the indexes named; every key with a sort key unless ``sort`` is ""."""
    parts = {index: Throughput(dict.fromkeys(Kind, 100)) for index in ("", *indexes)}
    keys = dict.fromkeys(parts, KeySchema("id", sort)) if schemas else {}
    return TableDescription(key(name), Billing.PROVISIONED, parts, schemas=keys)


def case(
    name: str = "orders",
    *indexes: str,
    sampling: Sampling = Sampling.THROTTLED,
    mode: Mode = Mode.ACT,
    needs: Mapping[str, float] | None = None,
    events: Mapping[str, float] | None = None,
    samplers: Mapping[str, SamplerState] | None = None,
    sort: str = "at",
    left: bool = False,
    unseen: bool = False,
) -> SamplingCase:
    """One table; its requests are 1,000 a minute at every place unless ``events`` says otherwise. left: the config."""
    policy = None if left else TablePolicy(mode=mode, sampling=sampling)
    usual = dict.fromkeys(("", *indexes), 1_000.0)
    return SamplingCase(
        key=key(name),
        policy=policy,
        description=described(name, *indexes, sort=sort),
        state=TableState(samplers=samplers or {}),
        needs=needs or {},
        events=usual if events is None else events,
        unseen=unseen,
    )


def surveyed(
    samplers: Mapping[str, Sampler] | None = None, *, table: str = "orders", at: float = NOON, rules: int | None = 0
) -> Survey:
    """Of one table: its samplers by index."""
    return Survey(at, {Place(table, index): sampler for index, sampler in (samplers or {}).items()}, rules)


LIMITS = SamplingLimits()
HOUR = 3600.0

DARK = Sampler()
KEYS = Sampler(SamplerStatus.ENABLED, THROTTLED)
ALL = Sampler(SamplerStatus.ENABLED, FULL)
COMING = Sampler(SamplerStatus.ENABLING, THROTTLED)
GOING = Sampler(SamplerStatus.DISABLING)
BROKEN = Sampler(SamplerStatus.FAILED, failure="LimitExceededException: too many rules")

BLANK = SamplerState()
OURS = SamplerState(OFF, THROTTLED, NOON - 2 * HOUR, in_force=True)


def ours_full(began: float = NOON - 300, *, in_force: bool = True) -> SamplerState:
    return SamplerState(
        OFF, FULL, began, began + 900, began, spent=0.5, spent_day=MIDNIGHT, in_force=in_force, reserved=0.5
    )


def only(
    one: SamplingCase, survey: Survey | None, *, now: float = NOON, limits: SamplingLimits = LIMITS
) -> SamplingPlan:
    return plan(now, limits, survey, [one])[one.key]


def switches(made: SamplingPlan) -> list[tuple[SamplerMode, SamplerMode, Mode]]:
    found = []
    for action in made.actions:
        assert action.lever is Lever.SAMPLING
        assert action.changes == ()
        assert action.switch is not None
        found.append((action.switch.before, action.switch.after, action.mode))
    return found


def said(made: SamplingPlan) -> list[tuple[Reason, Mode, Outcome]]:
    return [(decision.reason, decision.mode, decision.outcome) for decision in made.decisions]


def sentence(made: SamplingPlan) -> str:
    (decision,) = made.decisions
    return decision.sentence


ON = (Reason.SAMPLE_THROTTLED, Mode.ACT, Outcome.PENDING)
ON_FULL = (Reason.SAMPLE_FULL, Mode.ACT, Outcome.PENDING)
BACK = (Reason.SAMPLE_RESTORE, Mode.ACT, Outcome.PENDING)
FOREIGN = (Reason.HOLD_SAMPLING_FOREIGN, Mode.ACT, Outcome.NONE)
INCIDENT = {"": 50.0}
