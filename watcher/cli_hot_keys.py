"""``watcher hot-keys``: which keys of a table are hot now, how hot, and what that means."""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import typer

from watcher import cli_output as output
from watcher.aws.capacity import MutationPacer
from watcher.aws.client import AwsClients
from watcher.aws.cloak import Cloaks, KeyCloak
from watcher.aws.compose import region_ports
from watcher.cli_hot_keys_read import Case, read
from watcher.cli_hot_keys_show import print_cases, record
from watcher.cli_options import ConfigOption, JsonOption, RegionOption, environ_with, load_config, only_region
from watcher.clock import SystemClock
from watcher.config import Config
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import KeyForm, Place
from watcher.core.model import Decision
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Reason
from watcher.daemon import Settings, aws_settings
from watcher.daemon_keys import configured_secret, hash_secret, key_cloaks
from watcher.errors import AwsError, StoreError
from watcher.store.sqlite import SqliteStore
from watcher.telemetry.logs import configure

DEFAULT_MINUTES = 30
MOST_MINUTES = 1440  # of one report
REMEMBERED = 1000  # decisions looked through for the last verdict
UNANSWERED = 1  # the exit status


@dataclass(frozen=True, slots=True)
class Memory:
    """What the daemon's state file knows. last: its newest verdict on this table, or on this index, if any. lost: why
    the secret is not the daemon's, or ""."""

    secret: bytes
    last: Decision | None = None
    lost: str = ""


def hot_keys(
    table: Annotated[str, typer.Argument(help="The table's name.")],
    index: Annotated[
        str, typer.Option(help="One of its global secondary indexes only. Left out: the table and all of them.")
    ] = "",
    minutes: Annotated[int, typer.Option(min=1, max=MOST_MINUTES, help="How far back to look.")] = DEFAULT_MINUTES,
    config: ConfigOption = None,
    region: RegionOption = None,
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the values of the keys, whatever the config says.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Which keys are hot, how hot, and what to do.

    Asks Contributor Insights and CloudWatch of the last minutes, and judges as
    the daemon does. Changes nothing; keys show as the config allows. Exit
    status 1 when it cannot be told, as without a permission; a verdict, also
    that nothing is sampled, is an answer.

    \b
    Example:
      watcher hot-keys orders
      watcher hot-keys orders --index by-customer --minutes 120 --json
    """
    loaded, path = load_config(config, environ_with(region))
    clock = SystemClock()
    configure(loaded.logs.format, "error", sys.stderr, clock)
    where, place = only_region(loaded, table), Place(table, index)
    memory = _remembered(loaded, place, where)
    cloaks = _cloaks(loaded, memory, reveal=reveal)
    cases = _read(loaded, Settings(clock, path, os.environ), place, where, minutes, cloaks)
    if any(case.finding.keys for case in cases):
        _warn(memory, loaded.key_form_for(table), reveal=reveal)
    last = memory.last if cases[0].finding.verdict is KeyVerdict.UNKNOWN else None
    if as_json:
        print(json.dumps(record(cases, where, last), indent=2))
    else:
        print_cases(output.make_console(), cases, where, last, clock.now(), minutes)
    return 0 if cases[0].answered else UNANSWERED


def _read(config: Config, settings: Settings, place: Place, region: str, minutes: int, cloaks: Cloaks) -> list[Case]:
    policy = config.policy_for(place.table) or TablePolicy()
    with AwsClients(aws_settings(config, settings)) as clients:
        ports = region_ports(
            clients,
            region,
            clock=settings.clock,
            pacer=MutationPacer(settings.clock, threading.Event().wait),
            cloaks=cloaks,
            on_metrics_requested=lambda _number: None,
            on_trouble=_insist,
        )
        return read(ports, place, settings.clock.now(), minutes, policy)


def _insist(error: AwsError) -> None:
    """Minutes that could not be read would look like quiet ones."""
    raise error


def _cloaks(config: Config, memory: Memory, *, reveal: bool) -> Cloaks:
    if reveal:
        return lambda _table: KeyCloak(KeyForm.PLAIN, memory.secret)
    return key_cloaks(config, memory.secret)


def _remembered(config: Config, place: Place, region: str) -> Memory:
    """The daemon's secret, so that a hash here is the alert's; without its state file one of this call's own."""
    last = None
    try:
        with closing(SqliteStore.reader(config.state.path)) as store:
            last = _last_verdict(store.history(place.table, REMEMBERED), place, region)
            return Memory(hash_secret(config, store), last)
    except StoreError as error:
        given = configured_secret(config)
        return Memory(given or secrets.token_bytes(32), last, lost="" if given else str(error))


def _last_verdict(history: Iterable[Decision], place: Place, region: str) -> Decision | None:
    """The newest one of the index, or where none is asked for, of the table or any of its indexes."""
    verdicts = (one for one in history if one.reason is Reason.HOT_KEYS and one.table.region == region)
    return next((one for one in verdicts if place.index in ("", one.dimension.index)), None)


def _warn(memory: Memory, form: KeyForm, *, reveal: bool) -> None:
    """What to know before reading on."""
    if reveal:
        sentence = "the keys below are other people's data; keep them out of tickets, chats and logs"
    elif form is KeyForm.HASH and memory.lost:
        sentence = f"hashed keys compare within this output only, not with alerts: {memory.lost}"
    else:
        return
    print(f"watcher: {sentence}", file=sys.stderr)
