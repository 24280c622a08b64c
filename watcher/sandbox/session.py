"""A sandbox as ``watcher run --sandbox`` wants it: fast time, a config that points at it, a passing state."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from watcher.aws.client import StaticCredentials
from watcher.clock import ScaledClock
from watcher.config import Config
from watcher.config_alerts import AlertRule
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
            self._state = Path(folder) / "watcher.db"
            self.config = self.pointed_here(self._given)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def pointed_here(self, given: Config) -> Config:
        """``given`` with this sandbox's Region, endpoint, topic and state, whatever it said of them."""
        aws = {"regions": (self.sandbox.region,), "endpoint_url": self.sandbox.endpoint_url}
        return given.model_copy(
            update={
                "aws": given.aws.model_copy(update={**aws, "role_arn": None, "external_id": None}),
                "state": given.state.model_copy(update={"path": str(self._state), "backend": "sqlite"}),
                "alerts": (AlertRule(topic_arn=self.sandbox.topic_arn),),
            }
        )
