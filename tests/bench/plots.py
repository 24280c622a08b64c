"""One drawing per character of generated traffic. ``python -m tests.bench.plots FOLDER [--days 2] [--format svg]``.

Each policy is replayed over the whole traffic, so that it knows the table; drawn, and counted in the captions, are the
last days only.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.bench.traffic import TRAFFIC, generate
from tests.bench.variants import BALANCED, BASELINES, REFERENCE, watcher
from watcher.replay.figures import Played, Result, result_of
from watcher.replay.plot import draw
from watcher.replay.runner import run
from watcher.replay.scenario import Scenario
from watcher.replay.table import MinuteTruth

MEAN = 500.0
DAY = 86_400


def last(result: Result, seconds: int, scenario: Scenario) -> Result:
    """The end of a replay as a replay of its own, for drawing: figures but relief and refusals are of the end."""
    start = max(result.start, result.end - seconds)
    before = [step for step in result.steps if step[0] <= start]
    return result_of(
        Played(
            trace=result.figures.trace,
            policy=result.figures.policy,
            kind=scenario.kind,
            start=start,
            end=result.end,
            truth={
                minute: MinuteTruth(demanded, result.served[minute], result.throttled[minute])
                for minute, demanded in result.demanded.items()
                if minute >= start
            },
            steps=[before[-1], *(step for step in result.steps if step[0] > start)],
            rejected=0,
        )
    )


def draw_character(folder: Path, days: float, suffix: str, name: str) -> Path:
    """Target tracking and the watcher on one character of traffic; the file."""
    scenario = Scenario(generate(name, MEAN), name=name, policy=watcher(BALANCED))
    seconds = round(days * DAY) // 60 * 60
    results = [last(run(scenario, policy), seconds, scenario) for policy in (BASELINES[REFERENCE], "watcher")]
    path = folder / f"{name.replace(' ', '-')}.{suffix}"
    draw(path, results)
    return path


def main(argv: Sequence[str] = ()) -> int:
    parser = ArgumentParser(prog="python -m tests.bench.plots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=float, default=2.0, help="drawn, at the end (2)")
    parser.add_argument("--format", choices=("svg", "png"), default="svg")
    parser.add_argument("--name", nargs="+", choices=list(TRAFFIC), default=list(TRAFFIC))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(argv)
    options.folder.mkdir(parents=True, exist_ok=True)
    one = partial(draw_character, options.folder, options.days, options.format)
    with get_context("spawn").Pool(options.jobs) as pool:
        for path in pool.imap(one, options.name):
            sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
