"""The bench's tables, on a terminal or as Markdown for a README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.bench.compare import CALM, Outcome, Summary

HEADINGS = (
    "policy",
    "penalised",
    "cost",
    "throttled",
    "cost / clairvoyant",
    "hourly",
    "calm: / clairvoyant (worst throttled)",
    "relief p50 / p95 s",
    "refused",
    "dearest",
    "throttled more",
)


@dataclass(frozen=True, slots=True)
class Grid:
    """title: one line. notes: sentences below. rows: as wide as the headings, the first column the row's name."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def markdown(grid: Grid) -> str:
    """The grid with a heading of the third level."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (grid.headings, *grid.rows)]
    rule = ["---", *["---:"] * (len(grid.headings) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:])]
    return "\n".join((f"### {grid.title}", "", *lines, *(f"\n{note}" for note in grid.notes), ""))


def show(console: Console, grid: Grid) -> None:
    table = Table(title=escape(grid.title), title_justify="left", box=None, pad_edge=False)
    for number, heading in enumerate(grid.headings):
        table.add_column(escape(heading), justify="right" if number else "left", no_wrap=number == 0)
    for row in grid.rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for note in grid.notes:
        console.print(escape(note), style="dim")
    console.print()


def summary_row(one: Summary) -> list[str]:
    """The cells under HEADINGS."""
    relief = one.relief
    calm = "-" if one.calm_to_clairvoyant is None else ratio(one.calm_to_clairvoyant)
    worst = "" if one.calm_worst is None else f" ({share(one.calm_worst)})"
    return [
        one.policy,
        ratio(one.penalised),
        ratio(one.cost),
        ratio(one.pooled),
        ratio(one.to_clairvoyant),
        ratio(one.hourly),
        calm + worst,
        f"{relief.p50:.0f} / {relief.p95:.0f}",
        f"{one.refused:,}",
        ratio(one.dearest),
        ", ".join(one.worse) or "none",
    ]


def traffic_row(name: str, by_policy: Mapping[str, Outcome], reference: str) -> list[str]:
    """The name, then for each policy: throttled fraction / ratio of cost to the reference's."""
    base = by_policy[reference].figures.cost_usd
    cells = (
        f"{share(one.figures.throttled_fraction)} / {ratio(one.figures.cost_usd / base)}" for one in by_policy.values()
    )
    return [name, *cells]


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def share(value: float) -> str:
    """A throttled fraction: ``0``, ``3.2e-05``."""
    return f"{value:.1e}" if value else "0"


SUMMARY_NOTE = (
    "Ratios to target tracking 70 in the same run. cost, penalised, hourly: geometric means; penalised adds ten times "
    "the on-demand price for each throttled unit, hourly bills each clock hour's maximum. throttled: mean fraction. "
    f"calm: where target tracking 70 throttles less than {CALM:g} of the units. dearest: the largest ratio of cost. "
    f"throttled more: than target tracking 70 and than {CALM:g}."
)
TRAFFIC_NOTE = "Each cell: throttled fraction of the units / cost as a ratio to target tracking 70."
