"""A daemon that is told to stop ends what only it would have ended: full sampling costs by the request."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.commands import WATCHER, environment, eventually
from tests.e2e.conftest import REPOSITORY, SPEED
from tests.e2e.processes import spawned

pytestmark = pytest.mark.slow


def test_full_sampling_is_put_back_when_the_daemon_stops(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "config.toml", tmp_path)
    command = [*WATCHER, "run", "--sandbox", "--speed", str(SPEED), "--port", "0"]
    on_incident = {"WATCHER_HOT_KEYS__SAMPLING": "on-incident"}

    def says(lines: list[str], pattern: str) -> bool:
        return any(re.search(pattern, line) for line in list(lines))

    with spawned(command, cwd=tmp_path, env=environment() | on_incident) as lines:
        eventually("all keys sampled", lambda: says(lines, r"sessions .*Done: Contributor Insights .* to all keys"))
    assert says(lines, r"Contributor Insights put back as found, of 1 place")
    assert not says(lines, "Traceback")
