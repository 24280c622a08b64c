"""Alerts in the configuration: which topic hears what and when, where its readers go next, what is an incident."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from watcher.config_mistakes import Clash, Section, shown
from watcher.config_schedules import TimeZone
from watcher.config_types import Pattern, Whole
from watcher.core.quiet import QuietHours
from watcher.core.reasons import AlertKind, Severity

FEWEST_OF_A_STORM = 3  # two tables in trouble at once are two incidents
SHORTEST_REPEAT = 5  # minutes
PLACEHOLDERS = ("cause", "table", "index", "region", "account")
_HOST = r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?"

TopicArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$",
        description='an SNS topic ARN like "arn:aws:sns:us-east-1:123456789012:watcher-alerts"',
    ),
]
PageUrl = Annotated[
    str,
    Field(
        pattern=rf"^{_HOST}([/?#][\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]*)?$",
        max_length=1000,
        description='an http or https URL like "https://watcher.example.org", without user name or password',
    ),
]
# As a page's, and braces, which hold placeholders.
RunbookUrl = Annotated[
    str,
    Field(
        pattern=rf"^{_HOST}([/?#][\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7b\x7d\x7e]*)?$",
        max_length=1000,
        description='an http or https URL like "https://wiki.example.org/{cause}?table={table}", without user name or '
        "password",
    ),
]
ClockTime = Annotated[
    str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='a time of day like "22:00", 00:00 to 23:59')
]
ClockEnd = Annotated[
    str,
    Field(
        pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
        description='a time of day like "07:00", 00:00 to 23:59, or 24:00',
    ),
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _not_below(least: int) -> BeforeValidator:
    """0, which stands for never, or ``least`` and more."""

    def checked(given: object) -> object:
        if isinstance(given, int) and not isinstance(given, bool) and 0 < given < least:
            raise ValueError(f"below {least}")
        return given

    return BeforeValidator(checked)


class Quiet(Section):
    """Hours in which a topic hears only what is critical; the rest waits until they are over."""

    begin: ClockTime = Field(alias="from")
    until: ClockEnd
    timezone: TimeZone = "UTC"
    days: tuple[Day, ...] = Field(default=_DAYS, min_length=1)

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        begin, until = given.get("from"), given.get("until")
        if isinstance(begin, str) and begin == until:
            cause = f'got until {shown(until)} equal to from, expected another time; a whole day is "00:00" to "24:00"'
            yield Clash(cause, ("from", "until"))

    def hours(self) -> QuietHours:
        days = frozenset(_DAYS.index(day) for day in self.days)
        return QuietHours(_minute(self.begin), _minute(self.until), days, ZoneInfo(self.timezone))


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


class AlertRule(Section):
    """One SNS topic and what goes there. repeat_minutes: after which what stays open is told again, 0 for never."""

    topic_arn: TopicArn
    format: Literal["text", "cloudwatch-alarm", "chat"] = "text"
    match: Pattern = "*"
    severities: tuple[Severity, ...] = Field(default=(Severity.WARNING, Severity.CRITICAL), min_length=1)
    kinds: tuple[AlertKind, ...] = Field(default=tuple(AlertKind), min_length=1)
    quiet: Annotated[
        Quiet | None,
        Field(description='a table like { from = "22:00", until = "07:00", timezone = "Europe/Berlin" }'),
    ] = None
    repeat_minutes: Annotated[
        Whole,
        _not_below(SHORTEST_REPEAT),
        Field(ge=0, le=1440, description=f"0 for never, or a whole number from {SHORTEST_REPEAT} to 1440"),
    ] = 0

    @property
    def hears_the_watcher(self) -> bool:
        """Whether it is told of what concerns no table: that a whole Region cannot be seen, that a permission is lost.
        An entry for some tables only is not, unless it asks for it."""
        if AlertKind.WATCHER not in self.kinds:
            return False
        return set(self.match) == {"*"} or "kinds" in self.model_fields_set

    @property
    def repeat_seconds(self) -> float:
        return self.repeat_minutes * 60.0

    def takes(self, kind: AlertKind, severity: Severity) -> bool:
        return kind in self.kinds and severity in self.severities


class LinksRule(Section):
    """URLs of every alert. page: the watcher's own, as its readers reach it. runbook: with placeholders."""

    page: PageUrl | None = None
    runbook: RunbookUrl | None = None

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        yield from clashes_of_runbook(given)


class IncidentsRule(Section):
    """What is an incident beyond a table's own. storm_tables: so many tables of a Region that fall into trouble within
    five minutes are told as one, 0 for never. blind_minutes: so long nothing of a Region can be read, or a permission
    is missing, before that is one."""

    storm_tables: Annotated[
        Whole,
        _not_below(FEWEST_OF_A_STORM),
        Field(ge=0, le=10_000, description=f"0 for never, or a whole number from {FEWEST_OF_A_STORM} to 10000"),
    ] = 10
    blind_minutes: Whole = Field(default=3, ge=1, le=60)


def clashes_of_runbook(given: Mapping[str, object]) -> Iterator[Clash]:
    """What is wrong between a runbook's braces."""
    runbook = given.get("runbook")
    if not isinstance(runbook, str):
        return
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    names = re.findall(r"\{([^{}]*)\}", runbook)
    for name in dict.fromkeys(name for name in names if name not in PLACEHOLDERS):
        close = difflib.get_close_matches(name.lower(), PLACEHOLDERS, n=1)
        guess = f"; did you mean {{{close[0]}}}?" if close else ""
        cause = f"got {shown(runbook)} with unknown placeholder {shown(f'{{{name}}}')}, known are {known}{guess}"
        yield Clash(cause, ("runbook",), ("runbook",))
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", runbook)):
        cause = f"got {shown(runbook)} with a brace that has no partner, expected placeholders like {{table}}"
        yield Clash(cause, ("runbook",), ("runbook",))


def repeats(rules: Iterable[AlertRule]) -> tuple[float, ...]:
    """The distinct repeat intervals of these entries in seconds, the shortest first."""
    return tuple(sorted({rule.repeat_seconds for rule in rules if rule.repeat_minutes}))


# --- who is told of nothing -------------------------------------------------------------------------------------------

_UNTOLD: Mapping[AlertKind, str] = {
    AlertKind.THROTTLING: "throttled requests reach nobody",
    AlertKind.LATENCY: "slow requests reach nobody",
    AlertKind.WATCHER: "what the watcher itself cannot see or do reaches nobody",
}


def warnings_of_alerts(rules: tuple[AlertRule, ...], tables: Iterable[str]) -> list[str]:
    """Incidents that reach nobody, one sentence each. tables: the patterns of the ``[[tables]]`` entries."""
    if not rules:
        return [
            "no [[alerts]] entry: incidents reach nobody, they show on the page, in the log and in the metrics only"
        ]
    found = [sentence for kind in AlertKind if (sentence := _warning_of_kind(rules, kind))]
    for number, name in enumerate(tables):
        if not set(name) & set("*?[") and not any(fnmatchcase(name, rule.match) for rule in rules):
            found.append(f'tables.{number}: "{name}" is matched by no [[alerts]] entry, so its incidents reach nobody')
    return found


def _warning_of_kind(rules: tuple[AlertRule, ...], kind: AlertKind) -> str:
    takers = [rule for rule in rules if kind in rule.kinds]
    if not takers:
        return f'no [[alerts]] entry takes the kind "{kind}": {_UNTOLD[kind]}'
    if not any(rule.takes(kind, Severity.CRITICAL) for rule in takers):
        return f'no [[alerts]] entry takes the kind "{kind}" when it is critical; add that to severities of one'
    if kind is AlertKind.WATCHER and not any(rule.hears_the_watcher for rule in takers):
        return (
            "every [[alerts]] entry is for some tables only: of a Region that cannot be read, or a permission that is "
            'lost, nobody is told; name kinds with "watcher" in one'
        )
    return ""
