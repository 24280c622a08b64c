"""The configuration: what it takes, what each setting becomes, and what it says about mistakes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from watcher.config import Config, load, masked
from watcher.core.insights import KeyForm, Sampling
from watcher.core.model import Dimension, Kind
from watcher.core.policy import OBJECTIVES, POINTS, AutoScaling, Bounds, IncidentRules, Objective, TablePolicy
from watcher.core.reasons import Mode, Severity
from watcher.errors import ConfigError

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "config.toml"
BAD = sorted((HERE / "bad_config").glob("*.toml"))
ARN = "arn:aws:sns:us-east-1:123456789012:watcher-alerts"
ROLE = "arn:aws:iam::123456789012:role/watcher"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes_of(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return list(caught.value.mistakes)


def at(value: object, place: str) -> object:
    for part in place.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part] if isinstance(value, dict) else None
    return value


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem.replace("_", " ")) for path in BAD])
def test_each_mistake_has_its_sentence(path: Path) -> None:
    expected = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()

    assert mistakes_of(path, {}) == expected


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem.replace("_", " ")) for path in BAD])
def test_no_message_repeats_a_secret(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None or "hunter2" not in str(caught.value.__context__)


def test_the_error_lists_every_mistake_below_the_name_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = -1\n[logs]\nlevel = 3\n")

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert str(caught.value).splitlines() == [
        f"{path}: 2 mistakes",
        "  server.port: got -1, expected a whole number from 0 to 65535",
        "  logs.level: got 3, expected one of debug, info, warning, error",
    ]


def test_a_file_that_does_not_exist_is_a_mistake_with_a_remedy(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path / "absent.toml", {}) == [
        "cannot be read: No such file or directory; give an existing file that this user may read"
    ]


def test_a_directory_is_a_mistake_with_a_remedy(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, {}) == [
        "cannot be read: Is a directory; give an existing file that this user may read"
    ]


def test_a_path_with_a_null_character_is_a_mistake() -> None:
    assert mistakes_of(Path("a\0b"), {}) == [
        "cannot be read: the path is not one the system knows; give an existing file"
    ]


@pytest.mark.parametrize(
    ("variable", "low", "high", "below", "above"),
    [
        pytest.param("AWS__CONNECT_TIMEOUT_SECONDS", "0.1", "60", "0.09", "60.1", id="connecting, up to a minute"),
        pytest.param("AWS__READ_TIMEOUT_SECONDS", "0.1", "60", "0.09", "60.1", id="reading, up to a minute"),
        pytest.param("POLLING__INTERVAL_SECONDS", "60", "300", "59", "301", id="polling, one to five minutes"),
        pytest.param("POLLING__OFFSET_SECONDS", "0", "59", "-1", "60", id="offset, within the minute"),
        pytest.param("POLLING__DISCOVERY_MINUTES", "1", "1440", "0", "1441", id="discovery, up to a day"),
        pytest.param("POLLING__WINDOW_MINUTES", "10", "180", "9", "181", id="window, ten minutes to three hours"),
        pytest.param(
            "TABLES__0__READ", "{min=1,max=1}", "{min=1,max=10000000}", "{min=0,max=1}", "{min=1,max=10000001}",
            id="bounds, one to ten million",
        ),
        pytest.param(
            "TABLES__0__READ", "{min=7,max=7}", "{min=7,max=8}", "{min=7,max=6}", "{min=8,max=7}",
            id="min may equal max but not pass it",
        ),
        pytest.param("TABLES__0__MAX_RAISE_FACTOR", "1.1", "100", "1.09", "100.1", id="raise factor"),
        pytest.param("TABLES__0__MAX_CHANGES_PER_HOUR", "1", "60", "0", "61", id="changes, up to one a minute"),
        pytest.param("TABLES__0__FOREIGN_CHANGE_HOLD_MINUTES", "0", "1440", "-0.1", "1441", id="hold, up to a day"),
        pytest.param("TABLES__0__OPEN_EVENTS", "1", "1000000000", "0.9", "1000000001", id="events, from one"),
        pytest.param("TABLES__0__OPEN_MINUTES", "1", "5", "0", "6", id="minutes, those of the window"),
        pytest.param("TABLES__0__RESOLVE_MINUTES", "1", "1440", "0.9", "1441", id="calm, up to a day"),
        pytest.param("TABLES__0__SLOW_FACTOR", "1.1", "1000", "1.09", "1001", id="slow factor"),
        pytest.param("STATE__HISTORY_DAYS", "1", "3650", "0", "3651", id="history, up to ten years"),
        pytest.param("INCIDENTS__STORM_TABLES", "3", "10000", "2", "10001", id="a storm, from three tables"),
        pytest.param("INCIDENTS__STORM_TABLES", "0", "0", "-1", "1", id="or never"),
        pytest.param("INCIDENTS__BLIND_MINUTES", "1", "60", "0", "61", id="blind, up to an hour"),
        pytest.param("SERVER__PORT", "0", "65535", "-1", "65536", id="port"),
    ],
)  # fmt: skip
def test_both_edges_of_every_range(variable: str, low: str, high: str, below: str, above: str) -> None:
    name = f"WATCHER_{variable}"
    for fine in (low, high):
        assert isinstance(load(None, {name: fine}), Config)
    for wrong in (below, above):
        (sentence,) = mistakes_of(None, {name: wrong})
        assert sentence.endswith(f" (from {name})")


@pytest.mark.parametrize(
    "region", ["us-east-1", "ap-southeast-12", "us-gov-west-1", "us-iso-east-1", "mx-central-1", "eusc-de-east-1"]
)
def test_regions_of_every_partition_are_taken(region: str) -> None:
    assert load(None, {"AWS_REGION": region}).aws.regions == (region,)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:4566", "https://dynamodb.us-east-1.amazonaws.com", "http://[::1]:5000/", "http://10.0.0.1/a/b"],
)
def test_endpoints_that_are_taken(url: str) -> None:
    assert load(None, {"AWS_ENDPOINT_URL": url}).aws.endpoint_url == url


@pytest.mark.parametrize(
    "url", ["ftp://localhost", "http://", "http://a b", "http://u@h", "http://h/?q=1", "http://h#f"]
)
def test_endpoints_that_are_not_taken(url: str) -> None:
    (sentence,) = mistakes_of(None, {"AWS_ENDPOINT_URL": url})

    assert sentence.startswith('aws.endpoint_url: got "')
    assert sentence.endswith("(from AWS_ENDPOINT_URL)")


# --- defaults ---------------------------------------------------------------------------------------------------------


def test_every_default_is_pinned() -> None:
    assert masked(load(None, {})) == {
        "aws": {
            "regions": ["us-east-1"],
            "role_arn": None,
            "external_id": None,
            "endpoint_url": None,
            "connect_timeout_seconds": 3.0,
            "read_timeout_seconds": 10.0,
        },
        "polling": {
            "interval_seconds": 60,
            "offset_seconds": 12,
            "align": True,
            "discovery_minutes": 5,
            "window_minutes": 10,
            "latency": True,
        },
        "tables": [
            {
                "match": "*",
                "mode": "advise",
                "objective": "balanced",
                "max_throttled_fraction": None,
                "read": None,
                "write": None,
                "indexes": {},
                "auto_scaling": "respect",
                "schedules": [],
                "hot_keys": {"sampling": None, "key_values": None},
                "max_raise_factor": None,
                "max_changes_per_hour": None,
                "foreign_change_hold_minutes": None,
                "open_events": None,
                "open_minutes": None,
                "resolve_minutes": None,
                "slow_factor": None,
                "runbook": None,
            }
        ],
        "control": {"nightly": True, "nightly_hour": 3, "nightly_days": 7, "nightly_minutes": 20.0},
        "hot_keys": {
            "sampling": "throttled",
            "key_values": "hash",
            "hash_secret": None,
            "full_minutes": 15,
            "max_usd_per_day": 5.0,
            "rules_quota": 100,
        },
        "alerts": [],
        "links": {"page": None, "runbook": None},
        "incidents": {"storm_tables": 10, "blind_minutes": 3},
        "state": {"backend": "sqlite", "path": "watcher.db", "table": "watcher-state", "history_days": 30},
        "server": {"host": "127.0.0.1", "port": 9464},
        "logs": {"format": "auto", "level": "info"},
    }


def test_defaults_of_an_alert_route(tmp_path: Path) -> None:
    (route,) = load(written(tmp_path, f'[[alerts]]\ntopic_arn = "{ARN}"\n'), {}).alerts

    assert (route.format, route.match) == ("text", "*")
    assert route.severities == (Severity.WARNING, Severity.CRITICAL)


def test_a_fifo_topic_is_taken(tmp_path: Path) -> None:
    (route,) = load(written(tmp_path, f'[[alerts]]\ntopic_arn = "{ARN}.fifo"\n'), {}).alerts

    assert route.topic_arn == f"{ARN}.fifo"


@pytest.mark.parametrize("text", [pytest.param("", id="empty file"), pytest.param("tables = []", id="empty list")])
def test_a_file_without_tables_watches_nothing_and_says_so(tmp_path: Path, text: str) -> None:
    config = load(written(tmp_path, text), {})

    assert config.policy_for("orders") is None
    assert config.warnings() == ("no [[tables]] entry: nothing is watched",)


def test_the_same_file_gives_an_equal_configuration() -> None:
    assert load(EXAMPLE, {}) == load(EXAMPLE, {})
    assert load(EXAMPLE, {}) != load(EXAMPLE, {"WATCHER_SERVER__PORT": "0"})


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load(None, {}).server.port = 1


# --- the example ------------------------------------------------------------------------------------------------------


def test_the_example_is_without_warnings_and_without_overlaps() -> None:
    config = load(EXAMPLE, {})

    assert config.warnings() == ()
    assert config.overlaps(["orders", "sessions", "catalog", "payments", "events", "archive", "other"]) == ()
    assert [route.topic_arn for route in config.alerts] == [ARN]


@pytest.mark.parametrize("name", ["orders", "catalog", "sessions", "archive", "payments"])
def test_the_example_acts_within_bounds_on(name: str) -> None:
    policy = load(EXAMPLE, {}).policy_for(name)

    assert policy is not None
    assert policy.mode is Mode.ACT
    assert policy.auto_scaling is AutoScaling.RESPECT
    # The catalog's writes keep what its story needs: its index is to be the narrow place.
    least = {("catalog", "", Kind.WRITE): 950}
    for index in ("", "by-category"):
        for kind in Kind:
            assert policy.bounds_for(Dimension(index, kind)) == Bounds(least.get((name, index, kind), 5), 4000)


@pytest.mark.parametrize("name", ["events", "anything-else"])
def test_the_example_only_advises_on(name: str) -> None:
    assert load(EXAMPLE, {}).policy_for(name) == TablePolicy(mode=Mode.ADVISE, sampling=Sampling.THROTTLED)


def test_what_the_example_shows_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    shown = re.sub(
        r"(?m)^# ((?!role_arn|external_id|endpoint_url|max_throttled_fraction|hash_secret|runbook|quiet|page)\w+ = )",
        r"\1",
        EXAMPLE.read_text(encoding="utf-8"),
    )
    assert shown.count("\nmax_changes_per_hour = 60\n") == 1

    plain, spelt_out = load(EXAMPLE, {}), load(written(tmp_path, shown), {})

    assert spelt_out.policy_for("orders") == plain.policy_for("orders")
    assert spelt_out.tables[0] != plain.tables[0]  # or nothing would have been uncommented
    assert spelt_out.model_copy(update={"tables": plain.tables}) == plain


def test_the_example_shows_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    keys = {key for section in Config.model_fields for key in _keys(masked(load(EXAMPLE, {}))[section])}

    # state.table belongs to a backend of a later version.
    assert {key for key in keys - {"table"} if not re.search(rf"(?m)^(# )?{key}\b", text)} == set()


def _keys(section: object) -> set[str]:
    first = section[0] if isinstance(section, list) else section
    assert isinstance(first, dict)
    return set(first)


# --- policies ---------------------------------------------------------------------------------------------------------

RULES = """
[[tables]]
match = "orders"
mode = "act"
objective = "safe"
read = { min = 1, max = 2 }
write = { min = 3, max = 4 }
indexes."by-*" = { read = { min = 5, max = 6 } }
indexes."*" = { read = { min = 7, max = 8 }, write = { min = 9, max = 10 } }
auto_scaling = "floor"
max_raise_factor = 3
max_changes_per_hour = 7
foreign_change_hold_minutes = 2
open_events = 5
open_minutes = 3
resolve_minutes = 4
slow_factor = 6
hot_keys = { sampling = "on-incident", key_values = "plain" }

[[tables]]
match = "orders-*"
mode = "observe"

[[tables]]
match = "or*"
"""


def test_every_setting_of_a_rule_reaches_its_policy(tmp_path: Path) -> None:
    assert load(written(tmp_path, RULES), {}).policy_for("orders") == TablePolicy(
        mode=Mode.ACT,
        objective=Objective.SAFE,
        bounds={Kind.READ: Bounds(1, 2), Kind.WRITE: Bounds(3, 4)},
        index_bounds=(
            ("by-*", {Kind.READ: Bounds(5, 6)}),
            ("*", {Kind.READ: Bounds(7, 8), Kind.WRITE: Bounds(9, 10)}),
        ),
        auto_scaling=AutoScaling.FLOOR,
        tuning=replace(OBJECTIVES[Objective.SAFE], max_raise_factor=3, max_changes_per_hour=7, foreign_hold=120.0),
        incidents=IncidentRules(open_events=5, open_minutes=3, resolve_after=240.0, slow_factor=6),
        sampling=Sampling.ON_INCIDENT,
    )


@pytest.mark.parametrize(
    ("table", "sampling", "form"),
    [
        pytest.param("orders", Sampling.ON_INCIDENT, KeyForm.PLAIN, id="what a table's own entry says"),
        pytest.param("orders-1", Sampling.OFF, KeyForm.REDACT, id="what all tables do where it says nothing"),
        pytest.param("unwatched", None, KeyForm.REDACT, id="a table that is not watched has the common form of keys"),
    ],
)
def test_hot_keys_of_a_table(tmp_path: Path, table: str, sampling: Sampling | None, form: KeyForm) -> None:
    config = load(written(tmp_path, RULES + '[hot_keys]\nsampling = "off"\nkey_values = "redact"\n'), {})
    policy = config.policy_for(table)

    assert (policy.sampling if policy else None) is sampling
    assert config.key_form_for(table) is form


@pytest.mark.parametrize("objective", list(Objective))
def test_an_objective_alone_brings_its_own_numbers(objective: Objective) -> None:
    policy = load(None, {"WATCHER_TABLES__0__OBJECTIVE": objective.value}).policy_for("orders")

    assert policy is not None
    assert policy.tuning == OBJECTIVES[objective]
    assert policy.incidents == IncidentRules()


@pytest.mark.parametrize(
    ("goal", "point"),
    [
        pytest.param("0.1", "economy", id="the largest goal there is"),
        pytest.param("1e-3", "lean", id="between two objectives"),
        pytest.param("1e-4", "careful", id="written with an exponent"),
        pytest.param("1e-7", "safe", id="a very small one"),
    ],
)
def test_a_goal_begins_where_it_suggests(tmp_path: Path, goal: str, point: str) -> None:
    own = "max_raise_factor = 3\nforeign_change_hold_minutes = 2\n"
    text = f"[[tables]]\nmatch = '*'\nmax_throttled_fraction = {goal}\n{own}"
    policy = load(written(tmp_path, text), {}).policy_for("orders")

    assert policy is not None
    assert policy.goal == float(goal)
    assert policy.tuning == replace(POINTS[point], max_raise_factor=3, foreign_hold=120.0)
    for other in POINTS:
        assert policy.in_force(other) == replace(POINTS[other], max_raise_factor=3, foreign_hold=120.0)


@pytest.mark.parametrize(
    ("table", "mode"),
    [
        pytest.param("orders", Mode.ACT, id="an exact name before the pattern that also matches"),
        pytest.param("orders-eu", Mode.OBSERVE, id="the first of two patterns"),
        pytest.param("origins", Mode.ADVISE, id="the last pattern, in the default mode"),
        pytest.param("Orders", None, id="names are case-sensitive"),
        pytest.param("carts", None, id="no pattern: not watched"),
    ],
)
def test_the_first_rule_that_matches_counts(tmp_path: Path, table: str, mode: Mode | None) -> None:
    policy = load(written(tmp_path, RULES), {}).policy_for(table)

    assert (policy and policy.mode) == mode


@pytest.mark.parametrize(
    ("index", "kind", "bounds"),
    [
        pytest.param("by-date", Kind.READ, Bounds(5, 6), id="the first index pattern that matches"),
        pytest.param("by-date", Kind.WRITE, None, id="which says nothing about writes: advised on only"),
        pytest.param("other", Kind.WRITE, Bounds(9, 10), id="the pattern for the rest"),
    ],
)
def test_index_bounds(tmp_path: Path, index: str, kind: Kind, bounds: Bounds | None) -> None:
    policy = load(written(tmp_path, RULES), {}).policy_for("orders")

    assert policy is not None
    assert policy.bounds_for(Dimension(index, kind)) == bounds


# --- warnings ---------------------------------------------------------------------------------------------------------


def matching(*patterns: str) -> str:
    return "".join(f'[[tables]]\nmatch = "{pattern}"\n' for pattern in patterns)


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        pytest.param(matching("orders", "or*", "*"), [], id="from the special to the general is fine"),
        pytest.param(
            matching("orders", "orders"),
            ['tables.1: "orders" is never used, tables.0 ("orders") comes first and matches the same'],
            id="the same name twice",
        ),
        pytest.param(
            matching("*", "or*"),
            ['tables.1: "or*" is never used, tables.0 ("*") comes first and matches the same'],
            id="a pattern after the one for everything",
        ),
        pytest.param(
            matching("or*", "carts", "orders"),
            ['tables.2: "orders" is never used, tables.0 ("or*") comes first and matches the same'],
            id="a name after a pattern that has it",
        ),
        pytest.param(matching("or*", "ord*"), [], id="whether one pattern holds another is not guessed"),
        pytest.param(
            matching("a") + 'indexes."*" = {}\nindexes.by-date = {}\n',
            [('tables.0.indexes."by-date": "by-date" is never used, '
             'tables.0.indexes."*" ("*") comes first and matches the same')],
            id="index patterns go by the same rule",
        ),
        pytest.param(
            matching("a") + '[hot_keys]\nsampling = "on-incident"\n',
            [('hot_keys.sampling: "on-incident" switches Contributor Insights on tables in act mode only, and no '
             "[[tables]] entry has that; the watcher says what it would switch")],
            id="sampling asked for where nothing may act",
        ),
        pytest.param(matching("a") + '[hot_keys]\nsampling = "off"\n', [], id="no sampling asked for"),
        pytest.param(matching("a"), [], id="sampling left at its default, where nothing may act"),
        pytest.param(
            matching("a")
            + 'mode = "act"\nread = { min = 1, max = 2 }\nwrite = { min = 1, max = 2 }\n'
            + '[hot_keys]\nsampling = "throttled"\n',
            [],
            id="sampling asked for where something may act",
        ),
    ],
)  # fmt: skip
def test_warnings_that_need_no_table_names(tmp_path: Path, text: str, warnings: list[str]) -> None:
    told = f'[[alerts]]\ntopic_arn = "{ARN}"\n'
    assert list(load(written(tmp_path, told + text), {}).warnings()) == warnings


@pytest.mark.parametrize(
    ("patterns", "names", "warnings"),
    [
        pytest.param(["or*", "*ers"], ["carts", "origins"], [], id="each table has one rule or none"),
        pytest.param(
            ["or*", "*ers"],
            ["users", "orders", "orders"],
            [('table orders: matched by tables.0 (match "or*", mode "advise") and by '
             'tables.1 (match "*ers", mode "advise"); the first one counts')],
            id="two patterns meet in one table",
        ),
        pytest.param(
            ["orders", "or*", "*ers"],
            ["orders"],
            [('table orders: matched by tables.0 (match "orders", mode "advise") and by '
             'tables.1 (match "or*", mode "advise"), tables.2 (match "*ers", mode "advise"); the first one counts')],
            id="all that lose are named",
        ),
        pytest.param(["orders", "*"], ["orders", "carts"], [], id="a last rule for all others is no overlap"),
        pytest.param(
            ["*", "orders"],
            ["orders", "carts"],
            [('table orders: matched by tables.0 (match "*", mode "advise") and by '
             'tables.1 (match "orders", mode "advise"); the first one counts')],
            id="but a first one is",
        ),
        pytest.param(["*"], ["orders"], [], id="one rule cannot overlap"),
        pytest.param([], ["orders"], [], id="no rule at all"),
    ],
)  # fmt: skip
def test_overlaps(tmp_path: Path, patterns: list[str], names: list[str], warnings: list[str]) -> None:
    assert list(load(written(tmp_path, matching(*patterns)), {}).overlaps(names)) == warnings


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_the_secret_shows_nowhere_but_on_request(tmp_path: Path) -> None:
    config = load(written(tmp_path, f'[aws]\nrole_arn = "{ROLE}"\nexternal_id = "hunter2"\n'), {})

    assert config.aws.external_id is not None
    assert config.aws.external_id.get_secret_value() == "hunter2"
    assert at(masked(config), "aws.external_id") == "****"
    assert at(masked(config), "aws.role_arn") == ROLE
    assert "hunter2" not in f"{config!r}{config}{json.dumps(masked(config))}"
