"""How well the watcher controls capacity, beside what others do. ``python -m tests.bench.control --help``.

Every figure is a ratio within one run; nothing is kept on disk. Recordings are CSV files of ``timestamp,units`` in
the folder given by --traces, of which the first 14 days are used.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import clairvoyant
from tests.bench.compare import Outcome, Summary, outcome_of, summarise
from tests.bench.tables import (
    HEADINGS,
    SUMMARY_NOTE,
    TRAFFIC_NOTE,
    Grid,
    markdown,
    show,
    summary_row,
    traffic_row,
)
from tests.bench.traffic import TRAFFIC, generate
from tests.bench.variants import (
    ABLATIONS,
    AS_MEASURED,
    BALANCED,
    BASELINES,
    GOALS,
    OBJECTIVES,
    REFERENCE,
    WORLDS,
    watcher,
)
from watcher.replay.runner import run
from watcher.replay.scenario import Scenario
from watcher.replay.trace import Trace, read_trace

DAYS = 14
MEANS = (500.0, 5.0)
FOLDER = Path("../shared/traces")
GENERATED = "generated:"
CLAIRVOYANT = "clairvoyant"
ROSTER = (*BASELINES, *OBJECTIVES, CLAIRVOYANT)
PER_TRAFFIC = (REFERENCE, *OBJECTIVES, CLAIRVOYANT, "on-demand")


@dataclass(frozen=True, slots=True)
class Job:
    """One replay. traffic: a file, or "generated:" and a name of TRAFFIC. policy: a label of the variants."""

    traffic: str
    mean: float
    policy: str
    world: str = AS_MEASURED

    @property
    def name(self) -> str:
        return self.traffic.removeprefix(GENERATED) if self.traffic.startswith(GENERATED) else Path(self.traffic).stem


def play(job: Job) -> tuple[Job, Outcome]:
    """Run one job."""
    world, trace = WORLDS[job.world], load(job.traffic, job.mean)
    if job.policy == CLAIRVOYANT:
        return job, outcome_of(clairvoyant.play(Scenario(trace, world=world, name=job.name)))
    if job.policy in BASELINES:
        return job, outcome_of(run(Scenario(trace, world=world, name=job.name), BASELINES[job.policy]))
    scenario = Scenario(trace, world=world, name=job.name, policy=watcher(job.policy))
    return job, outcome_of(run(scenario, "watcher"))


@lru_cache(maxsize=4)
def load(traffic: str, mean: float) -> Trace:
    """The traffic at its mean: a recording's first 14 days, or a generated one whole."""
    if traffic.startswith(GENERATED):
        return generate(traffic.removeprefix(GENERATED), mean)
    trace = read_trace(Path(traffic))
    end = trace.start + DAYS * 86_400
    return Trace({start: units for start, units in trace.rows.items() if start < end}, trace.step).rescaled(mean)


@dataclass
class Bench:
    """Runs jobs, each once, and keeps what came of them."""

    pool: Pool
    progress: Progress
    recordings: Sequence[str]
    generated: Sequence[str]
    means: Sequence[float]
    done: dict[Job, Outcome] = field(default_factory=dict)
    summaries: dict[str, list[Summary]] = field(default_factory=dict)

    def need(self, title: str, jobs: Iterable[Job]) -> None:
        """Run what has not been run."""
        # The slowest first, so that no worker is left alone with one at the end.
        missing = sorted({job for job in jobs if job not in self.done}, key=_weight, reverse=True)
        task = self.progress.add_task(title, total=len(missing))
        for job, outcome in self.pool.imap_unordered(play, missing):
            self.done[job] = outcome
            self.progress.advance(task)

    def outcomes(self, traffic: Sequence[str], mean: float, policy: str, world: str) -> dict[str, Outcome]:
        jobs = [Job(one, mean, policy, world) for one in traffic]
        return {job.name: self.done[job] for job in jobs}

    def compared(
        self, title: str, traffic: Sequence[str], mean: float, policies: Sequence[str], world: str = AS_MEASURED
    ) -> list[Summary]:
        """One summary per policy, against the reference in the same world."""
        with_bound = CLAIRVOYANT in policies
        wanted = dict.fromkeys((REFERENCE, *policies))
        self.need(title, [Job(one, mean, policy, world) for policy in wanted for one in traffic])
        reference = self.outcomes(traffic, mean, REFERENCE, world)
        bound = self.outcomes(traffic, mean, CLAIRVOYANT, world) if with_bound else None
        found = [summarise(one, self.outcomes(traffic, mean, one, world), reference, bound) for one in policies]
        self.summaries[title] = found
        return found


def _weight(job: Job) -> int:
    return 0 if job.policy in BASELINES else 1 if job.policy == CLAIRVOYANT else 2


# The tables ----------------------------------------------------------------------------------------------------------


def recordings(bench: Bench) -> Iterable[Grid]:
    """Every policy over the recordings, at each mean."""
    for mean in bench.means:
        yield from _comparison(bench, f"Recorded traffic, mean {mean:g} units/s", bench.recordings, mean)


def generated(bench: Bench) -> Iterable[Grid]:
    """Every policy over generated traffic, at the first mean."""
    mean = bench.means[0]
    yield from _comparison(bench, f"Generated traffic, mean {mean:g} units/s", bench.generated, mean)


def _comparison(bench: Bench, title: str, traffic: Sequence[str], mean: float) -> Iterable[Grid]:
    summaries = bench.compared(title, traffic, mean, ROSTER)
    yield Grid(title, HEADINGS, [summary_row(one) for one in summaries], [SUMMARY_NOTE])
    by_policy = {policy: bench.outcomes(traffic, mean, policy, AS_MEASURED) for policy in PER_TRAFFIC}
    names = by_policy[REFERENCE]
    rows = [traffic_row(name, {policy: by_policy[policy][name] for policy in PER_TRAFFIC}, REFERENCE) for name in names]
    yield Grid(f"{title}, one by one", ("traffic", *PER_TRAFFIC), rows, [TRAFFIC_NOTE])


def robustness(bench: Bench) -> Iterable[Grid]:
    """Balanced in other worlds, each against target tracking 70 in the same one; and on small tables."""
    traffic, mean = bench.recordings or bench.generated, bench.means[0]
    rows = []
    small = [(AS_MEASURED, 5.0)] if mean != 5.0 else []
    for world, at in [*((world, mean) for world in WORLDS), *small]:
        label = world if at == mean else f"mean {at:g} units/s"
        one = bench.compared(f"Robustness: {label}", traffic, at, [BALANCED], world)[0]
        rows.append([label, *summary_row(one)[1:]])
    yield _without_bound(Grid(f"{BALANCED} in other worlds, mean {mean:g}", ("world", *HEADINGS[1:]), rows))


def ablation(bench: Bench) -> Iterable[Grid]:
    """Balanced with one thing changed at a time."""
    traffic, mean = bench.recordings or bench.generated, bench.means[0]
    title = f"{BALANCED}, one thing changed at a time, mean {mean:g}"
    rows = [summary_row(one) for one in bench.compared(title, traffic, mean, [BALANCED, *ABLATIONS])]
    yield _without_bound(Grid(title, ("change", *HEADINGS[1:]), rows))


def frontier(bench: Bench) -> Iterable[Grid]:
    """What less throttling costs: objectives, throttling goals and the baselines, cheapest first."""
    traffic, mean = bench.recordings or bench.generated, bench.means[0]
    title = f"Cost against throttling, mean {mean:g}"
    summaries = bench.compared(title, traffic, mean, [*OBJECTIVES, *GOALS, *BASELINES, CLAIRVOYANT])
    rows = [summary_row(one) for one in sorted(summaries, key=lambda one: one.cost)]
    yield Grid(title, HEADINGS, rows, [SUMMARY_NOTE])


def _without_bound(grid: Grid) -> Grid:
    """Without the columns that need the clairvoyant."""
    kept = [number for number, heading in enumerate(grid.headings) if "clairvoyant" not in heading]
    headings, *rows = [[row[number] for number in kept] for row in (grid.headings, *grid.rows)]
    return Grid(grid.title, headings, rows, [SUMMARY_NOTE])


SECTIONS: Mapping[str, Callable[[Bench], Iterable[Grid]]] = {
    "recordings": recordings,
    "generated": generated,
    "robustness": robustness,
    "ablation": ablation,
    "frontier": frontier,
}
SHORT = ("recordings", "generated")


# The command ---------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] = ()) -> int:
    """Print the tables; status 0, or 2 for a wrong option."""
    options = _options(argv)
    found = sorted(str(path) for path in options.traces.glob("*.csv")) if options.traces.is_dir() else []
    chosen = [path for path in found if not options.name or Path(path).stem in options.name]
    characters = [GENERATED + name for name in TRAFFIC if not options.name or name in options.name]
    sections = list(SECTIONS) if options.full else (options.only or list(SHORT))
    if not chosen and "recordings" in sections:
        sys.stderr.write(
            f"No recording to replay in {options.traces}: that table is left out (give --traces FOLDER).\n"
        )
        sections = [section for section in sections if section != "recordings"]
    if not characters:
        sections = [section for section in sections if section != "generated"]
    console = Console() if sys.stdout.isatty() else Console(width=200, color_system=None)
    with ExitStack() as stack:
        pool = stack.enter_context(get_context("spawn").Pool(options.jobs))
        progress = stack.enter_context(_progress())
        bench = Bench(pool, progress, chosen, characters, options.mean or list(MEANS))
        for section in sections:
            for grid in SECTIONS[section](bench):
                if options.markdown:
                    sys.stdout.write(markdown(grid) + "\n")
                else:
                    show(console, grid)
    if options.json:
        options.json.write_text(json.dumps(record(bench), indent=1) + "\n", encoding="utf-8")
    return 0


def record(bench: Bench) -> dict[str, object]:
    """Everything that was measured, for machines."""
    return {
        "summaries": {title: [asdict(one) for one in found] for title, found in bench.summaries.items()},
        "runs": [{**asdict(job), "figures": asdict(outcome.figures)} for job, outcome in bench.done.items()],
    }


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _options(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m tests.bench.control",
        description=__doc__,
        epilog="Left out of the short run: robustness (ten worlds), ablation and frontier; --full runs them too, in "
        "about half an hour on two cores.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), help="these tables")
    parser.add_argument("--full", action="store_true", help="all tables")
    parser.add_argument("--mean", nargs="+", type=float, help="units per second to rescale to (500 and 5)")
    parser.add_argument("--traces", type=Path, default=FOLDER, help=f"folder of recordings ({FOLDER})")
    parser.add_argument("--name", nargs="+", help="only this traffic: file names without .csv, or generated characters")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="replays at a time (one per core)")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into a README")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
