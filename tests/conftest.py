"""What holds for every test: the logging that one sets up is gone before the next."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands and daemons run within the tests set up the process's logging; a later test must not inherit it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("watcher").setLevel(logging.NOTSET)
    structlog.reset_defaults()
