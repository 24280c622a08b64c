"""``watcher record``: a table's own past, from CloudWatch into a trace file."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from watcher.aws.client import AwsClients
from watcher.aws.cloudwatch import CloudWatchMetrics
from watcher.aws.discovery import DynamoTables
from watcher.cli_options import ConfigOption, JsonOption, RegionOption, environ_with, load_config, only_region
from watcher.clock import SystemClock, iso
from watcher.core.model import Dimension, Kind
from watcher.core.policy import TablePolicy
from watcher.core.series import MINUTE
from watcher.core.words import count, rate
from watcher.daemon import Settings, aws_settings
from watcher.errors import AwsError, UsageError
from watcher.record import MINUTE_DAYS, MOST_DAYS, Recording, Span
from watcher.record import record as read_record
from watcher.replay.trace import write_trace
from watcher.telemetry.logs import configure


def record(
    table: Annotated[str, typer.Argument(help="The table's name.")],
    output: Annotated[Path, typer.Option("--output", help="The trace file to write, CSV.")],
    index: Annotated[str, typer.Option(help="One of its global secondary indexes, instead of the table itself.")] = "",
    dimension: Annotated[Kind, typer.Option(help="Which of its units.")] = Kind.WRITE,
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="How far back; by five minutes before the newest 14 days.")
    ] = MINUTE_DAYS,
    config: ConfigOption = None,
    region: RegionOption = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output file.")] = False,
    as_json: JsonOption = False,
) -> int:
    """A table's own past, from CloudWatch into a trace file.

    Demand is what was consumed and, where capacity was short, what was refused.
    One row a minute; a minute that CloudWatch does not know has none. Costs
    well under a cent. Changes nothing.

    \b
    Example:
      watcher record orders --output orders.csv
      watcher replay --trace orders.csv --compare
    """
    _check_output(output, force=force)
    loaded, path = load_config(config, environ_with(region))
    clock = SystemClock()
    configure(loaded.logs.format, "error", sys.stderr, clock)
    settings = Settings(clock, path, os.environ)
    with AwsClients(aws_settings(loaded, settings)) as clients, _progress(table) as (tell, asked):
        place = only_region(loaded, table)
        found = read_record(
            table,
            Dimension(index, dimension),
            days,
            region=place,
            tables=DynamoTables(clients.dynamodb(place), clock.now),
            metrics=CloudWatchMetrics(clients.cloudwatch(place), requested=asked, trouble=_insist),
            tuning=(loaded.policy_for(table) or TablePolicy()).tuning,
            now=clock.now(),
            tell=tell,
        )
    write_trace(output, found.trace)
    if as_json:
        print(json.dumps(facts(found, output), indent=2))
    else:
        print("\n".join(lines(found, output)), file=sys.stderr)
    return 0


def _check_output(output: Path, *, force: bool) -> None:
    """Before anything is paid for. Raises UsageError."""
    if not output.parent.is_dir():
        raise UsageError(f"there is no directory {output.parent}", hint="create it or give another --output")
    if output.is_dir():
        raise UsageError(f"{output} is a directory", hint="give a file as --output")
    if output.exists() and not force:
        raise UsageError(f"{output} exists already", hint="give another --output, or --force to overwrite it")


def _insist(error: AwsError) -> None:
    """A part of the past that could not be read is the end of it."""
    raise error


@contextmanager
def _progress(table: str) -> Iterator[tuple[Callable[[Span], None], Callable[[int], None]]]:
    """(tell of a span, count metrics asked for): a line on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _span: None, lambda _metrics: None
        return
    metrics, period = 0, ""
    with Console(stderr=True).status(f"{table}: asking DynamoDB") as shown:

        def tell(span: Span) -> None:
            nonlocal period
            by = "the minute" if span.step == MINUTE else "five minutes"
            period = f"{iso(span.start)} to {iso(span.end)} by {by}"
            shown.update(f"{table}: {period}")

        def asked(more: int) -> None:
            nonlocal metrics
            metrics += more
            shown.update(f"{table}: {period}, {count(metrics, 'metric')} asked of CloudWatch")

        yield tell, asked


def facts(found: Recording, output: Path) -> dict[str, object]:
    """``record --json``."""
    return {
        "table": found.table.name,
        "index": found.dimension.index,
        "dimension": found.dimension.kind.value,
        "account": found.table.account,
        "region": found.table.region,
        "output": str(output),
        "rows": len(found.trace.rows),
        "from": iso(found.trace.start),
        "to": iso(found.trace.end),
        "asked_from": iso(found.asked_from),
        "missing_minutes": found.missing,
        "estimated_minutes": found.estimated,
        "spread_minutes": found.spread,
        "mean_units_per_second": round(found.trace.mean, 6),
        "peak_units_per_second": round(found.peak, 6),
        "next": next_command(output),
    }


def lines(found: Recording, output: Path) -> list[str]:
    """What was written, as people read it."""
    trace = found.trace
    rows, missing, estimated = len(trace.rows), count(found.missing, "minute"), count(found.estimated, "minute")
    told = [
        f"{output}: {found.dimension.noun} of {found.table.name} by the minute",
        f"  {count(rows, 'row')}, {iso(trace.start)} to {iso(trace.end)}",
        f"  mean {rate(trace.mean)}, peak {rate(found.peak)}",
        f"  {missing} missing, {estimated} estimated because of throttling",
    ]
    if found.spread:
        told.append(f"  {count(found.spread, 'minute')} spread from sums of five: older than {MINUTE_DAYS} days")
    if trace.start > found.asked_from:
        told.append(f"  CloudWatch knows nothing of it from {iso(found.asked_from)} to {iso(trace.start)}")
    return [*told, f"next: {next_command(output)}"]


def next_command(output: Path) -> str:
    return f"watcher replay --trace {shlex.quote(str(output))} --compare"
