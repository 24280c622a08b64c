"""Structured logs: JSON lines for machines, plain words for people, one renderer for our events and the libraries'.

Events have constant names and constant keys; an event that carries ``sentence`` shows the sentence to people, not the
keys. Nothing logged may hold a secret, and nothing from info upwards a partition key value in any form.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from watcher.clock import Clock, iso
from watcher.errors import UsageError

LOGGER_NAME: Final = "watcher"
FORMATS: Final = ("auto", "json", "console")
TABLE_COLUMN: Final = 20


class Event(StrEnum):
    """Every event the watcher logs."""

    CYCLE_FINISHED = "cycle.finished"
    DECISION_MADE = "decision.made"
    ACTION_SETTLED = "action.settled"
    HOT_KEYS_JUDGED = "hot_keys.judged"
    HOT_KEYS_NAMED = "hot_keys.named"  # with the keys in their allowed form, so for debugging only
    SAMPLING_RELEASED = "sampling.released"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_EXPLAINED = "incident.explained"  # its hot keys turned up, or turned out to be another pattern
    INCIDENT_REOPENED = "incident.reopened"  # it came back soon after it was resolved
    INCIDENT_WORSENED = "incident.worsened"
    INCIDENT_STILL_OPEN = "incident.still_open"  # a reminder
    INCIDENT_FOLDED = "incident.folded"  # told as a part of a storm, not by itself
    INCIDENT_RESOLVED = "incident.resolved"
    ALERT_UNDELIVERED = "alert.undelivered"
    TOPIC_FAILING = "alert.topic_failing"
    TOPIC_BACK = "alert.topic_back"
    PAUSE_BEGAN = "pause.began"
    PAUSE_ENDED = "pause.ended"
    CONFIG_RELOADED = "config.reloaded"
    CONFIG_REJECTED = "config.rejected"
    TABLE_FOUND = "table.found"
    TABLE_GONE = "table.gone"
    TABLE_UNREADABLE = "table.unreadable"
    TABLE_READABLE = "table.readable"
    REGION_UNREADABLE = "region.unreadable"
    REGION_READABLE = "region.readable"
    PAST_LEARNING = "past.learning"
    PAST_LEARNED = "past.learned"
    STORE_UNAVAILABLE = "store.unavailable"
    STORE_AVAILABLE = "store.available"
    DAEMON_STARTED = "daemon.started"
    DAEMON_STOPPING = "daemon.stopping"
    LIBRARY = "library.message"  # a record of the standard library's logging, from apscheduler, botocore, waitress


INCIDENT_WORDS: Mapping[str, str] = {
    Event.INCIDENT_OPENED: "INCIDENT OPENED",
    Event.INCIDENT_EXPLAINED: "INCIDENT EXPLAINED",
    Event.INCIDENT_REOPENED: "INCIDENT OPEN AGAIN",
    Event.INCIDENT_WORSENED: "INCIDENT WORSENED",
    Event.INCIDENT_STILL_OPEN: "INCIDENT STILL OPEN",
    Event.INCIDENT_RESOLVED: "INCIDENT RESOLVED",
}

_RESET, _BOLD, _DIM, _RED, _GREEN, _YELLOW = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"
_MARKS: Mapping[str, str] = {"warning": "Warning: ", "error": "Error: ", "critical": "Error: "}


def logger() -> FilteringBoundLogger:
    """The logger all of the watcher's events go through."""
    return cast("FilteringBoundLogger", structlog.get_logger(LOGGER_NAME))


# The parameter is called what the configuration key and the command line option are called.
def configure(
    format: str,  # noqa: A002 - see above
    level: str,
    stream: TextIO,
    clock: Clock,
    *,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send every event to ``stream``. May be called again; the newest call holds.

    format: ``json``, ``console``, or ``auto``: console on a terminal, JSON anywhere else. level: the lowest level of
    the watcher's own events; libraries are heard from WARNING. environ: where NO_COLOR and TERM are looked up, by
    default the process's environment. Raises UsageError for an unknown format or level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise UsageError(f"unknown log level {level!r}", hint="use debug, info, warning or error")
    if format not in FORMATS:
        raise UsageError(f"unknown log format {format!r}", hint="use auto, json or console")
    terminal = stream.isatty()
    console = format == "console" or (format == "auto" and terminal)
    renderer: Processor = (
        ConsoleRenderer(colour=terminal and _wants_colour(os.environ if environ is None else environ))
        if console
        else render_json
    )
    stamped: list[Processor] = [structlog.stdlib.add_log_level, _Stamp(clock)]
    _install(logging.StreamHandler(stream), stamped, renderer, number)
    structlog.configure(
        processors=[*stamped, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a later call of configure must reach loggers already in use
    )


def _wants_colour(environ: Mapping[str, str]) -> bool:
    """https://no-color.org: present and not empty means no."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class _OurHandler(logging.Handler):
    """Marks the handler as ours, so that configuring again replaces it and leaves others' (pytest's) alone."""

    def __init__(self, inner: logging.StreamHandler[TextIO]) -> None:
        super().__init__()
        self._inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        self._inner.handle(record)


def _install(inner: logging.StreamHandler[TextIO], stamped: list[Processor], renderer: Processor, level: int) -> None:
    inner.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_from_library, *stamped],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _OurHandler)]:
        root.removeHandler(handler)
    root.addHandler(_OurHandler(inner))
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER_NAME).setLevel(level)


class _Stamp:
    """Adds ``time`` from the injected clock: on the sandbox the log's time is the sandbox's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["time"] = iso(self._clock.now())
        return event


def _from_library(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """A library's text varies, so it becomes the sentence, and the event's name stays constant."""
    record: logging.LogRecord = event["_record"]
    event["sentence"] = event["event"]
    event["event"] = Event.LIBRARY
    event["logger"] = record.name
    return event


def render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    """One object a line: time, level and event first, then the facts in the order they were given."""
    first = {key: event.pop(key) for key in ("time", "level", "event")}
    return json.dumps({**first, **event}, default=str)


class ConsoleRenderer:
    """``HH:MM:SS  table  sentence``, UTC. Incident lines stand out with and without colour; actions are bold."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> str:
        exception = event.pop("exception", "")
        subject = str(
            event.get("table") or event.get("match") or event.get("region") or event.get("logger") or LOGGER_NAME
        )
        line = self._paint(event, _printable(_words(event)))
        text = f"{self._style(_DIM, event['time'][11:19])}  {_printable(subject):<{TABLE_COLUMN}}  {line}"
        return text + "".join(f"\n    {part}" for part in exception.splitlines())

    def _paint(self, event: Mapping[str, Any], words: str) -> str:
        name = event["event"]
        if name == Event.INCIDENT_RESOLVED:
            return self._style(_BOLD + _GREEN, words)
        if name in INCIDENT_WORDS:
            return self._style(_BOLD + _RED, words)
        if event["level"] in _MARKS:
            return self._style(_BOLD + _YELLOW if name == Event.ACTION_SETTLED else _YELLOW, words)
        return self._style(_BOLD, words) if name == Event.ACTION_SETTLED else words

    def _style(self, code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if self._colour else text


_ENVELOPE = frozenset({"time", "level", "event", "sentence", "table", "logger"})


def _words(event: MutableMapping[str, Any]) -> str:
    name = str(event["event"])
    sentence = event.get("sentence")
    if name in INCIDENT_WORDS:
        severity = "" if name == Event.INCIDENT_RESOLVED else event.get("severity")
        return f"{INCIDENT_WORDS[name]}{f' ({severity})' if severity else ''}: {sentence}"
    mark = _MARKS.get(event["level"], "")
    if sentence:
        return f"{mark}{sentence}"
    return " ".join([f"{mark}{name}", *(f"{key}={value}" for key, value in event.items() if key not in _ENVELOPE)])


def _printable(text: str) -> str:
    """Names and AWS's own words come from outside: no line breaks, no terminal escapes."""
    return "".join(character if character.isprintable() else " " for character in text)
