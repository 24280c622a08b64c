"""What people and machines read in the log."""

from __future__ import annotations

import io
import json
import logging

import pytest

from tests.telemetry.examples import NOW
from watcher.clock import SimulatedClock
from watcher.errors import UsageError
from watcher.telemetry.logs import Event, configure, logger


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def configured(
    form: str, level: str = "info", *, terminal: bool = False, environ: dict[str, str] | None = None
) -> io.StringIO:
    stream = Terminal() if terminal else io.StringIO()
    configure(form, level, stream, SimulatedClock(NOW), environ=environ or {})
    return stream


def test_json_has_time_level_and_event_first_and_then_the_facts_in_order() -> None:
    stream = configured("json")
    logger().info(Event.TABLE_FOUND, table="orders", region="us-east-1", sentence="Watching it.")
    assert stream.getvalue() == (
        '{"time": "2026-11-22T03:04:05Z", "level": "info", "event": "table.found", '
        '"table": "orders", "region": "us-east-1", "sentence": "Watching it."}\n'
    )


@pytest.mark.parametrize(
    ("form", "terminal", "is_json"),
    [
        pytest.param("auto", False, True, id="auto is JSON in a pipe or a container"),
        pytest.param("auto", True, False, id="auto is for people on a terminal"),
        pytest.param("json", True, True, id="json is JSON even on a terminal"),
        pytest.param("console", False, False, id="console is for people even in a pipe"),
    ],
)
def test_format(form: str, terminal: bool, is_json: bool) -> None:  # noqa: FBT001 - a table's columns
    stream = configured(form, terminal=terminal)
    logger().info(Event.DAEMON_STARTED, sentence="Started.")
    assert stream.getvalue().startswith("{") is is_json


@pytest.mark.parametrize(
    ("level", "event", "facts", "line"),
    [
        pytest.param(
            "info",
            Event.DECISION_MADE,
            {"table": "orders", "reason": "hold-steady", "sentence": "Steady."},
            "03:04:05  orders                Steady.",
            id="an event with a sentence shows the sentence, not the keys",
        ),
        pytest.param(
            "info",
            Event.CONFIG_RELOADED,
            {"rules": 3},
            "03:04:05  watcher               config.reloaded rules=3",
            id="an event without a sentence shows its keys",
        ),
        pytest.param(
            "error",
            Event.REGION_UNREADABLE,
            {"region": "eu-west-1", "sentence": "No answer."},
            "03:04:05  eu-west-1             Error: No answer.",
            id="an error says so without colour too",
        ),
        pytest.param(
            "warning",
            Event.ALERT_UNDELIVERED,
            {"table": "orders", "sentence": "Topic gone."},
            "03:04:05  orders                Warning: Topic gone.",
            id="a warning says so without colour too",
        ),
        pytest.param(
            "error",
            Event.INCIDENT_OPENED,
            {"table": "orders", "severity": "critical", "sentence": "Throttled."},
            "03:04:05  orders                INCIDENT OPENED (critical): Throttled.",
            id="an incident stands out without colour too",
        ),
        pytest.param(
            "info",
            Event.INCIDENT_RESOLVED,
            {"table": "orders", "severity": "critical", "sentence": "Calm again."},
            "03:04:05  orders                INCIDENT RESOLVED: Calm again.",
            id="a resolved incident says so and is critical no more",
        ),
        pytest.param(
            "info",
            Event.DECISION_MADE,
            {"table": "a\x1b[31m\nb", "sentence": "one\r\ntwo\x1b]0;x\x07"},
            "03:04:05  a [31m b              one  two ]0;x ",
            id="line breaks and terminal escapes from outside do not get through",
        ),
    ],
)
def test_console_line(level: str, event: Event, facts: dict[str, object], line: str) -> None:
    stream = configured("console")
    getattr(logger(), level)(event, **facts)
    assert stream.getvalue() == line + "\n"


RED, GREEN, YELLOW, BOLD = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m"


@pytest.mark.parametrize(
    ("level", "event", "style"),
    [
        pytest.param("error", Event.INCIDENT_OPENED, BOLD + RED, id="opened is red"),
        pytest.param("warning", Event.INCIDENT_WORSENED, BOLD + RED, id="worsened is red"),
        pytest.param("info", Event.INCIDENT_RESOLVED, BOLD + GREEN, id="resolved is green"),
        pytest.param("info", Event.ACTION_SETTLED, BOLD, id="an action is bold"),
        pytest.param("warning", Event.ACTION_SETTLED, BOLD + YELLOW, id="a refused action is bold and yellow"),
        pytest.param("warning", Event.ALERT_UNDELIVERED, YELLOW, id="a warning is yellow"),
        pytest.param("info", Event.DECISION_MADE, "", id="a decision is plain"),
    ],
)
def test_colour_on_a_terminal(level: str, event: Event, style: str) -> None:
    stream = configured("auto", terminal=True)
    getattr(logger(), level)(event, table="orders", sentence="Words.")
    body = stream.getvalue().split("orders" + " " * 14 + "  ", 1)[1]
    words = {
        Event.INCIDENT_OPENED: "INCIDENT OPENED: Words.",
        Event.INCIDENT_WORSENED: "INCIDENT WORSENED: Words.",
        Event.INCIDENT_RESOLVED: "INCIDENT RESOLVED: Words.",
    }.get(event, "Warning: Words." if level == "warning" else "Words.")
    assert body == (f"{style}{words}\x1b[0m\n" if style else f"{words}\n")


@pytest.mark.parametrize(
    ("terminal", "environ", "coloured"),
    [
        pytest.param(True, {}, True, id="a terminal has colour"),
        pytest.param(True, {"NO_COLOR": "1"}, False, id="NO_COLOR takes it away"),
        pytest.param(True, {"NO_COLOR": ""}, True, id="an empty NO_COLOR does not count"),
        pytest.param(True, {"TERM": "dumb"}, False, id="a dumb terminal has none"),
        pytest.param(False, {}, False, id="a pipe has none"),
    ],
)
def test_where_there_is_colour(terminal: bool, environ: dict[str, str], coloured: bool) -> None:  # noqa: FBT001 - a table
    stream = configured("console", terminal=terminal, environ=environ)
    logger().error(Event.INCIDENT_OPENED, table="orders", sentence="Throttled.")
    assert ("\x1b[" in stream.getvalue()) is coloured


@pytest.mark.parametrize("name", ["apscheduler.scheduler", "botocore.credentials", "waitress.queue"])
def test_libraries_are_heard_from_warning_through_the_same_renderer(name: str) -> None:
    stream = configured("json", "debug")
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("Task queue depth is %d", 3)
    [line] = stream.getvalue().splitlines()
    assert json.loads(line) == {
        "time": "2026-11-22T03:04:05Z",
        "level": "warning",
        "event": "library.message",
        "sentence": "Task queue depth is 3",
        "logger": name,
    }


def test_a_library_is_named_where_the_table_would_stand() -> None:
    stream = configured("console")
    logging.getLogger("waitress.queue").warning("Task queue depth is 3")
    assert stream.getvalue() == "03:04:05  waitress.queue        Warning: Task queue depth is 3\n"


def test_an_unexpected_exception_keeps_its_traceback_in_both_formats() -> None:
    for form in ("json", "console"):
        stream = configured(form)
        try:
            int("boom")
        except ValueError:
            logging.getLogger("apscheduler.executors").exception("Job raised an exception")
        text = stream.getvalue()
        assert "ValueError: invalid literal" in (json.loads(text)["exception"] if form == "json" else text)
        assert "Traceback" in text


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        pytest.param("debug", ["debug", "info", "warning"], id="debug hears everything"),
        pytest.param("info", ["info", "warning"], id="info hears no debug"),
        pytest.param("WARNING", ["warning"], id="the level's case does not matter"),
    ],
)
def test_level(level: str, heard: list[str]) -> None:
    stream = configured("json", level)
    for one in ("debug", "info", "warning"):
        getattr(logger(), one)(Event.CYCLE_FINISHED)
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == heard


def test_configuring_again_replaces_the_stream_also_for_loggers_in_use() -> None:
    first = configured("json")
    log = logger()
    log.info(Event.DAEMON_STARTED)
    second = configured("console")
    log.info(Event.DAEMON_STOPPING, sentence="Stopping.")
    assert len(first.getvalue().splitlines()) == 1
    assert second.getvalue() == "03:04:05  watcher               Stopping.\n"


@pytest.mark.parametrize(
    ("form", "level", "message"),
    [
        pytest.param("xml", "info", "unknown log format 'xml' (use auto, json or console)", id="an unknown format"),
        pytest.param(
            "json", "loud", "unknown log level 'loud' (use debug, info, warning or error)", id="an unknown level"
        ),
    ],
)
def test_a_wrong_setting_is_refused(form: str, level: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        configured(form, level)
    assert str(caught.value) == message
