"""Cost against throttling, drawn from the bench's figures. ``python -m tests.bench.frontier FIGURES.json OUT.png``.

FIGURES.json is what ``python -m tests.bench.control --json`` wrote; the first of its tables is drawn.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

LEFT_OUT = ("clairvoyant", "on-demand")  # neither throttles, so they have no place on a logarithmic axis
WATCHER, OTHERS = "#d62728", "#1b1b1b"


def points(figures: Mapping[str, Sequence[Mapping[str, object]]]) -> dict[str, tuple[float, float]]:
    """(throttled, cost), both as ratios to target tracking 70, by policy, of the first table. Raises ValueError when
    there is none."""
    for rows in figures.values():
        return {
            str(row["policy"]): (float(str(row["pooled"])), float(str(row["cost"])))
            for row in rows
            if row["policy"] not in LEFT_OUT
        }
    raise ValueError("the file holds no table; write one with python -m tests.bench.control --json")


def draw(path: Path, places: Mapping[str, tuple[float, float]]) -> None:
    """A PNG: throttling across on a logarithmic axis, cost upwards, the watcher's points joined."""
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    ours = sorted(place for name, place in places.items() if name.startswith("watcher"))
    axes.plot([x for x, _ in ours], [y for _, y in ours], color=WATCHER, linewidth=1)
    for name, (x, y) in places.items():
        colour = WATCHER if name.startswith("watcher") else OTHERS
        axes.plot([x], [y], "o", color=colour, markersize=5)
        axes.annotate(name, (x, y), textcoords="offset points", xytext=(6, 4), fontsize=8, color=colour)
    axes.set_xscale("log")
    axes.set_xlabel("throttled units, ratio to target tracking 70")
    axes.set_ylabel("cost, ratio to target tracking 70")
    axes.grid(visible=True, linewidth=0.3)
    axes.margins(x=0.18, y=0.12)
    FigureCanvasAgg(figure).print_figure(path, dpi=110, metadata={"Software": None})


def main(argv: Sequence[str] = ()) -> int:
    parser = ArgumentParser(prog="python -m tests.bench.frontier", description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(argv)
    draw(options.out, points(json.loads(options.figures.read_text(encoding="utf-8"))["summaries"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
