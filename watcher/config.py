"""The configuration: a TOML file and the environment become frozen models, and every mistake is reported at once.

Rules between settings are in ``clashes``; how mistakes turn into sentences is in config_mistakes, where settings come
from in config_source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_serializer

from watcher.config_alerts import (
    AlertRule,
    IncidentsRule,
    LinksRule,
    RunbookUrl,
    clashes_of_runbook,
    repeats,
    warnings_of_alerts,
)
from watcher.config_mistakes import Clash, Section, Table, sentences, shown
from watcher.config_schedules import ScheduleRule, clashes_with_bounds
from watcher.config_source import Source, as_text, read_toml, with_environment
from watcher.config_types import Flag, Number, Pattern, Text, Units, Whole
from watcher.core.insights import KeyForm, Sampling
from watcher.core.model import Kind
from watcher.core.policy import (
    OBJECTIVES,
    POINTS,
    AutoScaling,
    Bounds,
    IncidentRules,
    Links,
    Objective,
    TablePolicy,
    beginning,
)
from watcher.core.reasons import AlertKind, Mode
from watcher.core.region_state import RegionRules
from watcher.errors import ConfigError

_T = TypeVar("_T")

SHORTEST_SECRET = 16
OVERDUE_INTERVALS = 3.0

Region = Annotated[
    str, Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$", description='a Region name like "us-east-1"')
]
TableName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.-]{3,255}$", description="a table name (3 to 255 letters, digits, _ - .)")
]
RoleArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7e]{1,576}$",
        description='a role ARN like "arn:aws:iam::123456789012:role/watcher"',
    ),
]
EndpointUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[\x21\x24-\x3e\x41-\x7e]*)?$",
        description='an http or https URL like "http://localhost:4566", without user name or password',
    ),
]


def _is_external_id(secret: SecretStr) -> SecretStr:
    """See AWS STS: AssumeRole, parameter ExternalId."""
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@:/-]{2,1224}", secret.get_secret_value()):
        raise ValueError("not an external id")
    return secret


Fraction = Annotated[Number, Field(gt=0, le=0.1, description="a number above 0 and at most 0.1, like 1e-4")]


def _is_hash_secret(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().strip()) < SHORTEST_SECRET:
        raise ValueError("too short")
    return secret


HashSecret = Annotated[
    SecretStr,
    AfterValidator(_is_hash_secret),
    Field(description=f"{SHORTEST_SECRET} or more characters, as secret as a password"),
]
ExternalId = Annotated[
    SecretStr,
    AfterValidator(_is_external_id),
    Field(description="the external id of the role's trust policy: 2 to 1224 letters, digits or _+=,.@:/-"),
]


class Aws(Section):
    """Which account and Regions, and how they are reached. Without role_arn the caller's own credentials count."""

    regions: tuple[Region, ...] = Field(default=("us-east-1",), min_length=1)
    role_arn: RoleArn | None = None
    external_id: ExternalId | None = None
    endpoint_url: EndpointUrl | None = None
    connect_timeout_seconds: Number = Field(default=3.0, ge=0.1, le=60)
    read_timeout_seconds: Number = Field(default=10.0, ge=0.1, le=60)

    @field_serializer("external_id")
    def _mask(self, secret: SecretStr | None) -> str | None:
        return None if secret is None else "****"

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        if given.get("external_id") is not None and given.get("role_arn") is None:
            yield Clash(
                "external_id is of use only with role_arn; add role_arn or remove external_id", ("external_id",)
            )
        regions = given.get("regions")
        named = [name for name in regions if isinstance(name, str)] if isinstance(regions, list | tuple) else []
        for twice in sorted({name for name in named if named.count(name) > 1}):
            yield Clash(f"got {shown(twice)} more than once, expected each Region once", ("regions",), ("regions",))


class Polling(Section):
    """When the watcher looks. offset_seconds: how long after the full minute a cycle starts. align: learn that from
    when CloudWatch's points appear, whose delay is not documented; offset_seconds is then where it begins.

    window_minutes: how far back each cycle reads; CloudWatch publishes some points minutes late and revises others.
    """

    interval_seconds: Whole = Field(default=60, ge=60, le=300, multiple_of=60)
    offset_seconds: Whole = Field(default=12, ge=0, le=59)
    align: Flag = True
    discovery_minutes: Whole = Field(default=5, ge=1, le=1440)
    window_minutes: Whole = Field(default=10, ge=10, le=180)
    latency: Flag = True


class Range(Section):
    """Capacity in units per second, both ends allowed."""

    min: Units
    max: Units

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        low, high = given.get("min"), given.get("max")
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield Clash(f"got min {shown(low)} above max {shown(high)}, expected min <= max", ("min", "max"))

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.min, self.max)


OptionalRange = Annotated[Range | None, Field(description="a table like { min = 5, max = 4000 }")]


class BoundsRule(Section):
    """Bounds by kind. In act mode an index that no pattern matches, or without bounds of a kind, is advised on only."""

    read: OptionalRange = None
    write: OptionalRange = None

    @property
    def bounds(self) -> Mapping[Kind, Bounds]:
        given = {Kind.READ: self.read, Kind.WRITE: self.write}
        return {kind: limits.bounds for kind, limits in given.items() if limits is not None}


class HotKeysRule(Section):
    """What a table does otherwise than ``[hot_keys]``."""

    sampling: Sampling | None = None
    key_values: KeyForm | None = None


class TableRule(BoundsRule):
    """What is wanted of the tables that ``match``. A number left out is the objective's own.

    max_throttled_fraction: a goal instead of an objective; the nightly replay of the table's own past then chooses.
    """

    match: Pattern
    mode: Mode = Mode.ADVISE
    objective: Objective = Objective.BALANCED
    max_throttled_fraction: Fraction | None = None
    indexes: dict[Pattern, BoundsRule] = Field(
        default_factory=dict, description='a table by index name or pattern, like indexes."*" = { read = { .. } }'
    )
    auto_scaling: AutoScaling = AutoScaling.RESPECT
    schedules: tuple[ScheduleRule, ...] = ()
    hot_keys: HotKeysRule = Field(default_factory=HotKeysRule)

    max_raise_factor: Number | None = Field(default=None, ge=1.1, le=100)
    max_changes_per_hour: Whole | None = Field(default=None, ge=1, le=60)
    foreign_change_hold_minutes: Number | None = Field(default=None, ge=0, le=1440)

    open_events: Number | None = Field(default=None, ge=1, le=1_000_000_000)
    open_minutes: Whole | None = Field(default=None, ge=1, le=5)
    resolve_minutes: Number | None = Field(default=None, ge=1, le=1440)
    slow_factor: Number | None = Field(default=None, ge=1.1, le=1000)
    runbook: RunbookUrl | None = None

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        absent = [kind.value for kind in Kind if given.get(kind) is None]
        if given.get("mode") == Mode.ACT and absent:
            remedy = ", ".join(f"{kind} = {{ min = .., max = .. }}" for kind in absent)
            are = "is" if len(absent) == 1 else "are"
            yield Clash(f'mode "act" needs bounds: {" and ".join(absent)} {are} missing; add {remedy}', ("mode",))
        if given.get("objective") is not None and given.get("max_throttled_fraction") is not None:
            yield Clash(
                "a goal chooses among the objectives by itself; remove objective or max_throttled_fraction",
                ("objective", "max_throttled_fraction"),
                ("max_throttled_fraction",),
            )
        yield from clashes_with_bounds(given)
        yield from clashes_of_runbook(given)

    def policy(self, sampling: Sampling = Sampling.OFF) -> TablePolicy:
        """sampling: what counts where the rule says nothing of it."""
        goal, overrides = self.max_throttled_fraction, self._overrides()
        usual = OBJECTIVES[self.objective] if goal is None else POINTS[beginning(goal)]
        return TablePolicy(
            mode=self.mode,
            objective=self.objective,
            bounds=self.bounds,
            index_bounds=tuple((pattern, rule.bounds) for pattern, rule in self.indexes.items()),
            auto_scaling=self.auto_scaling,
            tuning=replace(usual, **overrides),  # type: ignore[arg-type]  # each of its field's own type
            incidents=self._incidents(),
            schedules=tuple(rule.schedule() for rule in self.schedules),
            goal=goal,
            overrides=() if goal is None else tuple(overrides.items()),
            sampling=_given(self.hot_keys.sampling, sampling),
        )

    def _overrides(self) -> dict[str, float]:
        """The numbers of the control policy that the file gives itself, by their names there."""
        hold = self.foreign_change_hold_minutes
        given = {
            "max_raise_factor": self.max_raise_factor,
            "max_changes_per_hour": self.max_changes_per_hour,
            "foreign_hold": None if hold is None else hold * 60,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _incidents(self) -> IncidentRules:
        usual = IncidentRules()
        return replace(
            usual,
            open_events=_given(self.open_events, usual.open_events),
            open_minutes=_given(self.open_minutes, usual.open_minutes),
            resolve_after=_given(self.resolve_minutes, usual.resolve_after / 60) * 60,
            slow_factor=_given(self.slow_factor, usual.slow_factor),
        )


def _given(value: _T | None, usual: _T) -> _T:
    return usual if value is None else value


class Control(Section):
    """The nightly replay of the past of each table with a goal. nightly_hour: of UTC, in which it starts. nightly_days:
    of past replayed. nightly_minutes: CPU time of one thread that a night may take."""

    nightly: Flag = True
    nightly_hour: Whole = Field(default=3, ge=0, le=23)
    nightly_days: Whole = Field(default=7, ge=1, le=14)
    nightly_minutes: Number = Field(default=20.0, ge=0.1, le=600)


class HotKeys(Section):
    """Contributor Insights. key_values: the form in which other people's key values may leave the watcher.

    hash_secret: what hashes are keyed with; left out, a random one kept in the state store. full_minutes,
    max_usd_per_day: limits of on-incident sampling, the second per Region. rules_quota: the account's quota.
    """

    sampling: Sampling = Sampling.THROTTLED
    key_values: KeyForm = KeyForm.HASH
    hash_secret: HashSecret | None = None
    full_minutes: Whole = Field(default=15, ge=1, le=240)
    max_usd_per_day: Number = Field(default=5.0, ge=0, le=100_000)
    rules_quota: Whole = Field(default=100, ge=0, le=1_000_000)

    @field_serializer("hash_secret")
    def _mask(self, secret: SecretStr | None) -> str | None:
        return None if secret is None else "****"


class State(Section):
    """Where the watcher keeps its memory. table: for the dynamodb backend of a later version."""

    backend: Literal["sqlite", "dynamodb"] = "sqlite"
    path: Text = "watcher.db"
    table: TableName = "watcher-state"
    history_days: Whole = Field(default=30, ge=1, le=3650)

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:
        if given.get("backend") == "dynamodb":
            cause = 'got "dynamodb", which this version does not implement; use "sqlite"'
            yield Clash(cause, ("backend",), ("backend",))


class Server(Section):
    """Where the page and the metrics are served. Port 0: any free one."""

    host: Text = "127.0.0.1"
    port: Whole = Field(default=9464, ge=0, le=65535)


class Logs(Section):
    """format auto: console on a terminal, JSON elsewhere."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Section):
    """The whole configuration. Constructed directly it raises pydantic's ValidationError; :func:`load` does not."""

    aws: Aws = Field(default_factory=Aws)
    polling: Polling = Field(default_factory=Polling)
    tables: tuple[TableRule, ...] = ()
    control: Control = Field(default_factory=Control)
    hot_keys: HotKeys = Field(default_factory=HotKeys)
    alerts: tuple[AlertRule, ...] = ()
    links: LinksRule = Field(default_factory=LinksRule)
    incidents: IncidentsRule = Field(default_factory=IncidentsRule)
    state: State = Field(default_factory=State)
    server: Server = Field(default_factory=Server)
    logs: Logs = Field(default_factory=Logs)

    def policy_for(self, table_name: str) -> TablePolicy | None:
        """The policy of the first rule that matches; None for a table that is not watched."""
        rule = self._rule_for(table_name)
        if rule is None:
            return None
        policy = rule.policy(self.hot_keys.sampling)
        again = repeats(alert for alert in self.alerts if fnmatchcase(table_name, alert.match))
        return replace(policy, incidents=replace(policy.incidents, repeats=again), links=self._links(rule.runbook))

    def region_rules(self) -> RegionRules:
        """When the watcher's own trouble, and a storm of tables, is an incident. A pass is overdue when two more were
        due since the last one finished."""
        return RegionRules(
            blind_after=self.incidents.blind_minutes * 60.0,
            overdue_after=OVERDUE_INTERVALS * self.polling.interval_seconds,
            storm_tables=self.incidents.storm_tables,
            repeats=repeats(alert for alert in self.alerts if set(alert.kinds) - {AlertKind.LATENCY}),
        )

    def region_links(self) -> Links:
        """Links of an alert that is about no table."""
        return self._links(None)

    def _links(self, runbook: str | None) -> Links:
        """runbook: a table's own, which counts instead of the common one."""
        return Links(self.links.page or "", runbook or self.links.runbook or "")

    def key_form_for(self, table_name: str) -> KeyForm:
        """How key values of this table may leave the watcher."""
        rule = self._rule_for(table_name)
        return self.hot_keys.key_values if rule is None else _given(rule.hot_keys.key_values, self.hot_keys.key_values)

    def _rule_for(self, table_name: str) -> TableRule | None:
        return next((rule for rule in self.tables if fnmatchcase(table_name, rule.match)), None)

    def overlaps(self, names: Iterable[str]) -> tuple[str, ...]:
        """A warning for each table that several rules match. A last rule "*" means all others and never overlaps."""
        rules = list(enumerate(self.tables))
        if len(rules) > 1 and _is_everything(rules[-1][1].match):
            rules.pop()
        found = []
        for name in sorted(set(names)):
            winner, *others = [_rule(*pair) for pair in rules if fnmatchcase(name, pair[1].match)] or [""]
            if others:
                found.append(f"table {name}: matched by {winner} and by {', '.join(others)}; the first one counts")
        return tuple(found)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but hardly meant, as far as it shows without the names of the tables."""
        found = [] if self.tables else ["no [[tables]] entry: nothing is watched"]
        found += _shadowed([(f"tables.{number}", rule.match) for number, rule in enumerate(self.tables)])
        for number, rule in enumerate(self.tables):
            found += _shadowed([(f'tables.{number}.indexes."{pattern}"', pattern) for pattern in rule.indexes])
        if "sampling" in self.hot_keys.model_fields_set and self.hot_keys.sampling is not Sampling.OFF:
            acting = any(rule.mode is Mode.ACT for rule in self.tables)
            if self.tables and not acting:
                found.append(
                    f'hot_keys.sampling: "{self.hot_keys.sampling}" switches Contributor Insights on tables in act '
                    "mode only, and no [[tables]] entry has that; the watcher says what it would switch"
                )
        if self.tables:
            found += warnings_of_alerts(self.alerts, [rule.match for rule in self.tables])
        return tuple(found)


def _rule(number: int, rule: TableRule) -> str:
    return f'tables.{number} (match "{rule.match}", mode "{rule.mode}")'


def _is_everything(pattern: str) -> bool:
    return set(pattern) == {"*"}


def _shadowed(rules: list[tuple[str, str]]) -> list[str]:
    """Of (place, pattern) pairs of which the first match wins: those that can never win."""
    found = []
    for later, (place, pattern) in enumerate(rules):
        is_name = not set(pattern) & set("*?[")
        for earlier, other in rules[:later]:
            if other == pattern or _is_everything(other) or (is_name and fnmatchcase(pattern, other)):
                found.append(
                    f'{place}: "{pattern}" is never used, {earlier} ("{other}") comes first and matches the same'
                )
                break
    return found


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of a file and the environment, which wins. ``path`` None: defaults, every table advised on.

    Raises ConfigError with every mistake at once; also for a file that cannot be read or is not TOML.
    """
    name = "defaults and environment" if path is None else str(path)
    data: Table = {"tables": [{"match": "*", "mode": "advise"}]} if path is None else read_toml(path)
    source = with_environment(data, environ, Config)
    try:
        config = _validated(source)
    except ValidationError as error:
        mistakes = (*source.mistakes, *sentences(error, Config, source.origins))
    else:
        if not source.mistakes:
            return config
        mistakes = tuple(source.mistakes)
    # Outside the except clause: pydantic's error holds the values, secrets included, and is not to be chained.
    raise ConfigError(name, mistakes)


def _validated(source: Source) -> Config:
    try:
        return Config.model_validate(source.data)
    except ValidationError as error:
        # A role's external id may be all digits: what reads as a number is put back as the text it was.
        restored = [as_text(source, place["loc"]) for place in error.errors() if place["type"] == "string_type"]
        if not any(restored):
            raise
    return Config.model_validate(source.data)


def masked(config: Config) -> Table:
    """The configuration as JSON types, secrets as "****"."""
    return config.model_dump(mode="json", by_alias=True)
