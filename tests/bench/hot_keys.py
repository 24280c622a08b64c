"""How well the watcher tells hot keys: the real loop against the plant's truth. ``python -m tests.bench.hot_keys``.

Thirteen tables, each hot in its own way, each for half an hour, alone in its Region and then all at once. Nothing is
sampled at the start; the watcher switches Contributor Insights itself, in act mode.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from rich.console import Console

from tests.bench.hot_trial import EQUAL, EVEN, MINUTE, MIXED, PURE, SHORT, Job, Run, Setting, play
from tests.bench.tables import Grid, markdown, show
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import Sampling
from watcher.core.sampling import SamplingLimits
from watcher.sandbox.heated import HEAT

SEEDS = 5
MODES = (Sampling.THROTTLED, Sampling.ON_INCIDENT)
PROMISE = 120.0  # seconds in which a message is to name the key

# The tables ----------------------------------------------------------------------------------------------------------

VERDICT_HEADINGS = ("story", "about", "right", "settled on", "wrong passes", "not known", "told")
KEY_HEADINGS = ("story", "precision", "recall", "heat covered", "order", f"named within {PROMISE:g} s", "s p50 / max")
CAPACITY_HEADINGS = ("story", "bought", "most provisioned", "need", "most / need")


def grids(runs: Sequence[Run]) -> Iterable[Grid]:
    """All tables of stories that were alone in their Region."""
    for sampling in MODES:
        groups = by_story([run for run in runs if run.sampling is sampling and run.setting is not Setting.SPARED])
        yield Grid(
            f"Verdicts, sampling = {sampling}",
            VERDICT_HEADINGS,
            [verdict_row(label, group) for label, group in groups.items()],
            [VERDICT_NOTE],
        )
        hot = {label: group for label, group in groups.items() if any(run.hot or run.named for run in group)}
        rows = [key_row(label, group) for label, group in hot.items()]
        everything = [run for group in hot.values() for run in group]
        yield Grid(f"Keys, sampling = {sampling}", KEY_HEADINGS, [*rows, key_row("all", everything)], [KEY_NOTE])
    groups = by_story([run for run in runs if run.sampling is MODES[0]])
    capacity = [capacity_row(label, group) for label, group in groups.items() if group[0].setting is not Setting.HELD]
    yield Grid(f"Capacity bought, sampling = {MODES[0]}", CAPACITY_HEADINGS, capacity, [CAPACITY_NOTE])


def storm(runs: Sequence[Run]) -> Grid:
    """Of all stories at once."""
    rows = []
    for sampling in MODES:
        group = [run for run in runs if run.sampling is sampling and run.story not in (*EVEN, "partiql")]
        rows.append([sampling.value, *key_row("", group)[1:]])
    return Grid("All tables in trouble at once, in one Region", ("sampling", *KEY_HEADINGS[1:]), rows, [KEY_NOTE])


def by_story(runs: Sequence[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.label, []).append(run)
    return groups


def verdict_row(label: str, runs: Sequence[Run]) -> list[str]:
    settled = Counter(run.settled.value if run.settled else "never asked" for run in runs)
    told = Counter(" > ".join(run.told) or "-" for run in runs)
    passes = sum(sum(run.verdicts.values()) for run in runs)
    unknown = sum(run.verdicts.get(KeyVerdict.UNKNOWN, 0) for run in runs)
    return [
        label,
        HEAT[runs[0].story],
        f"{sum(run.is_right for run in runs)} of {len(runs)}",
        _counts(settled),
        f"{sum(run.wrong_passes for run in runs)} of {passes}",
        f"{unknown} of {passes}",
        _counts(told),
    ]


def key_row(label: str, runs: Sequence[Run]) -> list[str]:
    named, hits, hot = (sum(getattr(run, name) for run in runs) for name in ("named", "hits", "hot"))
    pairs, ordered = (sum(getattr(run, name) for run in runs) for name in ("pairs", "ordered"))
    covered, refused = sum(run.covered for run in runs), sum(run.refused for run in runs)
    times = sorted(run.seconds for run in runs if run.seconds is not None)
    soon = sum(seconds <= PROMISE for seconds in times)
    return [
        label,
        _ratio(hits, named),
        _ratio(hits, hot),
        _ratio(covered, refused),
        f"{ordered} of {pairs}" if pairs else "-",
        f"{soon} of {len(runs)}",
        f"{median(times):.0f} / {times[-1]:.0f}" if times else "never",
    ]


def capacity_row(label: str, runs: Sequence[Run]) -> list[str]:
    most, need = max(run.most for run in runs), max(run.need for run in runs)
    bought = [run.bought for run in runs]
    span = f"{min(bought):,}" if min(bought) == max(bought) else f"{min(bought):,} to {max(bought):,}"
    return [label, span, f"{most:,}", f"{need:,.0f}", f"{max(run.most / run.need for run in runs):.2f}"]


def _counts(counter: Counter[str]) -> str:
    if len(counter) == 1:
        return next(iter(counter))
    return ", ".join(f"{word} ({count})" for word, count in counter.most_common())


def _ratio(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole else "-"


VERDICT_NOTE = (
    "right: runs that settled on the expected verdict. settled on: the last verdict told that says anything. wrong "
    "passes: minutes with another verdict than expected, early ones included; not known: minutes that say so, and "
    "why. told: verdicts in history, in order. held: without room to raise capacity. zipf-15: one-key and few-keys "
    "both count as right, as its second key is above the ceiling in some seconds. zipf-08, zipf-10, uniform: unknown "
    "counts as right in on-incident mode, where throttling that AWS itself puts down to capacity is not sampled, and "
    "where nothing throttled at all. In on-incident mode keys are not known before a whole minute was sampled, nor "
    f"once full sampling has ended, after {SamplingLimits().full_seconds / MINUTE:g} minutes."
)
KEY_NOTE = (
    "Truth: keys of which a partition refused a unit a second or more in a judged and sampled minute. precision, "
    "recall: of all passes that named keys, pooled. heat covered: of what partitions refused, the part that was the "
    f"named keys'. order: pairs of named keys that differ by more than {EQUAL:.0%}. named: from the end of the first "
    "throttled minute to the message; CloudWatch publishes 60 to 70 s after a minute's end."
)
CAPACITY_NOTE = (
    "Units per second. bought: the sum of all raises within the spell, least and most of the runs. need: the busiest "
    "minute's demand less what partitions refused. The watcher may provision up to four times what it begins with. no "
    "hot key: the same table without its hot key, and without what a partition refuses of it; where no more is bought "
    "for the mixed one, nothing is bought for the key."
)


def broken(runs: Sequence[Run]) -> list[str]:
    """What must never be, a sentence each."""
    found = []
    for run in runs:
        where = f"{run.label}, sampling = {run.sampling}, seed {run.seed}"
        if run.story in EVEN and run.named:
            found.append(f"{where}: {run.named} keys named where none is hot")
        if run.story in PURE and run.bought:
            found.append(f"{where}: {run.bought} units bought for a hot key")
    return found


# The command ---------------------------------------------------------------------------------------------------------


def jobs(stories: Sequence[str], seeds: int) -> list[Job]:
    """The stories one by one, those that are short of capacity also held; and the mixed one without its hot key."""
    cases = [(sampling, story, Setting.USUAL) for sampling in MODES for story in stories]
    cases += [(sampling, story, Setting.HELD) for sampling in MODES for story in stories if story in SHORT]
    cases += [(MODES[0], story, Setting.SPARED) for story in stories if story == MIXED]
    return [Job((story,), mode, seed, setting) for mode, story, setting in cases for seed in range(1, seeds + 1)]


def storms(stories: Sequence[str], seeds: int) -> list[Job]:
    """The stories all at once."""
    return [Job(tuple(stories), sampling, seed) for sampling in MODES for seed in range(1, seeds + 1)]


def main(argv: Sequence[str] = ()) -> int:
    """Print the tables; status 1 when a key is named on even traffic or capacity is bought for a hot key alone."""
    options = _options(argv)
    alone, together = jobs(options.story, options.seeds), storms(options.story, options.seeds)
    with get_context("spawn").Pool(options.jobs) as pool:
        apart = [run for found in pool.imap(play, alone, chunksize=4) for run in found]
        at_once = [run for found in pool.imap(play, together) for run in found]
    console = Console() if sys.stdout.isatty() else Console(width=200, color_system=None)
    for grid in (*grids(apart), storm(at_once)):
        if options.markdown:
            sys.stdout.write(markdown(grid) + "\n")
        else:
            show(console, grid)
    if options.json:
        record = {"alone": [asdict(run) for run in apart], "at once": [asdict(run) for run in at_once]}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    trouble = broken([*apart, *at_once])
    sys.stdout.write("".join(f"{sentence}\n" for sentence in trouble))
    return 1 if trouble else 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.bench.hot_keys", description=__doc__)
    parser.add_argument("--story", nargs="+", choices=list(HEAT), default=list(HEAT), help="only these")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"runs of each story ({SEEDS})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time (one per core)")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into a README")
    parser.add_argument("--json", type=Path, help="also write every run to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
