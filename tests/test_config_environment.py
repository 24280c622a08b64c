"""Settings from the environment: what they override, and that a mistake names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_config import ARN, ROLE, at, mistakes_of, written
from watcher.config import load, masked

FILE = f"""
[aws]
regions = ["eu-west-1", "eu-west-2"]
role_arn = "{ROLE}"
external_id = "from-file"

[[tables]]
match = "orders"
indexes."By-Date" = {{ read = {{ min = 5, max = 9 }} }}
"""


@pytest.mark.parametrize(
    ("environ", "place", "value"),
    [
        pytest.param({"WATCHER_POLLING__INTERVAL_SECONDS": "120"}, "polling.interval_seconds", 120, id="a number"),
        pytest.param({"WATCHER_POLLING__LATENCY": "false"}, "polling.latency", False, id="a truth value"),
        pytest.param({"WATCHER_LOGS__LEVEL": "debug"}, "logs.level", "debug", id="plain text"),
        pytest.param({"WATCHER_LOGS__LEVEL": '"debug"'}, "logs.level", "debug", id="text quoted as in TOML"),
        pytest.param({"WATCHER_AWS__EXTERNAL_ID": "12345"}, "aws.external_id", "****", id="digits, but text is wanted"),
        pytest.param({"WATCHER_TABLES__0__MATCH": "2026-11-22"}, "tables.0.match", "2026-11-22", id="a date, likewise"),
        pytest.param({"WATCHER_TABLES__0__MODE": "observe"}, "tables.0.mode", "observe", id="an item by number"),
        pytest.param({"WATCHER_TABLES__1__MATCH": "carts"}, "tables.1.match", "carts", id="a new item at the end"),
        pytest.param(
            {"WATCHER_TABLES__0": '{ match = "a", mode = "observe" }', "WATCHER_TABLES__0__MATCH": "b"},
            "tables.0.match", "b", id="an item as a whole, and a key of it on top",
        ),
        pytest.param(
            {"WATCHER_TABLES__0__READ": "{ min = 5, max = 40 }"}, "tables.0.read", {"min": 5, "max": 40}, id="a table",
        ),
        pytest.param(
            {"WATCHER_TABLES__0__READ__MAX": "40", "WATCHER_TABLES__0__READ__MIN": "5"},
            "tables.0.read", {"min": 5, "max": 40}, id="a new table, key by key",
        ),
        pytest.param(
            {"WATCHER_TABLES__0__INDEXES__By-Date__READ__MAX": "40"},
            "tables.0.indexes.By-Date.read.max", 40, id="an index keeps its capitals",
        ),
        pytest.param({"WATCHER_AWS__REGIONS": '["us-east-2"]'}, "aws.regions", ["us-east-2"], id="a list"),
        pytest.param({"WATCHER_AWS__REGIONS__1": "us-east-2"}, "aws.regions", ["eu-west-1", "us-east-2"], id="an item"),
        pytest.param({"AWS_REGION": "us-east-2"}, "aws.regions.0", "eu-west-1", id="the file wins over AWS_REGION"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://a:1", "WATCHER_AWS__ENDPOINT_URL": "http://b:1"},
            "aws.endpoint_url", "http://b:1", id="our own variable wins over AWS's",
        ),
        pytest.param(
            {"WATCHER_ALERTS__0__TOPIC_ARN": ARN, "WATCHER_ALERTS__0__SEVERITIES": '["critical"]'},
            "alerts.0.severities", ["critical"], id="a route from nothing",
        ),
        pytest.param(
            {"WATCHER_PORT": "tcp://10.0.0.1:9464", "WATCHER_SERVICE_HOST": "10.0.0.1", "OTHER__SERVER__PORT": "1",
             "WATCHER_PORT_9464_TCP_ADDR": "10.0.0.1"},
            "server.port", 9464, id="what Kubernetes sets for a Service is not ours",
        ),
    ],
)  # fmt: skip
def test_the_environment_wins_over_the_file(tmp_path: Path, environ: dict[str, str], place: str, value: object) -> None:
    assert at(masked(load(written(tmp_path, FILE), environ)), place) == value


@pytest.mark.parametrize(
    ("environ", "regions"),
    [
        pytest.param(
            {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1", id="AWS_REGION first"
        ),
        pytest.param({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2", id="then AWS_DEFAULT_REGION"),
        pytest.param({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2", id="empty counts as unset"),
        pytest.param({}, "us-east-1", id="else the default"),
    ],
)
def test_regions_that_the_file_leaves_out(tmp_path: Path, environ: dict[str, str], regions: str) -> None:
    assert load(written(tmp_path, "[aws]\n"), environ).aws.regions == (regions,)


@pytest.mark.parametrize(
    ("environ", "sentences"),
    [
        pytest.param(
            {"WATCHER_POLLING__INTERVAL_SECONDS": "fast"},
            [('polling.interval_seconds: got "fast", expected a whole number from 60 to 300 in steps of 60 '
             "(from WATCHER_POLLING__INTERVAL_SECONDS)")],
            id="a wrong value",
        ),
        pytest.param(
            {"WATCHER_POLING__INTERVAL_SECONDS": "60", "WATCHER_POLLING__INTERVALL_SECONDS": "60"},
            [('polling.intervall_seconds: unknown key; did you mean "interval_seconds"? '
             "(from WATCHER_POLLING__INTERVALL_SECONDS)"),
             'poling: unknown key; did you mean "polling"? (from WATCHER_POLING__INTERVAL_SECONDS)'],
            id="unknown keys",
        ),
        pytest.param(
            {"WATCHER__POLLING": "60"},
            ['_polling: unknown key; did you mean "polling"? (from WATCHER__POLLING)'],
            id="one underscore too many",
        ),
        pytest.param(
            {"WATCHER_TABLES__2__MODE": "act", "WATCHER_TABLES__FIRST__MODE": "act"},
            ["tables: no item FIRST, expected a number from 0 to 1 (from WATCHER_TABLES__FIRST__MODE)",
             "tables: no item 2, expected a number from 0 to 1 (from WATCHER_TABLES__2__MODE)"],
            id="items that the list cannot have",
        ),
        pytest.param(
            {"WATCHER_TABLES__1__MODE": "observe"},
            [("tables.1.match: missing, expected a name (letters, digits, _ - .) or a pattern of them with * ? [abc] "
             "(from WATCHER_TABLES__1__MODE)")],
            id="a new item that lacks a key",
        ),
        pytest.param(
            {"WATCHER_TABLES__0__MODE": "act"},
            [('tables.0: mode "act" needs bounds: read and write are missing; add read = { min = .., max = .. }, '
             "write = { min = .., max = .. } (from WATCHER_TABLES__0__MODE)")],
            id="a clash in which the environment has a part",
        ),
        pytest.param(
            {"WATCHER_AWS__EXTERNAL_ID": "hunter2 hunter2", "WATCHER_AWS__ROLE_ARN": ROLE},
            [("aws.external_id: got ****, expected the external id of the role's trust policy: 2 to 1224 letters, "
             "digits or _+=,.@:/- (from WATCHER_AWS__EXTERNAL_ID)")],
            id="a secret is not repeated",
        ),
        pytest.param(
            {"WATCHER_SERVER__PORT__NUMBER": "1"},
            ["server.port: got a table, expected a whole number from 0 to 65535 (from WATCHER_SERVER__PORT__NUMBER)"],
            id="a level too deep",
        ),
        pytest.param(
            {"WATCHER_LOGS__LEVEL": "\udcff"},
            ['logs.level: got "\\udcff", expected one of debug, info, warning, error (from WATCHER_LOGS__LEVEL)'],
            id="bytes that are not text",
        ),
        pytest.param(
            {"WATCHER_LOGS__LEVEL": '"info"\nformat = "json"'},
            [('logs.level: got "\\"info\\"\\nformat = \\"json\\"", expected one of debug, info, warning, error '
             "(from WATCHER_LOGS__LEVEL)")],
            id="a value cannot bring further keys",
        ),
        pytest.param(
            {"AWS_REGION": "moon", "AWS_ENDPOINT_URL": "localhost"},
            ['aws.regions.0: got "moon", expected a Region name like "us-east-1" (from AWS_REGION)',
             ('aws.endpoint_url: got "localhost", expected an http or https URL like "http://localhost:4566", '
             "without user name or password (from AWS_ENDPOINT_URL)")],
            id="AWS's own variables",
        ),
    ],
)  # fmt: skip
def test_a_mistake_from_the_environment_names_the_variable(environ: dict[str, str], sentences: list[str]) -> None:
    assert mistakes_of(None, environ) == sentences


def test_a_mistake_in_the_file_names_no_variable(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = -1\n")

    assert mistakes_of(path, {"WATCHER_SERVER__HOST": "0.0.0.0"}) == [  # noqa: S104 - nothing is bound
        "server.port: got -1, expected a whole number from 0 to 65535"
    ]
