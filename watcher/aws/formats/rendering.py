"""One alert in one format, within what SNS takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from watcher.aws.formats.alarm import alarm, alarm_subject
from watcher.aws.formats.chat import chat, is_shown_whole
from watcher.aws.formats.cleaning import readable
from watcher.aws.formats.text import text
from watcher.aws.formats.trimming import letters, trimmed
from watcher.core.model import Alert

SUBJECT_LIMIT = 99  # SNS wants less than 100 characters, no line breaks or control characters
MESSAGE_LIMIT = 262_144  # bytes of UTF-8, attributes included (see AWS docs: Publish)


class Format(StrEnum):
    TEXT = "text"
    CLOUDWATCH_ALARM = "cloudwatch-alarm"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class _Writer:
    """fits: whether the receiver shows all of an alert, however few bytes it has."""

    body: Callable[[Alert], str]
    subject: Callable[[Alert], str] = lambda alert: alert.subject
    fits: Callable[[Alert], bool] = lambda _alert: True


_WRITERS: Mapping[Format, _Writer] = {
    Format.TEXT: _Writer(text),
    Format.CLOUDWATCH_ALARM: _Writer(alarm, alarm_subject),
    Format.CHAT: _Writer(chat, fits=is_shown_whole),
}


def render(alert: Alert, form: Format, limit: int = MESSAGE_LIMIT) -> Message:
    """The message; body and attributes together are at most ``limit`` bytes.

    What it can do without is left out when it is too long, and that is said. Raises ValueError when even that does not
    fit, which takes a limit below some ten kilobytes.
    """
    writer = _WRITERS[form]
    room = limit - attribute_bytes(alert.attributes())

    def fits(candidate: Alert) -> bool:
        # Counting first, which is quick: a body has every letter at least once.
        return letters(candidate) <= room and writer.fits(candidate) and len(writer.body(candidate).encode()) <= room

    whole = readable(alert)
    kept = trimmed(whole, fits)
    if kept is None:
        raise ValueError(f"an alert of {alert.table} does not fit {limit} bytes")
    return Message(subject_line(writer.subject(whole)), writer.body(kept))


def attribute_bytes(attributes: Mapping[str, str]) -> int:
    """What message attributes count for: names, types and values."""
    return sum(len(name.encode()) + len("String") + len(value.encode()) for name, value in attributes.items())


def subject_line(text: str) -> str:
    """``text`` as SNS accepts a subject. A character outside the basic plane counts as two, as it does in UTF-16: how
    SNS counts is not documented."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if _units(line) <= SUBJECT_LIMIT:
        return line
    kept = line[: SUBJECT_LIMIT - 3]
    while _units(kept) > SUBJECT_LIMIT - 3:
        kept = kept[:-1]
    return kept + "..."


def _units(line: str) -> int:
    return len(line.encode("utf-16-le")) // 2
