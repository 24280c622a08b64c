"""The commands. Exit status: 0 fine, 1 ran and found trouble or failed, 2 wrong usage or config.

Errors go to standard error: one cause, one remedy, no traceback.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from watcher import __version__, cli_doctor, cli_hot_keys, cli_pause, cli_record, cli_replay
from watcher import cli_output as output
from watcher.aws.permissions import policy_document
from watcher.cli_options import ConfigOption, JsonOption, load_config
from watcher.clock import Clock, SystemClock
from watcher.config import Config
from watcher.core.insights import Sampling
from watcher.core.policy import AutoScaling
from watcher.core.reasons import Mode
from watcher.daemon import Daemon, Settings, Watcher
from watcher.errors import ConfigError, UsageError, WatcherError
from watcher.store.sqlite import SqliteStore
from watcher.telemetry.logs import configure
from watcher.web.state import decision_record

PORT_VARIABLE = "WATCHER_SERVER__PORT"
TROUBLE, WRONG = 1, 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

app = typer.Typer(
    help="Watches Amazon DynamoDB tables: names the cause of throttling, adjusts capacity in bounds, explains itself.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class PolicyMode(StrEnum):
    ADVISE = "advise"
    ACT = "act"


def main() -> None:
    """Run the command line and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows a key with gaps, not a traceback
    code = status(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads (history | head) has seen enough. Quietly and with 1, as typer and rich leave in mid-output;
        # the interpreter's own flush at exit must not find the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or TROUBLE
    sys.exit(code)


def status(arguments: list[str]) -> int:
    """The exit status of one command line."""
    command = typer.main.get_command(app)
    try:
        result = command.main(arguments, prog_name="watcher", standalone_mode=False)
    except (ConfigError, UsageError) as error:
        return _complain(error, WRONG)
    except WatcherError as error:
        return _complain(error, TROUBLE)
    except typer.Abort:
        return TROUBLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        # click's own usage errors carry an exit code and know how to show themselves.
        show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show is None or code is None:
            raise
        show()
        return int(code)
    return int(result) if isinstance(result, int) else 0


def _complain(error: WatcherError, code: int) -> int:
    print(f"watcher: {error}", file=sys.stderr)
    return code


def _version(wanted: bool) -> None:  # noqa: FBT001 - the shape typer calls back with
    if wanted:
        print(f"watcher {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    _version_: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def run(
    config: ConfigOption = None,
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run on an embedded AWS with generated traffic; no account needed.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=1.0, max=600.0, help="With --sandbox: how much faster than real its time runs.")
    ] = 30.0,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the page and the metrics, instead of the config's.")
    ] = None,
) -> int:
    """The daemon: watches, explains, and acts where allowed.

    Runs until SIGTERM or Ctrl-C, then ends with 0 when the cycle in hand is
    finished. SIGHUP reloads the config; a file with mistakes changes nothing.

    \b
    Example:
      watcher run --config /etc/watcher/config.toml
      watcher run --sandbox --speed 60
    """
    # As a variable, so that a reload finds it again.
    environ = dict(os.environ) if port is None else {**os.environ, PORT_VARIABLE: str(port)}
    loaded, path = load_config(config, environ)
    if sandbox:
        return _run_sandbox(loaded, speed, path, environ)
    clock = SystemClock()
    configure(loaded.logs.format, loaded.logs.level, sys.stdout, clock)
    return _serve(loaded, Settings(clock, path, environ))


def _run_sandbox(config: Config, speed: float, path: Path | None, environ: Mapping[str, str]) -> int:
    try:
        from watcher.sandbox.session import SandboxSession  # noqa: PLC0415 - an optional extra, not in the image
    except ModuleNotFoundError as error:
        cause = f"the sandbox needs {error.name}, which is not installed"
        raise UsageError(cause, hint="install dynamodb-watcher[sandbox], or use `make run`") from error
    with SandboxSession(config, speed) as session:
        configure(_sandbox_format(config), config.logs.level, sys.stdout, session.clock)
        print(output.sandbox_welcome(session.tables, speed), flush=True)
        settings = Settings(session.clock, path, environ, session.credentials, session.pointed_here)
        return _serve(session.config, settings)


def _sandbox_format(config: Config) -> str:
    """People look at the sandbox, so words unless the config insists on JSON."""
    return "console" if config.logs.format == "auto" else config.logs.format


def _serve(config: Config, settings: Settings) -> int:
    watcher = Watcher(config, settings)
    try:
        daemon = Daemon(watcher)
    except WatcherError:
        watcher.close()
        raise
    if not daemon.run():
        # A thread hangs in a call that no timeout ended; waiting for it would hang the exit too.
        sys.stdout.flush()
        os._exit(TROUBLE)
    return 0


@app.command()
def once(config: ConfigOption = None, *, as_json: JsonOption = False) -> int:
    """One cycle, then a table of verdicts.

    Exit status 1 when a table is in trouble or cannot be seen. Acts on tables
    in act mode like the daemon does. Needs the state file to itself: stop the
    daemon first, or look at its page instead.

    \b
    Example:
      watcher once --json | jq '.tables[] | select(.cause != "none")'
    """
    loaded, path = load_config(config)
    clock: Clock = SystemClock()
    configure(loaded.logs.format, "critical", sys.stderr, clock)  # the verdicts below tell everything once
    with _watcher(loaded, Settings(clock, path, os.environ)) as watcher:
        report = watcher.run_cycle()
        watcher.cycle.release(threading.Event().wait)  # what a life of the watcher that was killed has left on
        regional = watcher.hub.snapshot.regional
        if as_json:
            print(json.dumps(output.once_record(report, regional), indent=2))
        else:
            output.print_verdicts(output.make_console(), report, regional)
    return TROUBLE if output.is_trouble(report) else 0


@contextmanager
def _watcher(config: Config, settings: Settings) -> Iterator[Watcher]:
    # A single pass would not be there to put back what it switched on for a while.
    watcher = Watcher(config, settings, lasting=False)
    try:
        yield watcher
    finally:
        watcher.close()


@app.command("check-config")
def check_config(
    path: Annotated[Path | None, typer.Argument(help="The file to check; ./config.toml when left out.")] = None,
) -> int:
    """Every mistake of a config file at once.

    Each with its place, what was given, and what is expected. Exit status 2
    when there is one. What is allowed but hardly meant is warned of. Schedules
    are listed with the window that is open or comes next.

    \b
    Example:
      watcher check-config deploy/config.toml
    """
    loaded, chosen = load_config(path)
    for warning in loaded.warnings():
        print(f"watcher: warning: {warning}", file=sys.stderr)
    name = chosen if chosen is not None else "no config file: defaults and environment"
    print(f"{name}: fine ({output.summary(loaded)})")
    for line in output.coming_events(loaded, SystemClock().now()):
        print(line)
    return 0


@app.command()
def history(
    table: Annotated[str | None, typer.Argument(help="Only this table's decisions.")] = None,
    config: ConfigOption = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, newest first.")] = 200,
    as_json: JsonOption = False,
) -> int:
    """Decisions with their reasons, newest first.

    Works while the daemon runs. Exit status 1 when there is no state file.

    \b
    Example:
      watcher history orders --limit 20
      watcher history --json | jq '.[] | select(.outcome == "applied")'
    """
    loaded, _ = load_config(config)
    store = SqliteStore.reader(loaded.state.path)
    try:
        decisions = store.history(table, limit)
    finally:
        store.close()
    if as_json:
        print(json.dumps([decision_record(decision) for decision in decisions], indent=2))
    elif decisions:
        output.print_history(output.make_console(), decisions)
    else:
        of = f" for table {table}" if table else ""
        print(f"watcher: no decisions{of} in {loaded.state.path} yet", file=sys.stderr)
    return 0


app.command()(cli_replay.replay)
app.command()(cli_record.record)
app.command("hot-keys")(cli_hot_keys.hot_keys)
app.command()(cli_pause.pause)
app.command()(cli_pause.resume)


@app.command()
def doctor(config: ConfigOption = None, *, as_json: JsonOption = False) -> int:
    """What the credentials may do, permission by permission.

    Asks the real endpoint of each Region, and tells which tables the config
    matches there. Changes nothing and sends nothing. Exit status 1 when
    something that this config needs is denied or does not answer.

    \b
    Example:
      watcher doctor --config config.toml
    """
    loaded, path = load_config(config)
    clock = SystemClock()
    configure(loaded.logs.format, "error", sys.stderr, clock)
    findings = cli_doctor.examine(loaded, Settings(clock, path, os.environ))
    if as_json:
        print(json.dumps([finding.record() for finding in findings], indent=2))
    else:
        cli_doctor.print_findings(output.make_console(), findings)
    return TROUBLE if any(finding.is_missing for finding in findings) else 0


@app.command("iam-policy")
def iam_policy(
    config: ConfigOption = None,
    mode: Annotated[PolicyMode, typer.Option(help="What the watcher is to be allowed.")] = PolicyMode.ADVISE,
    account: Annotated[str, typer.Option(help="The 12-digit account; * for the one the policy is attached in.")] = "*",
) -> int:
    """The least-privilege IAM policy for this config, as JSON.

    With --mode act it also allows UpdateTable and, unless sampling is off, the
    switching of Contributor Insights: on the tables of the entries in act mode,
    or on all watched ones where no entry acts yet.

    \b
    Example:
      watcher iam-policy --mode act --account 123456789012 > policy.json
    """
    if not re.fullmatch(r"\*|[0-9]{12}", account):
        raise UsageError(f"--account {account!r} is no account", hint="give its 12 digits, or * for any")
    loaded, _ = load_config(config)
    print(json.dumps(policy_of(loaded, Mode(mode.value), account), indent=2))
    return 0


def policy_of(config: Config, mode: Mode, account: str) -> dict[str, object]:
    """The policy document: UpdateTable and the switching of Contributor Insights only for what act-mode entries match,
    all entries where none acts yet."""
    acting = [rule for rule in config.tables if rule.mode is Mode.ACT]
    sampled = [rule.policy(config.hot_keys.sampling).sampling for rule in acting or config.tables]
    return policy_document(
        mode,
        tables=[rule.match for rule in config.tables],
        act_tables=[rule.match for rule in acting] or None,
        regions=config.aws.regions,
        account=account,
        topic_arns=[rule.topic_arn for rule in config.alerts],
        auto_scaling_floor=any(rule.auto_scaling is AutoScaling.FLOOR for rule in config.tables),
        sampling=any(sampling is not Sampling.OFF for sampling in sampled),
        role_arn=config.aws.role_arn or "",
    )


__all__ = ["app", "main", "policy_of", "status"]
