"""Alerts in the configuration: kinds, quiet hours, repeats, links and storms, and what is said of their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_config import ARN, mistakes_of, written
from watcher.clock import instant
from watcher.config import load
from watcher.config_alerts import AlertRule
from watcher.core.policy import Links
from watcher.core.reasons import AlertKind, Severity
from watcher.core.region_state import RegionRules

NIGHT = '{ from = "22:00", until = "07:00", timezone = "Europe/Berlin" }'
KNOWN = "known are {cause}, {table}, {index}, {region}, {account}"


def entry(*lines: str) -> str:
    return "\n".join(("[[alerts]]", f'topic_arn = "{ARN}"', *lines, ""))


def rule(tmp_path: Path, *lines: str) -> AlertRule:
    (found,) = load(written(tmp_path, entry(*lines)), {}).alerts
    return found


# --- kinds, quiet hours ---------------------------------------------------------------------------------------------


def test_left_out_every_kind_at_every_hour_and_once(tmp_path: Path) -> None:
    plain = rule(tmp_path)
    assert plain.kinds == tuple(AlertKind)
    assert (plain.quiet, plain.repeat_minutes, plain.repeat_seconds) == (None, 0, 0.0)
    assert plain.hears_the_watcher


@pytest.mark.parametrize(
    ("lines", "hears"),
    [
        pytest.param((), True, id="an entry for all tables"),
        pytest.param(('match = "**"',), True, id="however that is written"),
        pytest.param(('kinds = ["watcher"]',), True, id="one for the watcher only"),
        pytest.param(('kinds = ["throttling", "latency"]',), False, id="one that leaves the watcher out"),
        pytest.param(('match = "ord*"',), False, id="one for some tables"),
        pytest.param(('match = "ord*"', 'kinds = ["throttling", "watcher"]'), True, id="unless it asks for it"),
        pytest.param(('match = "ord*"', 'kinds = ["throttling"]'), False, id="or names the others only"),
    ],
)
def test_who_hears_what_is_about_no_table(tmp_path: Path, lines: tuple[str, ...], *, hears: bool) -> None:
    assert rule(tmp_path, *lines).hears_the_watcher is hears


@pytest.mark.parametrize(
    ("quiet", "at", "held"),
    [
        pytest.param(NIGHT, "2026-11-23T22:00:00+01:00", True, id="from, on the clock of the place"),
        pytest.param(NIGHT, "2026-11-24T06:59:00+01:00", True, id="over midnight"),
        pytest.param(NIGHT, "2026-11-24T07:00:00+01:00", False, id="until"),
        pytest.param('{ from = "12:00", until = "13:30" }', "2026-11-23T13:29:00Z", True, id="without a zone, UTC"),
        pytest.param('{ from = "12:00", until = "13:30" }', "2026-11-23T13:30:00Z", False, id="minutes count"),
        pytest.param(
            '{ from = "22:00", until = "07:00", days = ["fri", "sat"] }', "2026-11-29T06:00:00Z", True,
            id="Sunday's morning is Saturday's night",
        ),
        pytest.param(
            '{ from = "22:00", until = "07:00", days = ["fri", "sat"] }', "2026-11-29T23:00:00Z", False,
            id="Sunday's night is not among them",
        ),
        pytest.param(
            '{ from = "00:00", until = "24:00", days = ["sun"] }', "2026-11-29T23:59:00Z", True, id="a whole day",
        ),
    ],
)  # fmt: skip
def test_quiet_hours(tmp_path: Path, quiet: str, at: str, *, held: bool) -> None:
    given = rule(tmp_path, f"quiet = {quiet}").quiet
    assert given is not None
    assert given.hours().holds(instant(at)) is held


def test_every_setting_comes_from_the_environment_too(tmp_path: Path) -> None:
    config = load(
        written(tmp_path, entry()),
        {
            "WATCHER_ALERTS__0__KINDS": '["watcher"]',
            "WATCHER_ALERTS__0__QUIET__FROM": "22:00",
            "WATCHER_ALERTS__0__QUIET__UNTIL": "06:00",
            "WATCHER_ALERTS__0__QUIET__DAYS": '["mon"]',
            "WATCHER_ALERTS__0__REPEAT_MINUTES": "30",
            "WATCHER_LINKS__PAGE": "https://watcher.example.org",
            "WATCHER_LINKS__RUNBOOK": "https://wiki.example.org/{cause}",
            "WATCHER_INCIDENTS__STORM_TABLES": "25",
        },
    )
    (found,) = config.alerts
    assert found.kinds == (AlertKind.WATCHER,)
    assert found.quiet is not None
    assert (found.quiet.begin, found.quiet.until, found.quiet.days) == ("22:00", "06:00", ("mon",))
    assert found.repeat_seconds == 1800.0
    assert config.region_links() == Links("https://watcher.example.org", "https://wiki.example.org/{cause}")
    assert config.region_rules().storm_tables == 25


def test_a_time_with_seconds_in_the_environment_is_told_as_given() -> None:
    environ = {
        "WATCHER_ALERTS__0__TOPIC_ARN": ARN,
        "WATCHER_ALERTS__0__QUIET__FROM": "22:00:00",
        "WATCHER_ALERTS__0__QUIET__UNTIL": "06:00",
    }
    (sentence,) = mistakes_of(None, environ)
    assert sentence == (
        'alerts.0.quiet.from: got "22:00:00", expected a time of day like "22:00", 00:00 to 23:59 '
        "(from WATCHER_ALERTS__0__QUIET__FROM)"
    )


@pytest.mark.parametrize(
    ("minutes", "fine"), [(0, True), (1, False), (4, False), (5, True), (1440, True), (1441, False)]
)
def test_both_edges_of_the_repeat(tmp_path: Path, minutes: int, *, fine: bool) -> None:
    text = entry(f"repeat_minutes = {minutes}")
    if fine:
        assert load(written(tmp_path, text), {}).alerts[0].repeat_minutes == minutes
    else:
        assert mistakes_of(written(tmp_path, text), {}) == [
            f"alerts.0.repeat_minutes: got {minutes}, expected 0 for never, or a whole number from 5 to 1440"
        ]


# --- what becomes of them -------------------------------------------------------------------------------------------


def routes(*pairs: tuple[str, int]) -> str:
    return "".join(entry(f'match = "{match}"', f"repeat_minutes = {minutes}") for match, minutes in pairs)


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        pytest.param(routes(("*", 0)), (), id="never"),
        pytest.param(routes(("*", 30)), (1800.0,), id="one topic's"),
        pytest.param(
            routes(("*", 60), ("orders", 30), ("*", 60)), (1800.0, 3600.0), id="each once, the shortest first"
        ),
        pytest.param(routes(("*", 60), ("carts", 30)), (3600.0,), id="not of entries for other tables"),
    ],
)
def test_a_table_is_told_of_again_after_the_intervals_of_its_entries(
    tmp_path: Path, text: str, repeats: tuple[float, ...]
) -> None:
    policy = load(written(tmp_path, f'{text}[[tables]]\nmatch = "*"\n'), {}).policy_for("orders")
    assert policy is not None
    assert policy.incidents.repeats == repeats


def test_what_the_watcher_needs_to_know_of_regions(tmp_path: Path) -> None:
    text = (
        "[polling]\ninterval_seconds = 120\n[incidents]\nstorm_tables = 5\nblind_minutes = 10\n"
        + entry("repeat_minutes = 30", 'kinds = ["watcher"]')
        + entry("repeat_minutes = 45")
        + entry("repeat_minutes = 60", 'kinds = ["latency"]')
    )
    assert load(written(tmp_path, text), {}).region_rules() == RegionRules(
        blind_after=600.0, overdue_after=360.0, storm_tables=5, repeats=(1800.0, 2700.0)
    )


def test_the_defaults_are_the_core_s_own() -> None:
    assert load(None, {}).region_rules() == RegionRules()


@pytest.mark.parametrize(
    ("table", "links"),
    [
        pytest.param("orders", Links("https://w.example.org/", "https://own/{index}"), id="a table's own runbook"),
        pytest.param("carts", Links("https://w.example.org/", "https://all/{cause}?t={table}"), id="the common one"),
    ],
)
def test_links_of_a_table(tmp_path: Path, table: str, links: Links) -> None:
    text = (
        '[links]\npage = "https://w.example.org/"\nrunbook = "https://all/{cause}?t={table}"\n'
        '[[tables]]\nmatch = "orders"\nrunbook = "https://own/{index}"\n[[tables]]\nmatch = "*"\n'
    )
    policy = load(written(tmp_path, text), {}).policy_for(table)
    assert policy is not None
    assert policy.links == links


def test_without_links_there_are_none() -> None:
    policy = load(None, {}).policy_for("orders")
    assert policy is not None
    assert policy.links == Links() == load(None, {}).region_links()


@pytest.mark.parametrize(
    "url",
    [
        "https://watcher.example.org",
        "http://10.0.0.1:9464/",
        "https://[::1]:9464/#itself",
        "https://intra.example.org/a/b?x=1&y=%20#z",
        "https://intra.example.org?x=a@b",
    ],
)
def test_pages_that_are_taken(url: str) -> None:
    assert load(None, {"WATCHER_LINKS__PAGE": url}).links.page == url


@pytest.mark.parametrize(
    "url",
    [
        "watcher.example.org",
        "ftp://h/",
        "https://",
        "https://user@h/",
        "https://h/a b",
        'https://h/"',
        "https://h/<b>",
        "https://h/{table}",
        "https://hé/",
    ],
)
def test_pages_that_are_not_taken(url: str) -> None:
    (sentence,) = mistakes_of(None, {"WATCHER_LINKS__PAGE": url})
    assert sentence.startswith('links.page: got "')
    assert 'expected an http or https URL like "https://watcher.example.org", without user name or' in sentence


# --- mistakes between braces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param(
            "https://w/{tabel}",
            [f'got "https://w/{{tabel}}" with unknown placeholder "{{tabel}}", {KNOWN}; did you mean {{table}}?'],
            id="a mistyped placeholder gets the nearest",
        ),
        pytest.param(
            "https://w/{}",
            [f'got "https://w/{{}}" with unknown placeholder "{{}}", {KNOWN}'],
            id="an empty one is none",
        ),
        pytest.param(
            "https://w/{x1}/{x1}/{x2}",
            [
                f'got "https://w/{{x1}}/{{x1}}/{{x2}}" with unknown placeholder "{{{name}}}", {KNOWN}'
                for name in ("x1", "x2")
            ],
            id="each unknown one once",
        ),
        pytest.param(
            "https://w/{table",
            [
                'got "https://w/{table" with a brace that has no partner, expected placeholders like {table}',
            ],
            id="a brace that is not closed",
        ),
        pytest.param(
            "https://w/table}",
            ['got "https://w/table}" with a brace that has no partner, expected placeholders like {table}'],
            id="a brace that was not opened",
        ),
    ],
)
def test_mistakes_of_a_runbook(tmp_path: Path, url: str, told: list[str]) -> None:
    text = f'[links]\nrunbook = "{url}"\n[[tables]]\nmatch = "*"\nrunbook = "{url}"\n'
    found = mistakes_of(written(tmp_path, text), {})
    assert sorted(found) == sorted(
        [f"links.runbook: {sentence}" for sentence in told] + [f"tables.0.runbook: {sentence}" for sentence in told]
    )


# --- warnings -------------------------------------------------------------------------------------------------------

TABLES = '[[tables]]\nmatch = "orders"\n[[tables]]\nmatch = "*"\n'


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        pytest.param(entry(), [], id="one entry for everything"),
        pytest.param(
            "",
            ["no [[alerts]] entry: incidents reach nobody, they show on the page, in the log and in the metrics only"],
            id="no entry at all",
        ),
        pytest.param(
            entry('kinds = ["throttling"]'),
            [
                'no [[alerts]] entry takes the kind "latency": slow requests reach nobody',
                'no [[alerts]] entry takes the kind "watcher": what the watcher itself cannot see or do reaches nobody',
            ],
            id="kinds that nobody takes",
        ),
        pytest.param(
            entry('kinds = ["throttling", "latency"]') + entry('kinds = ["watcher"]'), [], id="kinds on two topics"
        ),
        pytest.param(
            entry('severities = ["warning"]') + entry('kinds = ["throttling"]'),
            [
                f'no [[alerts]] entry takes the kind "{kind}" when it is critical; add that to severities of one'
                for kind in ("latency", "watcher")
            ],
            id="what is critical of a kind is not taken",
        ),
        pytest.param(
            entry('match = "*s"'),
            [
                (
                    "every [[alerts]] entry is for some tables only: of a Region that cannot be read, or a permission "
                    'that is lost, nobody is told; name kinds with "watcher" in one'
                )
            ],
            id="every topic is for some tables",
        ),
        pytest.param(
            entry('match = "carts"', 'kinds = ["watcher", "throttling", "latency"]'),
            ['tables.0: "orders" is matched by no [[alerts]] entry, so its incidents reach nobody'],
            id="a table of its own entry that no topic is for",
        ),
    ],
)
def test_incidents_that_reach_nobody(tmp_path: Path, text: str, warnings: list[str]) -> None:
    assert list(load(written(tmp_path, text + TABLES), {}).warnings()) == warnings


def test_what_an_entry_takes_is_a_kind_in_a_severity(tmp_path: Path) -> None:
    narrow = rule(tmp_path, 'kinds = ["latency"]', 'severities = ["critical"]')
    assert narrow.takes(AlertKind.LATENCY, Severity.CRITICAL)
    assert not narrow.takes(AlertKind.LATENCY, Severity.WARNING)
    assert not narrow.takes(AlertKind.WATCHER, Severity.CRITICAL)
