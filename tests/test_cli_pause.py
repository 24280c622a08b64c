"""Pausing and resuming from the command line, over a real state file that a running watcher has open."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.samples import ORDERS, ORDERS_EU, USERS, state
from watcher import cli_pause
from watcher.cli import status
from watcher.cli_pause import seconds_of
from watcher.clock import SimulatedClock, instant
from watcher.core.model import TableKey
from watcher.core.pauses import LONGEST, Pause
from watcher.core.state import TableState
from watcher.errors import UsageError
from watcher.ports import CycleRecord
from watcher.store.sqlite import SqliteStore

Captured = pytest.CaptureFixture[str]

NOW = instant("2026-11-23T03:00:00Z")
CARTS = replace(ORDERS, name="carts")
CONFIG = """
[aws]
regions = ["us-east-1", "eu-west-1"]
[[tables]]
match = "orders"
mode = "act"
read = { min = 1, max = 2 }
write = { min = 1, max = 2 }
[[tables]]
match = "*"
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, at three in the morning of a machine on UTC, as ana on host db-7."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "WATCHER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.setattr(socket, "gethostname", lambda: "db-7")
    monkeypatch.setattr(cli_pause, "SystemClock", lambda: SimulatedClock(NOW))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[SqliteStore]:
    """The running watcher's store: orders is in trouble in one Region, the others are well."""
    store = SqliteStore(tmp_path / "watcher.db")
    troubled = state()
    assert troubled.incident is not None
    troubled = replace(troubled, incident=replace(troubled.incident, opened_at=NOW - 2400))
    calm = TableState()
    store.record(CycleRecord(NOW, states={ORDERS: troubled, ORDERS_EU: calm, USERS: calm, CARTS: calm}))
    yield store
    store.close()


def pause(*more: str, table: str = "orders", length: str = "2h", reason: str = "deploying 4.2") -> int:
    return status(["pause", table, "--for", length, "--reason", reason, *more])


# --- pausing ----------------------------------------------------------------------------------------------------------


def test_a_pause_is_what_the_running_watcher_finds(running: SqliteStore, capsys: Captured) -> None:
    assert running.pauses(NOW) == []
    assert pause() == 0
    assert running.pauses(NOW) == [Pause("orders", NOW, NOW + 7200, "deploying 4.2", "", "ana@db-7")]
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        (
            "Silenced: orders until 05:00 UTC, for 2 h. Its capacity goes on being changed; --advise-only would end "
            "that. End it sooner with: watcher resume orders"
        ),
        "Open now, and acknowledged by it:",
        "  orders in us-east-1: provisioned, warning, open for 40 min, since 02:20 UTC",
    ]
    assert err == ""


@pytest.mark.parametrize(
    ("more", "table", "told"),
    [
        pytest.param(
            ("--advise-only",), "orders", "Its capacity is not changed meanwhile, only advised on.", id="advised only"
        ),
        pytest.param(
            (), "users", "Its capacity is not changed in any case, as no entry of the config has it in act mode.",
            id="a table that nobody changes",
        ),
        pytest.param(
            (), "*", "The capacity of 1 table of them goes on being changed; --advise-only would end that.",
            id="one of several is changed",
        ),
        pytest.param((), "*", "* (carts, orders and users) until 05:00 UTC", id="a pattern tells what it matches"),
        pytest.param((), "use*", "use* (users) until", id="also where that is one table"),
        pytest.param((), "*", "watcher resume '*'", id="and is quoted for the shell"),
        pytest.param(("--region", "eu-west-1"), "orders", "Silenced: orders in eu-west-1 until", id="one Region"),
        pytest.param(
            ("--region", "eu-west-1"), "orders", "watcher resume orders --region eu-west-1", id="and how to end that"
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_a_pause(
    running: SqliteStore, capsys: Captured, more: tuple[str, ...], table: str, told: str
) -> None:
    assert pause(*more, table=table) == 0
    assert told in capsys.readouterr().out
    (found,) = running.pauses(NOW)
    assert found.advise_only is ("--advise-only" in more)
    assert found.region == (more[1] if "--region" in more else "")


def test_a_pause_of_another_region_acknowledges_nothing_here(running: SqliteStore, capsys: Captured) -> None:
    assert pause("--region", "eu-west-1") == 0
    assert "acknowledged" not in capsys.readouterr().out
    assert not running.pauses(NOW)[0].covers(ORDERS, NOW)
    assert running.pauses(NOW)[0].covers(ORDERS_EU, NOW)


def test_a_second_pause_replaces_the_first_and_says_so(running: SqliteStore, capsys: Captured) -> None:
    assert pause() == 0
    capsys.readouterr()
    assert pause(length="30m", reason="rolling back") == 0
    assert "It replaces the pause until 05:00 UTC: deploying 4.2." in capsys.readouterr().out.splitlines()
    assert [(one.until, one.reason) for one in running.pauses(NOW)] == [(NOW + 1800, "rolling back")]


def test_the_machine_s_own_clock_stands_beside_utc(
    running: SqliteStore, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time  # noqa: PLC0415 - for tzset alone

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert pause() == 0
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "until 05:00 UTC (06:00 CET)" in capsys.readouterr().out
    assert running.pauses(NOW)[0].until == NOW + 7200


def test_the_user_behind_sudo_is_the_one_who_asks(running: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ben")
    assert pause() == 0
    assert running.pauses(NOW)[0].by == "ben@db-7"


def test_a_user_without_a_name_is_the_machine(running: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert pause() == 0
    assert running.pauses(NOW)[0].by == "db-7"


def test_a_reason_is_one_line_whatever_was_pasted(running: SqliteStore) -> None:
    assert pause(reason="  deploying\n 4.2\t") == 0
    assert running.pauses(NOW)[0].reason == "deploying 4.2"


def test_as_json(running: SqliteStore, capsys: Captured) -> None:
    assert pause("--json", "--advise-only") == 0
    told = json.loads(capsys.readouterr().out)
    (acknowledged,) = told.pop("acknowledged")
    assert told == {
        "table": "orders",
        "region": "",
        "since": "2026-11-23T03:00:00Z",
        "until": "2026-11-23T05:00:00Z",
        "seconds_left": 7200.0,
        "reason": "deploying 4.2",
        "by": "ana@db-7",
        "advise_only": True,
        "tables": [
            {"table": "orders", "account": "123456789012", "region": region} for region in ("eu-west-1", "us-east-1")
        ],
    }
    assert (acknowledged["incident"], acknowledged["region"]) == ("orders-1", "us-east-1")
    assert len(running.pauses(NOW)) == 1


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["pause"], "no TABLE is named (name one, or see the pauses in force with --list)", id="no table"),
        pytest.param(["pause", "orders", "--reason", "x"], "not said for how long (add --for, like 30m", id="no end"),
        pytest.param(["pause", "orders", "--for", "2h"], 'not said why (add --reason "..."', id="no reason"),
        pytest.param(["pause", "orders", "--for", "2h", "--reason", " \n"], "not said why", id="an empty reason"),
        pytest.param(
            ["pause", "orders", "--for", "2h", "--reason", "x" * 201],
            "201 characters (give at most 200)",
            id="an essay",
        ),
        pytest.param(
            ["pause", "orders", "--for", "2h", "--reason", "x", "--region", "us-west-2"],
            "Region 'us-west-2' is not watched (give one of the config's: us-east-1, eu-west-1)",
            id="a Region that is not watched",
        ),
        pytest.param(["pause", "--list", "orders"], "--list shows all pauses", id="a list of one table"),
        pytest.param(["pause", "--list", "--for", "2h"], "--list shows all pauses", id="a list with an end"),
        pytest.param(["pause", "--config", "nowhere.toml", "--list"], "nowhere.toml", id="a mistyped file"),
    ],
)
def test_wrong_usage_ends_with_2(running: SqliteStore, capsys: Captured, arguments: list[str], told: str) -> None:
    assert status(arguments) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert out == ""
    assert running.pauses(NOW) == []


@pytest.mark.parametrize(
    ("table", "more", "told"),
    [
        pytest.param("oders", (), "no table is called oders (did you mean orders?)", id="a letter is missing"),
        pytest.param("Orders", (), "no table is called Orders (did you mean orders?)", id="letter case counts"),
        pytest.param("user", (), "no table is called user (did you mean users?)", id="one of several like it"),
        pytest.param("odrers*", (), "no table matches odrers* (did you mean orders?)", id="a pattern that is nobody's"),
        pytest.param(
            "zzzz", (), "no table is called zzzz (the watcher knows carts, orders and users)", id="nothing like it"
        ),
        pytest.param(
            "users", ("--region", "eu-west-1"), "no table in eu-west-1 is called users (there is in us-east-1)",
            id="of another Region",
        ),
    ],
)  # fmt: skip
def test_a_name_that_is_no_table_s_silences_nothing(
    running: SqliteStore, capsys: Captured, table: str, more: tuple[str, ...], told: str
) -> None:
    assert pause(*more, table=table) == 2
    assert capsys.readouterr() == ("", f"watcher: {told}\n")
    assert running.pauses(NOW) == []


def test_many_tables_are_not_all_listed(running: SqliteStore, capsys: Captured) -> None:
    many = {TableKey("123456789012", "us-east-1", f"tenant-{number}"): TableState() for number in range(9)}
    running.record(CycleRecord(NOW, states=many))
    assert pause(table="tenant-*") == 0
    assert "(tenant-0, tenant-1, tenant-2, tenant-3, tenant-4 and 4 more)" in capsys.readouterr().out


def test_before_the_first_pass_no_table_is_known(tmp_path: Path, capsys: Captured) -> None:
    SqliteStore(tmp_path / "watcher.db").close()
    assert pause() == 2
    assert "the watcher has not seen any table yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["pause", "orders", "--for", "2h", "--reason", "x"], id="pausing"),
        pytest.param(["pause", "--list"], id="listing"),
        pytest.param(["resume", "orders"], id="resuming"),
    ],
)
def test_without_a_state_file_there_is_one_clear_sentence(
    tmp_path: Path, capsys: Captured, arguments: list[str]
) -> None:
    assert status(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    what = "there is no such file (start the watcher once, or correct the path)"
    assert err == f"watcher: opening of {tmp_path / 'watcher.db'}: {what}\n"
    assert not (tmp_path / "watcher.db").exists()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("30m", 1800, id="minutes"),
        pytest.param("2h", 7200, id="hours"),
        pytest.param("1d", 86_400, id="a day"),
        pytest.param("1h30m", 5400, id="together"),
        pytest.param(" 2H ", 7200, id="as a shell or a hurry has it"),
        pytest.param("1m", 60, id="the shortest"),
        pytest.param("30d", LONGEST, id="the longest"),
    ],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "90", "no length of time; 90 of what (give days, hours or minutes, like 30m, 2h or 1d)", id="bare"
        ),
        pytest.param("", "no length of time", id="nothing"),
        pytest.param("2 h", "no length of time", id="with a blank"),
        pytest.param("2hours", "no length of time", id="in words"),
        pytest.param("-2h", "no length of time", id="backwards"),
        pytest.param("30s", "no length of time", id="seconds, which a pass does not know"),
        pytest.param("30m2h", "no length of time", id="upside down"),
        pytest.param("0m", "ends at once", id="none at all"),
        pytest.param("30d1m", "longer than 30 days", id="a minute too long"),
    ],
)
def test_what_is_no_length_of_time(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds_of(text)
    assert told in str(caught.value)


# --- listing and resuming ---------------------------------------------------------------------------------------------


def test_the_list(running: SqliteStore, capsys: Captured) -> None:
    assert status(["pause", "--list"]) == 0
    assert capsys.readouterr() == ("", "watcher: no table is paused\n")
    running.pause(Pause("orders", NOW - 60, NOW + 7200, "deploying", "", "ana@db-7"))
    running.pause(Pause("us*", NOW - 30, NOW + 2 * 86_400, "test", "us-east-1", advise_only=True))
    running.pause(Pause("carts", NOW - 7200, NOW, "over"))
    assert status(["pause", "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "us* in us-east-1 until 2026-11-25 03:00 UTC: test (advised on only)",
        "orders until 05:00 UTC by ana@db-7: deploying",
    ]
    assert status(["pause", "--list", "--json"]) == 0
    assert [one["table"] for one in json.loads(capsys.readouterr().out)] == ["us*", "orders"]


def test_resuming_ends_it(running: SqliteStore, capsys: Captured) -> None:
    assert pause("--advise-only") == 0
    capsys.readouterr()
    assert status(["resume", "orders"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        (
            "Resumed: orders is heard of again, and its capacity may be changed again; the pause would have ended at "
            "05:00 UTC."
        ),
        "Open now:",
        "  orders in us-east-1: provisioned, warning, open for 40 min, since 02:20 UTC",
    ]
    assert running.pauses(NOW) == []


@pytest.mark.parametrize(
    ("region", "left"),
    [
        pytest.param((), [], id="without a Region, wherever it is"),
        pytest.param(("--region", "eu-west-1"), [""], id="in one Region only"),
    ],
)
def test_resuming_in_regions(running: SqliteStore, region: tuple[str, ...], left: list[str]) -> None:
    for name in ("", "eu-west-1"):
        running.pause(Pause("orders", NOW, NOW + 60, "x", name))
    assert status(["resume", "orders", *region]) == 0
    assert [one.region for one in running.pauses(NOW)] == left


@pytest.mark.parametrize(
    ("pauses", "arguments", "told"),
    [
        pytest.param([], ["orders"], "orders is not paused; no table is", id="nothing is paused"),
        pytest.param(
            [Pause("orders*", NOW, NOW + 60, "x"), Pause("users", NOW - 1, NOW + 60, "x", "us-east-1")],
            ["orders"],
            "orders is not paused; paused are: orders* until 03:01 UTC; users in us-east-1 until 03:01 UTC",
            id="others are, also one that silences it",
        ),
        pytest.param(
            [Pause("orders", NOW, NOW + 60, "x")],
            ["orders", "--region", "us-east-1"],
            "orders is not paused in us-east-1; paused are: orders until 03:01 UTC",
            id="it is, but not in that Region alone",
        ),
        pytest.param([Pause("orders", NOW - 60, NOW, "x")], ["orders"], "orders is not paused; no table is", id="over"),
    ],
)
def test_resuming_what_is_not_paused_ends_with_1(
    running: SqliteStore, capsys: Captured, pauses: list[Pause], arguments: list[str], told: str
) -> None:
    for one in pauses:
        running.pause(one)
    before = running.pauses(NOW)
    assert status(["resume", *arguments]) == 1
    assert capsys.readouterr() == ("", f"watcher: {told}\n")
    assert running.pauses(NOW) == before


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("deploy \udcff", id="a byte that is no UTF-8, as Python reads it from the shell"),
        pytest.param("deploy\x1b\x07", id="escape and bell"),
        pytest.param("\u202edeploy", id="a change of the writing direction"),
    ],
)
def test_a_reason_is_kept_as_others_can_show_it(running: SqliteStore, typed: str) -> None:
    assert pause(reason=typed) == 0
    assert running.pauses(NOW)[0].reason == "deploy"


def test_a_reason_that_nobody_could_read_is_none(capsys: Captured) -> None:
    assert pause(reason="\udcff") == 2
    assert "not said why" in capsys.readouterr().err


def test_escapes_in_a_reason_do_not_reach_the_terminal(running: SqliteStore, capsys: Captured) -> None:
    running.pause(Pause("orders", NOW, NOW + 60, "red \x1b[31m", by="a\x1b"))
    assert status(["pause", "--list"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_resuming_in_a_region_that_is_not_watched_is_wrong_usage(running: SqliteStore, capsys: Captured) -> None:
    running.pause(Pause("orders", NOW, NOW + 60, "x"))
    assert status(["resume", "orders", "--region", "us-west-2"]) == 2
    assert "is not watched" in capsys.readouterr().err
    assert len(running.pauses(NOW)) == 1
