"""A sandbox as ``watcher run --sandbox`` wants it: fast time, a config that points at it, a state that is thrown away."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from watcher.aws.client import StaticCredentials
from watcher.clock import ScaledClock
from watcher.config import AlertRule, Config
from watcher.sandbox.server import Sandbox
from watcher.sandbox.stories import PLOTS


class SandboxSession:
    """A context manager. config: the user's, of which Regions, endpoint, role and state are replaced.

    tables: (name, what its story is). clock: runs ``speed`` times as fast as the machine's, from the machine's time.
    """

    def __init__(self, config: Config, speed: float) -> None:
        self.clock = ScaledClock(speed)
        self.credentials = StaticCredentials("sandbox", "sandbox")
        self.tables = tuple(PLOTS.items())
        self._given = config
        self._stack = ExitStack()
        self.config = config

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # A state from an earlier sandbox would be of another world.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="watcher-sandbox-"))
            self.sandbox = stack.enter_context(Sandbox(self.clock))
            self.config = self._pointed_here(Path(folder) / "watcher.db")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _pointed_here(self, state: Path) -> Config:
        given = self._given
        aws = {"regions": (self.sandbox.region,), "endpoint_url": self.sandbox.endpoint_url}
        return given.model_copy(
            update={
                "aws": given.aws.model_copy(update={**aws, "role_arn": None, "external_id": None}),
                "state": given.state.model_copy(update={"path": str(state), "backend": "sqlite"}),
                "alerts": (AlertRule(topic_arn=self.sandbox.topic_arn),),
            }
        )
