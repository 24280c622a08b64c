"""From the config's alerts to routes, and through a reload."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.test_config import ARN, written
from watcher.aws.client import StaticCredentials
from watcher.aws.formats import Format
from watcher.aws.sns import Route
from watcher.clock import SimulatedClock, instant
from watcher.config import load
from watcher.core.reasons import AlertKind, Severity
from watcher.core.region_state import RegionRules
from watcher.daemon import Settings, Watcher
from watcher.daemon_alerts import routes_of, topics_of

OTHER = f"{ARN}-2"
PLAIN = f'[[alerts]]\ntopic_arn = "{ARN}"\n'
FULL = f"""
[[alerts]]
topic_arn = "{OTHER}"
format = "chat"
match = "ord*"
severities = ["critical"]
kinds = ["throttling", "watcher"]
quiet = {{ from = "22:00", until = "07:00", days = ["mon"] }}
repeat_minutes = 30
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "WATCHER_"))]:
        monkeypatch.delenv(name)


def test_a_plain_entry_wants_everything(tmp_path: Path) -> None:
    assert routes_of(load(written(tmp_path, PLAIN), {})) == [Route(ARN)]


def test_every_setting_of_an_entry_reaches_its_route(tmp_path: Path) -> None:
    config = load(written(tmp_path, FULL + '[[alerts]]\nmatch = "a"\ntopic_arn = "' + ARN + '"\n'), {})
    full, narrow = routes_of(config)
    assert full.quiet is not None
    assert full.quiet.holds(instant("2026-11-24T06:59:00Z"))
    assert not full.quiet.holds(instant("2026-11-24T22:00:00Z"))
    assert full == Route(
        OTHER,
        Format.CHAT,
        "ord*",
        frozenset({Severity.CRITICAL}),
        frozenset({AlertKind.THROTTLING, AlertKind.WATCHER}),
        hears_the_watcher=True,
        quiet=full.quiet,
        repeat=1800.0,
    )
    assert not narrow.hears_the_watcher


def test_topics_are_told_once_each(tmp_path: Path) -> None:
    assert topics_of(load(written(tmp_path, PLAIN + FULL + PLAIN), {})) == [ARN, OTHER]


def test_a_reload_takes_new_topics_rules_and_links_but_not_a_new_interval(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    environ = {"WATCHER_STATE__PATH": str(tmp_path / "watcher.db")}
    clock = SimulatedClock(instant("2026-11-23T03:00:00Z"))
    watcher = Watcher(load(path, environ), Settings(clock, path, environ, StaticCredentials("key", "secret")))
    try:
        assert watcher.cycle.desk._rules == RegionRules()
        extra = (
            "[polling]\ninterval_seconds = 300\n[incidents]\nblind_minutes = 7\n[links]\npage = 'https://w.example'\n"
        )
        watcher.adopt(load(written(tmp_path, FULL + extra), environ))
        assert watcher.cycle.desk._rules == RegionRules(blind_after=420.0, repeats=(1800.0,))
        assert watcher.cycle.desk._links.page == "https://w.example"
        assert watcher.hub._topics == (OTHER,)
    finally:
        watcher.close()
