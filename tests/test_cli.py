"""The commands that need no AWS, their usage errors, and their manners on pipes and terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import INTERRUPTIBLE, WATCHER, environment, eventually, watcher
from tests.store.samples import ORDERS, USERS, T, decision, intent, settlement
from watcher import __version__
from watcher.cli import status
from watcher.cli_output import coming_events
from watcher.clock import instant
from watcher.config import load
from watcher.core.reasons import Outcome
from watcher.ports import CycleRecord
from watcher.store.sqlite import SqliteStore

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "config.toml"
BAD = sorted((HERE / "bad_config").glob("*.toml"))
COMMANDS = (
    "run",
    "once",
    "check-config",
    "history",
    "replay",
    "record",
    "hot-keys",
    "pause",
    "resume",
    "doctor",
    "iam-policy",
)
ESCAPE = "\x1b"

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, without settings from outside."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "WATCHER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def config(tmp_path: Path, text: str = "") -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


# Usage --------------------------------------------------------------------------------------------------------------


def test_the_version(capsys: Captured) -> None:
    assert status(["--version"]) == 0
    assert capsys.readouterr() == (f"watcher {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["histroy"], "Did you mean 'history'?", id="a mistyped command gets the nearest name"),
        pytest.param(["frobnicate"], "No such command 'frobnicate'", id="an unknown command"),
        pytest.param(["once", "--jsn"], "--json", id="a mistyped option gets the nearest name"),
        pytest.param(["run", "--port", "65536"], "'--port'", id="a port above the last one"),
        pytest.param(["run", "--speed", "0.5"], "'--speed'", id="a sandbox slower than real"),
        pytest.param(["history", "--limit", "0"], "'--limit'", id="a history of nothing"),
        pytest.param(["iam-policy", "--mode", "observe"], "observe", id="a mode that is no policy"),
        pytest.param(["iam-policy", "--account", "12345678901"], "12 digits", id="an account of eleven digits"),
        pytest.param(["check-config", "nowhere.toml"], "nowhere.toml", id="a file that is not there"),
        *[
            pytest.param([command, "--config", "nowhere.toml"], "nowhere.toml", id=f"{command} with a mistyped file")
            for command in COMMANDS
            if command
            not in {
                "check-config",
                "replay",
                "record",
                "hot-keys",
                "pause",
                "resume",
            }  # those want more, before or besides
        ],
    ],
)
def test_wrong_usage_ends_with_2(capsys: Captured, arguments: list[str], told: str) -> None:
    assert status(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err


def test_no_command_at_all_shows_the_commands(capsys: Captured) -> None:
    assert status([]) == 2
    shown = capsys.readouterr()
    assert re.findall(r"^  ([a-z][a-z-]+) {2,}", shown.out + shown.err, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_shows_an_example(capsys: Captured, command: str) -> None:
    assert status([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    example = lines[lines.index("  Example:") + 1]
    assert example.startswith(f"    watcher {command}")


def test_the_overview_cuts_no_sentence(capsys: Captured) -> None:
    assert status(["--help"]) == 0
    out = capsys.readouterr().out
    assert [command for command in COMMANDS if re.search(rf"^  {command} +\S.*\.$", out, re.MULTILINE)] == list(
        COMMANDS
    )
    assert "..." not in out.partition("Commands:")[2]


# check-config -------------------------------------------------------------------------------------------------------


def test_a_good_file_is_fine(capsys: Captured) -> None:
    assert status(["check-config", str(EXAMPLE)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{EXAMPLE}: fine (table rules: 7, acting: 5; alert topics: 1; Regions: us-east-1)\n"
    assert err == ""


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem.replace("_", " ")) for path in BAD])
def test_each_bad_file_is_refused_with_all_its_mistakes(capsys: Captured, path: Path) -> None:
    sentences = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()

    assert status(["check-config", str(path)]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    first, *rest = err.splitlines()
    noun = "1 mistake" if len(sentences) == 1 else f"{len(sentences)} mistakes"
    assert first == f"watcher: {path}: {noun}"
    assert rest == [f"  {sentence}" for sentence in sentences]


def test_what_is_hardly_meant_is_warned_of(capsys: Captured, tmp_path: Path) -> None:
    path = config(tmp_path, '[[tables]]\nmatch = "*"\n[[tables]]\nmatch = "orders"\n')
    assert status(["check-config", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "fine" in out
    assert err.splitlines() == [
        'watcher: warning: tables.1: "orders" is never used, tables.0 ("*") comes first and matches the same',
        (
            "watcher: warning: no [[alerts]] entry: incidents reach nobody, they show on the page, in the log and in "
            "the metrics only"
        ),
    ]


SCHEDULES = """
[[tables]]
match = "orders"
read = { min = 5, max = 4000 }
write = { min = 5, max = 4000 }
indexes.by-customer = { write = { min = 5, max = 4000 } }
schedules = [
    { name = "evening", cron = "45 17 * * 1-5", timezone = "Europe/Berlin", duration_minutes = 180, write = 800 },
    { name = "launch", from = 2999-11-27T08:00:00Z, until = 2999-11-28T02:00:00Z, read = 3000, write = 2000,\
 indexes.by-customer = { write = 1500 } },
    { name = "past", from = 2001-11-27T08:00:00Z, until = 2001-11-28T02:00:00Z, write = 2000 },
]
"""  # TOML wants an inline table on one line, hence the backslash


def test_schedules_are_listed_with_the_window_that_comes_next(capsys: Captured, tmp_path: Path) -> None:
    assert status(["check-config", str(config(tmp_path, SCHEDULES))]) == 0

    summary, evening, *rest = capsys.readouterr().out.splitlines()
    assert "fine" in summary
    assert re.fullmatch(r"  orders: evening (begins|began) \S+Z and ends \S+Z, at least 800 writes", evening)
    window = "begins 2999-11-27T08:00:00Z and ends 2999-11-28T02:00:00Z"
    floors = "at least 3,000 reads, 2,000 writes, 1,500 writes of index by-customer"
    assert rest == [f"  orders: launch {window}, {floors}", "  orders: past is over, at least 2,000 writes"]


@pytest.mark.parametrize(
    ("now", "window"),
    [
        pytest.param("2026-11-23T16:44:59Z", "begins 2026-11-23T16:45:00Z and ends 2026-11-23T19:45:00Z", id="to come"),
        pytest.param("2026-11-23T16:45:00Z", "began 2026-11-23T16:45:00Z and ends 2026-11-23T19:45:00Z", id="open"),
        pytest.param("2026-11-23T19:45:00Z", "begins 2026-11-24T16:45:00Z and ends 2026-11-24T19:45:00Z", id="over"),
    ],
)
def test_a_schedule_is_told_as_it_is_now(tmp_path: Path, now: str, window: str) -> None:
    loaded = load(config(tmp_path, SCHEDULES), {})

    first, *_ = coming_events(loaded, instant(now))

    assert first == f"  orders: evening {window}, at least 800 writes"


def test_the_file_in_the_directory_is_the_default(capsys: Captured, tmp_path: Path) -> None:
    config(tmp_path, '[aws]\nregions = ["eu-west-1"]\n')
    assert status(["check-config"]) == 0
    assert capsys.readouterr().out.startswith("config.toml: fine")


def test_no_file_at_all_means_the_defaults(capsys: Captured) -> None:
    assert status(["check-config"]) == 0
    assert capsys.readouterr().out.startswith("no config file: defaults and environment: fine")


# iam-policy ---------------------------------------------------------------------------------------------------------


def actions(policy: str) -> dict[str, list[str]]:
    """Action -> resources of a policy document."""
    statements = json.loads(policy)["Statement"]
    return {action: statement["Resource"] for statement in statements for action in statement["Action"]}


@pytest.mark.parametrize("mode", ["advise", "act"])
def test_the_policy_is_the_shipped_one(capsys: Captured, mode: str) -> None:
    deploy = HERE.parent / "deploy"
    arguments = ["--config", str(deploy / "kubernetes" / "config.toml"), "--mode", mode, "--account", "123456789012"]
    assert status(["iam-policy", *arguments]) == 0
    shipped = (deploy / "iam" / f"{mode}.json").read_text(encoding="utf-8")
    assert json.loads(capsys.readouterr().out) == json.loads(shipped)


def test_only_the_tables_that_act_may_be_changed(capsys: Captured, tmp_path: Path) -> None:
    bounds = "read = { min = 1, max = 9 }\nwrite = { min = 1, max = 9 }\n"
    path = config(
        tmp_path, f'[[tables]]\nmatch = "orders"\nmode = "act"\n{bounds}[[tables]]\nmatch = "users"\nmode = "advise"\n'
    )
    assert status(["iam-policy", "--config", str(path), "--mode", "act"]) == 0
    resources = actions(capsys.readouterr().out)
    assert resources["dynamodb:UpdateTable"] == ["arn:aws:dynamodb:us-east-1:*:table/orders"]
    assert resources["dynamodb:DescribeTable"] == [
        "arn:aws:dynamodb:us-east-1:*:table/orders",
        "arn:aws:dynamodb:us-east-1:*:table/users",
    ]


@pytest.mark.parametrize(
    ("text", "switches"),
    [
        pytest.param('[[tables]]\nmatch = "orders"\n', True, id="sampling is on unless said otherwise"),
        pytest.param('[hot_keys]\nsampling = "off"\n[[tables]]\nmatch = "orders"\n', False, id="off"),
        pytest.param(
            '[hot_keys]\nsampling = "off"\n[[tables]]\nmatch = "orders"\nhot_keys = { sampling = "on-incident" }\n',
            True,
            id="off, but for one table",
        ),
        pytest.param(
            '[[tables]]\nmatch = "orders"\nmode = "act"\nread = { min = 1, max = 9 }\nwrite = { min = 1, max = 9 }\n'
            'hot_keys = { sampling = "off" }\n[[tables]]\nmatch = "users"\n',
            False,
            id="off where the watcher acts",
        ),
    ],
)
def test_contributor_insights_may_be_switched_where_sampling_is_on(
    capsys: Captured,
    tmp_path: Path,
    text: str,
    switches: bool,  # noqa: FBT001 - a table's column
) -> None:
    path = config(tmp_path, text)
    for mode, allowed in (("act", switches), ("advise", False)):
        assert status(["iam-policy", "--config", str(path), "--mode", mode]) == 0
        assert ("dynamodb:UpdateContributorInsights" in actions(capsys.readouterr().out)) is allowed


# history ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """The state of a watcher that is running: three decisions, one of them carried out, and the exclusive lock held."""
    held = SqliteStore(tmp_path / "watcher.db")
    opened = intent()
    held.record(CycleRecord(T, decisions=[decision(), decision(T - 120, USERS, sentence="users need 400")]))
    held.record(CycleRecord(T + 60, decisions=[decision(T + 60, ORDERS)], intents=[opened]))
    held.settle([settlement(opened, Outcome.APPLIED)], {})
    yield held
    held.close()


CONTRACT = ["time", "table", "index", "dimension", "before", "after", "reason", "sentence", "mode", "outcome"]


@pytest.mark.usefixtures("store")
def test_history_as_json_keeps_the_contract_while_the_daemon_holds_the_lock(capsys: Captured) -> None:
    assert status(["history", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [list(record) for record in records] == [CONTRACT] * 3
    assert [(record["time"], record["table"]) for record in records] == [
        ("2026-09-21T14:14:20Z", "orders"),
        ("2026-09-21T14:13:20Z", "orders"),
        ("2026-09-21T14:11:20Z", "users"),
    ]
    assert records[2] == {
        "time": "2026-09-21T14:11:20Z",
        "table": "users",
        "index": "",
        "dimension": "write",
        "before": 100,
        "after": 400,
        "reason": "raise-throttled",
        "sentence": "users need 400",
        "mode": "act",
        "outcome": "none",
    }


@pytest.mark.usefixtures("store")
def test_history_as_a_table_has_one_line_per_decision(capsys: Captured) -> None:
    assert status(["history"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["time", "table", "dimension", "change", "reason", "outcome", "sentence"]
    assert [row.split()[:2] for row in rows] == [
        ["2026-09-21T14:14:20Z", "orders"],
        ["2026-09-21T14:13:20Z", "orders"],
        ["2026-09-21T14:11:20Z", "users"],
    ]
    assert "100 to 400" in rows[0]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("arguments", "tables"),
    [
        pytest.param(["users"], ["users"], id="of one table"),
        pytest.param(["--limit", "2"], ["orders", "orders"], id="the newest two"),
        pytest.param(["elsewhere"], [], id="of a table without any"),
    ],
)
def test_history_of_a_part(capsys: Captured, arguments: list[str], tables: list[str]) -> None:
    assert status(["history", *arguments, "--json"]) == 0
    assert [record["table"] for record in json.loads(capsys.readouterr().out)] == tables


@pytest.mark.usefixtures("store")
def test_an_empty_history_says_so_beside_the_output(capsys: Captured) -> None:
    assert status(["history", "elsewhere"]) == 0
    assert capsys.readouterr() == ("", "watcher: no decisions for table elsewhere in watcher.db yet\n")


def test_history_without_a_state_file(capsys: Captured, tmp_path: Path) -> None:
    assert status(["history"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"watcher: opening of {tmp_path}/watcher.db: there is no such file "
        "(start the watcher once, or correct the path)\n"
    )


# Manners ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [pytest.param(3, id="less than a pipe holds"), pytest.param(5000, id="more than a pipe holds")]
)
def test_a_reader_that_has_seen_enough_ends_the_output_quietly(tmp_path: Path, number: int) -> None:
    held = SqliteStore(tmp_path / "watcher.db")
    held.record(CycleRecord(T, decisions=[decision(T + second) for second in range(number)]))
    held.close()
    reading, writing = os.pipe()
    os.close(reading)  # nobody will ever read
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(  # noqa: S603 - our own program
            [*WATCHER, "history", "--json", "--limit", "5000"],
            cwd=tmp_path, env=environment(), stdout=pipe, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        pytest.param({}, True, id="a terminal gets colours"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR means none"),
        pytest.param({"TERM": "dumb"}, False, id="nor does a dumb terminal get any"),
    ],
)
def test_ansi_codes_on_a_terminal(tmp_path: Path, variables: dict[str, str], coloured: bool) -> None:  # noqa: FBT001 - a row
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "wb", buffering=0) as terminal:
        subprocess.run(  # noqa: S603 - our own program
            [*WATCHER, "history"], cwd=tmp_path, env=environment(**{"TERM": "xterm", **variables}),
            stdout=terminal, check=True, timeout=60,
        )  # fmt: skip
        shown = screen.read(65536).decode()
    assert "raise" in shown
    assert (ESCAPE in shown) is coloured


@pytest.mark.usefixtures("store")
def test_no_ansi_codes_off_a_terminal_whatever_the_environment_says(tmp_path: Path) -> None:
    done = watcher("history", cwd=tmp_path, env=environment(FORCE_COLOR="1", TERM="xterm"))
    assert done.returncode == 0
    assert "orders" in done.stdout
    assert ESCAPE not in done.stdout + done.stderr


# Starting and stopping ----------------------------------------------------------------------------------------------


def test_a_state_path_that_cannot_be_written(capsys: Captured, tmp_path: Path) -> None:
    path = config(tmp_path, '[state]\npath = "missing/watcher.db"\n')
    assert status(["run", "--config", str(path), "--port", "0"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"watcher: opening of {tmp_path}/missing/watcher.db: the directory {tmp_path}/missing does not exist "
        "(make it, or correct the path)\n"
    )


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("command", [["run", "--port", "0"], ["once"]])
def test_a_state_that_another_watcher_holds(capsys: Captured, tmp_path: Path, command: list[str]) -> None:
    assert status(command) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"watcher: opening of {tmp_path}/watcher.db: another watcher (process {os.getpid()}) is using it "
        "(stop that one, or give this one a state path of its own)\n"
    )


@pytest.mark.timeout(30)  # a daemon that finds the port free runs until it is told to stop
def test_a_port_that_is_taken(capsys: Captured, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert status(["run", "--port", str(port)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"watcher: listen of 127.0.0.1:{port}: Address already in use (stop the program")
    assert err.count("\n") == 1
    SqliteStore(tmp_path / "watcher.db").close()  # and the state is free again


def test_a_profile_that_is_not_there(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    for command in (["run", "--port", "0"], ["once"], ["doctor"]):
        assert status(command) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == (
            "watcher: reading AWS's own settings: The config profile (nowhere) could not be found "
            "(correct AWS_PROFILE and AWS's own config files)\n"
        )


def test_ctrl_c_ends_one_cycle_quietly(tmp_path: Path) -> None:
    """AWS takes the call and does not answer; a person loses patience."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*INTERRUPTIBLE, "once"], cwd=tmp_path, env=environment(**variables),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            eventually("the call", lambda: connection.recv(65536))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_terminal_that_is_not_utf_8_shows_a_gap_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "größe.toml").write_text("", encoding="utf-8")
    done = watcher("check-config", "größe.toml", cwd=tmp_path, env=environment(PYTHONIOENCODING="ascii:strict"))
    assert done.returncode == 0
    assert "gr??e.toml: fine" in done.stdout
    assert "Traceback" not in done.stderr
