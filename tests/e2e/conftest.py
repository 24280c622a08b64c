"""The sandbox as a newcomer starts it, in a process of its own, for the tests that look at it from outside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.commands import WATCHER, environment, eventually
from tests.e2e.processes import spawned

SPEED = 60  # simulated seconds a second: the newcomer's half hour takes thirty
REPOSITORY = Path(__file__).parents[2]


@dataclass
class SandboxRun:
    """url: where the page is. lines: the terminal so far, grown by a reader thread."""

    url: str
    lines: list[str] = field(default_factory=list)

    def get(self, path: str = "") -> str:
        with urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode())

    def says(self, pattern: str) -> bool:
        """Whether a line of the terminal matches."""
        return any(re.search(pattern, line) for line in list(self.lines))


@pytest.fixture(scope="session")
def sandbox_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxRun]:
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copy(REPOSITORY / "config.toml", folder)
    command = [*WATCHER, "run", "--sandbox", "--speed", str(SPEED), "--port", "0"]
    with spawned(command, cwd=folder, env=environment()) as lines:
        run = SandboxRun("", lines)

        def address() -> str:
            found = [match for line in list(lines) if (match := re.search(r"page (http://\S+)", line))]
            return found[0].group(1) if found else ""

        run.url = eventually("the page's address on the terminal", address)
        yield run
