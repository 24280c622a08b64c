"""The commands against an AWS over HTTP: moto's server, which lacks some of what AWS has, and a scripted fake."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.aws.fake import FakeAws, fake_aws, fault
from tests.commands import environment, eventually, running, watcher
from watcher.cli import status
from watcher.clock import SystemClock
from watcher.config import load
from watcher.core.reasons import Mode
from watcher.daemon import Settings, Watcher
from watcher.store.sqlite import SqliteStore

Captured = pytest.CaptureFixture[str]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"}
MINUTE = 60


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, with dummy credentials."""
    for name, value in environment(**KEYS).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    # moto answers from a thread of this process: what its server logs is not the command's output.
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Cloud:
    """Tables with a past, made as their owner would, on an emptied moto."""

    def __init__(self, url: str) -> None:
        self.url = url
        request = urllib.request.Request(f"{url}/moto-api/reset", method="POST")  # noqa: S310 - loopback
        with urllib.request.urlopen(request):  # noqa: S310 - loopback
            pass
        owner = boto3.Session(region_name="us-east-1", aws_access_key_id="owner", aws_secret_access_key="owner")
        self.dynamodb = owner.client("dynamodb", endpoint_url=url)
        self.cloudwatch = owner.client("cloudwatch", endpoint_url=url)

    def close(self) -> None:
        self.dynamodb.close()
        self.cloudwatch.close()

    def table(self, name: str, *, on_demand: bool = False, units: int = 100) -> None:
        throughput = {"ReadCapacityUnits": units, "WriteCapacityUnits": units}
        billing: Any = {"BillingMode": "PAY_PER_REQUEST"} if on_demand else {"ProvisionedThroughput": throughput}
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            **billing,
        )

    def minutes(self, table: str, metric: str, value: float, *, operation: str = "") -> None:
        """The same value in each of the last quarter of an hour's minutes."""
        newest = int(time.time()) // MINUTE * MINUTE
        dimensions = [{"Name": "TableName", "Value": table}]
        dimensions += [{"Name": "Operation", "Value": operation}] if operation else []
        points: Any = [
            {
                "MetricName": metric,
                "Dimensions": dimensions,
                "Timestamp": datetime.fromtimestamp(newest - age * MINUTE, UTC),
                "Value": value,
            }
            for age in range(15)
        ]
        self.cloudwatch.put_metric_data(Namespace="AWS/DynamoDB", MetricData=points)


@pytest.fixture
def cloud(moto_url: str) -> Iterator[Cloud]:
    made = Cloud(moto_url)
    yield made
    made.close()


@pytest.fixture
def shop(cloud: Cloud) -> Cloud:
    """Two tables in use: "orders" with latency data, which moto cannot give as percentiles, and "users"."""
    for name in ("orders", "users"):
        cloud.table(name)
        for kind in ("Read", "Write"):
            cloud.minutes(name, f"Consumed{kind}CapacityUnits", 50 * MINUTE)
    cloud.minutes("orders", "SuccessfulRequestLatency", 4.0, operation="PutItem")
    return cloud


def config(path: Path, url: str, rules: str = '[[tables]]\nmatch = "*"\n', more: str = "") -> Path:
    path.write_text(
        f'[aws]\nregions = ["us-east-1"]\nendpoint_url = "{url}"\n{more}[state]\npath = "watcher.db"\n{rules}',
        encoding="utf-8",
    )
    return path


BOUNDS = "read = { min = 5, max = 4000 }\nwrite = { min = 5, max = 4000 }\n"
ACTING = f'[[tables]]\nmatch = "*"\nmode = "act"\n{BOUNDS}'


# once ---------------------------------------------------------------------------------------------------------------


def test_once_where_all_is_well(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url)
    assert status(["once", "--config", str(path)]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["table", "dimension", "provisioned", "demand", "cause", "decision"]
    assert [row.split()[:4] for row in rows] == [
        ["orders", "reads", "100", "50/s"],
        ["writes", "100", "50/s", "well"],
        ["users", "reads", "100", "50/s"],
        ["writes", "100", "50/s", "well"],
    ]


def test_once_as_json_with_trouble(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    shop.minutes("users", "WriteThrottleEvents", 600.0)
    shop.minutes("users", "WriteProvisionedThroughputThrottleEvents", 600.0)
    path = config(tmp_path / "config.toml", shop.url)

    assert status(["once", "--json", "--config", str(path)]) == 1

    record = json.loads(capsys.readouterr().out)
    assert list(record) == [
        "time", "trouble", "region_errors", "regional_incidents", "undelivered_alerts", "held_alerts",
        "failing_topics", "pauses", "unwatched_tables", "tables",
    ]  # fmt: skip
    assert record["trouble"] is True
    assert record["region_errors"] == {}
    by_name = {table["table"]: table for table in record["tables"]}
    assert {name: table["cause"] for name, table in by_name.items()} == {"orders": "none", "users": "provisioned"}
    (raised,) = [decision for decision in by_name["users"]["decisions"] if decision["reason"] == "raise-throttled"]
    assert (raised["dimension"], raised["before"], raised["outcome"]) == ("write", 100, "advised")
    assert raised["after"] > 100
    assert (
        shop.dynamodb.describe_table(TableName="users")["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"] == 100
    )
    assert status(["history", "users", "--json", "--config", str(path)]) == 0
    assert raised in json.loads(capsys.readouterr().out)


def test_once_in_act_mode_acts(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    shop.minutes("users", "WriteThrottleEvents", 600.0)
    shop.minutes("users", "WriteProvisionedThroughputThrottleEvents", 600.0)
    path = config(tmp_path / "config.toml", shop.url, ACTING)

    assert status(["once", "--json", "--config", str(path)]) == 1

    users = next(table for table in json.loads(capsys.readouterr().out)["tables"] if table["table"] == "users")
    (raised,) = [decision for decision in users["decisions"] if decision["reason"] == "raise-throttled"]
    described = shop.dynamodb.describe_table(TableName="users")["Table"]["ProvisionedThroughput"]
    assert raised["outcome"] == "applied"
    assert described["WriteCapacityUnits"] == raised["after"] > 100


def test_once_without_an_aws_is_trouble(capsys: Captured, tmp_path: Path) -> None:
    path = config(tmp_path / "config.toml", closed_port())
    assert status(["once", "--config", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("us-east-1: ListTables of region us-east-1: Could not connect to the endpoint URL")
    assert "Traceback" not in out
    assert "No table is watched" not in out, "nothing is known of the tables"


def test_once_tells_of_alerts_that_found_no_topic(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    nowhere = '[[alerts]]\ntopic_arn = "arn:aws:sns:us-east-1:123456789012:nowhere"\n'
    path = config(tmp_path / "config.toml", shop.url, nowhere + '[[tables]]\nmatch = "*"\n')
    shop.minutes("users", "WriteThrottleEvents", 600.0)
    shop.minutes("users", "WriteProvisionedThroughputThrottleEvents", 600.0)
    assert status(["once", "--config", str(path)]) == 1
    assert "Not delivered: 1 alert" in capsys.readouterr().out


def test_once_where_no_table_matches(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url, '[[tables]]\nmatch = "elsewhere"\n')
    assert status(["once", "--config", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "No table is watched: no [[tables]] entry matches a table of these Regions.",
        "Not watched, as no [[tables]] entry matches: 2 tables.",
    ]


def test_once_as_a_process_of_its_own(tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url)
    done = watcher("once", "--json", "--config", path, cwd=tmp_path, env=environment(**KEYS))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trouble"] is False


# doctor -------------------------------------------------------------------------------------------------------------


def closed_port() -> str:
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def fake() -> Iterator[FakeAws]:
    with fake_aws() as server:
        yield server


def verdicts(text: str) -> dict[str, str]:
    """Permission -> verdict of ``doctor --json``."""
    return {finding["permission"]: finding["verdict"] for finding in json.loads(text) if finding["permission"]}


def test_the_doctor_on_moto_finds_what_moto_lacks(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url, ACTING)
    assert status(["doctor", "--json", "--config", str(path)]) == 1
    out, err = capsys.readouterr()
    assert verdicts(out) == {
        "dynamodb:ListTables": "allowed",
        "dynamodb:DescribeTable": "allowed",
        "cloudwatch:GetMetricData": "allowed",
        "cloudwatch:ListMetrics": "allowed",
        "application-autoscaling:DescribeScalableTargets": "allowed",
        "dynamodb:DescribeContributorInsights": "unreachable",
        "cloudwatch:GetInsightRuleReport": "unreachable",
        "dynamodb:UpdateTable": "not-tried",
        "dynamodb:ListContributorInsights": "unreachable",
        "cloudwatch:DescribeInsightRules": "allowed",
        "dynamodb:UpdateContributorInsights": "not-tried",
        "iam:CreateServiceLinkedRole": "not-tried",
    }
    assert all(list(finding) == ["subject", "permission", "verdict", "sentence"] for finding in json.loads(out))
    assert err == ""
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in out
    assert KEYS["AWS_ACCESS_KEY_ID"] not in out
    assert not (tmp_path / "watcher.db").exists()  # nothing is changed here either


def test_the_doctor_names_the_action_that_is_denied(capsys: Captured, tmp_path: Path, fake: FakeAws) -> None:
    told = "User: arn:aws:iam::123456789012:user/w is not authorized"
    for operation in ("ListTables", "DescribeTable", "DescribeContributorInsights", "GetMetricData", "ListMetrics"):
        fake.script(operation, fault("AccessDeniedException", told))
    reading = ("GetInsightRuleReport", "DescribeScalableTargets", "ListContributorInsights", "DescribeInsightRules")
    for operation in reading:
        fake.script(operation, fault("AccessDeniedException", told))
    path = config(tmp_path / "config.toml", fake.url)
    assert status(["doctor", "--config", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    denied = [line for line in lines if line.split()[0] == "denied"]
    assert len(denied) == 9
    for line in denied:
        assert f"(allow {line.split()[1]}, to " in line
    assert lines[-1] == "9 things that this config needs: denied or not reached"


def test_the_doctor_at_a_closed_port(capsys: Captured, tmp_path: Path) -> None:
    path = config(tmp_path / "config.toml", closed_port())
    assert status(["doctor", "--json", "--config", str(path)]) == 1
    assert set(verdicts(capsys.readouterr().out).values()) == {"unreachable"}


# run ----------------------------------------------------------------------------------------------------------------


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def reloads(url: str, outcome: str) -> float:
    wanted = f'watcher_config_reloads_total{{outcome="{outcome}"}} '
    (line,) = [line for line in get(f"{url}metrics")[1].splitlines() if line.startswith(wanted)]
    return float(line.removeprefix(wanted))


def test_a_daemon_from_its_start_to_its_end(tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url)
    good = path.read_text(encoding="utf-8")
    with running("--config", path, "--port", "0", cwd=tmp_path, env=environment(**KEYS)) as daemon:
        url = daemon.event("daemon.started")["url"]
        eventually("ready", lambda: get(f"{url}readyz")[0] == 200)
        assert get(f"{url}healthz")[0] == 200
        assert 'table="orders"' in get(f"{url}metrics")[1]
        assert get(url)[0] == 200

        path.write_text("[aws]\nregoins = 1\n", encoding="utf-8")
        daemon.send(signal.SIGHUP)
        rejected = daemon.event("config.rejected")
        assert "nothing has changed" in rejected["sentence"]
        assert rejected["mistakes"] == ['aws.regoins: unknown key; did you mean "regions"?']
        assert (reloads(url, "rejected"), reloads(url, "accepted")) == (1.0, 0.0)

        path.write_text(good, encoding="utf-8")
        daemon.send(signal.SIGHUP)
        reloaded = daemon.event("config.reloaded")
        assert reloaded["restart_needed"] == []  # the port of the command line is no change of the file's
        assert (reloads(url, "rejected"), reloads(url, "accepted")) == (1.0, 1.0)

        path.write_text(good.replace("[state]", "[polling]\nwindow_minutes = 20\n[state]"), encoding="utf-8")
        for _again in range(2):  # what waits for a restart goes on waiting, however often it is read
            daemon.send(signal.SIGHUP)
            assert daemon.event("config.reloaded")["restart_needed"] == ["polling"]

        began = time.monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 10
        assert daemon.process.stderr is not None
        assert daemon.process.stderr.read() == ""
    SqliteStore(tmp_path / "watcher.db").close()  # nobody holds the lock


def test_a_table_that_two_rules_match_is_warned_of_once(tmp_path: Path, shop: Cloud) -> None:
    rules = '[[tables]]\nmatch = "ord*"\n[[tables]]\nmatch = "*ers"\nmode = "observe"\n'
    path = config(tmp_path / "config.toml", shop.url, rules)
    with running("--config", path, "--port", "0", cwd=tmp_path, env=environment(**KEYS)) as daemon:
        untold = daemon.event("config.warning")["sentence"]
        assert untold.startswith("no [[alerts]] entry: incidents reach nobody")
        warned = daemon.event("config.warning")["sentence"]
        assert warned == (
            'table orders: matched by tables.0 (match "ord*", mode "advise") and by tables.1 (match "*ers", '
            'mode "observe"); the first one counts'
        )


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url)
    with running("--config", path, "--port", "0", cwd=tmp_path, env=environment(**KEYS)) as daemon:
        daemon.event("daemon.started")
        second = watcher("run", "--config", path, "--port", "0", cwd=tmp_path, env=environment(**KEYS))
        assert (second.returncode, second.stdout) == (1, "")
        assert f"another watcher (process {daemon.process.pid}) is using it" in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_running_watcher_heeds_a_pause_from_its_next_pass_on(capsys: Captured, tmp_path: Path, shop: Cloud) -> None:
    path = config(tmp_path / "config.toml", shop.url, ACTING)

    def units() -> int:
        told = shop.dynamodb.describe_table(TableName="users")["Table"]["ProvisionedThroughput"]
        return int(told["WriteCapacityUnits"])

    one = Watcher(load(path, os.environ), Settings(SystemClock(), path, os.environ))
    try:
        assert one.run_cycle().pauses == []
        shop.minutes("users", "WriteThrottleEvents", 600.0)
        shop.minutes("users", "WriteProvisionedThroughputThrottleEvents", 600.0)
        asked = ["pause", "users", "--for", "1h", "--reason", "deploying", "--advise-only", "--config", str(path)]
        assert status(asked) == 0
        assert "Its capacity is not changed meanwhile, only advised on." in capsys.readouterr().out

        paused = one.run_cycle()
        assert [pause.reason for pause in paused.pauses] == ["deploying"]
        assert units() == 100
        assert [view.mode for view in one.hub.snapshot.tables if view.key.name == "users"] == [Mode.ADVISE]

        assert status(["resume", "users", "--config", str(path)]) == 0
        assert "users in us-east-1: provisioned" in capsys.readouterr().out
        assert one.run_cycle().pauses == []
        assert units() > 100
    finally:
        one.close()
