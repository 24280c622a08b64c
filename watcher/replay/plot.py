"""Draws replays: demand, capacity and what was throttled over time, one panel per policy on shared axes.

Needs matplotlib, the optional extra ``plot``; importing this module without it raises ModuleNotFoundError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Final

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from watcher.core.words import count, percent
from watcher.errors import UsageError, WatcherError
from watcher.replay.figures import Result, spans

CANVASES: Final = {".png": FigureCanvasAgg, ".svg": FigureCanvasSVG}
# Without them the file would carry the day it was made on and the library's version.
METADATA: Final[dict[str, dict[str, str | None]]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
WIDTH: Final = 10.0  # inches
PANEL: Final = 1.75
HEADER: Final = 0.75
DPI: Final = 110
BINS: Final = 1000  # about one for each pixel across; longer traces are drawn as envelopes
DAY: Final = 86_400.0

DEMAND = "#7f9fc6"
CAPACITY = "#1b1b1b"
THROTTLED = "#d62728"


@dataclass(frozen=True, slots=True)
class Bin:
    """Some minutes drawn as one. Seconds since the epoch; units per second.

    low, high: of the demand. refused: from and to where the demand of the minute that throttled most was refused, None
    when none was.
    """

    start: int
    end: int
    low: float
    high: float
    refused: tuple[float, float] | None


def check_path(path: Path) -> None:
    """Raises UsageError for a file that cannot be drawn into, so that it is known before a long replay."""
    if path.suffix.lower() not in CANVASES:
        raise UsageError(f"cannot draw into {path.name}: its name must say PNG or SVG", hint="end it in .png or .svg")


def draw(path: Path, results: Sequence[Result]) -> None:
    """Write a PNG or SVG, by the file's suffix; equal results give equal bytes.

    results: replays of one trace. Long traces are drawn as the least and the largest of every few minutes, so that no
    peak and no throttled minute is lost. Raises UsageError for another suffix or no results, WatcherError when the
    file cannot be written.
    """
    check_path(path)
    if not results:
        raise UsageError("there is nothing to draw", hint="give at least one replay")
    suffix = path.suffix.lower()
    # A fixed salt: names inside an SVG would be random otherwise.
    with rc_context({"svg.hashsalt": "watcher", "font.size": 8.5, "timezone": "UTC"}):
        figure = _figure(results)
        canvas = CANVASES[suffix](figure)
        try:
            canvas.print_figure(path, dpi=DPI, metadata=METADATA[suffix])
        except OSError as error:
            raise WatcherError(
                error.strerror or str(error), operation="draw", subject=str(path), hint="give a writable path"
            ) from error


def _figure(results: Sequence[Result]) -> Figure:
    figure = Figure(figsize=(WIDTH, HEADER + PANEL * len(results)), layout="constrained")
    panels: list[Axes] = list(figure.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)[:, 0])
    for axes, result in zip(panels, results, strict=True):
        _panel(axes, result)
    bottom = panels[-1]
    bottom.set_ylim(bottom=0.0)
    bottom.set_xlim(results[0].start / DAY, results[0].end / DAY)
    locator = AutoDateLocator(minticks=4, maxticks=12)  # type: ignore[no-untyped-call]  # matplotlib's gap
    bottom.xaxis.set_major_locator(locator)
    bottom.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # matplotlib's gap
    bottom.yaxis.set_major_formatter(EngFormatter(sep=""))
    bottom.set_xlabel("UTC")
    figure.supylabel("units per second", fontsize="medium")
    marks = _legend(panels)
    figure.legend(list(marks.values()), list(marks), loc="outside upper right", ncols=3, frameon=False)
    return figure


def _legend(panels: Sequence[Axes]) -> dict[str, Artist]:
    """Every kind of mark once by its name, from the first panel that has it."""
    found: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def _panel(axes: Axes, result: Result) -> None:
    width = bin_width(result)
    for run in _unbroken(bins(result, width)):
        edges = [one.start / DAY for one in run] + [run[-1].end / DAY]
        low, high = [[*values, values[-1]] for values in ([one.low for one in run], [one.high for one in run])]
        axes.fill_between(edges, high, step="post", color=DEMAND, alpha=0.35, linewidth=0.0)
        axes.fill_between(
            edges, low, high, step="post", color=DEMAND, linewidth=0.6, label="demand" if width > 60 else None
        )
        if width <= 60:
            axes.step(edges, high, where="post", color=DEMAND, linewidth=0.9, label="demand")
    _capacity(axes, result, width)
    _throttles(axes, result, width)
    axes.set_title(result.figures.policy, loc="left", fontweight="bold", fontsize="medium", pad=3.0)
    axes.set_title(_caption(result), loc="right", fontsize="medium", pad=3.0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.0)
    axes.grid(axis="y", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)


def _capacity(axes: Axes, result: Result, width: int) -> None:
    """The steps themselves, or where they are too dense to be told apart, their envelope."""
    if all(units == 0 for _, units in result.steps):
        return  # on demand
    if width <= 60 or len(result.steps) <= BINS // 4:
        steps = [*result.steps, (result.end, result.steps[-1][1])]
        seconds, units = [second / DAY for second, _ in steps], [units for _, units in steps]
        axes.step(seconds, units, where="post", color=CAPACITY, linewidth=1.0, label="capacity")
        return
    edges, low, high = envelope(result, width)
    axes.fill_between(edges, low, high, step="post", color=CAPACITY, linewidth=0.8, label="capacity")


def _throttles(axes: Axes, result: Result, width: int) -> None:
    """What was refused, as the part of the demand it was; and a tick below the time axis, so that none is missed."""
    marked = [(one, one.refused) for one in bins(result, width) if one.refused is not None]
    if not marked:
        return
    middles = [(one.start + one.end) / 2.0 / DAY for one, _ in marked]
    lows, highs = [refused[0] for _, refused in marked], [refused[1] for _, refused in marked]
    axes.vlines(middles, lows, highs, color=THROTTLED, linewidth=1.4, label="throttled", zorder=4)
    below = axes.get_xaxis_transform()
    axes.vlines(middles, -0.07, -0.01, transform=below, color=THROTTLED, linewidth=1.2, clip_on=False, zorder=5)


def _caption(result: Result) -> str:
    figures = result.figures
    throttled = (
        f"throttled {percent(figures.throttled_fraction)} in {count(figures.throttled_minutes, 'minute')}"
        if figures.throttled_minutes
        else "nothing throttled"
    )
    return f"{throttled}, ${figures.cost_usd:,.2f}"


def bin_width(result: Result) -> int:
    """Seconds drawn as one: whole minutes, so many that about BINS of them fill the trace."""
    return 60 * max(1, ceil((result.end - result.start) / 60 / BINS))


def bins(result: Result, width: int) -> Iterator[Bin]:
    """The known minutes, ``width`` seconds at a time, oldest first; where no minute is known there is no bin."""
    groups: dict[int, list[int]] = {}
    for minute in result.demanded:
        groups.setdefault(minute // width * width, []).append(minute)
    for start, minutes in groups.items():
        rates = [result.demanded[minute] / 60.0 for minute in minutes]
        worst = max(minutes, key=lambda minute: result.throttled[minute])
        refused = None
        if result.throttled[worst] > 0.0:
            demanded = result.demanded[worst] / 60.0
            refused = (demanded - result.throttled[worst] / 60.0, demanded)
        yield Bin(start, start + width, min(rates), max(rates), refused)


def _unbroken(found: Iterator[Bin]) -> Iterator[list[Bin]]:
    """Runs of bins without a gap."""
    run: list[Bin] = []
    for one in found:
        if run and one.start != run[-1].end:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def envelope(result: Result, width: int) -> tuple[list[float], list[int], list[int]]:
    """Edges (days since the epoch), the least and the largest capacity from each edge on; the last values twice."""
    lows: dict[int, int] = {}
    highs: dict[int, int] = {}
    for start, end, units in spans(result.steps, result.end):
        for edge in range(start // width * width, end, width):
            lows[edge] = min(lows.get(edge, units), units)
            highs[edge] = max(highs.get(edge, units), units)
    # Each step is drawn to the next one's level too, or the riser between two bins would be missing.
    for before, after in pairwise(lows):
        lows[after] = min(lows[after], highs[before])
        highs[after] = max(highs[after], lows[before])
    edges = [*lows, max(lows) + width]
    return (
        [edge / DAY for edge in edges],
        [*lows.values(), lows[edges[-2]]],
        [*highs.values(), highs[edges[-2]]],
    )
