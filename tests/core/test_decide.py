"""How many units one dimension should have, before anything limits the wish.

The numbers of TUNING are fixed here, so that the arithmetic in the rows stands whatever the product's own numbers are.
100 units are provisioned where nothing else is said, and the burst bucket is empty.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import BOUNDS, HOUR, NOON, ago
from watcher.core.decide import Matter, Wish, whole, wish
from watcher.core.demand import Minute
from watcher.core.diagnose import View
from watcher.core.forecast import Outlook, Surge
from watcher.core.model import TABLE_WRITE
from watcher.core.policy import Bounds, Tuning
from watcher.core.reasons import Cause, Freshness, Reason
from watcher.core.schedule import Floor
from watcher.core.state import DimensionState

TUNING = Tuning(
    bucket=True,
    horizon=360.0,
    reserve_calm=0.0,
    reserve_elevated=60.0,
    raise_step=0.02,
    throttle_factor=1.5,
    effect=30.0,
    quiet_minutes=20,
    least_known=60,
    early_saving=0.35,
    ride_saving=0.02,
    lower_wait=0.3,
    raise_hold=300.0,
    throttle_hold=900.0,
)
CALM = DimensionState()
BLIND_SECONDS = 150.0


def seeing(
    demand: float = 70.0,
    *,
    planned: float | None = None,
    level: float | None = None,
    peak: float | None = None,
    base: float | None = None,
    elevated: bool = False,
    ceiling: float | None = None,
    bucket: float = 0.0,
    starved: float = 0.0,
    surges: tuple[Surge, ...] = (),
    below: float = 1.0,
    growth: float = 0.0,
    season: str = "",
) -> Outlook:
    """What is coming. Where nothing else is said, all of it is what demand is now."""
    return Outlook(
        newest=ago(1),
        demand=demand,
        peak=demand if peak is None else peak,
        growth=growth,
        level=demand if level is None else level,
        base=demand if base is None else base,
        elevated=elevated,
        expected=demand if planned is None else planned,
        ceiling=ceiling,
        planned=demand if planned is None else planned,
        bucket=bucket,
        starved=starved,
        surges=surges,
        below=below,
        blind=BLIND_SECONDS,
        season=season,
    )


def view(
    current: int = 100,
    *,
    consumed: float = 70.0,
    known: int = 20,
    long_known: int = 180,
    throttled_ago: int | None = None,
    cause: Cause = Cause.NONE,
    fresh: Freshness = Freshness.FRESH,
    complete: bool = True,
) -> View:
    newest = Minute(ago(1), consumed * 60, consumed * 60, 0.0, {}, 0.0)
    return View(
        dimension=TABLE_WRITE,
        provisioned=current,
        freshness=fresh,
        complete=complete,
        newest=newest.start,
        recent=(newest,),
        quiet_known=known,
        long_known=long_known,
        throttled={cause: 5.0} if cause is not Cause.NONE else {},
        share=0.0,
        last_throttle=None if throttled_ago is None else ago(throttled_ago),
        cause=cause,
    )


def wished(
    outlook: Outlook | None,
    seen: View | None = None,
    state: DimensionState = CALM,
    *,
    tuning: Tuning = TUNING,
    bounds: Bounds = BOUNDS,
    least: Floor | None = None,
) -> Wish:
    return wish(Matter(NOON, tuning, bounds, seen or view(), state, outlook, least))


def decided(found: Wish) -> tuple[Reason, int]:
    return found.reason, found.target


# --- raising on demand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outlook", "reason", "target"),
    [
        pytest.param(seeing(80, planned=100), Reason.HOLD_STEADY, 100, id="100 planned on 100: carried, the edge"),
        pytest.param(seeing(80, planned=101.9), Reason.HOLD_STEADY, 100, id="1.9 short of 100: less than 2 % waits"),
        pytest.param(seeing(80, planned=102), Reason.RAISE_DEMAND, 102, id="2 short of 100: 2 % does not"),
        pytest.param(seeing(80, planned=140.2), Reason.RAISE_DEMAND, 141, id="whole units, rounded up"),
        pytest.param(
            seeing(80, planned=110, bucket=3600),
            Reason.HOLD_STEADY,
            100,
            id="the bucket gives 3,600 / 360 s = 10: 110 are carried, the edge",
        ),
        pytest.param(
            seeing(80, planned=113, bucket=3600),
            Reason.RAISE_DEMAND,
            103,
            id="113 are 3 more than 100 and the bucket's 10 carry",
        ),
        pytest.param(
            seeing(108, planned=113, bucket=3600),
            Reason.RAISE_DEMAND,
            108,
            id="but a raise goes to where demand is, at least: 108 and not 103",
        ),
        pytest.param(
            seeing(80, planned=110, bucket=9600, elevated=True),
            Reason.HOLD_STEADY,
            100,
            id="elevated, 60 s x 100 of the bucket are a reserve: (9,600 - 6,000) / 360 = 10 carry 110",
        ),
        pytest.param(
            seeing(80, planned=110, bucket=6000, elevated=True),
            Reason.RAISE_DEMAND,
            110,
            id="elevated, a bucket of no more than the reserve carries nothing",
        ),
        pytest.param(
            seeing(99, planned=99),
            Reason.HOLD_STEADY,
            100,
            id="99 % used is no reason as long as what is planned is carried",
        ),
    ],
)
def test_raising(outlook: Outlook, reason: Reason, target: int) -> None:
    assert decided(wished(outlook)) == (reason, target)


@pytest.mark.parametrize(
    ("tuning", "target"),
    [
        pytest.param(replace(TUNING, bucket=False), 110, id="a bucket that is not relied on carries nothing"),
        pytest.param(replace(TUNING, reserve_calm=100.0), 110, id="nor does one that is all reserve"),
        pytest.param(replace(TUNING, horizon=1000.0), 100, id="over a longer horizon it carries 10,000 / 1,000 = 10"),
        pytest.param(replace(TUNING, horizon=1001.0), 100, id="a little less: 0.01 short is no step"),
    ],
)
def test_how_far_the_bucket_is_relied_on(tuning: Tuning, target: int) -> None:
    assert wished(seeing(80, planned=110, bucket=10_000), tuning=tuning).target == target


# --- raising when it throttles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outlook", "reason", "target"),
    [
        pytest.param(seeing(100, starved=5), Reason.RAISE_THROTTLED, 150, id="1.5 x 100 wanted"),
        pytest.param(seeing(100, starved=5, peak=120), Reason.RAISE_THROTTLED, 180, id="the busier of two minutes"),
        pytest.param(
            seeing(100, starved=5, ceiling=120), Reason.RAISE_THROTTLED, 120, id="no more than the day makes likely"
        ),
        pytest.param(
            seeing(100, starved=5, ceiling=150), Reason.RAISE_THROTTLED, 150, id="a ceiling at what is bought anyway"
        ),
        pytest.param(
            seeing(100, starved=5, ceiling=90), Reason.RAISE_THROTTLED, 105, id="above the day: 1.05 x 100 at least"
        ),
        pytest.param(seeing(100, starved=5, planned=200), Reason.RAISE_THROTTLED, 200, id="more is planned: that"),
        pytest.param(
            seeing(67, starved=5), Reason.RAISE_THROTTLED, 101, id="1.5 x 67 = 100.5: no step is too small for it"
        ),
    ],
)
def test_throttled(outlook: Outlook, reason: Reason, target: int) -> None:
    assert decided(wished(outlook, view(throttled_ago=1))) == (reason, target)


@pytest.mark.parametrize(
    ("outlook", "target"),
    [
        pytest.param(seeing(66, starved=5), 120, id="1.5 x 66 = 99 are there already: a fifth more is tried"),
        pytest.param(seeing(90, starved=5, ceiling=80, planned=97), 120, id="and where the day makes no more likely"),
    ],
)
def test_what_throttles_although_its_minutes_fit_is_burstier_than_they_show(outlook: Outlook, target: int) -> None:
    assert decided(wished(outlook, view(throttled_ago=1))) == (Reason.RAISE_THROTTLED, target)


@pytest.mark.parametrize(
    ("demand", "reason", "target"),
    [
        pytest.param(25.1, Reason.RAISE_THROTTLED, 120, id="not quite four times the demand: a fifth more is tried"),
        pytest.param(25.0, Reason.HOLD_UNCLASSIFIED, 100, id="four times the demand: capacity is not what it lacks"),
    ],
)
def test_throttling_far_above_demand_buys_no_capacity_without_end(demand: float, reason: Reason, target: int) -> None:
    assert decided(wished(seeing(demand, starved=5, planned=demand), view(throttled_ago=1))) == (reason, target)


@pytest.mark.parametrize(
    ("state", "reason", "target"),
    [
        pytest.param(
            DimensionState(raised_at=NOON - 165.0),
            Reason.RAISE_THROTTLED,
            120,
            id="the raise was at work when the minute began, 45 s after it",
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 164.0),
            Reason.HOLD_SETTLING,
            100,
            id="it was not surely so a second earlier",
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 91.0), Reason.HOLD_SETTLING, 100, id="it was only as the minute ended"
        ),
        pytest.param(DimensionState(raised_at=NOON - 60.0), Reason.HOLD_SETTLING, 100, id="it was not at all"),
        pytest.param(
            DimensionState(raised_at=NOON - 9000.0, lowered_at=NOON - 164.0),
            Reason.HOLD_SETTLING,
            100,
            id="a decrease is judged by a whole minute too",
        ),
    ],
)
def test_a_fifth_more_is_tried_when_a_whole_minute_throttled_at_what_there_is_now(
    state: DimensionState, reason: Reason, target: int
) -> None:
    tuning = replace(TUNING, actuation=45.0)
    assert decided(wished(seeing(66, starved=5), view(throttled_ago=1), state, tuning=tuning)) == (reason, target)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        pytest.param(Cause.KEY_RANGE, Reason.HOLD_KEY_RANGE, id="a hot key"),
        pytest.param(Cause.ACCOUNT_LIMIT, Reason.HOLD_ACCOUNT_LIMIT, id="a quota"),
        pytest.param(Cause.INDEX_BACK_PRESSURE, Reason.HOLD_BACK_PRESSURE, id="an index comes first"),
        pytest.param(Cause.UNCLASSIFIED, Reason.HOLD_UNCLASSIFIED, id="nobody knows why"),
    ],
)
def test_what_capacity_cannot_cure(cause: Cause, reason: Reason) -> None:
    seen = view(cause=cause, throttled_ago=1)
    assert decided(wished(seeing(70), seen)) == (reason, 100)
    assert decided(wished(seeing(20), seen)) == (reason, 100), "nor is anything given back"
    assert decided(wished(seeing(90, starved=1), seen)) == (reason, 100), "a trickle of other throttles buys nothing"
    assert decided(wished(seeing(90, planned=129), seen)) == (Reason.RAISE_DEMAND, 129), "demand for the whole does"


# --- a rise under way -------------------------------------------------------------------------------------------------

RISE = (Surge(200.0, 200.0),)


@pytest.mark.parametrize(
    ("outlook", "reason", "target"),
    [
        pytest.param(seeing(90, surges=RISE), Reason.RAISE_DEMAND, 200, id="to where it is going"),
        pytest.param(
            seeing(90, surges=(Surge(140.0, 300.0),)), Reason.RAISE_DEMAND, 300, id="its load is not carried: its goal"
        ),
        pytest.param(
            seeing(90, surges=RISE, bucket=14_999),
            Reason.RAISE_DEMAND,
            200,
            id="14,999 / 150 s blind are a little less than the 100 that are missing",
        ),
        pytest.param(
            seeing(90, planned=100, surges=RISE, bucket=15_000),
            Reason.HOLD_STEADY,
            100,
            id="15,000 / 150 s blind = 100 carry it until the next decision has effect",
        ),
        pytest.param(
            seeing(90, elevated=True, surges=RISE, bucket=15_000),
            Reason.HOLD_STEADY,
            100,
            id="all of the bucket, for a rise is what the reserve is for",
        ),
        pytest.param(
            seeing(90, planned=100, surges=(Surge(101.0, 101.0),)), Reason.HOLD_STEADY, 100, id="1 % more waits"
        ),
        pytest.param(
            seeing(90, planned=130, surges=(Surge(120.0, 120.0),)), Reason.RAISE_DEMAND, 130, id="more is planned: that"
        ),
        pytest.param(
            seeing(90, surges=(Surge(120.0, 125.0), Surge(110.0, 140.0))),
            Reason.RAISE_DEMAND,
            140,
            id="of two rises the higher goal",
        ),
    ],
)
def test_a_rise_under_way(outlook: Outlook, reason: Reason, target: int) -> None:
    wanted = wished(outlook, tuning=replace(TUNING, ride_saving=0.5))  # decreases are another table's matter
    assert decided(wanted) == (reason, target)


def test_a_bucket_that_is_not_relied_on_carries_no_rise() -> None:
    found = wished(seeing(90, planned=100, surges=RISE, bucket=15_000), tuning=replace(TUNING, bucket=False))
    assert decided(found) == (Reason.RAISE_DEMAND, 200)


# --- after an own change ----------------------------------------------------------------------------------------------

# The newest minute ended at NOON - 60; a change usually has effect 30 s after it.
THROTTLED = seeing(100, starved=5, planned=95)


@pytest.mark.parametrize(
    ("state", "reason", "target"),
    [
        pytest.param(CALM, Reason.RAISE_THROTTLED, 150, id="never changed"),
        pytest.param(
            DimensionState(raised_at=NOON - 90.0), Reason.HOLD_SETTLING, 100, id="raised, in force as the minute ended"
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 91.0), Reason.RAISE_THROTTLED, 150, id="raised, in force a second before"
        ),
        pytest.param(
            DimensionState(lowered_at=NOON - 90.0), Reason.HOLD_SETTLING, 100, id="lowered, in force as it ended"
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 9000.0, lowered_at=NOON - 30.0),
            Reason.HOLD_SETTLING,
            100,
            id="the later of two changes counts",
        ),
        pytest.param(
            DimensionState(raised_at=NOON - 9000.0, lowered_at=NOON - 8000.0),
            Reason.RAISE_THROTTLED,
            150,
            id="changes long ago do not",
        ),
    ],
)
def test_throttling_from_before_the_last_change_is_no_news(state: DimensionState, reason: Reason, target: int) -> None:
    assert decided(wished(THROTTLED, view(throttled_ago=1), state)) == (reason, target)


@pytest.mark.parametrize(
    ("outlook", "reason", "target"),
    [
        pytest.param(seeing(95, planned=100, starved=5), Reason.HOLD_SETTLING, 100, id="100 planned are there: wait"),
        pytest.param(
            seeing(95, planned=120, starved=5), Reason.RAISE_DEMAND, 120, id="more than even the new capacity: now"
        ),
        pytest.param(
            seeing(30, planned=40, starved=5), Reason.HOLD_SETTLING, 100, id="and as little as it takes, it waits"
        ),
        pytest.param(seeing(30, planned=40), Reason.HOLD_RECENT_LOAD, 100, id="nothing throttled: only just raised"),
    ],
)
def test_what_a_fresh_raise_does_not_hold_back(outlook: Outlook, reason: Reason, target: int) -> None:
    found = wished(outlook, view(throttled_ago=1), DimensionState(raised_at=NOON - 30.0))
    assert decided(found) == (reason, target)


# --- at the bounds, and blind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outlook", "seen", "reason", "target"),
    [
        pytest.param(seeing(1), view(4), Reason.RAISE_TO_MIN, 5, id="one below the minimum, whatever the demand"),
        pytest.param(seeing(1), view(5), Reason.HOLD_AT_MIN, 5, id="at the minimum"),
        pytest.param(
            None, view(4, fresh=Freshness.ABSENT), Reason.RAISE_TO_MIN, 5, id="even blind: the config is no guess"
        ),
        pytest.param(seeing(44, starved=5), view(4), Reason.RAISE_THROTTLED, 66, id="demand above it wins: 1.5 x 44"),
        pytest.param(seeing(3), view(0), Reason.RAISE_TO_MIN, 5, id="nothing provisioned yet, and little wanted"),
        pytest.param(seeing(30), view(0), Reason.RAISE_DEMAND, 30, id="nothing provisioned yet: what is planned"),
        pytest.param(seeing(0), view(0), Reason.RAISE_TO_MIN, 5, id="nothing provisioned, nothing wanted"),
        pytest.param(seeing(500), view(1001), Reason.LOWER_TO_MAX, 1000, id="one above the maximum"),
        pytest.param(seeing(1000), view(1000), Reason.HOLD_STEADY, 1000, id="at the maximum"),
        pytest.param(
            seeing(1286), view(1001), Reason.RAISE_DEMAND, 1286, id="above the maximum and short: a limiter's matter"
        ),
        pytest.param(
            seeing(500), view(1001, complete=False), Reason.HOLD_STALE, 1001, id="no lowering on half an answer"
        ),
        pytest.param(seeing(500), view(1001, known=17), Reason.HOLD_ABSENT, 1001, id="nor on 17 of 20 minutes"),
        pytest.param(
            seeing(500),
            view(1001, long_known=20),
            Reason.LOWER_TO_MAX,
            1000,
            id="to the maximum also what is known for 20 minutes only: the config is no guess",
        ),
    ],
)
def test_at_the_bounds(outlook: Outlook | None, seen: View, reason: Reason, target: int) -> None:
    assert decided(wished(outlook, seen)) == (reason, target)


@pytest.mark.parametrize(
    ("fresh", "reason"),
    [
        pytest.param(Freshness.STALE, Reason.HOLD_STALE, id="stale"),
        pytest.param(Freshness.ABSENT, Reason.HOLD_ABSENT, id="absent"),
    ],
)
def test_nothing_is_changed_on_a_guess(fresh: Freshness, reason: Reason) -> None:
    # Even where the last known minutes throttled, or were idle.
    assert decided(wished(seeing(200, starved=600), view(fresh=fresh))) == (reason, 100)
    assert decided(wished(seeing(1), view(fresh=fresh))) == (reason, 100)
    assert decided(wished(None, view(5000, fresh=fresh))) == (reason, 5000), "not even to the maximum"


def test_nothing_is_changed_before_anything_is_known() -> None:
    assert decided(wished(None)) == (Reason.HOLD_ABSENT, 100)


# --- lowering ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outlook", "reason", "target"),
    [
        pytest.param(seeing(30, planned=40), Reason.LOWER_UNUSED, 40, id="to what is planned"),
        pytest.param(seeing(30, planned=40.2), Reason.LOWER_UNUSED, 41, id="whole units, rounded up"),
        pytest.param(
            seeing(30, planned=50, bucket=3600), Reason.LOWER_UNUSED, 40, id="the bucket gives 3,600 / 360 s = 10 of it"
        ),
        pytest.param(
            seeing(30, planned=50, bucket=36_000),
            Reason.LOWER_UNUSED,
            30,
            id="and what it gives ends at the level: 300 s x 30 = 9,000, and 50 - 25 is below 30",
        ),
        pytest.param(
            seeing(30, planned=58, bucket=36_000),
            Reason.LOWER_UNUSED,
            33,
            id="of a full bucket what a smaller table keeps: 300 s x 30 / 360 s = 25, 58 - 25 = 33",
        ),
        pytest.param(
            seeing(50, planned=52, bucket=9000, below=0.9),
            Reason.LOWER_UNUSED,
            45,
            id="a table that hardly jumps goes to 0.9 x 50, the bucket's 25 permitting",
        ),
        pytest.param(
            seeing(50, planned=52, bucket=1440, below=0.9), Reason.LOWER_UNUSED, 48, id="it permits 4: 52 - 4 = 48"
        ),
        pytest.param(seeing(0), Reason.LOWER_UNUSED, 5, id="no demand at all: the minimum"),
        pytest.param(seeing(98), Reason.LOWER_UNUSED, 98, id="2 % saved: the least that rides along"),
        pytest.param(seeing(98.1), Reason.HOLD_STEADY, 100, id="98.1 is 99, and 1 % saved is not worth a word"),
    ],
)
def test_lowering(outlook: Outlook, reason: Reason, target: int) -> None:
    assert decided(wished(outlook)) == (reason, target)


def test_a_bucket_that_is_not_relied_on_lowers_nothing() -> None:
    found = wished(seeing(30, planned=50, bucket=36_000), tuning=replace(TUNING, bucket=False))
    assert decided(found) == (Reason.LOWER_UNUSED, 50)


@pytest.mark.parametrize(
    ("seen", "state", "reason"),
    [
        pytest.param(view(), DimensionState(raised_at=NOON - 299.0), Reason.HOLD_RECENT_LOAD, id="raised 299 s ago"),
        pytest.param(view(), DimensionState(raised_at=NOON - 300.0), Reason.LOWER_UNUSED, id="raised 300 s ago"),
        # ago(n) ended n x 60 s ago; a throttle holds a decrease for 900 s.
        pytest.param(view(throttled_ago=14), CALM, Reason.HOLD_RECENT_LOAD, id="throttled 14 minutes ago"),
        pytest.param(view(throttled_ago=15), CALM, Reason.LOWER_UNUSED, id="throttled 15 minutes ago"),
        pytest.param(view(known=17), CALM, Reason.HOLD_ABSENT, id="17 of 20 minutes known"),
        pytest.param(view(known=18), CALM, Reason.LOWER_UNUSED, id="18 of 20 minutes known"),
        pytest.param(view(long_known=59), CALM, Reason.HOLD_ABSENT, id="59 minutes known in all"),
        pytest.param(view(long_known=60), CALM, Reason.LOWER_UNUSED, id="60 minutes known in all"),
        pytest.param(view(complete=False), CALM, Reason.HOLD_STALE, id="half an answer"),
        pytest.param(view(), DimensionState(lowered_at=NOON - 1.0), Reason.LOWER_UNUSED, id="budgets are the plan's"),
    ],
)
def test_what_puts_a_decrease_off(seen: View, state: DimensionState, reason: Reason) -> None:
    assert decided(wished(seeing(30), seen, state)) == (reason, 30 if reason is Reason.LOWER_UNUSED else 100)


# A decrease lasts an hour, so one that would soon be followed by a larger one waits for it.
@pytest.mark.parametrize(
    ("outlook", "bounds", "tuning", "reason"),
    [
        pytest.param(
            seeing(90, base=50), BOUNDS, TUNING, Reason.HOLD_RECENT_LOAD, id="10 saved, 40 above usual: 10 < 0.3 x 40"
        ),
        pytest.param(
            seeing(90, base=57), BOUNDS, TUNING, Reason.LOWER_UNUSED, id="10 saved, 33 above usual: 10 > 0.3 x 33"
        ),
        pytest.param(
            seeing(90, base=50), Bounds(57, 1000), TUNING, Reason.LOWER_UNUSED, id="it comes down to 57 at most"
        ),
        pytest.param(seeing(90, base=95), BOUNDS, TUNING, Reason.LOWER_UNUSED, id="below what is usual"),
        pytest.param(
            seeing(65, base=0),
            BOUNDS,
            replace(TUNING, lower_wait=2.0),
            Reason.LOWER_UNUSED,
            id="35 % saved is worth one of the first four, whatever follows",
        ),
        pytest.param(
            seeing(66, base=0), BOUNDS, replace(TUNING, lower_wait=2.0), Reason.HOLD_RECENT_LOAD, id="34 % is not"
        ),
        pytest.param(
            seeing(90, base=50), BOUNDS, replace(TUNING, lower_wait=0.0), Reason.LOWER_UNUSED, id="who does not wait"
        ),
    ],
)
def test_a_decrease_waits_while_demand_comes_down(
    outlook: Outlook, bounds: Bounds, tuning: Tuning, reason: Reason
) -> None:
    assert wished(outlook, tuning=tuning, bounds=bounds).reason is reason


# --- floors of known events -------------------------------------------------------------------------------------------


def event(units: int, begins: float = NOON - 60.0) -> Floor:
    return Floor(units, "sale", begins, NOON + 3 * HOUR)


@pytest.mark.parametrize(
    ("outlook", "seen", "least", "reason", "target"),
    [
        pytest.param(seeing(30), view(), event(150), Reason.RAISE_SCHEDULE, 150, id="below the floor: to it, at once"),
        pytest.param(seeing(30), view(), event(100), Reason.HOLD_SCHEDULE, 100, id="at the floor: not lowered"),
        pytest.param(seeing(100), view(), event(100), Reason.HOLD_STEADY, 100, id="at the floor, and in use"),
        pytest.param(seeing(30), view(), event(60), Reason.LOWER_UNUSED, 60, id="above it: lowered to it"),
        pytest.param(seeing(30), view(), event(30), Reason.LOWER_UNUSED, 30, id="a floor where it goes anyway"),
        pytest.param(seeing(200), view(), event(150), Reason.RAISE_DEMAND, 200, id="demand wants more than the floor"),
        pytest.param(
            seeing(120), view(), event(150), Reason.RAISE_SCHEDULE, 150, id="the floor wants more than demand"
        ),
        pytest.param(
            None, view(fresh=Freshness.ABSENT), event(150), Reason.RAISE_SCHEDULE, 150, id="blind: the config knows"
        ),
        pytest.param(
            seeing(30), view(), event(9000), Reason.RAISE_SCHEDULE, 1000, id="a floor above the maximum is the maximum"
        ),
        pytest.param(seeing(30), view(1001), event(9000), Reason.LOWER_TO_MAX, 1000, id="and lifts nothing above it"),
        pytest.param(
            seeing(70),
            view(cause=Cause.KEY_RANGE),
            event(150),
            Reason.RAISE_SCHEDULE,
            150,
            id="whatever throttles: the event is told of beforehand",
        ),
    ],
)
def test_floors_of_known_events(outlook: Outlook | None, seen: View, least: Floor, reason: Reason, target: int) -> None:
    assert decided(wished(outlook, seen, least=least)) == (reason, target)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param(
            wished(seeing(200, planned=230, starved=5, growth=0.26), view(cause=Cause.PROVISIONED)),
            "demand 200/s rising 26 % a minute, 5 events throttled, bucket 0 s deep, forecast 230/s: raise 100 to 300",
            id="a raise says what it saw",
        ),
        pytest.param(
            wished(seeing(90, surges=RISE, planned=98, bucket=4000)),
            "demand 90/s, bucket 40 s deep, forecast 98/s, probably on its way to 200/s: raise 100 to 200",
            id="a rise, and where it is taken to go",
        ),
        pytest.param(
            wished(seeing(90, planned=130, season="day")),
            "demand 90/s, bucket 0 s deep, forecast 130/s by the day: raise 100 to 130",
            id="what comes every day",
        ),
        pytest.param(
            wished(seeing(30, planned=40, growth=-0.02)),
            "demand 30/s falling 2.0 % a minute, bucket 0 s deep, forecast 40/s: lower 100 to 40",
            id="a decrease",
        ),
        pytest.param(
            wished(seeing(70, planned=99.5, growth=0.009)),
            "demand 70/s, bucket 0 s deep, forecast 100/s, on 100: right as it is",
            id="a steady dimension; what rises by less than 1 % a minute is not called rising",
        ),
        pytest.param(
            wished(seeing(1), view(5)),
            "demand 1/s, bucket 0 s deep, forecast 1/s, on 5, the configured minimum: right as it is",
            id="at the minimum",
        ),
        pytest.param(wished(seeing(1), view(4)), "4 is below the configured minimum: raise to 5", id="below it"),
        pytest.param(
            wished(seeing(500), view(1001)),
            "above the configured maximum: lower 1,001 to 1,000",
            id="above the maximum",
        ),
        pytest.param(
            wished(THROTTLED, view(throttled_ago=1), DimensionState(raised_at=NOON - 30.0)),
            "demand 100/s, bucket 0 s deep, forecast 95/s; waiting to see the last change at work",
            id="just raised",
        ),
        pytest.param(
            wished(seeing(28, planned=40), view(throttled_ago=4)),
            "would lower 100 to 40, but it throttled 4 min ago",
            id="a decrease put off",
        ),
        pytest.param(
            wished(seeing(28, planned=40), view(long_known=59)),
            "would lower 100 to 40, but only 59 minutes of it are known so far, and 60 are wanted first",
            id="not known for long enough",
        ),
        pytest.param(
            wished(seeing(90, base=50)),
            "would lower 100 to 90, but demand is still coming down to its usual 50/s, and a decrease lasts an hour",
            id="coming down",
        ),
        pytest.param(
            wished(seeing(1), view(fresh=Freshness.STALE)),
            "the newest consumption point is stale: nothing is changed on a guess",
            id="stale",
        ),
        pytest.param(
            wished(seeing(70), view(cause=Cause.KEY_RANGE)),
            "one key range is over its partition's limit, which capacity cannot lift; consuming 70/s on 100",
            id="a hot key",
        ),
        pytest.param(
            wished(seeing(30), least=event(150)), "raise 100 to 150 for sale until 15:00 UTC", id="an event is on"
        ),
        pytest.param(
            wished(seeing(30), least=event(100, NOON + 600.0)),
            "would lower 100 to 30, but 100 are kept for sale from 12:10 UTC",
            id="an event is near",
        ),
    ],
)
def test_sentences(found: Wish, sentence: str) -> None:
    assert found.sentence == sentence


def test_a_change_carries_its_evidence() -> None:
    found = wished(seeing(200, planned=230, bucket=60, base=80, starved=5), view(cause=Cause.PROVISIONED, consumed=100))
    assert found.evidence == {
        "demand": 200.0,
        "consumed": 100.0,
        "throttled": 5.0,
        "provisioned": 100,
        "forecast": 230.0,
        "bucket": 60.0,
        "usual": 80.0,
    }
    assert found.at == ago(1)


@pytest.mark.parametrize(
    ("wanted", "units"),
    [
        pytest.param(42.0, 42, id="whole already"),
        pytest.param(42.0000000001, 42, id="a binary fraction buys nothing"),
        pytest.param(42.001, 43, id="a thousandth does"),
    ],
)
def test_whole_units(wanted: float, units: int) -> None:
    assert whole(wanted) == units
