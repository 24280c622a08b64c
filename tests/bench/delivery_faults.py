"""Are alerts never lost, and doubled only where nothing else is possible?

    python -m tests.bench.delivery_faults --incidents 1000 --seed 1 [--json]

A child process runs the real cycle, the real SQLite file and the real SNS notifier, boto3 over HTTP, on a scripted
fleet and a simulated clock. The parent is SNS: it answers, fails, throttles, refuses, is slow, hangs, breaks the
connection after it has taken the message, and for long spells has no such topic. The child is killed with SIGKILL at
every step between decision and delivery, in turn, and started again on the same file. Afterwards what SNS took is held
against the alerts that were decided and the trouble that was scripted. Exit status 1 when anything was lost, came in
the wrong order, or came twice without a reason.

The script, the kills and SNS's plan come from the seed. The client's time-outs are real, so on an overloaded machine a
message may be doubled because its answer came too late; that is told apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from ctypes import c_double
from dataclasses import dataclass, field
from math import ceil
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.bench.delivery_check import Run, Verdict, judged
from tests.bench.delivery_child import BY_SNS, Life, Step, live
from tests.bench.delivery_script import MINUTE, START, Script, scripted
from tests.bench.delivery_sns import Air, Plan, SnsServer
from watcher.clock import process_seconds

PEACE = 45 * MINUTE  # seconds without faults at the end, in which everything due must arrive
PASSES = 5  # after which a life whose step has not come ends in peace, as a restart does
LONG_OUTAGE = 25  # one restart in so many takes minutes and not seconds
MARGIN = 1.15  # troubles scripted for each incident wanted: some do not show, or go on with an incident before
LIFE_SECONDS = 120.0  # real ones; a life that takes longer hangs


@dataclass
class Trial:
    """A fault run. deaths: by number of the life, the step it was killed at."""

    incidents: int
    seed: int
    directory: Path
    deaths: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._planned = ceil(MARGIN * self.incidents)
        self.script: Script = scripted(self._planned, self.seed)
        self._chance = random.Random(f"{self.seed}/kills")  # noqa: S311 - a plan, no secret
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.bench.delivery_child"])
        self._now = self._processes.RawValue(c_double, float(START))
        self._tried: Counter[Step] = Counter()

    def run(self) -> Run:
        began = process_seconds()
        calm = float(self.script.end + 5 * MINUTE)
        with SnsServer(Plan(self.seed, calm), lambda: self._now.value) as sns:
            number, begins = 0, float(START)
            while not self._lived(sns, number, begins, calm):
                number += 1
                begins = self._restarted()
        self.seconds = process_seconds() - began
        return Run(self.script, self.directory, sns.arrivals, sns.mistakes, self.deaths)

    def _lived(self, sns: SnsServer, number: int, begins: float, calm: float) -> bool:
        """Whether the life came to the end of the script in peace."""
        step = None if begins >= calm else min(Step, key=lambda one: (self._tried[one], self._chance.random()))
        life = Life(
            number=number,
            directory=self.directory,
            url=sns.url,
            incidents=self._planned,
            seed=self.seed,
            begins=begins,
            ends=calm + PEACE if step is None else begins + PASSES * MINUTE,
            step=None if step in BY_SNS else step,
            ready=begins + MINUTE * self._chance.randrange(PASSES - 1),
            skip=self._chance.randrange(3),
        )
        process = self._processes.Process(target=live, args=(life, self._now), name=f"life-{number}")
        sns.air = Air(life=number)
        if step in BY_SNS:
            sns.air = Air(number, lambda: _kill(process), self._chance.randrange(12), taken=step is Step.TAKEN)
        process.start()
        process.join(LIFE_SECONDS)
        code = process.exitcode
        if code is None:
            _kill(process)
            process.join()
            raise TimeoutError(f"life {number}, to die {step}, did not end within {LIFE_SECONDS:.0f} s")
        process.close()
        if step is not None:
            self._tried[step] += 1
        if code == -signal.SIGKILL and step is not None:
            self.deaths[number] = step.value
        elif code != 0:
            raise RuntimeError(f"life {number} ended with {code}; its traceback is on standard error")
        return code == 0 and step is None

    def _restarted(self) -> float:
        """The instant of the next life's first pass."""
        outage = self._chance.randrange(20, 50)
        if self._chance.randrange(LONG_OUTAGE) == 0:
            outage = MINUTE * self._chance.randrange(2, 5)
        return float(self._now.value + outage)


def _kill(process: BaseProcess) -> None:
    if process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)


def fault_run(incidents: int, seed: int, directory: Path | None = None) -> tuple[Trial, Run, Verdict]:
    """directory: an empty one, to keep the watcher's files in; without it they are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="delivery-") as passing:
        trial = Trial(incidents, seed, directory or Path(passing))
        run = trial.run()
        return trial, run, judged(run)


def table(trial: Trial, run: Run, verdict: Verdict) -> str:
    rows: list[tuple[str, object]] = list(verdict.figures.items())
    rows += [("", ""), ("SNS met requests", "")]
    rows += sorted(((f"  {way}", n) for way, n in Counter(one.way.value for one in run.arrivals).items()), key=str)
    rows += [("", ""), ("the watcher was killed", len(run.deaths))]
    rows += [(f"  {step}", n) for step, n in sorted(Counter(run.deaths.values()).items())]
    rows += [("", ""), ("duplicates, by reason", sum(verdict.duplicates.values()))]
    rows += [(f"  {why}", n) for why, n in sorted(verdict.duplicates.items())]
    rows += [("", ""), ("what must not be", sum(map(len, verdict.problems.values())))]
    for kind, found in verdict.problems.items():
        rows.append((f"  {kind}", len(found)))
        rows += [(f"    {one}", "") for one in found[:5]]
    head = f"{trial.incidents} incidents, seed {trial.seed}: {trial.seconds:.0f} s\n"
    return head + "\n".join(f"{name:<56}{value!s:>8}".rstrip() for name, value in rows) + "\n"


def document(trial: Trial, run: Run, verdict: Verdict) -> str:
    return json.dumps(
        {
            "seed": trial.seed,
            "seconds": round(trial.seconds, 1),
            "holds": verdict.holds,
            "figures": verdict.figures,
            "requests": Counter(one.way.value for one in run.arrivals),
            "kills": Counter(run.deaths.values()),
            "duplicates": verdict.duplicates,
            "problems": {kind: found for kind, found in verdict.problems.items() if found},
        },
        indent=2,
    )


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.delivery_faults", description=__doc__)
    parser.add_argument("--incidents", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty directory for the watcher's files")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    trial, run, verdict = fault_run(given.incidents, given.seed, given.keep)
    sys.stdout.write((document if given.json else table)(trial, run, verdict).rstrip("\n") + "\n")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
