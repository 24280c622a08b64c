"""What ``watcher hot-keys`` prints: the verdicts as a record for machines and as tables for people."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from watcher.cli_hot_keys_read import Case
from watcher.core.hot_keys import HotKey, HotKeyFinding
from watcher.core.hot_keys.news import HOT
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import Decision
from watcher.core.words import capitalised, duration, percent, time_of_day, units
from watcher.telemetry.snapshot import SAMPLED_WORDS
from watcher.web.state import Record, decision_record, finding_record


def record(cases: Sequence[Case], region: str, last: Decision | None) -> Record:
    """``hot-keys --json``: the place in most trouble by the contract's names, the rest in the same shape as others.

    remedy: the command that switches sampling on where all of it is off, else "". last: the daemon's last verdict from
    its history, null where there is a verdict of now.
    """
    first, *others = [finding_record(case.finding, region) for case in cases]
    return {
        **first,
        "others": others,
        "remedy": remedy(cases, region),
        "last": None if last is None else decision_record(last),
    }


def remedy(cases: Sequence[Case], region: str) -> str:
    """The command that samples the place in most trouble; "" where anything is sampled or about to be."""
    if any(case.mode is not SamplerMode.OFF for case in cases):
        return ""
    return switch_command(cases[0].finding.place, region)


def switch_command(place: Place, region: str) -> str:
    """Always with the mode: without one AWS samples every access, which costs by the request."""
    words = ["aws", "dynamodb", "update-contributor-insights", "--region", region, "--table-name", place.table]
    words += ["--index-name", place.index] if place.index else []
    words += ["--contributor-insights-action", "ENABLE", "--contributor-insights-mode", "THROTTLED_KEYS"]
    return shlex.join(words)


def print_cases(
    console: Console, cases: Sequence[Case], region: str, last: Decision | None, now: float, span: int
) -> None:
    """Every place under its name, the one in most trouble first."""
    for case in cases:
        _print_case(console, case, now, span)
    told = remedy(cases, region)
    if told:
        console.print(Text.assemble(("By hand: ", "bold"), told), soft_wrap=True)  # to be copied as one line
    if last is not None:
        age = duration(max(0.0, now - last.time))
        console.print(Text(f"The watcher's last verdict is {age} old: {last.noun}: {last.sentence}"))


def _print_case(console: Console, case: Case, now: float, span: int) -> None:
    finding = case.finding
    hot = finding.verdict in HOT
    head = Text(capitalised(str(finding.place)) if finding.place.index else finding.place.table, style="bold")
    head.append(f"  {finding.verdict}", style="bold red" if hot else "bold")
    head.append(f"  {SAMPLED_WORDS[case.mode]} sampled, last {duration(span * 60)}", style="dim")
    console.print(head)
    if finding.keys:
        console.print(_grid(finding, now))
    console.print(Text(finding.sentence))
    if finding.todo:
        console.print(Text.assemble(("To do: ", "bold"), finding.todo))
    for blind in finding.blind:
        console.print(Text(blind, style="dim"))
    console.print()


def _grid(finding: HotKeyFinding, now: float) -> Table:
    grid = Table(box=None, pad_edge=False)
    grid.add_column("key", overflow="fold", min_width=8)
    whole = "of traffic" if finding.keys[0].of_traffic else "of throttles"
    for heading in (whole, "of partition", "throttled/min"):
        grid.add_column(heading, justify="right")
    grid.add_column("since")
    grid.add_column("rising")
    for key in finding.keys:
        since = "earlier" if key.since is None else time_of_day(key.since, now)
        rising = "" if key.rising is None else "yes" if key.rising else "no"
        grid.add_row(escape(key.key), percent(key.share), _of_partition(key), units(key.throttled), since, rising)
    return grid


def _of_partition(key: HotKey) -> Text:
    """What it consumed, and in brackets what it asked for."""
    if key.ceiling_share is None:
        return Text("" if key.asked_share is None else f"({percent(key.asked_share)})")
    over = max(key.ceiling_share, key.asked_share or 0.0) >= 1.0
    asked = "" if key.asked_share is None else f" ({percent(key.asked_share)})"
    return Text(f"{percent(key.ceiling_share)}{asked}", style="red" if over else "")
