"""``watcher replay``: recorded traffic under the watcher's own policy, or under what others would have done."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from watcher import cli_output as output
from watcher.cli_options import JsonOption
from watcher.config import TableRule, load
from watcher.core.model import Kind
from watcher.core.policy import DEFAULT_BOUNDS, Objective, TablePolicy
from watcher.core.reasons import Mode
from watcher.core.words import units
from watcher.errors import UsageError, WatcherError
from watcher.replay.baselines import NAMES, ON_DEMAND, WATCHER, parse_policy
from watcher.replay.figures import Figures, Result
from watcher.replay.report import record_of, write_timeline
from watcher.replay.runner import run
from watcher.replay.scenario import Scenario, World
from watcher.replay.trace import Trace, read_trace

REFERENCE = "target-tracking:70"  # what AWS's console sets up; comparisons are made with it
COMPARED = (
    WATCHER,
    REFERENCE,
    "target-tracking:50",
    "target-tracking:90",
    "dynamic-dynamodb",
    "dynamic-dynamodb:tuned",
)
HEADINGS = ("throttled", "ratio", "cost", "ratio", "penalised", "relief p50/p95", "up/down")
LEGEND = f"Ratios are to {REFERENCE}. Penalised: each throttled unit at ten times the on-demand price."
WORLD = World()

Draw = Callable[[Sequence[Result]], None]


def replay(
    trace: Annotated[Path, typer.Option("--trace", help="Recorded traffic: CSV with the header timestamp,units.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Bounds and objective come from an entry of this file; ./config.toml is not read unless named here. "
            "Left out: balanced, 1 to 40000 units a second.",
        ),
    ] = None,
    table: Annotated[
        str | None, typer.Option("--table", help="With --config: the entry that matches this table, not the first.")
    ] = None,
    policy: Annotated[str | None, typer.Option("--policy", help=f"{NAMES}. Left out: watcher.")] = None,
    objective: Annotated[Objective | None, typer.Option("--objective", help="Instead of the entry's own.")] = None,
    dimension: Annotated[Kind, typer.Option("--dimension", help="What the units of the trace are.")] = Kind.WRITE,
    mean: Annotated[
        float | None, typer.Option("--mean", help="Rescale the trace to this many units a second on average.")
    ] = None,
    *,
    timeline: Annotated[
        Path | None, typer.Option("--timeline", help="Write the capacity over time to this CSV file.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="All policies beside each other; static stands at the busiest minute.")
    ] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw demand and capacity into this file.")] = None,
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option("--seed", help="Of everything drawn by lot in the simulation.")] = 1,
    publication_delay: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="Seconds until CloudWatch shows a minute that is over.")
    ] = WORLD.publication,
    actuation: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="Seconds until a change of capacity takes effect.")
    ] = WORLD.actuation,
) -> int:
    """Replay recorded traffic under a policy.

    Says what it throttles and costs.

    Runs the watcher's own cycle, or a scaler to compare with, against a
    simulated table, minute by minute, on nothing but what CloudWatch would
    have shown by then. Needs no AWS account and changes nothing.

    \b
    Example:
      watcher replay --trace orders.csv --mean 500 --compare
      watcher replay --trace orders.csv --config config.toml --json
    """
    _check_options(config, table, policy, timeline, compare=compare)
    draw = None if plot is None else _drawing(plot)
    scenario = Scenario(
        trace=_trace(trace, mean),
        kind=dimension,
        policy=_policy(config, table, objective),
        world=World(seed=seed, publication=publication_delay, actuation=actuation),
        name=str(trace),
    )
    names = (*COMPARED, f"static:{scenario.peak()}", ON_DEMAND) if compare else (policy or WATCHER,)
    results = _run_all(scenario, names)
    if timeline is not None:
        write_timeline(timeline, results[0])
    if draw is not None:
        draw(results)
    _print([result.figures for result in results], compare=compare, as_json=as_json)
    return 0


def _check_options(
    config: Path | None, table: str | None, policy: str | None, timeline: Path | None, *, compare: bool
) -> None:
    """What contradicts itself is refused before minutes of simulation. Raises UsageError."""
    if table is not None and config is None:
        raise UsageError("--table picks an entry of a config file", hint="add --config FILE, or leave --table out")
    if compare and policy is not None:
        raise UsageError("--compare runs every policy", hint="leave --policy or --compare out")
    if compare and timeline is not None:
        raise UsageError("--timeline holds one policy's capacity", hint="leave --compare out")
    if timeline is not None:
        _check_target("--timeline", timeline)
    parse_policy(policy or WATCHER)


def _check_target(option: str, path: Path) -> None:
    """A file that cannot be written is better known before minutes of simulation. Raises UsageError."""
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder", hint="give a file to write")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}", hint="make it first")


def _drawing(path: Path) -> Draw:
    """Raises UsageError before the replay when drawing will not be possible."""
    try:
        from watcher.replay.plot import check_path, draw  # noqa: PLC0415 - its library is an optional extra
    except ModuleNotFoundError as error:
        cause = f"--plot needs {error.name}, which is not installed"
        raise UsageError(cause, hint="install dynamodb-watcher[plot], or leave --plot out") from error
    check_path(path)
    _check_target("--plot", path)
    return partial(draw, path)


def _trace(path: Path, mean: float | None) -> Trace:
    """Raises UsageError: a trace that cannot be used is an argument that cannot."""
    try:
        trace = read_trace(path)
        return trace if mean is None else trace.rescaled(mean)
    except WatcherError as error:
        raise UsageError(error.cause, operation=error.operation, subject=error.subject, hint=error.hint) from error


def _policy(config: Path | None, table: str | None, objective: Objective | None) -> TablePolicy:
    """The entry's policy, made to act on both kinds. Raises ConfigError, and UsageError where no entry matches."""
    rule = TableRule(match="*") if config is None else _entry(config, table)
    if objective is not None:
        rule = rule.model_copy(update={"objective": objective, "max_throttled_fraction": None})
    policy = rule.policy()
    return replace(policy, mode=Mode.ACT, bounds={kind: policy.bounds.get(kind, DEFAULT_BOUNDS) for kind in Kind})


def _entry(config: Path, table: str | None) -> TableRule:
    rules = load(config, os.environ).tables
    if not rules:
        raise UsageError(f"{config} has no [[tables]] entry", hint="add one, or leave --config out")
    if table is None:
        return rules[0]
    for rule in rules:
        if fnmatchcase(table, rule.match):
            return rule
    raise UsageError(f"no [[tables]] entry of {config} matches table {table}", hint="give another --table, or add one")


def _run_all(scenario: Scenario, names: Sequence[str]) -> list[Result]:
    """One after the other, with a bar on standard error where someone watches."""
    results = []
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        for name in names:
            task = bar.add_task(name, total=1.0)

            def told(share: float, task: TaskID = task) -> None:
                bar.update(task, completed=share)

            results.append(run(scenario, name, told))
    return results


def _print(figures: Sequence[Figures], *, compare: bool, as_json: bool) -> None:
    if as_json:
        records = [record_of(one) for one in figures]
        print(json.dumps(records if compare else records[0], indent=2))
    elif compare:
        console = output.make_console()
        console.print(_comparison(figures))
        console.print(LEGEND)
    else:
        output.make_console().print(_sheet(figures[0]))


def _sheet(figures: Figures) -> Table:
    """One policy's figures, one under the other."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column()
    relief = figures.relief_seconds
    rows = (
        ("policy", figures.policy, ""),
        ("demanded", units(figures.demanded_units), "units"),
        ("throttled", units(figures.throttled_units), f"units ({_share(figures.throttled_fraction)})"),
        ("in", units(figures.throttled_minutes), "minutes"),
        ("relieved after", f"{relief.p50:.0f}", f"seconds (p95 {relief.p95:.0f}, longest {relief.max:.0f})"),
        ("provisioned", units(figures.unit_hours), "unit-hours"),
        ("", units(figures.billed_unit_hours), "if a clock hour's maximum is billed"),
        ("cost", _dollars(figures.cost_usd), ""),
        ("with throttling", _dollars(figures.penalised_cost_usd), "each throttled unit at ten times on-demand"),
        ("on demand", _dollars(figures.on_demand_cost_usd), "would have cost"),
        ("raised", units(figures.increases), "times"),
        ("lowered", units(figures.decreases), "times"),
        ("refused", units(figures.rejected_updates), "calls by AWS"),
    )
    for row in rows:
        grid.add_row(*map(escape, row))
    if figures.advice.on_demand_since is not None:
        grid.add_row("advice", "on-demand", f"billing would cost less, since {figures.advice.on_demand_since}")
    return grid


def _comparison(figures: Sequence[Figures]) -> Table:
    """All policies, each with its ratios to the reference."""
    reference = next(one for one in figures if one.policy == REFERENCE)
    grid = Table(box=None, pad_edge=False, collapse_padding=True)
    grid.add_column("policy", no_wrap=True)
    for heading in HEADINGS:
        grid.add_column(heading, justify="right")
    for one in figures:
        relief = one.relief_seconds
        grid.add_row(
            escape(one.policy),
            _share(one.throttled_fraction),
            _ratio(one.throttled_fraction, reference.throttled_fraction),
            f"${one.cost_usd:,.0f}" if one.cost_usd >= 100 else _dollars(one.cost_usd),
            _ratio(one.cost_usd, reference.cost_usd),
            _ratio(one.penalised_cost_usd, reference.penalised_cost_usd),
            f"{relief.p50:.0f}/{relief.p95:.0f} s",
            f"{one.increases}/{one.decreases}",
        )
    return grid


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}"


def _share(fraction: float) -> str:
    """Per cent with three decimals: a good policy throttles thousandths of one."""
    return f"{fraction * 100:.3f} %"


def _ratio(value: float, reference: float) -> str:
    return f"{value / reference:.2f}" if reference else "-"
