"""Processes that tests look at from outside: their output is read as it comes, and they end with the block."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 15.0


@contextmanager
def spawned(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Iterator[list[str]]:
    """The lines that ``command`` prints, standard error among them. On exit it is terminated, and killed if need be."""
    process = subprocess.Popen(  # noqa: S603 - programs of ours and of the distribution
        [str(part) for part in command],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    output = process.stdout
    assert output is not None

    def read() -> None:
        for line in output:  # one by one: the tests read the list while it grows
            lines.append(line.rstrip("\n"))  # noqa: PERF401 - see above

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield lines
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        output.close()
