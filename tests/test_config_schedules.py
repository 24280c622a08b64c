"""Schedules in the configuration: what an entry becomes. The sentences about mistakes are in bad_config/schedule*."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.clock import instant
from watcher.config import Config, load, masked
from watcher.config_cron import CronStarts
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.schedule import Once, Schedule, floor
from watcher.errors import ConfigError

BOUNDS = "{ min = 5, max = 4000 }"
ORDERS = f"""
[[tables]]
match = "orders"
mode = "act"
read = {BOUNDS}
write = {BOUNDS}
indexes."by-*" = {{ read = {BOUNDS}, write = {BOUNDS} }}
"""
EVENTS = """
[[tables.schedules]]
name = "evening"
cron = "45 17 * * 1-5"
timezone = "Europe/Berlin"
duration_minutes = 180
lead_minutes = 15
read = 500
write = 800
indexes.by-customer = { write = 700 }
indexes."by-*" = { read = 300 }

[[tables.schedules]]
name = "launch"
from = 2026-11-27T08:00:00Z
until = 2026-11-28T02:00:00Z
write = 2000
"""
ROW = "WATCHER_TABLES__0__SCHEDULES__0"


def config(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {})


def mistakes(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, text, environ)
    return list(caught.value.mistakes)


def schedules(made: Config) -> tuple[Schedule, ...]:
    policy = made.policy_for("orders")
    assert policy is not None
    return policy.schedules


def event(keys: str) -> str:
    return f'{ORDERS}schedules = [{{ name = "evening", {keys} }}]'


# --- what it becomes --------------------------------------------------------------------------------------------------


def test_every_setting_reaches_the_policy(tmp_path: Path) -> None:
    assert schedules(config(tmp_path, ORDERS + EVENTS)) == (
        Schedule(
            name="evening",
            starts=CronStarts("45 17 * * 1-5", "Europe/Berlin"),
            duration=180 * 60.0,
            lead=15 * 60.0,
            units={Kind.READ: 500, Kind.WRITE: 800},
            index_units=(("by-customer", {Kind.WRITE: 700}), ("by-*", {Kind.READ: 300})),
        ),
        Schedule(
            name="launch",
            starts=Once(instant("2026-11-27T08:00:00Z")),
            duration=18 * 3600.0,
            lead=600.0,
            units={Kind.WRITE: 2000},
        ),
    )


def test_defaults(tmp_path: Path) -> None:
    made = config(tmp_path, event('cron = "45 17 * * *", duration_minutes = 60, write = 800'))

    assert masked(made)["tables"][0]["schedules"] == [  # type: ignore[index]  # JSON types
        {
            "name": "evening",
            "cron": "45 17 * * *",
            "timezone": "UTC",
            "duration_minutes": 60,
            "from": None,
            "until": None,
            "lead_minutes": 10,
            "read": None,
            "write": 800,
            "indexes": {},
        }
    ]


def test_tables_of_one_entry_share_what_their_cron_has_worked_out(tmp_path: Path) -> None:
    made = config(tmp_path, ORDERS.replace('"orders"', '"o*"') + EVENTS)

    first, second = made.policy_for("orders"), made.policy_for("others")

    assert first is not None
    assert second is not None
    assert first.schedules[0].starts is second.schedules[0].starts


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("2026-11-27T08:00:00Z", id="a TOML instant"),
        pytest.param("2026-11-27T09:00:00+01:00", id="with another offset"),
        pytest.param("2026-11-27 08:00:00Z", id="with a blank for the T, as TOML allows"),
        pytest.param('"2026-11-27T08:00Z"', id="as text, without seconds"),
        pytest.param('"2026-11-27T09:00+01:00"', id="as text, with another offset"),
    ],
)
def test_ways_to_write_an_instant(tmp_path: Path, given: str) -> None:
    made = config(tmp_path, event(f"from = {given}, until = 2026-11-28T02:00:00Z, write = 800"))

    assert schedules(made)[0].starts == Once(instant("2026-11-27T08:00:00Z"))


@pytest.mark.parametrize(
    ("now", "dimension", "units"),
    [
        # Berlin is an hour ahead of UTC: 17:45 is 16:45 UTC. 2026-11-27 is a Friday.
        pytest.param("2026-11-26T16:29:59Z", TABLE_WRITE, None, id="before the lead time"),
        pytest.param("2026-11-26T16:30:00Z", TABLE_WRITE, 800, id="a quarter of an hour before"),
        pytest.param("2026-11-26T19:44:59Z", TABLE_WRITE, 800, id="to the end"),
        pytest.param("2026-11-26T19:45:00Z", TABLE_WRITE, None, id="not after it"),
        pytest.param("2026-11-27T07:49:59Z", TABLE_WRITE, None, id="ten minutes and a second before the launch"),
        pytest.param("2026-11-27T07:50:00Z", TABLE_WRITE, 2000, id="ten minutes before"),
        pytest.param("2026-11-27T17:00:00Z", TABLE_WRITE, 2000, id="both at once: the larger"),
        pytest.param("2026-11-27T17:00:00Z", TABLE_READ, 500, id="of which only one speaks of reads"),
        pytest.param("2026-11-28T01:59:59Z", TABLE_WRITE, 2000, id="to the end of the launch"),
        pytest.param("2026-11-28T17:00:00Z", TABLE_WRITE, None, id="Saturday has no evening"),
        pytest.param("2026-11-26T17:00:00Z", Dimension("by-customer", Kind.WRITE), 700, id="an index by its name"),
        pytest.param("2026-11-26T17:00:00Z", Dimension("by-date", Kind.READ), 300, id="an index by a pattern"),
        pytest.param("2026-11-26T17:00:00Z", Dimension("other", Kind.READ), None, id="another index"),
    ],
)
def test_the_floors_of_a_week(tmp_path: Path, now: str, dimension: Dimension, units: int | None) -> None:
    found = floor(instant(now), schedules(config(tmp_path, ORDERS + EVENTS)), dimension)

    assert (found and found.units) == units


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "low", "high", "below", "above"),
    [
        pytest.param("DURATION_MINUTES", "1", "10080", "0", "10081", id="a window, up to a week"),
        pytest.param("LEAD_MINUTES", "0", "1440", "-1", "1441", id="lead time, up to a day"),
        pytest.param("WRITE", "1", "4000", "0", "4001", id="a floor, from one to the configured max"),
        pytest.param("INDEXES__by-date__READ", "1", "4000", "0", "4001", id="an index's floor, likewise"),
        pytest.param("NAME", "e", "e" * 60, "", "e" * 61, id="a name, up to sixty characters"),
    ],
)
def test_both_edges_of_every_range(tmp_path: Path, key: str, low: str, high: str, below: str, above: str) -> None:
    text, name = event('cron = "45 17 * * *", duration_minutes = 60, write = 800'), f"{ROW}__{key}"
    for fine in (low, high):
        assert len(schedules(config(tmp_path, text, {name: fine}))) == 1
    for wrong in (below, above):
        (sentence,) = mistakes(tmp_path, text, {name: wrong})
        assert sentence.endswith(f" (from {name})")


@pytest.mark.parametrize(
    ("until", "fine"),
    [
        pytest.param("2026-11-27T08:00:00Z", False, id="no time at all"),
        pytest.param("2026-11-27T08:00:01Z", True, id="a second"),
        pytest.param("2027-11-28T08:00:00Z", True, id="366 days"),
        pytest.param("2027-11-28T08:00:01Z", False, id="a second more"),
    ],
)
def test_how_long_a_single_event_may_be(tmp_path: Path, until: str, *, fine: bool) -> None:
    text = event(f"from = 2026-11-27T08:00:00Z, until = {until}, write = 800")

    if fine:
        assert len(schedules(config(tmp_path, text))) == 1
    else:
        assert len(mistakes(tmp_path, text)) == 1


# --- the environment --------------------------------------------------------------------------------------------------


def test_a_schedule_from_the_environment_alone(tmp_path: Path) -> None:
    made = config(
        tmp_path,
        ORDERS,
        {
            f"{ROW}__NAME": "2026",  # reads as a number, and is a name
            f"{ROW}__FROM": "2026-11-27T08:00:00Z",
            f"{ROW}__UNTIL": "2026-11-27T09:00:00Z",
            f"{ROW}__INDEXES__by-Date__WRITE": "800",
        },
    )

    assert schedules(made) == (
        Schedule(
            "2026",
            Once(instant("2026-11-27T08:00:00Z")),
            3600.0,
            index_units=(("by-Date", {Kind.WRITE: 800}),),
        ),
    )


def test_a_clash_names_the_variables_that_have_a_part_in_it(tmp_path: Path) -> None:
    text = event('cron = "45 17 * * *", duration_minutes = 60, write = 800')

    (sentence,) = mistakes(tmp_path, text, {"WATCHER_TABLES__0__WRITE__MAX": "700", f"{ROW}__WRITE": "750"})

    assert sentence == (
        "tables.0.schedules.0.write: got 750 above max 700 of write, expected floor <= max "
        "(from WATCHER_TABLES__0__SCHEDULES__0__WRITE and WATCHER_TABLES__0__WRITE__MAX)"
    )


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "floors", "fine"),
    [
        pytest.param(["by-date"], "by-date", True, id="the same name"),
        pytest.param(["*"], "by-date", True, id="a name within a pattern"),
        pytest.param(["[ab]*"], "[ab]*", True, id="the same pattern, whatever it matches as a name"),
        pytest.param(["*"], "by-*", True, id="a pattern within a wider one"),
        pytest.param(["by-date", "by-user"], "*", True, id="a pattern for all the indexes that have bounds"),
        pytest.param(["by-user"], "by-date", False, id="another index"),
        pytest.param([], "*", False, id="no index has bounds"),
    ],
)
def test_which_bounds_of_indexes_floors_lie_in(tmp_path: Path, bounds: list[str], floors: str, *, fine: bool) -> None:
    text = '[[tables]]\nmatch = "orders"\n' + "".join(
        f'indexes."{pattern}" = {{ write = {BOUNDS} }}\n' for pattern in bounds
    )
    keys = f'cron = "45 17 * * *", duration_minutes = 60, indexes."{floors}" = {{ write = 800 }}'
    text += f'schedules = [{{ name = "evening", {keys} }}]'

    if fine:
        assert len(schedules(config(tmp_path, text))) == 1
    else:
        (sentence,) = mistakes(tmp_path, text)
        assert sentence.startswith("tables.0.schedules: floors need bounds: indexes.")


def test_a_floor_below_the_first_bounds_that_count_is_fine(tmp_path: Path) -> None:
    """Those of a later pattern never do."""
    text = ORDERS.replace('indexes."by-*"', 'indexes.by-date = { write = { min = 1, max = 900 } }\nindexes."by-*"')
    keys = 'cron = "45 17 * * *", duration_minutes = 60, indexes.{} = {{ write = {} }}'

    assert mistakes(tmp_path, f'{text}schedules = [{{ name = "e", {keys.format("by-date", 901)} }}]')
    assert config(tmp_path, f'{text}schedules = [{{ name = "e", {keys.format("by-date", 900)} }}]')
    assert config(tmp_path, f'{text}schedules = [{{ name = "e", {keys.format("by-user", 901)} }}]')


def test_a_pattern_lies_in_the_bounds_of_the_same_pattern_though_it_does_not_match_itself(tmp_path: Path) -> None:
    text = ORDERS.replace('indexes."by-*"', 'indexes."[ab]*" = { write = { min = 1, max = 900 } }\nindexes."*"')
    text += (
        'schedules = [{ name = "e", cron = "45 17 * * *", duration_minutes = 60, indexes."[ab]*" = { write = 901 } }]'
    )

    (sentence,) = mistakes(tmp_path, text)

    assert 'got 901 above max 900 of indexes."[ab]*".write' in sentence
