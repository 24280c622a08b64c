"""What the sandbox's tables have to tell: every message as a subscriber of its SNS topic got it.

The daemon's own cycle against the embedded AWS, on a simulated clock, so that an hour takes seconds, and every run says
the same. The config is ``config.toml`` with links and a secret for the hash of keys; any key can be given otherwise
from the environment: ``WATCHER_TABLES__0__MODE=advise python -m tests.bench.alerts --table orders``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap

from watcher.aws.client import StaticCredentials
from watcher.clock import SimulatedClock, instant
from watcher.config import Config, load
from watcher.config_alerts import AlertRule
from watcher.daemon import Settings, Watcher
from watcher.sandbox.backends import Message
from watcher.sandbox.server import Sandbox
from watcher.telemetry.logs import configure

ROOT = Path(__file__).parents[2]
START = instant("2026-11-23T03:00:00Z")
OFFSET = 12.0  # seconds into the minute, as the daemon begins its cycles
GIVEN = {
    "WATCHER_LINKS__PAGE": "https://watcher.example.org",
    "WATCHER_LINKS__RUNBOOK": "https://wiki.example.org/dynamodb/{cause}",
    "WATCHER_HOT_KEYS__HASH_SECRET": "nobody tries guesses at the keys of a sandbox",
}
JSON_BELOW = "\n---\n"  # in format text, what follows is for machines
WIDTH = 118
INDENT = "  "


def told(minutes: int, environ: Mapping[str, str], form: str = "text") -> list[Message]:
    """All messages of so many minutes, in the order of their arrival. environ: may set any key of the config."""
    clock = SimulatedClock(int(START))
    configure("json", "critical", sys.stderr, clock)  # the messages alone
    with Sandbox(clock) as sandbox, tempfile.TemporaryDirectory() as directory:
        config = _pointed(load(ROOT / "config.toml", {**GIVEN, **environ}), sandbox, Path(directory), form)
        watcher = Watcher(config, Settings(clock, None, {}, StaticCredentials("sandbox", "sandbox")))
        try:
            clock.advance(OFFSET)
            for _ in range(minutes):
                watcher.run_cycle()
                clock.advance(60.0)
            return list(sandbox.notifications())
        finally:
            watcher.close()


def _pointed(config: Config, sandbox: Sandbox, directory: Path, form: str) -> Config:
    """At the sandbox, with its topic alone."""
    rule = AlertRule.model_validate({"topic_arn": sandbox.topic_arn, "format": form})
    return config.model_copy(
        update={
            "aws": config.aws.model_copy(update={"endpoint_url": sandbox.endpoint_url}),
            "state": config.state.model_copy(update={"path": str(directory / "watcher.db")}),
            "alerts": (rule,),
        }
    )


def shown(message: Message, *, whole: bool = False) -> str:
    body = message.body if whole else message.body.partition(JSON_BELOW)[0]
    lines = [f"Subject: {message.subject}", "", *body.rstrip().splitlines()]
    return "\n".join(lines if whole else (short for line in lines for short in _folded(line)))


def _folded(line: str) -> Iterator[str]:
    """A long line over several, as a reader's screen does it; facts under their beginning."""
    if len(line) <= WIDTH or "https://" in line:
        yield line
        return
    room = len(line) - len(line.lstrip())
    if line.startswith(INDENT):
        _, _, value = line.strip().partition(INDENT)
        room = len(line) - len(value.lstrip())
    yield from wrap(line, WIDTH, subsequent_indent=" " * room, break_long_words=False, break_on_hyphens=False)


def _options(words: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=75, help="of the sandbox's clock (default %(default)s)")
    parser.add_argument("--table", default="", help="only messages about this table; - for whole Regions")
    parser.add_argument("--format", choices=("text", "cloudwatch-alarm", "chat"), default="text")
    parser.add_argument("--whole", action="store_true", help="the JSON that follows a text, too, and no line folded")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    for message in told(options.minutes, os.environ, options.format):
        if options.table in ("", message.attributes["table"]):
            sys.stdout.write(f"{shown(message, whole=options.whole)}\n\n{'=' * WIDTH}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
