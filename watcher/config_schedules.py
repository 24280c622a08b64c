"""Schedules for known events in the configuration: what one entry takes, and what it becomes in the core.

An event recurs by ``cron`` (with ``duration_minutes``, and ``timezone`` for a clock other than UTC's) or happens once,
``from`` an instant ``until`` another. Its floors lie inside the bounds of the ``[[tables]]`` entry it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from watcher.config_cron import cron_mistake, cron_starts, is_timezone
from watcher.config_mistakes import Clash, Location, Section, dotted, shown
from watcher.config_types import Pattern, Units, Whole
from watcher.core.model import Kind
from watcher.core.schedule import Once, Schedule, Starts

LONGEST_EVENT_DAYS = 366
FIELDS = "minute hour day-of-month month day-of-week"
LONGEST_CRON = 200
FORMS = 'cron = ".." with duration_minutes, or from = .. with until = ..'
BOUNDS = "{ min = .., max = .. }"


def _moment(given: object) -> datetime:
    """A TOML date and time or ISO text, with an offset, in UTC."""
    moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("not an instant")
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the offset leads out of the calendar
        raise ValueError("not an instant") from None


def _timezone(name: str) -> str:
    if not is_timezone(name):
        raise ValueError("not a time zone")
    return name


Name = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,58}[^\x00-\x20\x7f])?$",
        description="a name of 1 to 60 characters without control characters or blanks at its ends",
    ),
]
Cron = Annotated[str, Field(max_length=LONGEST_CRON, description=f"five cron fields ({FIELDS})")]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    Field(description="a date and time with an offset, like 2026-11-27T08:00:00Z"),
]
TimeZone = Annotated[
    str,
    AfterValidator(_timezone),
    Field(description='a name from the time zone database, like "Europe/Berlin" or "UTC"'),
]


class Floors(Section):
    """Units per second that are kept at least. Without a kind, nothing is kept of it."""

    read: Units | None = None
    write: Units | None = None

    @property
    def units(self) -> Mapping[Kind, int]:
        given = {Kind.READ: self.read, Kind.WRITE: self.write}
        return {kind: units for kind, units in given.items() if units is not None}


class IndexFloors(Floors):
    """The floors of the indexes that one pattern matches."""

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        if all(given.get(kind) is None for kind in Kind):
            yield Clash("names no units; add read = .. or write = ..", ())


class ScheduleRule(Floors):
    """One known event. lead_minutes: how long before each start its floors begin to count."""

    name: Name
    cron: Cron | None = None
    timezone: TimeZone = "UTC"
    duration_minutes: Whole | None = Field(default=None, ge=1, le=10_080)
    begin: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    lead_minutes: Whole = Field(default=10, ge=0, le=1440)
    indexes: dict[Pattern, IndexFloors] = Field(
        default_factory=dict, description='a table by index name or pattern, like indexes."*" = { write = 800 }'
    )

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        yield from _clashes_of_form(given)
        cron = given.get("cron")
        if isinstance(cron, str) and len(cron) <= LONGEST_CRON and (wrong := cron_mistake(cron)):
            cause = f'got {shown(cron)} {wrong}, expected five cron fields ({FIELDS}) like "45 17 * * 1-5"'
            yield Clash(cause, ("cron",), ("cron",))
        if not any(given.get(key) is not None for key in Kind) and not given.get("indexes"):
            yield Clash('names no units; add read = .., write = .. or indexes."NAME" = { write = .. }', ())

    def schedule(self) -> Schedule:
        starts, duration = self._starts_and_duration()
        return Schedule(
            name=self.name,
            starts=starts,
            duration=duration,
            lead=self.lead_minutes * 60.0,
            units=self.units,
            index_units=tuple((pattern, floors.units) for pattern, floors in self.indexes.items()),
        )

    def _starts_and_duration(self) -> tuple[Starts, float]:
        if self.cron is not None and self.duration_minutes is not None:
            return cron_starts(self.cron, self.timezone), self.duration_minutes * 60.0
        if self.begin is not None and self.until is not None:
            return Once(self.begin.timestamp()), (self.until - self.begin).total_seconds()
        raise ValueError(f"schedule {self.name} was not validated: it does not say when")


def _clashes_of_form(given: Mapping[str, object]) -> Iterator[Clash]:
    """Whether it is one of the two forms, recurring or single, as a whole and nothing of the other."""
    present = {key for key, value in given.items() if value is not None}
    single = [key for key in ("from", "until") if key in present]
    if "cron" in present and single:
        both = " and ".join(("cron", *single))
        yield Clash(f"got {both}, expected one way to say when: {FORMS}", ("cron", *single))
    elif "cron" in present:
        if "duration_minutes" not in present:
            yield Clash("missing, expected the minutes that each window lasts", ("cron",), ("duration_minutes",))
    elif single:
        yield from _clashes_of_single(given, present)
    else:
        yield Clash(f"does not say when; add {FORMS}", ())


def _clashes_of_single(given: Mapping[str, object], present: set[str]) -> Iterator[Clash]:
    for key, which in (("from", "when it begins"), ("until", "when it ends")):
        if key not in present:
            cause = f"missing, expected {which}: a date and time with an offset, like 2026-11-27T08:00:00Z"
            yield Clash(cause, (), (key,))
    for key in ("duration_minutes", "timezone"):
        if key in present:
            yield Clash(f"is of use only with cron; remove {key}", (key,), (key,))
    try:
        length = _moment(given.get("until")) - _moment(given.get("from"))
    except ValueError:
        return  # a mistake of its own
    ends = f"got until {shown(given['until'])}"
    if length <= timedelta(0):
        cause = f"{ends} not after from {shown(given['from'])}, expected from < until"
        yield Clash(cause, ("from", "until"))
    elif length > timedelta(days=LONGEST_EVENT_DAYS):
        most = f"more than {LONGEST_EVENT_DAYS} days after"
        cause = f"{ends} {most} from {shown(given['from'])}, expected an event of {LONGEST_EVENT_DAYS} days at most"
        yield Clash(cause, ("from", "until"))


# --- floors and the bounds they lie in --------------------------------------------------------------------------------


def clashes_with_bounds(entry: Mapping[str, object]) -> Iterator[Clash]:
    """Floors of a ``[[tables]]`` entry, unchecked as given, that have no bounds to lie in or lie above them."""
    missing: dict[Location, None] = {}  # in the order met, each once
    schedules = entry.get("schedules")
    for number, schedule in enumerate(schedules if isinstance(schedules, list | tuple) else ()):
        for place, units in _floors(schedule):
            for bounds in _places_of_bounds(entry, place):
                found = _at(entry, bounds)
                if found is None:
                    missing[bounds] = None
                top = found.get("max") if isinstance(found, dict) else None
                if isinstance(top, int) and units > top:
                    where = ("schedules", number, *place)
                    cause = f"got {shown(units)} above max {shown(top)} of {dotted(bounds)}, expected floor <= max"
                    yield Clash(cause, (where, (*bounds, "max")), where)
    if missing:
        names = [dotted(place) for place in missing]
        are = "is" if len(names) == 1 else "are"
        remedy = ", ".join(f"{name} = {BOUNDS}" for name in names)
        yield Clash(
            f"floors need bounds: {' and '.join(names)} {are} missing; add {remedy}", ("schedules",), ("schedules",)
        )


def _floors(schedule: object) -> Iterator[tuple[Location, int]]:
    """Each floor of a schedule with its place in it."""
    indexes = _at(schedule, ("indexes",))
    places: list[Location] = [(kind.value,) for kind in Kind]
    places += [("indexes", p, kind.value) for p in (indexes if isinstance(indexes, dict) else ()) for kind in Kind]
    for place in places:
        if isinstance(units := _at(schedule, place), int):
            yield place, units


def _places_of_bounds(entry: Mapping[str, object], floor: Location) -> list[Location]:
    """Where the bounds stand that a floor has to lie in, or would have to stand."""
    if len(floor) == 1:
        return [floor]
    indexes = entry.get("indexes")
    _, pattern, kind = floor
    found = _meeting(indexes if isinstance(indexes, dict) else {}, str(pattern)) or [str(pattern)]
    return [("indexes", bounds, kind) for bounds in found]


def _meeting(bounds: Iterable[str], pattern: str) -> list[str]:
    """The patterns of bounds that count for what ``pattern`` matches: the first that holds all of it ends them."""
    found: list[str] = []
    for other in bounds:
        if other == pattern or fnmatchcase(pattern, other):
            return [*found, other]
        if fnmatchcase(other, pattern):
            found.append(other)
    return found


def _at(holder: object, place: Location) -> object:
    for key in place:
        holder = holder.get(key) if isinstance(holder, dict) else None
    return holder
