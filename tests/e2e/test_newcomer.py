"""What a newcomer sees within a minute of ``make run``: the terminal, the page in a browser, Prometheus scraping."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.commands import environment, eventually
from tests.e2e.conftest import SandboxRun
from tests.e2e.processes import spawned

PATIENCE = 90.0  # seconds of wall time for the whole story; alone on the machine it takes about 35

STORY = [
    pytest.param(
        r"orders .*INCIDENT OPENED.*Writes of orders are throttled.*demand", id="orders: too little capacity is named"
    ),
    pytest.param(
        r"orders .*Done: writes from [\d,]+ to [\d,]{3,} units/s", id="orders: capacity is raised in one step"
    ),
    pytest.param(r"orders .*INCIDENT RESOLVED", id="orders: resolved"),
    pytest.param(r"sessions .*INCIDENT OPENED.*one key range", id="sessions: the hot key range is named"),
    pytest.param(r"sessions .*Done: Contributor Insights .*throttled keys", id="sessions: its keys are sampled"),
    pytest.param(r"sessions .*Hot keys: one key asks for more than a partition", id="sessions: the key is found"),
    pytest.param(r"sessions .*Writes: .*which capacity cannot lift", id="sessions: deliberately not raised"),
    pytest.param(
        r"catalog .*Done: .*writes of index by-category from [\d,]+ to [\d,]{3,}",
        id="catalog: the starving index is raised",
    ),
    pytest.param(r"events .*INCIDENT OPENED.*on-demand", id="events: the owner's own cap is named"),
    pytest.param(r"payments .*Application Auto Scaling holds it", id="payments: the other scaler is respected"),
    pytest.param(r"archive .*Done: .*from 800 to \d+", id="archive: what is unused is given back"),
]


def within(seconds: float, what: str, seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


@pytest.mark.parametrize("pattern", STORY)
def test_the_terminal_tells_the_story(sandbox_run: SandboxRun, pattern: str) -> None:
    within(PATIENCE, pattern, lambda: sandbox_run.says(pattern))


def test_what_may_not_happen_does_not(sandbox_run: SandboxRun) -> None:
    within(PATIENCE, "sessions resolved", lambda: sandbox_run.says("sessions .*INCIDENT RESOLVED"))
    assert not sandbox_run.says(r"sessions .*Done: writes from [\d,]+ to [3-9],\d{3}"), "a hot key bought capacity"
    assert not sandbox_run.says(r"events .*Done:"), "a table in advise mode was switched"
    assert not sandbox_run.says(r"payments .*Done: (?!Contributor Insights)"), "another hand's capacity was changed"
    assert not sandbox_run.says(r"Traceback|Refused|user#4711"), "trouble of its own, or a key value in the open"


def test_the_machine_readable_side_agrees(sandbox_run: SandboxRun) -> None:
    assert sandbox_run.get("healthz")
    state = json.loads(sandbox_run.get("api/state.json"))
    assert {table["table"] for table in state["tables"]} == {
        "archive",
        "catalog",
        "events",
        "orders",
        "payments",
        "sessions",
    }
    assert all(decision["reason"] and decision["sentence"] for decision in state["decisions"])
    assert "user#4711" not in json.dumps(state)


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
def test_a_browser_shows_the_page(sandbox_run: SandboxRun, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    shown = subprocess.run(  # noqa: S603 - Debian's browser on our own page
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            *quiet,
            f"--user-data-dir={tmp_path}",
            "--dump-dom",
            sandbox_run.url,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    for name in ("archive", "catalog", "events", "orders", "payments", "sessions"):
        assert name in shown
    assert "<script" not in shown
    assert "user#4711" not in shown


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus: apt-get install prometheus")
def test_a_real_prometheus_scrapes_it(sandbox_run: SandboxRun, tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    target = sandbox_run.url.removeprefix("http://").rstrip("/")
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: watcher, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]

    def ask(query: str) -> list[dict[str, Any]]:
        try:
            with urlopen(f"http://{address}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answer:
                return list(json.load(answer)["data"]["result"])
        except OSError:
            return []

    with spawned(command, cwd=tmp_path, env=environment()):
        eventually("the target is up", lambda: [1 for row in ask("up") if row["value"][1] == "1"])
        tables = eventually("capacities", lambda: ask("count by (table) (watcher_provisioned_units_per_second)"))
        assert {row["metric"]["table"] for row in tables} >= {"orders", "sessions", "catalog", "archive"}
        assert eventually("ages", lambda: ask("watcher_last_cycle_age_seconds < 600"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt-get install prometheus")
def test_promtool_finds_nothing_to_say(sandbox_run: SandboxRun) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607 - Debian's, wherever it is
        input=sandbox_run.get("metrics"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
