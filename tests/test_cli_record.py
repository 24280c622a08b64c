"""``watcher record`` as people run it, over HTTP: the sandbox's past into a file that replay reads; refusals."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.fake import FakeAws, fake_aws, fault
from tests.commands import WATCHER, environment, watcher
from watcher.cli import status
from watcher.clock import SimulatedClock, instant, iso
from watcher.core.model import TABLE_WRITE, Dimension, Kind
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.replay.trace import read_trace
from watcher.sandbox import Sandbox

Captured = pytest.CaptureFixture[str]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"}
DAY = 86_400
DAYS = 17
BURST = range(43_200, 45_000)  # seconds of each day
INDEX_READ = Dimension("by-day", Kind.READ)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, with dummy credentials."""
    clean = environment(**KEYS)
    for name in set(os.environ) - set(clean):
        monkeypatch.delenv(name)
    for name, value in clean.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def demand(minute: int) -> MinuteDemand:
    """30 to 70 writes a second, half an hour of 600 each noon; 2 reads a second of the index."""
    writes = 600.0 if minute % DAY in BURST else 50.0 + 20.0 * math.sin(minute / 9000)
    return MinuteDemand({TABLE_WRITE: 60.0 * writes, INDEX_READ: 120.0})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """orders, seventeen days old, which throttled each noon; "new" has just been made."""
    now = int(time.time())
    plant = Plant(now - DAYS * DAY, retention=math.inf)
    index = IndexSpec("by-day", read=5, write=2000)
    plant.create(TableSpec("orders", read=5, write=200, indexes=(index,), demand=demand))
    plant.advance(now)
    plant.create(TableSpec("new", read=5, write=5))
    with Sandbox(SimulatedClock(now), stories=(), plant=plant) as running:
        yield running


@pytest.fixture
def here(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox as AWS for commands of this process."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint_url)
    return sandbox


def record(*arguments: str | Path) -> int:
    return status(["record", *map(str, arguments)])


def check_rows(path: Path, days: int) -> None:
    """The file holds the demand of the minutes, throttled or not, as far as one minute tells."""
    trace = read_trace(path)
    assert trace.step == 60
    assert len(trace.rows) == days * 1440
    for minute, units in trace.rows.items():
        assert units == pytest.approx(demand(minute).units[TABLE_WRITE], rel=1e-3, abs=1.0)


@pytest.mark.usefixtures("here")
def test_fourteen_days_make_the_round_trip(capsys: Captured, tmp_path: Path) -> None:
    output = tmp_path / "orders.csv"
    assert record("orders", "--output", output) == 0
    out, err = capsys.readouterr()
    assert out == ""
    check_rows(output, 14)
    trace = read_trace(output)
    first, rows, level, gaps, following = err.splitlines()
    assert first == f"{output}: writes of orders by the minute"
    assert rows == f"  {len(trace.rows):,} rows, {iso(trace.start)} to {iso(trace.end)}"
    assert level == f"  mean {trace.mean:,.0f}/s, peak {max(trace.rows.values()) / 60:,.0f}/s"
    estimated = re.fullmatch(r"  0 minutes missing, (\d+) minutes estimated because of throttling", gaps)
    assert estimated
    # Each noon's burst but its first minute or two, which the bucket takes.
    assert 13 * 25 <= int(estimated.group(1)) <= 15 * 30
    assert following == f"next: watcher replay --trace {output} --compare"


def test_further_back_by_five_minutes_as_json(capsys: Captured, here: Sandbox) -> None:
    before = here.ledger.counts["GetMetricData"]
    assert record("orders", "--days", "20", "--output", "my orders.csv", "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = json.loads(out)
    trace = read_trace(Path("my orders.csv"))
    assert told == {
        "table": "orders",
        "index": "",
        "dimension": "write",
        "account": "123456789012",
        "region": "us-east-1",
        "output": "my orders.csv",
        "rows": len(trace.rows),
        "from": iso(trace.start),
        "to": iso(trace.end),
        "asked_from": told["asked_from"],
        "missing_minutes": 0,
        "estimated_minutes": told["estimated_minutes"],
        "spread_minutes": told["spread_minutes"],
        "mean_units_per_second": pytest.approx(trace.mean),
        "peak_units_per_second": pytest.approx(max(trace.rows.values()) / 60),
        "next": "watcher replay --trace 'my orders.csv' --compare",
    }
    assert instant(told["to"]) - instant(told["asked_from"]) == pytest.approx(20 * DAY, abs=300)
    # The table is seventeen days old: three of them by five minutes.
    assert told["spread_minutes"] == pytest.approx(3 * 1440, abs=10)
    assert told["estimated_minutes"] > 16 * 25
    fives = [start for start in range(trace.start + 600, trace.end - 15 * DAY, 300) if start % DAY not in BURST]
    for start in fives:
        wanted = sum(demand(start + 60 * n).units[TABLE_WRITE] for n in range(5))
        assert sum(trace.rows[start + 60 * n] for n in range(5)) == pytest.approx(wanted, rel=1e-3)
    # Own metrics, the neighbours' (what else was consumed before the table was born, the index's throttles), capacity;
    # then the same by the minute, where five metrics fill a call.
    assert here.ledger.counts["GetMetricData"] - before == (1 + 1 + 1) + (2 + 1 + 1)


@pytest.mark.usefixtures("here")
def test_an_index_and_the_config_of_its_table(capsys: Captured, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[aws]\nregions = ["us-east-1", "eu-west-1"]\n[[tables]]\nmatch = "orders"\n', encoding="utf-8")
    wanted = ["orders", "--index", "by-day", "--dimension", "read", "--days", "1", "--output", "reads.csv"]
    assert record(*wanted) == 2
    assert capsys.readouterr().err == (
        "watcher: table orders may be in any of us-east-1, eu-west-1 (say which with --region)\n"
    )
    assert record(*wanted, "--region", "us-east-1") == 0
    assert capsys.readouterr().err.startswith("reads.csv: reads of index by-day of orders by the minute\n  1,440 rows")
    assert set(read_trace(Path("reads.csv")).rows.values()) == {120.0}


def test_as_a_process_of_its_own_on_a_terminal(sandbox: Sandbox, tmp_path: Path) -> None:
    """Progress is for terminals: a line that is gone in the end, and the same summary."""
    leader, follower = pty.openpty()
    env = environment(**KEYS, AWS_ENDPOINT_URL=sandbox.endpoint_url, TERM="xterm")
    command = [*WATCHER, "record", "orders", "--days", "2", "--output", "orders.csv"]
    try:
        with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=follower) as process:  # noqa: S603 - our own
            os.close(follower)
            shown = ""
            while True:
                try:
                    shown += os.read(leader, 65536).decode()
                except OSError:  # how Linux says that the last writer has closed
                    break
            assert process.wait() == 0
    finally:
        os.close(leader)
    assert "by the minute" in shown
    assert "asked of CloudWatch" in shown
    assert "orders.csv: writes of orders by the minute" in shown
    check_rows(tmp_path / "orders.csv", 2)


def test_elsewhere_nothing_but_the_summary(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(**KEYS, AWS_ENDPOINT_URL=sandbox.endpoint_url)
    done = watcher("record", "orders", "--days", "1", "--output", "orders.csv", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(done.stderr.splitlines()) == 5


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["nope"], 1, "(check the name, and give its Region with --region)", id="an unknown table"),
        pytest.param(
            ["orders", "--index", "by-week"],
            1,
            "there is no global secondary index by-week (its indexes are by-day)",
            id="an unknown index",
        ),
        pytest.param(["new"], 1, "CloudWatch knows nothing of its writes in the last 14 days", id="no data"),
        pytest.param(["orders", "--days", "0"], 2, "'--days'", id="no days"),
        pytest.param(["orders", "--days", "64"], 2, "'--days'", id="more days than CloudWatch keeps five minutes"),
        pytest.param(["orders", "--dimension", "both"], 2, "'--dimension'", id="a dimension that is none"),
        pytest.param(["orders", "--region", "Ireland"], 2, 'expected a Region name like "us-east-1"', id="no Region"),
        pytest.param(["orders", "--config", "nowhere.toml"], 2, "nowhere.toml", id="a mistyped config"),
        pytest.param(["orders", "--output", "no/where.csv"], 2, "there is no directory no", id="no directory"),
        pytest.param(["orders", "--output", "."], 2, ". is a directory", id="a directory as output"),
    ],
)
def test_refusals(capsys: Captured, tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    assert record("--output", "out.csv", *arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    if code == 1:
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_kept_unless_forced(capsys: Captured, here: Sandbox, tmp_path: Path) -> None:
    output = tmp_path / "orders.csv"
    output.write_text("mine", encoding="utf-8")
    before = here.ledger.counts.total()
    assert record("orders", "--days", "1", "--output", output) == 2
    assert capsys.readouterr().err == (
        f"watcher: {output} exists already (give another --output, or --force to overwrite it)\n"
    )
    assert output.read_text(encoding="utf-8") == "mine"
    assert here.ledger.counts.total() == before, "nothing is asked, or paid for"
    assert record("orders", "--days", "1", "--output", output, "--force") == 0
    check_rows(output, 1)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    with fake_aws() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


TABLE = {
    "Table": {
        "TableName": "orders",
        "TableStatus": "ACTIVE",
        "TableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    }
}


def test_what_may_not_be_read_is_named(capsys: Captured, fake: FakeAws, tmp_path: Path) -> None:
    denied = fault("AccessDeniedException", "User: arn:aws:iam::123456789012:user/w is not authorized")
    fake.script("DescribeTable", denied, TABLE)
    fake.script("GetMetricData", denied)
    for action in ("dynamodb:DescribeTable", "cloudwatch:GetMetricData"):
        assert record("orders", "--output", "out.csv") == 1
        err = capsys.readouterr().err
        assert f"(allow {action})" in err
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
