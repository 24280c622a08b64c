"""What is coming for one dimension: hand-worked, with numbers of our own. 100 units are provisioned."""

from __future__ import annotations

from array import array
from dataclasses import replace
from math import exp

import pytest

from tests.core.builders import NOON, ago
from watcher.core import season
from watcher.core.demand import Minute
from watcher.core.forecast import Outlook, Surge, covered, look_ahead
from watcher.core.learned import Learned, packed_peak
from watcher.core.margins import BINS, EDGES, quantile
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause
from watcher.core.state import DimensionState
from watcher.core.track import BURST_SECONDS

TUNING = Tuning(
    margin_calm=0.99,
    margin_elevated=0.95,
    margin_most=1.0,
    standing_out=2.0,
    headroom=0.1,
    ceiling=0.5,
    seasons=True,
    jump_from=1.5,
    jump_window=60,
    climb=1.0,
    climb_from=1.3,
    dip=0.1,
    dip_calm=0.4,
    effect=30.0,
)
NO_MARGIN = replace(TUNING, margin_most=0.0)
LATEST = ago(1)


def minutes(*rates: float, starved: float = 0.0) -> list[Minute]:
    """Units per second, oldest first, the last one in the newest visible minute; ``starved``: units refused in it."""
    found = []
    for number, rate in enumerate(rates):
        start = ago(len(rates) - number)
        refused = starved if start == LATEST else 0.0
        causes = {Cause.PROVISIONED: refused} if refused else {}
        found.append(Minute(start, rate * 60, rate * 60 + refused, refused, causes, refused))
    return found


def outlook(
    *rates: float,
    tuning: Tuning = NO_MARGIN,
    state: DimensionState | None = None,
    now: float = NOON,
    starved: float = 0.0,
) -> Outlook:
    _, found = look_ahead(now, tuning, state or DimensionState(), minutes(*rates, starved=starved), 100)
    assert found is not None
    return found


def knowing(**fields: object) -> DimensionState:
    """A dimension whose traffic has been learned before, up to the newest minute."""
    known = replace(Learned(), newest=LATEST, minutes=5000)
    return DimensionState(learned=replace(known, **fields))  # type: ignore[arg-type]  # names and types are the caller's


def peaks(rate: float) -> bytes:
    return array("H", [packed_peak(rate)] * 24).tobytes()


# --- demand, level and plan -------------------------------------------------------------------------------------------


def test_nothing_is_foreseen_before_anything_is_known() -> None:
    state, found = look_ahead(NOON, TUNING, DimensionState(), [], 100)
    assert found is None
    assert state.learned == Learned()


def test_a_steady_dimension() -> None:
    seen = outlook(*[70.0] * 60)
    assert (seen.newest, seen.demand, seen.peak, seen.level, seen.base) == (LATEST, 70.0, 70.0, 70.0, 70.0)
    assert (seen.growth, seen.elevated, seen.starved, seen.surges, seen.season) == (0.0, False, 0.0, (), "")
    assert seen.planned == pytest.approx(77.0), "a tenth of headroom"
    assert seen.ceiling is None


def test_what_was_refused_is_demand_too() -> None:
    seen = outlook(*[70.0] * 59, 100.0, starved=1200.0)
    assert (seen.demand, seen.starved) == (120.0, 1200.0)
    assert outlook(*[70.0] * 58, 130.0, 70.0).peak == 130.0, "the busier of the last two minutes"


@pytest.mark.parametrize(
    ("rates", "growth"),
    [
        pytest.param([100.0, 110.0, 121.0, 133.1], 0.1, id="a tenth a minute"),
        pytest.param([200.0, 50.0, 900.0, 25.0], -0.5, id="halved each minute, from end to end"),
        pytest.param([0.0, 10.0, 20.0, 30.0], 0.0, id="out of nothing: no fraction says it"),
        pytest.param([100.0, 110.0, 121.0], 0.0, id="too little known"),
    ],
)
def test_growth(rates: list[float], growth: float) -> None:
    assert outlook(*rates).growth == pytest.approx(growth)


def test_blind_is_the_time_until_the_next_decision_has_effect() -> None:
    # The newest minute ended 60 s before NOON; a minute to the next decision, 30 s to its effect.
    assert outlook(70.0).blind == 150.0
    assert outlook(70.0, now=NOON + 45.0).blind == 195.0


def test_the_margin_comes_from_the_own_past() -> None:
    prior = outlook(*[70.0] * 3, tuning=TUNING)
    assert prior.expected == pytest.approx(70 * exp(quantile(Learned().errors(0, elevated=False), 0.99, 1.0)))
    exact = array("f", [0.0] * BINS)
    exact[EDGES.index(0.0)] = 1000.0  # never wrong by more than a bin
    calm = outlook(*[70.0] * 3, tuning=TUNING, state=knowing(margins=exact.tobytes() * 6))
    assert 70.0 <= calm.expected <= 70 * exp(EDGES[EDGES.index(0.0) + 1])
    wild = array("f", [0.0] * (BINS - 1) + [1000.0])
    assert outlook(*[70.0] * 3, tuning=TUNING, state=knowing(margins=wild.tobytes() * 6)).expected == pytest.approx(
        70 * exp(1.0)
    ), "never more than the most"


def test_elevated_demand_has_a_margin_of_its_own() -> None:
    none, half = array("f", [1.0] + [0.0] * (BINS - 1)), array("f", [0.0] * BINS)
    half[EDGES.index(0.5) - 1] = 1.0  # errors from 0.4 to 0.5
    state = knowing(margins=(none.tobytes() + half.tobytes()) * 3)
    calm = outlook(*[70.0] * 60, tuning=TUNING, state=state)
    assert not calm.elevated
    assert calm.expected == pytest.approx(70.0)
    high = outlook(*[70.0] * 55, *[200.0] * 5, tuning=TUNING, state=state)
    assert high.elevated
    assert high.expected == pytest.approx(200 * exp(0.495))


@pytest.mark.parametrize(
    ("minutes_known", "losses", "expected"),
    [
        pytest.param(5000, (1.0, 2.0, 3.0), 30.0, id="the short level has planned best"),
        pytest.param(5000, (3.0, 2.0, 1.0), 11.0, id="the long one: 57 x 10 and 3 x 30 over 60"),
        pytest.param(119, (3.0, 2.0, 1.0), 30.0, id="two minutes short of two hours: the short one whatever is said"),
        pytest.param(120, (3.0, 2.0, 1.0), 11.0, id="two hours"),
    ],
)
def test_the_level_that_plans(minutes_known: int, losses: tuple[float, float, float], expected: float) -> None:
    state = knowing(minutes=minutes_known, losses=losses)
    seen = outlook(*[10.0] * 57, 30.0, 30.0, 30.0, state=state)
    assert seen.expected == pytest.approx(expected)
    assert seen.planned == pytest.approx(1.1 * 30.0), "and never for less than the mean of three minutes"


@pytest.mark.parametrize(
    ("minutes_known", "peak", "ceiling", "planned"),
    [
        pytest.param(1439, 100.0, None, 70 * exp(1.0), id="no day is known yet"),
        pytest.param(1440, 100.0, 1.05 * 70, 1.05 * 70, id="half of the day's peak is less than what is seen"),
        pytest.param(1440, 300.0, 150.0, 150.0, id="half of the day's peak"),
        pytest.param(1440, 9000.0, 4500.0, 70 * exp(1.0), id="a peak far away changes nothing"),
    ],
)
def test_no_more_is_planned_than_the_day_allows(
    minutes_known: int, peak: float, ceiling: float | None, planned: float
) -> None:
    wild = array("f", [0.0] * (BINS - 1) + [1000.0]).tobytes() * 6
    state = knowing(minutes=minutes_known, margins=wild, peaks=peaks(peak))
    seen = outlook(*[70.0] * 3, tuning=TUNING, state=state)
    assert seen.ceiling == (None if ceiling is None else pytest.approx(ceiling, rel=0.005))
    assert seen.planned == pytest.approx(1.1 * planned, rel=0.005)


def test_the_last_hour_is_part_of_what_the_day_allows() -> None:
    # The long level is (57 x 140 + 3 x 70) / 60 = 136.5: three quiet minutes make no quiet table.
    wild = array("f", [0.0] * (BINS - 1) + [1000.0]).tobytes() * 6
    state = knowing(minutes=1440, margins=wild, peaks=peaks(140.0), losses=(9.0, 9.0, 1.0))
    seen = outlook(*[140.0] * 57, *[70.0] * 3, tuning=TUNING, state=state)
    assert seen.ceiling == pytest.approx(1.05 * 136.5)
    assert seen.planned == pytest.approx(1.1 * 1.05 * 136.5)


# --- seasons ----------------------------------------------------------------------------------------------------------


def hourly(*rates: float) -> bytes:
    """Profiles of which the hour's has so many units a second from the newest minute on, and 70 elsewhere."""
    profiles = bytearray([season.UNKNOWN]) * season.CELLS
    for minute in range(60):
        profiles[season.HOUR.index(LATEST + 60 * minute)] = season.packed(rates[minute] if minute < len(rates) else 70)
    return bytes(profiles)


TRUSTED = {"missed": (0.0, 1.0, 1.0), "naive": (1.0, 1.0, 1.0)}
HALF_TRUSTED = {"missed": (0.6, 1.0, 1.0), "naive": (1.0, 1.0, 1.0)}
DISTRUSTED = {"missed": (1.0, 1.0, 1.0), "naive": (1.0, 1.0, 1.0)}


@pytest.mark.parametrize(
    ("profile", "trust", "level", "name"),
    [
        pytest.param(hourly(70, 70, 70, 70, 210), TRUSTED, 210.0, "hour", id="three times as much in four minutes"),
        pytest.param(hourly(70, 70, 70, 70, 70, 210), TRUSTED, 70.0, "", id="in five minutes: not yet"),
        pytest.param(hourly(70, 70, 70, 70, 210), HALF_TRUSTED, 140.0, "hour", id="half the trust, half the way"),
        pytest.param(hourly(70, 70, 70, 70, 210), DISTRUSTED, 70.0, "", id="no trust, no season"),
        pytest.param(hourly(70, 7, 7, 7, 7), TRUSTED, 70.0, "", id="a season lowers nothing"),
        pytest.param(hourly(35, 35, 35, 35, 105), TRUSTED, 210.0, "hour", id="scaled to twice the usual of now"),
    ],
)
def test_a_season_raises_the_level(profile: bytes, trust: dict[str, object], level: float, name: str) -> None:
    seen = outlook(*[70.0] * 60, state=knowing(minutes=1000, profiles=profile, **trust))
    assert seen.level == pytest.approx(level, rel=0.05)
    assert seen.season == name
    assert seen.planned == pytest.approx(1.1 * level, rel=0.05)


@pytest.mark.parametrize(
    ("minutes_known", "name"),
    [
        pytest.param(89, "", id="a minute short of an hour and a half: what fits so far proves nothing"),
        pytest.param(90, "hour", id="an hour and a half"),
    ],
)
def test_a_season_is_believed_only_after_half_of_its_second_period(minutes_known: int, name: str) -> None:
    state = knowing(minutes=minutes_known, profiles=hourly(70, 70, 70, 70, 210), **TRUSTED)
    assert outlook(*[70.0] * 60, state=state).season == name


def test_seasons_can_be_left_out() -> None:
    state = knowing(profiles=hourly(70, 70, 70, 70, 210), **TRUSTED)
    assert outlook(*[70.0] * 60, tuning=replace(NO_MARGIN, seasons=False), state=state).level == 70.0


# --- rises under way --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("newest", "peak", "goal"),
    [
        pytest.param(15.0, 0.0, None, id="half as much again is not sudden"),
        pytest.param(30.0, 0.0, 10 + 20 * 2.5, id="20 more seen: 2.5 times that comes"),
        pytest.param(30.0, 40.0, 40.0, id="where the day has been already, it ends there"),
        pytest.param(30.0, 500.0, 60.0, id="far below the day's peak: as learned"),
        pytest.param(50.0, 45.0, 110.0, id="above where the day has been: as learned"),
    ],
)
def test_a_sudden_rise_shows_only_a_part_of_itself_at_first(newest: float, peak: float, goal: float | None) -> None:
    seen = outlook(
        *[10.0] * 60, newest, tuning=replace(NO_MARGIN, climb=0.0), state=knowing(jump=2.5, peaks=peaks(peak))
    )
    sudden = [surge.goal for surge in seen.surges if surge.goal > newest]
    assert sudden == ([] if goal is None else [pytest.approx(goal, rel=0.005)])


def test_a_climb_is_taken_to_go_on_while_nothing_is_decided() -> None:
    # 10 more each minute and 150 s blind: 25 more by then, half of that on average.
    seen = outlook(*[100.0] * 50, 110.0, 120.0, 130.0, 140.0, state=knowing(peaks=peaks(1000.0)))
    assert seen.surges == (Surge(140 + 12.5, 140 + 25.0),)


@pytest.mark.parametrize(
    ("rates", "climb"),
    [
        pytest.param([100.0] * 50 + [110.0, 120.0, 130.0], False, id="1.3 times the usual, the edge: not yet"),
        pytest.param([100.0] * 50 + [110.0, 120.0, 131.0], True, id="a little more"),
        pytest.param([100.0] * 50 + [140.0, 140.0], False, id="up and then level"),
        pytest.param([100.0] * 50 + [160.0, 140.0], False, id="up and coming down"),
    ],
)
def test_what_is_a_climb(rates: list[float], climb: bool) -> None:  # noqa: FBT001 - a table's column
    quiet = replace(NO_MARGIN, jump_from=1e9)
    assert bool(outlook(*rates, tuning=quiet, state=knowing(peaks=peaks(1000.0))).surges) is climb


# --- decreases --------------------------------------------------------------------------------------------------------


def test_a_table_that_hardly_jumps_may_go_below_its_level() -> None:
    calm, wild = array("f", [1000.0] + [0.0] * (BINS - 1)), array("f", [0.0] * (BINS - 1) + [1000.0])
    assert outlook(70.0, tuning=TUNING, state=knowing(margins=calm.tobytes() * 6)).below == pytest.approx(0.9)
    assert outlook(70.0, tuning=TUNING, state=knowing(margins=wild.tobytes() * 6)).below == 1.0
    never = replace(TUNING, dip=0.0)
    assert outlook(70.0, tuning=never, state=knowing(margins=calm.tobytes() * 6)).below == 1.0


# --- bucket, offers, books --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "reserve", "rate"),
    [
        pytest.param(0.0, 0.0, 100.0, id="an empty bucket: capacity alone"),
        pytest.param(3600.0, 0.0, 110.0, id="3,600 over 360 s are 10 more"),
        pytest.param(9600.0, 60.0, 110.0, id="60 s of 100 held back"),
        pytest.param(5000.0, 60.0, 100.0, id="less than is held back"),
    ],
)
def test_what_capacity_and_bucket_carry(bucket: float, reserve: float, rate: float) -> None:
    assert covered(replace(outlook(70.0), bucket=bucket), 100.0, reserve, 360.0) == pytest.approx(rate)


def lived(state: DimensionState, rate: float, provisioned: int, *numbers: int) -> DimensionState:
    """The state after one cycle for each of the minutes from NOON on, of which this was consumed."""
    for number in numbers:
        newest = NOON + 60 * number
        recent = [Minute(newest - 60 * back, rate * 60, rate * 60, 0.0, {}, 0.0) for back in range(8, -1, -1)]
        state, _ = look_ahead(newest + 120.0, NO_MARGIN, state, recent, provisioned)
    return state


def test_the_bucket_is_carried_from_cycle_to_cycle() -> None:
    state = lived(DimensionState(), 90.0, 100, *range(100))
    assert state.track.buckets[-1] == BURST_SECONDS * 100
    assert lived(state, 150.0, 100, 100, 101, 102).track.buckets[-1] < state.track.buckets[-1]


def test_an_own_change_counts_from_when_it_took_effect() -> None:
    state = lived(DimensionState(), 90.0, 100, *range(20))
    accepted = NOON + 60.0 * 20 + 55.0
    raised = lived(replace(state, raised_at=accepted), 90.0, 300, 20, 21)
    assert raised.offers[-1] == (accepted + 30.0, 300)
    assert raised.offers[-2][1] == 100
    lowered = lived(replace(raised, lowered_at=accepted + 120.0), 90.0, 50, 23)
    assert lowered.offers[-1] == (accepted + 150.0, 50)


def test_a_cycle_that_sees_nothing_new_learns_nothing() -> None:
    state = lived(DimensionState(), 90.0, 100, *range(90))
    again = lived(state, 90.0, 100, 89)
    assert again.learned == state.learned
    assert again.track == state.track


def test_what_was_spent_used_and_lost_fades_by_half_in_two_days() -> None:
    first = lived(DimensionState(), 90.0, 100, 0, 1)
    assert first.learned.spent == pytest.approx(100 * 60)
    assert first.learned.used == pytest.approx(90 * 60)
    assert first.learned.lost == 0.0
    many = lived(first, 90.0, 100, *range(2, 400))
    assert many.learned.spent / many.learned.used == pytest.approx(100 / 90)
    assert many.learned.spent < 400 * 6000
