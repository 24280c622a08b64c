"""What stands between a wish and an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.core.builders import (
    HOUR,
    INDEX_READ,
    INDEX_WRITE,
    MIDNIGHT,
    NOON,
    PLAIN,
    policy,
    table,
    throughput,
)
from watcher.core import limits
from watcher.core.budget import budget
from watcher.core.decide import Wish
from watcher.core.limits import Situation, floor_wish, limited, planned
from watcher.core.model import TABLE_READ, TABLE_WRITE, Billing, Dimension, ScalableTarget, Status, TableDescription
from watcher.core.policy import DEFAULT_BOUNDS, AutoScaling, TablePolicy, Tuning
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.state import DimensionState, Refusal, TableState


def raising(target: int = 200, current: int = 100, reason: Reason = Reason.RAISE_DEMAND) -> Wish:
    return Wish(current, target, reason, f"raise {current} to {target}")


def lowering(target: int = 40, current: int = 100, reason: Reason = Reason.LOWER_UNUSED) -> Wish:
    return Wish(current, target, reason, f"lower {current} to {target}")


HOLD = Wish(100, 100, Reason.HOLD_STEADY, "right as it is")


def situation(
    rules: TablePolicy | None = None,
    description: TableDescription | None = None,
    state: TableState | None = None,
    *,
    scaling: Mapping[Dimension, ScalableTarget] | None = None,
    scaling_unread: bool = False,
    floor_before: int | None = None,
    floor_set: int | None = 50,
) -> Situation:
    rules = rules or policy()
    bounds = rules.bounds_for(TABLE_WRITE)
    return Situation(
        now=NOON,
        policy=rules,
        bounds=bounds or DEFAULT_BOUNDS,
        has_bounds=bounds is not None,
        description=description or table(),
        dimension=TABLE_WRITE,
        table=state or TableState(),
        state=DimensionState(floor_before=floor_before, floor_set=floor_set),
        scaling=None if scaling_unread else (scaling or {}),
    )


def refused(outcome: Outcome, ago: float) -> TableState:
    return TableState(refusal=Refusal(outcome, NOON - ago, "AWS's own words"))


HELD = {TABLE_WRITE: ScalableTarget(50, 400)}
SUSPENDED = {TABLE_WRITE: ScalableTarget(50, 400, suspended=True)}


@pytest.mark.parametrize(
    ("where", "wish", "reason", "target"),
    [
        pytest.param(situation(), raising(), Reason.RAISE_DEMAND, 200, id="nothing stands in the way"),
        pytest.param(situation(), HOLD, Reason.HOLD_STEADY, 100, id="a hold stays what it is"),
        pytest.param(situation(policy(Mode.OBSERVE)), raising(), Reason.HOLD_OBSERVE_ONLY, 100, id="observed only"),
        pytest.param(situation(policy(Mode.ADVISE)), raising(), Reason.RAISE_DEMAND, 200, id="advice goes all the way"),
        pytest.param(situation(), raising(1000, 50), Reason.RAISE_DEMAND, 1000, id="20 times is the most in one step"),
        pytest.param(situation(), raising(999, 49), Reason.RAISE_DEMAND, 980, id="49 x 20 = 980 in this step"),
        pytest.param(situation(), raising(30, 1), Reason.RAISE_DEMAND, 20, id="1 x 20"),
        pytest.param(situation(), lowering(13), Reason.LOWER_UNUSED, 13, id="an eighth is the least in one step"),
        pytest.param(situation(), lowering(12), Reason.LOWER_UNUSED, 13, id="100 / 8 = 12.5: 13 in this step"),
        pytest.param(
            situation(), raising(500, 4, Reason.RAISE_TO_MIN), Reason.RAISE_TO_MIN, 500, id="to the minimum at once"
        ),
        pytest.param(
            situation(),
            lowering(1000, 9000, Reason.LOWER_TO_MAX),
            Reason.LOWER_TO_MAX,
            1000,
            id="to the maximum at once",
        ),
        pytest.param(
            situation(state=TableState(changes=(NOON - 10.0,) * 19)),
            raising(),
            Reason.RAISE_DEMAND,
            200,
            id="19 changes",
        ),
        pytest.param(
            situation(state=TableState(changes=(NOON - 10.0,) * 20)), raising(), Reason.HOLD_RATE_LIMIT, 100, id="20"
        ),
        pytest.param(
            situation(state=TableState(changes=(NOON - 3600.0,) * 20)),
            raising(),
            Reason.RAISE_DEMAND,
            200,
            id="an hour ago",
        ),
        pytest.param(situation(policy(bounds=None)), raising(), Reason.HOLD_UNBOUNDED, 100, id="no bounds, no act"),
        pytest.param(
            situation(policy(Mode.ADVISE, bounds=None)), raising(), Reason.RAISE_DEMAND, 200, id="no bounds, but advice"
        ),
        pytest.param(
            situation(state=TableState(pending="i1")), raising(), Reason.HOLD_PENDING, 100, id="one is pending"
        ),
        pytest.param(
            situation(description=table(throughput(status=Status.UPDATING))),
            raising(),
            Reason.HOLD_BUSY,
            100,
            id="updating",
        ),
        pytest.param(
            situation(description=table(index=throughput(status=Status.OTHER))),
            raising(),
            Reason.HOLD_BUSY,
            100,
            id="an index being made or deleted blocks the call as well",
        ),
        pytest.param(
            situation(description=table(replicas=("us-east-1",))), raising(), Reason.HOLD_GLOBAL_TABLE, 100, id="global"
        ),
        pytest.param(
            situation(description=table(throughput(status=Status.UPDATING), replicas=("us-east-1",))),
            raising(),
            Reason.HOLD_GLOBAL_TABLE,
            100,
            id="global and updating: what another minute does not cure is told",
        ),
        pytest.param(
            situation(description=table(throughput(status=Status.UPDATING)), scaling=HELD),
            raising(),
            Reason.HOLD_AUTO_SCALING,
            100,
            id="another scaler's and updating: the update is the scaler's",
        ),
        pytest.param(
            situation(description=table(throughput(status=Status.UPDATING)), state=TableState(foreign_at=NOON - 3599)),
            raising(),
            Reason.HOLD_FOREIGN_CHANGE,
            100,
            id="another hand's and updating",
        ),
        pytest.param(
            situation(description=table(throughput(status=Status.UPDATING)), state=TableState(foreign_at=NOON - 3600)),
            raising(),
            Reason.HOLD_BUSY,
            100,
            id="another hand's an hour ago, and updating: only that holds",
        ),
        pytest.param(situation(scaling_unread=True), raising(), Reason.HOLD_AUTO_SCALING, 100, id="targets unread"),
        pytest.param(situation(scaling=HELD), raising(), Reason.HOLD_AUTO_SCALING, 100, id="another scaler's"),
        pytest.param(situation(scaling=SUSPENDED), raising(), Reason.RAISE_DEMAND, 200, id="a suspended target"),
        pytest.param(
            situation(scaling={TABLE_READ: ScalableTarget(1, 9)}),
            raising(),
            Reason.RAISE_DEMAND,
            200,
            id="of reads only",
        ),
        pytest.param(
            situation(state=TableState(foreign_at=NOON - 3599)),
            raising(),
            Reason.HOLD_FOREIGN_CHANGE,
            100,
            id="3599 s ago",
        ),
        pytest.param(
            situation(state=TableState(foreign_at=NOON - 3600)), raising(), Reason.RAISE_DEMAND, 200, id="3600 s ago"
        ),
        pytest.param(situation(), raising(2000, 500), Reason.RAISE_DEMAND, 1000, id="kept to the maximum"),
        pytest.param(situation(), raising(2000, 1000), Reason.HOLD_AT_MAX, 1000, id="at the maximum"),
        pytest.param(
            situation(), raising(2000, 1001), Reason.HOLD_AT_MAX, 1001, id="above the maximum: never lowered by it"
        ),
        pytest.param(situation(), lowering(3, 20), Reason.LOWER_UNUSED, 5, id="kept to the minimum"),
        pytest.param(situation(), lowering(3, 5), Reason.HOLD_AT_MIN, 5, id="at the minimum"),
        pytest.param(situation(), raising(3, 1), Reason.RAISE_DEMAND, 5, id="a raise ends at the minimum at least"),
    ],
)
def test_limiters(where: Situation, wish: Wish, reason: Reason, target: int) -> None:
    found = limited(where, wish)
    assert (found.reason, found.target) == (reason, target)


@pytest.mark.parametrize(
    ("outcome", "ago", "wish", "held"),
    [
        pytest.param(Outcome.QUOTA, 299, raising(), True, id="a quota holds raises for 300 s"),
        pytest.param(Outcome.QUOTA, 300, raising(), False, id="and not longer"),
        pytest.param(Outcome.DENIED, 299, raising(), True, id="a missing permission does too"),
        pytest.param(Outcome.INVALID, 299, raising(), True, id="a call AWS calls invalid too"),
        pytest.param(Outcome.BUDGET, 1, raising(), False, id="a spent decrease budget holds no raise"),
        pytest.param(Outcome.BUDGET, 3599, lowering(), True, id="but decreases for an hour"),
        pytest.param(Outcome.BUDGET, 3600, lowering(), False, id="and not longer"),
        pytest.param(Outcome.BUSY, 1, raising(), False, id="busy is over in a minute"),
        pytest.param(Outcome.THROTTLED, 1, raising(), False, id="so is control plane throttling"),
        pytest.param(Outcome.CANCELLED, 1, raising(), False, id="a changed world is decided upon anew"),
    ],
)
def test_patience_after_a_refusal(outcome: Outcome, ago: float, wish: Wish, held: bool) -> None:  # noqa: FBT001 - a table's column
    found = limited(situation(state=refused(outcome, ago)), wish)
    assert found.reason is (Reason.HOLD_REFUSED if held else wish.reason)


@pytest.mark.parametrize(
    ("where", "wish", "sentence"),
    [
        pytest.param(
            situation(), raising(2000, 500), "raise 500 to 2000; kept to 1,000, the configured maximum", id="maximum"
        ),
        pytest.param(situation(), raising(3, 1), "raise 1 to 3; kept to 5, the configured minimum", id="minimum"),
        pytest.param(
            situation(),
            raising(2000, 1000),
            "would raise 1,000 to 2,000, but 1,000 is the configured maximum",
            id="at the maximum",
        ),
        pytest.param(
            situation(policy(Mode.ADVISE, bounds=None)),
            raising(50_000, 30_000),
            "raise 30000 to 50000; kept to 40,000, the most that is advised without bounds",
            id="no maximum is configured, so none is claimed",
        ),
        pytest.param(situation(), lowering(12), "lower 100 to 12; 13 is as far as one step goes", id="one step"),
        pytest.param(
            situation(description=table(throughput(status=Status.UPDATING), index=throughput(status=Status.OTHER))),
            raising(),
            "would raise 100 to 200, but index by-customer and the table are not active (an update is under way)",
            id="busy",
        ),
        pytest.param(
            situation(state=refused(Outcome.QUOTA, 120)),
            raising(),
            "would raise 100 to 200, but AWS refused the last change 2 min ago: AWS's own words",
            id="refused",
        ),
        pytest.param(
            situation(scaling=HELD),
            raising(),
            "would raise 100 to 200, but Application Auto Scaling holds it between 50 and 400",
            id="another scaler",
        ),
        pytest.param(
            situation(state=TableState(foreign_at=NOON - 720)),
            raising(),
            "would raise 100 to 200, but another hand changed this table's capacity 12 min ago",
            id="another hand",
        ),
        pytest.param(
            situation(description=table(replicas=("us-east-1",))),
            raising(),
            "would raise 100 to 200, but it is a global table (also in us-east-1), whose settings replicate",
            id="global table",
        ),
    ],
)
def test_sentences(where: Situation, wish: Wish, sentence: str) -> None:
    assert limited(where, wish).sentence == sentence


LIMITERS = [
    "_observe_only",
    "_step_size",
    "_changes_per_hour",
    "_no_bounds_no_act",
    "_not_on_global_tables",
    "_not_against_another_hand",
    "_not_while_busy",
    "_not_after_refusal",
    "_bounds",
]


@pytest.mark.parametrize("name", LIMITERS)
def test_a_limiter_that_cannot_compute_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_situation: Situation, _wish: Wish) -> Wish:
        raise ZeroDivisionError("no such number")

    broken.__name__ = name
    monkeypatch.setattr(limits, name, broken)
    found = limited(situation(), raising())
    assert (found.reason, found.target) == (Reason.HOLD_ERROR, 100)
    assert found.sentence.startswith(
        f"would raise 100 to 200, but the limiter {name.strip('_')} failed: ZeroDivisionError"
    )


FLOORS = policy(auto_scaling=AutoScaling.FLOOR)


@pytest.mark.parametrize(
    ("where", "wish", "expected"),
    [
        pytest.param(
            situation(FLOORS, scaling=HELD), raising(), (Reason.RAISE_FLOOR, 50, 200), id="raised to the wish"
        ),
        pytest.param(situation(FLOORS, scaling=HELD), raising(500), (Reason.RAISE_FLOOR, 50, 400), id="to its maximum"),
        pytest.param(
            situation(FLOORS, scaling={TABLE_WRITE: ScalableTarget(50, 9000)}),
            raising(5000, 600),
            (Reason.RAISE_FLOOR, 50, 1000),
            id="within our own maximum",
        ),
        pytest.param(
            situation(FLOORS, scaling=HELD), raising(400, 400), None, id="no more than what is there: nothing"
        ),
        pytest.param(
            situation(FLOORS, scaling={TABLE_WRITE: ScalableTarget(200, 400)}), raising(), None, id="the floor is there"
        ),
        pytest.param(
            situation(FLOORS, scaling={TABLE_WRITE: ScalableTarget(199, 400)}),
            raising(),
            (Reason.RAISE_FLOOR, 199, 200),
            id="one below it is not",
        ),
        pytest.param(situation(scaling=HELD), raising(), None, id="respect means respect"),
        pytest.param(situation(FLOORS), raising(), None, id="no target, no floor"),
        pytest.param(situation(FLOORS, scaling=SUSPENDED), raising(), None, id="a suspended target moves nothing"),
        pytest.param(
            situation(policy(bounds=None, auto_scaling=AutoScaling.FLOOR), scaling=HELD),
            raising(),
            None,
            id="no bounds",
        ),
        pytest.param(
            situation(FLOORS, scaling=HELD, floor_before=10), lowering(), (Reason.RESTORE_FLOOR, 50, 10), id="put back"
        ),
        pytest.param(situation(FLOORS, scaling=HELD), lowering(), None, id="a floor not raised by us is not lowered"),
        pytest.param(
            situation(FLOORS, scaling=HELD, floor_before=10, floor_set=49),
            lowering(),
            None,
            id="nor one that another hand has moved since we raised it",
        ),
        pytest.param(situation(FLOORS, scaling=HELD, floor_before=50), lowering(), None, id="already put back"),
        pytest.param(situation(FLOORS, scaling=HELD, floor_before=10), HOLD, None, id="not yet quiet"),
        pytest.param(
            situation(replace(FLOORS, mode=Mode.OBSERVE), scaling=HELD),
            raising(),
            (Reason.HOLD_OBSERVE_ONLY, 50, 50),
            id="an observed table's floor is observed too",
        ),
        pytest.param(
            situation(FLOORS, state=TableState(pending="i1"), scaling=HELD),
            raising(),
            (Reason.HOLD_PENDING, 50, 50),
            id="one action is pending",
        ),
        pytest.param(
            situation(FLOORS, state=refused(Outcome.DENIED, 10), scaling=HELD),
            raising(),
            (Reason.HOLD_REFUSED, 50, 50),
            id="AWS refused a moment ago",
        ),
        pytest.param(
            situation(FLOORS, state=TableState(changes=(NOON - 1.0,) * 20), scaling=HELD),
            raising(),
            (Reason.HOLD_RATE_LIMIT, 50, 50),
            id="too many changes",
        ),
        pytest.param(
            situation(FLOORS, table(replicas=("us-east-1",)), scaling=HELD),
            raising(),
            (Reason.HOLD_GLOBAL_TABLE, 50, 50),
            id="a global table",
        ),
        pytest.param(
            situation(FLOORS, table(throughput(status=Status.UPDATING), replicas=("us-east-1",)), scaling=HELD),
            raising(),
            (Reason.HOLD_GLOBAL_TABLE, 50, 50),
            id="a global table that is being updated",
        ),
        pytest.param(
            situation(FLOORS, state=TableState(foreign_at=NOON - 1), scaling=HELD),
            raising(),
            (Reason.RAISE_FLOOR, 50, 200),
            id="another hand is what floors are for",
        ),
        pytest.param(
            situation(FLOORS, table(throughput(0, 0), billing=Billing.ON_DEMAND), scaling=HELD),
            raising(),
            None,
            id="on demand",
        ),
    ],
)
def test_floors(where: Situation, wish: Wish, expected: tuple[Reason, int, int] | None) -> None:
    found = floor_wish(where, wish)
    assert (None if found is None else (found.reason, found.current, found.target)) == expected


def plan(
    wishes: Mapping[Dimension, Wish],
    *,
    decreases: int = 0,
    lowered: float | None = None,
    now: float = NOON,
    tuning: Tuning | None = None,
    floor_rises: bool = False,
) -> dict[Dimension, Reason]:
    budgets = {
        "": budget(now, throughput(decreases=decreases, lowered=lowered)),
        "by-customer": budget(now, throughput(decreases=decreases, lowered=lowered)),
    }
    found = planned(now, tuning or PLAIN, wishes, budgets, floor_rises=floor_rises)
    return {dimension: wish.reason for dimension, wish in found.items()}


LOW, RAISE = Reason.LOWER_UNUSED, Reason.RAISE_DEMAND


@pytest.mark.parametrize(
    ("wishes", "reasons"),
    [
        pytest.param({TABLE_READ: lowering(), TABLE_WRITE: lowering()}, [LOW, LOW], id="both kinds are one decrease"),
        pytest.param({TABLE_READ: raising(), TABLE_WRITE: raising()}, [RAISE, RAISE], id="raises go together"),
        pytest.param(
            {TABLE_READ: lowering(), TABLE_WRITE: raising()},
            [Reason.HOLD_RAISE_FIRST, RAISE],
            id="no decrease beside a raise",
        ),
        pytest.param(
            {TABLE_READ: lowering(), INDEX_WRITE: raising()},
            [Reason.HOLD_RAISE_FIRST, RAISE],
            id="nor beside an index's raise",
        ),
        pytest.param({TABLE_READ: lowering(), INDEX_READ: lowering()}, [LOW, LOW], id="each with a budget of its own"),
        pytest.param({TABLE_READ: lowering(98), TABLE_WRITE: lowering()}, [LOW, LOW], id="a small saving rides along"),
        pytest.param(
            {TABLE_READ: lowering(98), INDEX_READ: lowering()},
            [Reason.HOLD_SMALL_SAVING, LOW],
            id="but not on another's budget",
        ),
        pytest.param({TABLE_READ: HOLD, TABLE_WRITE: lowering()}, [Reason.HOLD_STEADY, LOW], id="a hold stays a hold"),
    ],
)
def test_plan_of_a_table(wishes: Mapping[Dimension, Wish], reasons: list[Reason]) -> None:
    assert list(plan(wishes).values()) == reasons


def test_no_decrease_goes_before_a_floor_that_must_rise() -> None:
    assert plan({TABLE_READ: lowering()}, floor_rises=True) == {TABLE_READ: Reason.HOLD_RAISE_FIRST}


# Early: one of the day's first four, 40 % needed. Hourly: an hour after the last, 12.5 % is enough.
@pytest.mark.parametrize(
    ("wish", "decreases", "lowered", "now", "reason"),
    [
        pytest.param(lowering(60), 1, 1800, NOON, LOW, id="early, 40 % saved: worth it"),
        pytest.param(lowering(61), 1, 1800, NOON, Reason.HOLD_SMALL_SAVING, id="early, 39 %: not"),
        pytest.param(lowering(87), 1, 3600, NOON, LOW, id="an hour after the last, 13 %: worth it"),
        pytest.param(lowering(88), 1, 3600, NOON, Reason.HOLD_SMALL_SAVING, id="an hour after the last, 12 %: not"),
        pytest.param(lowering(87), 0, None, NOON, LOW, id="never lowered counts as long ago"),
        pytest.param(lowering(), 1, 899, NOON, Reason.HOLD_SETTLING, id="the last one is 899 s ago"),
        pytest.param(lowering(), 1, 900, NOON, LOW, id="the last one is 900 s ago"),
        pytest.param(
            lowering(), 4, 3604, NOON, Reason.HOLD_BUDGET, id="spent, one second before the hour and the margin"
        ),
        pytest.param(lowering(), 4, 3605, NOON, LOW, id="spent, the hour and the margin are over"),
        pytest.param(lowering(), 3, 1800, NOON, Reason.HOLD_BUDGET, id="the last of the four is kept for the evening"),
        pytest.param(lowering(), 2, 1800, NOON, LOW, id="the last but one is not"),
        pytest.param(lowering(), 3, 1800, MIDNIGHT + 20 * HOUR - 1, Reason.HOLD_BUDGET, id="kept until 19:59:59"),
        pytest.param(lowering(), 3, 1800, MIDNIGHT + 20 * HOUR, LOW, id="free from 20:00 on"),
        pytest.param(
            lowering(990, 1000, Reason.LOWER_TO_MAX),
            1,
            1800,
            NOON,
            Reason.LOWER_TO_MAX,
            id="the maximum asks no saving",
        ),
        pytest.param(
            lowering(990, 1000, Reason.LOWER_TO_MAX), 4, 60, NOON, Reason.HOLD_BUDGET, id="but it needs a budget, too"
        ),
    ],
)
def test_spending_the_budget(wish: Wish, decreases: int, lowered: float | None, now: float, reason: Reason) -> None:
    at = None if lowered is None else now - lowered
    assert plan({TABLE_WRITE: wish}, decreases=decreases, lowered=at, now=now) == {TABLE_WRITE: reason}


@pytest.mark.parametrize(
    ("decreases", "lowered", "sentence"),
    [
        pytest.param(4, 1800, "today's decreases are used up, the next is allowed in 30 min", id="1800 + 5 s to wait"),
        pytest.param(
            1, 300, "it was lowered 5 min ago, and one decrease must be seen at work before the next", id="just lowered"
        ),
        pytest.param(3, 1800, "the last one of today's first four decreases is kept for the evening", id="the reserve"),
    ],
)
def test_sentences_of_the_plan(decreases: int, lowered: float, sentence: str) -> None:
    budgets = {"": budget(NOON, throughput(decreases=decreases, lowered=NOON - lowered))}
    found = planned(NOON, PLAIN, {TABLE_WRITE: lowering()}, budgets)[TABLE_WRITE]
    assert found.sentence == f"would lower 100 to 40, but {sentence}"


def test_too_small_a_saving_says_what_would_be_enough() -> None:
    budgets = {"": budget(NOON, throughput(decreases=1, lowered=NOON - 1800))}
    found = planned(NOON, PLAIN, {TABLE_WRITE: lowering(70)}, budgets)[TABLE_WRITE]
    why = "30 % is too small a saving to spend a decrease on (40 % is needed now)"
    assert found.sentence == f"would lower 100 to 70, but {why}"
