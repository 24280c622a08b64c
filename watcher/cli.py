"""The commands. Exit status: 0 fine, 1 ran and found trouble or failed, 2 wrong usage or config.

Errors go to standard error: one cause, one remedy, no traceback.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from watcher import __version__
from watcher import cli_output as output
from watcher.aws.permissions import policy_document
from watcher.clock import Clock, SystemClock
from watcher.config import Config, load
from watcher.core.policy import AutoScaling
from watcher.core.reasons import Mode
from watcher.daemon import Daemon, Settings, Watcher
from watcher.errors import ConfigError, StoreError, UsageError, WatcherError
from watcher.store.sqlite import SqliteStore
from watcher.telemetry.logs import configure
from watcher.web.state import decision_record

DEFAULT_CONFIG = Path("config.toml")
TROUBLE, WRONG = 1, 2

app = typer.Typer(
    help="Watches Amazon DynamoDB tables: names the cause of throttling, adjusts capacity in bounds, explains itself.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; ./config.toml where that exists, else defaults.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines instead of a table for people.")]


class PolicyMode(StrEnum):
    ADVISE = "advise"
    ACT = "act"


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(status(sys.argv[1:]))


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
        return 130
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
    _version_: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,  # noqa: FBT002 - a command line flag
) -> None:
    """Options before the command."""


def _load(path: Path | None) -> tuple[Config, Path | None]:
    """The config and where it came from: the file given, else ./config.toml, else defaults and environment."""
    chosen = path if path is not None else DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
    return load(chosen, os.environ), chosen


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
    """The daemon: watch, explain, and change capacity where the config says so, until SIGTERM.

    SIGHUP reloads the config; a file with mistakes changes nothing.
    """
    loaded, path = _load(config)
    if port is not None:
        loaded = loaded.model_copy(update={"server": loaded.server.model_copy(update={"port": port})})
    if sandbox:
        return _run_sandbox(loaded, speed)
    clock = SystemClock()
    configure(loaded.logs.format, loaded.logs.level, sys.stdout, clock)
    return _serve(loaded, Settings(clock, path, os.environ))


def _run_sandbox(config: Config, speed: float) -> int:
    try:
        from watcher.sandbox.session import SandboxSession  # noqa: PLC0415 - an optional extra, not in the image
    except ModuleNotFoundError as error:
        cause = f"the sandbox needs {error.name}, which is not installed"
        raise UsageError(cause, hint="install dynamodb-watcher[sandbox], or use `make run`") from error
    with SandboxSession(config, speed) as session:
        configure(_sandbox_format(config), config.logs.level, sys.stdout, session.clock)
        print(output.sandbox_welcome(session.tables, speed), flush=True)
        settings = Settings(session.clock, None, os.environ, session.credentials)
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
    """One cycle, then a table of verdicts. Exit status 1 when something is wrong.

    Acts on tables in act mode like the daemon does. Needs the state file to itself: stop the daemon first, or look at
    its page instead.
    """
    loaded, path = _load(config)
    clock: Clock = SystemClock()
    configure(loaded.logs.format, "warning", sys.stderr, clock)
    with _watcher(loaded, Settings(clock, path, os.environ)) as watcher:
        report = watcher.run_cycle()
        if as_json:
            print(json.dumps(output.once_record(report), indent=2))
        else:
            output.print_verdicts(_console(), report)
    return TROUBLE if output.is_trouble(report) else 0


@contextmanager
def _watcher(config: Config, settings: Settings) -> Iterator[Watcher]:
    watcher = Watcher(config, settings)
    try:
        yield watcher
    finally:
        watcher.close()


@app.command("check-config")
def check_config(
    path: Annotated[Path | None, typer.Argument(help="The file to check; ./config.toml when left out.")] = None,
) -> int:
    """Every mistake at once: where, what was given, what is expected. Exit status 2 when there is one."""
    loaded, chosen = _load(path)
    for warning in loaded.warnings():
        print(f"watcher: warning: {warning}", file=sys.stderr)
    name = chosen if chosen is not None else "no config file: defaults and environment"
    print(f"{name}: fine ({output.summary(loaded)})")
    return 0


@app.command()
def history(
    table: Annotated[str | None, typer.Argument(help="Only this table's decisions.")] = None,
    config: ConfigOption = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, newest first.")] = 200,
    as_json: JsonOption = False,
) -> int:
    """Decisions with their reasons, newest first. Works while the daemon runs."""
    loaded, _ = _load(config)
    store = SqliteStore.reader(loaded.state.path)
    try:
        decisions = store.history(table, limit)
    finally:
        store.close()
    if as_json:
        print(json.dumps([decision_record(decision) for decision in decisions], indent=2))
    elif decisions:
        output.print_history(_console(), decisions)
    else:
        print(f"no decisions{f' for table {table}' if table else ''} in {loaded.state.path} yet", file=sys.stderr)
    return 0


@app.command()
def doctor(config: ConfigOption = None, *, as_json: JsonOption = False) -> int:
    """What the credentials may do, permission by permission, asked of the real endpoint. Changes and sends nothing."""
    loaded, path = _load(config)
    configure(loaded.logs.format, "error", sys.stderr, SystemClock())
    findings = output.examine(loaded, Settings(SystemClock(), path, os.environ))
    if as_json:
        print(json.dumps([finding.record() for finding in findings], indent=2))
    else:
        output.print_findings(_console(), findings)
    return TROUBLE if any(finding.is_missing for finding in findings) else 0


@app.command("iam-policy")
def iam_policy(
    config: ConfigOption = None,
    mode: Annotated[PolicyMode, typer.Option(help="What the watcher is to be allowed.")] = PolicyMode.ADVISE,
    account: Annotated[str, typer.Option(help="The 12-digit account; * for the one the policy is attached in.")] = "*",
) -> int:
    """The least-privilege IAM policy for this config, as JSON."""
    loaded, _ = _load(config)
    print(json.dumps(policy_of(loaded, Mode(mode.value), account), indent=2))
    return 0


def policy_of(config: Config, mode: Mode, account: str) -> dict[str, object]:
    """The policy document: UpdateTable only for what act-mode entries match, all entries where none acts yet."""
    acting = [rule.match for rule in config.tables if rule.mode is Mode.ACT]
    return policy_document(
        mode,
        tables=[rule.match for rule in config.tables],
        act_tables=acting or None,
        regions=config.aws.regions,
        account=account,
        topic_arns=[rule.topic_arn for rule in config.alerts],
        auto_scaling_floor=any(rule.auto_scaling is AutoScaling.FLOOR for rule in config.tables),
        role_arn=config.aws.role_arn or "",
    )


def _console() -> Console:
    """Colours only on a terminal; off it, wide enough that no sentence is cut."""
    return Console() if sys.stdout.isatty() else Console(width=200)


__all__ = ["StoreError", "app", "main", "policy_of", "status"]
