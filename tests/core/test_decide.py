"""How many units one dimension should have, before anything limits the wish. Target 70 %, raise above 85 %."""

from __future__ import annotations

import pytest

from tests.core.builders import BOUNDS, NOON, ago
from watcher.core.decide import Wish, evidence_minutes, wish
from watcher.core.demand import Minute
from watcher.core.diagnose import View
from watcher.core.model import TABLE_WRITE
from watcher.core.policy import OBJECTIVES, Bounds, Objective, Tuning
from watcher.core.reasons import Cause, Freshness, Reason
from watcher.core.state import DimensionState

CALM = DimensionState()


def view(
    *rates: float,
    starved: dict[int, float] | None = None,
    current: int = 100,
    quiet: float | None = None,
    known: int = 20,
    peak: float | None = None,
    long_known: int = 180,
    throttled_ago: int | None = None,
    cause: Cause = Cause.NONE,
    fresh: Freshness = Freshness.FRESH,
    complete: bool = True,
) -> View:
    """Rates in units/s, oldest first; ``starved``: refused units by minutes ago, added to the demand."""
    recent = tuple(
        _minute(len(rates) - at, rate, (starved or {}).get(len(rates) - at, 0)) for at, rate in enumerate(rates)
    )
    busiest = max((minute.demand for minute in recent), default=0.0)
    return View(
        dimension=TABLE_WRITE,
        provisioned=current,
        freshness=fresh,
        complete=complete,
        newest=recent[-1].start if recent else None,
        recent=recent,
        quiet_peak=busiest if quiet is None else quiet,
        quiet_known=known,
        long_peak=busiest if peak is None else peak,
        long_known=long_known,
        throttled={cause: 5.0} if cause is not Cause.NONE else {},
        share=0.0,
        last_throttle=None if throttled_ago is None else ago(throttled_ago),
        cause=cause,
    )


def _minute(back: int, rate: float, refused: float) -> Minute:
    causes = {Cause.PROVISIONED: refused} if refused else {}
    return Minute(ago(back), rate * 60, rate * 60 + refused, refused, causes, refused)


def wished(seen: View, state: DimensionState = CALM, tuning: Tuning | None = None, bounds: Bounds = BOUNDS) -> Wish:
    return wish(NOON, tuning or Tuning(), bounds, seen, state)


@pytest.mark.parametrize(
    ("seen", "reason", "target"),
    [
        pytest.param(view(85), Reason.HOLD_STEADY, 100, id="85 % used, the edge itself: no raise"),
        pytest.param(view(85.1), Reason.RAISE_DEMAND, 122, id="85.1 %: raise to 85.1 / 0.7 = 121.6"),
        pytest.param(view(90, 10, 10), Reason.RAISE_DEMAND, 129, id="the third newest minute counts: 90 / 0.7 = 128.6"),
        pytest.param(view(90, 65, 65, 65), Reason.HOLD_STEADY, 100, id="the fourth does not"),
        pytest.param(
            view(100, starved={1: 6000}),
            Reason.RAISE_THROTTLED,
            286,
            id="100 served + 100 refused: 200 / 0.7 in one step",
        ),
        pytest.param(
            view(50, starved={1: 60}), Reason.RAISE_THROTTLED, 120, id="throttled at half capacity: bursts, 20 % more"
        ),
        pytest.param(
            view(83, starved={1: 60}), Reason.RAISE_THROTTLED, 120, id="84 / 0.7 = 120 is no more than the 20 %"
        ),
        pytest.param(
            view(84, starved={1: 60}), Reason.RAISE_THROTTLED, 122, id="85 / 0.7 = 121.4 is more than the 20 %"
        ),
        pytest.param(
            view(70, cause=Cause.KEY_RANGE), Reason.HOLD_KEY_RANGE, 100, id="a hot key is not answered with capacity"
        ),
        pytest.param(view(90, cause=Cause.KEY_RANGE), Reason.RAISE_DEMAND, 129, id="but a nearly full table is"),
        pytest.param(
            view(50, starved={1: 60}, cause=Cause.KEY_RANGE),
            Reason.HOLD_KEY_RANGE,
            100,
            id="nor is the trickle of other throttles beside it",
        ),
        pytest.param(
            view(50, starved={1: 3000}, cause=Cause.KEY_RANGE),
            Reason.RAISE_DEMAND,
            143,
            id="unless they show that the whole table needs it: 50 served + 50 refused, 100 / 0.7",
        ),
        pytest.param(view(20, cause=Cause.ACCOUNT_LIMIT), Reason.HOLD_ACCOUNT_LIMIT, 100, id="a quota is not"),
        pytest.param(
            view(20, cause=Cause.INDEX_BACK_PRESSURE), Reason.HOLD_BACK_PRESSURE, 100, id="an index comes first"
        ),
        pytest.param(view(20, cause=Cause.UNCLASSIFIED), Reason.HOLD_UNCLASSIFIED, 100, id="nobody knows why: nothing"),
    ],
)
def test_raising(seen: View, reason: Reason, target: int) -> None:
    found = wished(seen)
    assert (found.reason, found.target) == (reason, target)


@pytest.mark.parametrize(
    ("objective", "rate", "target"),
    [
        pytest.param(Objective.ECONOMY, 92, 100, id="economy holds at 92 %"),
        pytest.param(Objective.ECONOMY, 93, 117, id="economy raises above it, to 93 / 0.8 = 116.3"),
        pytest.param(Objective.SAFE, 70, 100, id="safe holds at 70 %"),
        pytest.param(Objective.SAFE, 71, 130, id="safe raises above it, to 71 / 0.55 = 129.1"),
    ],
)
def test_objectives_move_the_edges(objective: Objective, rate: float, target: int) -> None:
    assert wished(view(rate), tuning=OBJECTIVES[objective]).target == target


@pytest.mark.parametrize(
    ("seen", "reason", "target"),
    [
        pytest.param(view(1, current=4), Reason.RAISE_TO_MIN, 5, id="one below the minimum, whatever the demand"),
        pytest.param(view(1, current=5), Reason.HOLD_AT_MIN, 5, id="at the minimum"),
        pytest.param(
            view(current=4, fresh=Freshness.ABSENT), Reason.RAISE_TO_MIN, 5, id="even blind: the config is no guess"
        ),
        pytest.param(
            view(4, current=4, starved={1: 2400}),
            Reason.RAISE_THROTTLED,
            63,
            id="demand above the minimum wins: 44 / 0.7",
        ),
        pytest.param(view(3, current=0), Reason.RAISE_DEMAND, 5, id="nothing provisioned yet: 3 / 0.7 = 4.3"),
        pytest.param(view(0, current=0), Reason.RAISE_TO_MIN, 5, id="nothing provisioned, nothing wanted"),
        pytest.param(view(500, current=1001), Reason.LOWER_TO_MAX, 1000, id="one above the maximum"),
        pytest.param(view(700, current=1000), Reason.HOLD_STEADY, 1000, id="at the maximum"),
        pytest.param(
            view(900, current=1001), Reason.RAISE_DEMAND, 1286, id="above the maximum and short: a limiter's matter"
        ),
        pytest.param(
            view(500, current=1001, complete=False), Reason.HOLD_STALE, 1001, id="no lowering on half an answer"
        ),
        pytest.param(view(500, current=1001, known=17), Reason.HOLD_ABSENT, 1001, id="nor on 17 of 20 minutes"),
        pytest.param(
            view(500, current=1001, long_known=20),
            Reason.LOWER_TO_MAX,
            1000,
            id="to the maximum also what is known for 20 minutes only: the config is no guess",
        ),
    ],
)
def test_at_the_bounds(seen: View, reason: Reason, target: int) -> None:
    found = wished(seen)
    assert (found.reason, found.target) == (reason, target)


@pytest.mark.parametrize(
    ("fresh", "reason"),
    [
        pytest.param(Freshness.STALE, Reason.HOLD_STALE, id="stale"),
        pytest.param(Freshness.ABSENT, Reason.HOLD_ABSENT, id="absent"),
    ],
)
def test_nothing_is_changed_on_a_guess(fresh: Freshness, reason: Reason) -> None:
    # Even where the last known minutes throttled, or were idle.
    assert wished(view(100, starved={1: 6000}, fresh=fresh)).reason is reason
    assert wished(view(1, fresh=fresh)).reason is reason


@pytest.mark.parametrize(
    ("seen", "reason", "target"),
    [
        pytest.param(view(28), Reason.LOWER_UNUSED, 40, id="28 / 0.7 = 40"),
        pytest.param(view(28, quiet=42), Reason.LOWER_UNUSED, 60, id="the busiest of the quiet window: 42 / 0.7"),
        pytest.param(view(28, peak=70), Reason.LOWER_UNUSED, 50, id="half of the three-hour peak: 35 / 0.7"),
        pytest.param(view(28, peak=140), Reason.HOLD_STEADY, 100, id="half of a peak of 140 is 100 / 0.7: no saving"),
        pytest.param(view(0.0), Reason.LOWER_UNUSED, 5, id="no demand at all: the minimum"),
        pytest.param(view(68), Reason.LOWER_UNUSED, 98, id="2 % saved: 68 / 0.7 = 97.1, the least that rides along"),
        pytest.param(view(69), Reason.HOLD_STEADY, 100, id="1 % saved is not worth a word"),
        pytest.param(view(28, known=18), Reason.LOWER_UNUSED, 40, id="18 of 20 minutes known"),
        pytest.param(view(28, known=17), Reason.HOLD_ABSENT, 100, id="17 of 20 are too few"),
        pytest.param(view(28, long_known=60), Reason.LOWER_UNUSED, 40, id="known for 60 minutes in all"),
        pytest.param(view(28, long_known=59), Reason.HOLD_ABSENT, 100, id="59 are too few to lower by"),
        pytest.param(view(28, complete=False), Reason.HOLD_STALE, 100, id="half an answer"),
        # ago(n) ended n x 60 s ago; a throttle holds a decrease for 1,200 s.
        pytest.param(view(28, throttled_ago=20), Reason.LOWER_UNUSED, 40, id="throttled 20 minutes ago"),
        pytest.param(view(28, throttled_ago=19), Reason.HOLD_RECENT_LOAD, 100, id="throttled 19 minutes ago"),
    ],
)
def test_lowering(seen: View, reason: Reason, target: int) -> None:
    found = wished(seen)
    assert (found.reason, found.target) == (reason, target)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        pytest.param(599, Reason.HOLD_RECENT_LOAD, id="raised 599 s ago"),
        pytest.param(600, Reason.LOWER_UNUSED, id="raised 600 s ago"),
    ],
)
def test_no_decrease_soon_after_a_raise(raised: float, reason: Reason) -> None:
    assert wished(view(28, 28, 28), DimensionState(raised_at=NOON - raised)).reason is reason


# Minutes start at ago(1) = NOON - 120, ago(2) = NOON - 180, ago(3) = NOON - 240; a change is in force 45 s after it.
@pytest.mark.parametrize(
    ("state", "starts", "settled"),
    [
        pytest.param(CALM, [3, 2, 1], True, id="never changed: the newest three"),
        pytest.param(
            DimensionState(raised_at=ago(1) - 45.0), [1], True, id="in force as the newest minute began: that one"
        ),
        pytest.param(
            DimensionState(raised_at=ago(1) - 44.0), [3, 2, 1], False, id="in force a second later: none shows it"
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 1.0, raised_on=ago(2)),
            [1],
            False,
            id="only what the raise did not know is news",
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 1.0, raised_on=ago(1)), [], False, id="nothing new since the raise"
        ),
        pytest.param(DimensionState(lowered_at=ago(2) - 45.0), [2, 1], True, id="lowered: the minutes since"),
        pytest.param(
            DimensionState(raised_at=NOON - 9000.0, lowered_at=ago(1) - 45.0),
            [1],
            True,
            id="the later of two changes counts",
        ),
    ],
)
def test_minutes_that_may_be_judged_by(state: DimensionState, starts: list[int], settled: bool) -> None:  # noqa: FBT001 - a table's column
    evidence, shows = evidence_minutes(Tuning(), view(50, 50, 50, 50, 50), state)
    assert [minute.start for minute in evidence] == [ago(n) for n in starts]
    assert shows is settled


@pytest.mark.parametrize(
    ("seen", "reason", "target"),
    [
        pytest.param(view(95), Reason.HOLD_SETTLING, 100, id="95 % of the new capacity, from before it: wait"),
        pytest.param(view(100), Reason.HOLD_SETTLING, 100, id="exactly the new capacity: wait"),
        pytest.param(
            view(101), Reason.RAISE_DEMAND, 145, id="more than even the new capacity: not worth waiting, 101 / 0.7"
        ),
        pytest.param(
            view(90, starved={1: 600}), Reason.HOLD_SETTLING, 100, id="90 + 10 refused fits the new capacity: wait"
        ),
        pytest.param(
            view(90, starved={1: 606}), Reason.RAISE_THROTTLED, 143, id="90 + 10.1 refused does not: 100.1 / 0.7"
        ),
        pytest.param(view(60), Reason.HOLD_RECENT_LOAD, 100, id="nothing wanted, and just raised"),
    ],
)
def test_settling_after_a_raise(seen: View, reason: Reason, target: int) -> None:
    found = wished(seen, DimensionState(raised_at=NOON - 30.0, raised_on=ago(2)))
    assert (found.reason, found.target) == (reason, target)


def test_without_a_minute_newer_than_the_raise_nothing_is_decided() -> None:
    found = wished(view(100, starved={1: 6000}), DimensionState(raised_at=NOON - 30.0, raised_on=ago(1)))
    assert (found.reason, found.target) == (Reason.HOLD_SETTLING, 100)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param(
            wished(view(100, starved={1: 6000})),
            "demand 200/s on 100 is 200 %, 6,000 events throttled: raise 100 to 286 (70 % used)",
            id="a raise shows its arithmetic",
        ),
        pytest.param(
            wished(view(28, peak=70)),
            "at most 28/s in 20 min after a peak of 70/s on 100: lower to 50 (70 % used at that)",
            id="a decrease says what it leaves room for",
        ),
        pytest.param(wished(view(70)), "demand 70/s on 100 is 70 %: right as it is", id="a steady dimension"),
        pytest.param(
            wished(view(1, current=5)),
            "demand 1/s on 5 is 20 %, the configured minimum: right as it is",
            id="at the minimum",
        ),
        pytest.param(
            wished(view(1, current=4)), "4 is below the configured minimum: raise to 5", id="below the minimum"
        ),
        pytest.param(
            wished(view(28, throttled_ago=4)),
            "would lower 100 to 40, but it throttled 4 min ago",
            id="a decrease put off",
        ),
        pytest.param(
            wished(view(28, long_known=59)),
            "would lower 100 to 40, but only 59 minutes of it are known so far, and 60 are wanted first",
            id="not known for long enough",
        ),
        pytest.param(
            wished(view(1, fresh=Freshness.STALE)),
            "the newest consumption point is stale: nothing is changed on a guess",
            id="stale",
        ),
        pytest.param(
            wished(view(70, cause=Cause.KEY_RANGE)),
            "one key range is over its partition's limit, which capacity cannot lift; demand 70/s on 100",
            id="a hot key",
        ),
    ],
)
def test_sentences(found: Wish, sentence: str) -> None:
    assert found.sentence == sentence


def test_a_change_carries_its_evidence() -> None:
    found = wished(view(100, starved={1: 6000}))
    assert found.evidence == {"demand": 200.0, "consumed": 100.0, "throttled": 0.0, "provisioned": 100}
    assert found.at == ago(1)
