"""``watcher pause`` and ``watcher resume``: an on-call engineer says "I have it", beside the running daemon."""

from __future__ import annotations

import difflib
import getpass
import json
import os
import re
import shlex
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich.text import Text

from watcher import cli_output as output
from watcher.cli_options import ConfigOption, JsonOption, load_config
from watcher.clock import SystemClock, utc
from watcher.config import Config
from watcher.core.model import TableKey
from watcher.core.pauses import LONGEST, Pause
from watcher.core.reasons import Mode
from watcher.core.state import TableState
from watcher.core.words import count, duration, time_of_day
from watcher.errors import UsageError
from watcher.store.sqlite import SqliteStore
from watcher.web.state import incident_record, pause_record

NOT_PAUSED = 1  # the exit status
DAY, HOUR, MINUTE = 86_400, 3600, 60  # seconds
LONGEST_REASON = 200
NAMES_SHOWN = 5
EXPECTED = "like 30m, 2h or 1d"

States = Mapping[TableKey, TableState]

RegionOption = Annotated[
    str | None, typer.Option("--region", help="In this Region only. Left out: in all of the config's.")
]


def pause(
    table: Annotated[str | None, typer.Argument(help="The table's name, or a pattern like 'orders-*'.")] = None,
    length: Annotated[str | None, typer.Option("--for", help=f"How long, {EXPECTED}; at most 30d.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for whoever looks next.")] = None,
    region: RegionOption = None,
    config: ConfigOption = None,
    *,
    advise_only: Annotated[
        bool, typer.Option("--advise-only", help="Change nothing of it meanwhile either, only advise.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the pauses in force, and change nothing.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Silence a table's alerts for a while.

    The running daemon heeds it from its next pass on. Its incidents go on, on
    the page and in the log; what is over by the end of the pause is never
    sent, what is still open then is. A new pause of the same TABLE replaces
    the old one. Without --advise-only its capacity goes on being changed.

    \b
    Example:
      watcher pause orders --for 2h --reason "deploying 4.2"
      watcher pause 'orders-*' --for 1d --reason "load test" --advise-only
      watcher pause --list
    """
    loaded, _ = load_config(config)
    now = SystemClock().now()
    if listed:
        return _list(loaded, now, unwanted=(table, length, reason, region), as_json=as_json)
    wanted = _wanted(loaded, now, table, length, reason, region, advise_only=advise_only)
    with closing(SqliteStore(loaded.state.path, exclusive=False)) as store:
        covered = _covered(store.load(), wanted)
        before = next((one for one in store.pauses(now) if _place(one) == _place(wanted)), None)
        store.pause(wanted)
    if as_json:
        print(json.dumps(_record(wanted, covered, now), indent=2))
        return 0
    print(_sentence(loaded, wanted, covered, now))
    if before is not None:
        print(f"It replaces the pause until {_until(before, now)}: {_shown(before.reason)}.")
    _print_incidents("Open now, and acknowledged by it", covered, now)
    return 0


def resume(
    table: Annotated[str, typer.Argument(help="The table's name or the pattern, as the pause has it.")],
    region: RegionOption = None,
    config: ConfigOption = None,
) -> int:
    """End a pause before its time.

    Without --region in whatever Region it is. Exit status 1, with the pauses
    that there are, when there is none of this TABLE.

    \b
    Example:
      watcher resume orders
    """
    loaded, _ = load_config(config)
    _check_region(loaded, region)
    now = SystemClock().now()
    with closing(SqliteStore(loaded.state.path, exclusive=False)) as store:
        pauses = store.pauses(now)
        of_it = [one for one in pauses if one.match == table and region in (None, one.region)]
        # Each is told what became of it: the daemon's clock or another shell may have ended one meanwhile.
        ended = [one for one in of_it if store.resume(one.match, one.region, now)]
        states = store.load() if ended else {}
    if not ended:
        where = f" in {region}" if region else ""
        print(f"watcher: {_shown(table)} is not paused{where}; {_what_is(pauses, now)}", file=sys.stderr)
        return NOT_PAUSED
    for one in ended:
        acted = ", and its capacity may be changed again" if one.advise_only else ""
        print(f"Resumed: {_what(one)} is heard of again{acted}; the pause would have ended at {_until(one, now)}.")
    covered = {key: state for one in ended for key, state in _matched(states, one).items()}
    _print_incidents("Open now", covered, now)
    return 0


# --- what is asked for ------------------------------------------------------------------------------------------------


def seconds_of(text: str) -> float:
    """``90m``, ``2h``, ``1d`` and ``1h30m`` in seconds. Raises UsageError."""
    found = re.fullmatch(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?", text.strip().lower())
    if not found or not any(found.groups()):
        unit = f"; {text.strip()} of what" if text.strip().isdigit() else ""
        raise UsageError(f"--for {text!r} is no length of time{unit}", hint=f"give days, hours or minutes, {EXPECTED}")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    seconds = float(days * DAY + hours * HOUR + minutes * MINUTE)
    if not seconds:
        raise UsageError(f"--for {text!r} ends at once", hint="end a pause with `watcher resume TABLE`")
    if seconds > LONGEST:
        longest = f"{LONGEST / DAY:.0f} days"
        raise UsageError(
            f"--for {text!r} is longer than {longest}", hint=f"give at most {longest}, and pause again then"
        )
    return seconds


def _wanted(
    config: Config,
    now: float,
    table: str | None,
    length: str | None,
    reason: str | None,
    region: str | None,
    *,
    advise_only: bool,
) -> Pause:
    why = " ".join(_shown(reason or "").split())  # it goes to pages and terminals of others
    if not table:
        raise UsageError("no TABLE is named", hint="name one, or see the pauses in force with --list")
    if length is None:
        raise UsageError("it is not said for how long", hint=f"add --for, {EXPECTED}")
    seconds = seconds_of(length)
    if not why:
        raise UsageError("it is not said why", hint='add --reason "...", for whoever looks next')
    if len(why) > LONGEST_REASON:
        raise UsageError(f"the reason has {len(why)} characters", hint=f"give at most {LONGEST_REASON}")
    _check_region(config, region)
    return Pause(table, now, now + seconds, why, region or "", _who(), advise_only)


def _check_region(config: Config, region: str | None) -> None:
    if region is not None and region not in config.aws.regions:
        known = ", ".join(config.aws.regions)
        raise UsageError(f"Region {region!r} is not watched", hint=f"give one of the config's: {known}")


def _who() -> str:
    """Who asks, as far as this machine tells: USER@host, the user behind sudo before root."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = ""
    return _shown("@".join(part for part in (user, socket.gethostname()) if part))


def _covered(states: States, wanted: Pause) -> States:
    """The tables that it silences. Raises UsageError for a name or pattern that is none's: at 03:00 it is mistyped."""
    covered = _matched(states, wanted)
    if covered:
        return covered
    names = sorted({key.name for key in states if wanted.region in ("", key.region)})
    elsewhere = sorted({key.region for key in states if fnmatchcase(key.name, wanted.match)})
    hint = f"there is in {_listed(elsewhere, 'and')}" if elsewhere else _suggestion(wanted.match, names)
    where = f" in {wanted.region}" if wanted.region else ""
    verb = "matches" if set(wanted.match) & set("*?[") else "is called"
    raise UsageError(f"no table{where} {verb} {_shown(wanted.match)}", hint=hint)


def _matched(states: States, one: Pause) -> States:
    found = [key for key in states if one.region in ("", key.region) and fnmatchcase(key.name, one.match)]
    return {key: states[key] for key in sorted(found)}


def _suggestion(given: str, names: Sequence[str]) -> str:
    if not names:
        return "the watcher has not seen any table yet: look at its page or at `watcher doctor`"
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(given.lower().strip("*?"), lower, n=NAMES_SHOWN, cutoff=0.65)
    close += [small for small in lower if given.lower().strip("*?") in small and small not in close]
    if close:
        return f"did you mean {_listed([lower[name] for name in close], 'or')}?"
    return f"the watcher knows {_listed(names, 'and')}"


def _listed(names: Sequence[str], word: str) -> str:
    shown, rest = list(names[:NAMES_SHOWN]), len(names) - NAMES_SHOWN
    if rest > 0:
        return f"{', '.join(shown)} {word} {rest} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}"


# --- what is said of it -----------------------------------------------------------------------------------------------


def _sentence(config: Config, wanted: Pause, covered: States, now: float) -> str:
    names = sorted({key.name for key in covered})
    tables = "" if names == [wanted.match] else f" ({_listed(names, 'and')})"
    region = f" --region {wanted.region}" if wanted.region else ""
    return (
        f"Silenced: {_what(wanted)}{tables} until {_until(wanted, now)}, for {duration(wanted.until - now)}. "
        f"{_acting(config, wanted, names)} End it sooner with: watcher resume {shlex.quote(wanted.match)}{region}"
    )


def _acting(config: Config, wanted: Pause, names: Iterable[str]) -> str:
    """Whether capacity goes on being changed, by the modes that the config gives the tables."""
    modes = [policy.mode for name in names if (policy := config.policy_for(name))]
    acting = modes.count(Mode.ACT)
    if not acting:
        return "Its capacity is not changed in any case, as no entry of the config has it in act mode."
    if wanted.advise_only:
        return "Its capacity is not changed meanwhile, only advised on."
    if acting == len(modes):
        return "Its capacity goes on being changed; --advise-only would end that."
    return f"The capacity of {count(acting, 'table')} of them goes on being changed; --advise-only would end that."


def _what(one: Pause) -> str:
    return f"{_shown(one.match)} in {one.region}" if one.region else _shown(one.match)


def _until(one: Pause, now: float) -> str:
    """``05:00 UTC (06:00 CET)``: in UTC, and where this machine's clock is another, on that."""
    here = utc(one.until).astimezone()
    return time_of_day(one.until, now) + (f" ({here:%H:%M %Z})" if here.utcoffset() else "")


def _place(one: Pause) -> tuple[str, str]:
    return one.match, one.region


def _shown(text: str) -> str:
    """What was typed, safe for a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _print_incidents(heading: str, covered: States, now: float) -> None:
    found = [(key, state.incident) for key, state in covered.items() if state.incident is not None]
    if found:
        print(f"{heading}:")
    for key, incident in found:
        index = f" index {incident.index}" if incident.index else ""
        since = f"open for {duration(now - incident.opened_at)}, since {time_of_day(incident.opened_at, now)}"
        print(f"  {key.name}{index} in {key.region}: {incident.cause}, {incident.severity}, {since}")


def _record(wanted: Pause, covered: States, now: float) -> dict[str, object]:
    return {
        **pause_record(wanted, now),
        "tables": [{"table": key.name, "account": key.account, "region": key.region} for key in covered],
        "acknowledged": [
            {"table": key.name, "account": key.account, "region": key.region, **incident_record(state.incident)}
            for key, state in covered.items()
            if state.incident is not None
        ],
    }


def _list(config: Config, now: float, *, unwanted: Iterable[str | None], as_json: bool) -> int:
    if any(value is not None for value in unwanted):
        raise UsageError("--list shows all pauses", hint="leave out TABLE and the other options")
    with closing(SqliteStore.reader(config.state.path)) as store:
        pauses = store.pauses(now)
    if as_json:
        print(json.dumps([pause_record(one, now) for one in pauses], indent=2))
    elif pauses:
        print_pauses(pauses, now)
    else:
        print("watcher: no table is paused", file=sys.stderr)
    return 0


def print_pauses(pauses: Sequence[Pause], now: float) -> None:
    console = output.make_console()
    for one in pauses:
        console.print(Text(f"{_what(one)} until {_until(one, now)}{_by(one)}: {_shown(one.reason)}{_advised(one)}"))


def _by(one: Pause) -> str:
    return f" by {_shown(one.by)}" if one.by else ""


def _advised(one: Pause) -> str:
    return " (advised on only)" if one.advise_only else ""


def _what_is(pauses: Sequence[Pause], now: float) -> str:
    if not pauses:
        return "no table is"
    return "paused are: " + "; ".join(f"{_what(one)} until {_until(one, now)}" for one in pauses)
