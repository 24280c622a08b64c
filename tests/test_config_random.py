"""Whatever a file or the environment holds, a configuration comes out or a ConfigError, and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_config import ARN, EXAMPLE, ROLE
from watcher.config import Aws, Config, HotKeys, Range, State, TableRule, load, masked
from watcher.config_alerts import AlertRule, IncidentsRule, LinksRule, Quiet
from watcher.config_schedules import ScheduleRule
from watcher.errors import ConfigError

WORDS = sorted(
    {
        key
        for section in (
            Config,
            Aws,
            HotKeys,
            AlertRule,
            Quiet,
            LinksRule,
            IncidentsRule,
            State,
            TableRule,
            Range,
            ScheduleRule,
        )
        for key in section.model_fields
    }
    | {"*", "[key]", "0", "from"}
)
VALUES = [
    "act", "advise", "safe", "orders*", "us-east-1", ARN, ROLE, "sqlite", "dynamodb", "hash", "http://h:1",
    "22:00", "24:00", "mon", "watcher", "https://w.example.org/{cause}", "https://w.example.org/{table", 10,
    "45 17 * * 1-5", "Europe/Berlin", "2026-11-27T08:00:00Z", "2026-11-28T08:00:00Z",
    0, 1, 5, 60, 9464, 0.5, 2.0, True,
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(
    st.sampled_from(VALUES), st.booleans(), st.integers(), st.floats(), TEXT, st.dates(), st.datetimes(), st.times()
)
KEYS = st.one_of(st.sampled_from(WORDS), TEXT)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
SECTIONS = st.dictionaries(st.one_of(st.sampled_from(WORDS), KEYS), TREES, max_size=6)
RULE = st.dictionaries(st.sampled_from([*WORDS, "match", "mode", "read", "write"]), TREES, max_size=6)
EVENT = st.dictionaries(
    st.sampled_from(["name", "cron", "timezone", "duration_minutes", "from", "until", "write", "indexes"]),
    TREES,
    max_size=8,
)
FILES = st.builds(
    lambda sections, rules, routes, events: {
        **sections, "alerts": routes,
        "tables": [{**rule, "schedules": events} if events else rule for rule in rules],
    },
    SECTIONS, st.lists(RULE, max_size=3), st.lists(RULE, max_size=2), st.lists(EVENT, max_size=2),
) | SECTIONS  # fmt: skip
# The same examples on every run, so that a failure in one place is a failure everywhere.
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=300, database=None)


def toml(value: object) -> str:
    """``value`` as an inline TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else "nan" if math.isnan(value) else f"{value:+}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return str(value) if isinstance(value, int) else value.isoformat()  # type: ignore[attr-defined]  # dates and times


def survives(path: Path | None, environ: dict[str, str]) -> bool:
    """Whether a Config came out; what came out, either way, must be usable."""
    refusal: ConfigError | None = None
    try:
        config = load(path, environ)
    except ConfigError as error:
        refusal = error
    if refusal is not None:
        assert refusal.mistakes
        # On a terminal, in one line each, whatever was in the file.
        assert all(sentence.isprintable() for sentence in refusal.mistakes)
        return False
    json.dumps(masked(config))
    config.warnings()
    config.overlaps(["orders", "carts"])
    config.policy_for("orders")
    return True


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random") / "config.toml"


@REPEATABLE
@given(data=FILES)
def test_any_toml_gives_a_configuration_or_a_config_error(scratch: Path, data: dict[str, object]) -> None:
    scratch.write_text("\n".join(f"{toml(key)} = {toml(value)}" for key, value in data.items()), encoding="utf-8")

    assert survives(scratch, {}) in (True, False)


@REPEATABLE
@given(content=st.binary(max_size=60) | TEXT.map(lambda text: f"[aws]\n{text}".encode()))
def test_any_bytes_give_a_configuration_or_a_config_error(scratch: Path, content: bytes) -> None:
    scratch.write_bytes(content)

    assert survives(scratch, {}) in (True, False)


@REPEATABLE
@given(
    environ=st.dictionaries(
        st.lists(st.sampled_from([*WORDS, "tables", "1", "12", ""]), min_size=1, max_size=5).map(
            lambda parts: "WATCHER_" + "__".join(part.upper() for part in parts)
        ),
        TREES.map(toml) | st.text(max_size=8),
        max_size=8,
    )
)
def test_any_environment_gives_a_configuration_or_a_config_error(environ: dict[str, str]) -> None:
    assert survives(EXAMPLE, environ) in (True, False)
    assert survives(None, environ) in (True, False)
