"""Key values are other people's data: a whole life of the watcher, and every output searched for planted ones.

The real cycle, telemetry, store, page, formats and commands over the plant; only Contributor Insights is simulated, and
its keys come out through the adapters' own cloak.
"""

from __future__ import annotations

import html
import io
import json
import logging
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.support.world import POLICY, REGION, SETTINGS, START
from watcher.aws.cloak import KeyCloak
from watcher.aws.formats import Format, render
from watcher.cli_hot_keys_read import read
from watcher.cli_hot_keys_show import print_cases, record
from watcher.cli_output import once_record, print_history, print_verdicts
from watcher.clock import SimulatedClock
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import KeyForm, Place, SamplerMode
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.reasons import Reason
from watcher.cycle import Cycle
from watcher.ports import CycleReport
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import Mailbox, PlantAws
from watcher.store.sqlite import SqliteStore
from watcher.telemetry.health import Health
from watcher.telemetry.hub import TelemetryHub
from watcher.telemetry.logs import configure
from watcher.telemetry.metrics import WatcherMetrics, own_registry
from watcher.web.server import Sources, make_app
from watcher.web.state import decision_record

TABLE, INDEX = "sessions", "by-day"
INDEX_READ = Dimension(INDEX, Kind.READ)
WARM = 900  # seconds of traffic before the first pass
MINUTES = 5  # passes
SECRET = b"0123456789abcdef0123456789abcdef"

# In every planted value, at any place: letters that no escaping changes and that nothing else says.
MARKS = ("QzVkXj", "JwXqZv", "VxQjKz")
NASTY = (
    "<script>alert(1)</script>",
    "\"'&<>",
    "a,b;c|d",
    "\x1f",
    "\r\n",
    "\x1b[31m",
    "{{ 7 }}",
    "%s %(a)s",
    "\u202e",
    "🔥",
)

texts = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(NASTY)), max_size=4).map("".join)


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, ...]:
    """A value for each mark, with the mark somewhere in it."""
    values = []
    for mark in MARKS:
        text = draw(texts)
        at = draw(st.integers(0, len(text)))
        values.append(text[:at] + mark + text[at:])
    return tuple(values)


# A life ------------------------------------------------------------------------------------------------------------


@dataclass
class Outputs:
    """Everything that left the process, by what it left through; files are bytes. logs: (level, line)."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    logs: list[tuple[str, str]] = field(default_factory=list)
    reports: list[CycleReport] = field(default_factory=list)

    def holding(self, needle: str) -> list[str]:
        """Where it stands, logs apart."""
        found = [name for name, text in self.texts.items() if needle in text]
        found += [name for name, data in self.files.items() if needle.encode("utf-8", "surrogatepass") in data]
        return found

    def logged(self, *levels: str) -> str:
        return "\n".join(line for level, line in self.logs if level in levels)


class Heat(StrEnum):
    """How a table's writes are spread over keys."""

    ONE = "one item above what a partition serves"
    FEW = "two keys, each of them above"
    MOVING = "another key each minute"
    EVEN = "no key stands out, and capacity is short"


# Units a second, demanded and provisioned.
WRITES: Mapping[Heat, tuple[float, int]] = {
    Heat.ONE: (1500.0, 2100),
    Heat.FEW: (2600.0, 3500),
    Heat.MOVING: (1500.0, 2100),
    Heat.EVEN: (1500.0, 1000),
}


def shares(heat: Heat, values: Sequence[str], minute: int) -> tuple[KeyShare, ...]:
    partition, sort, _ = values
    if heat is Heat.ONE:
        return (KeyShare(partition, 0.9, sort=sort),)
    if heat is Heat.FEW:
        return KeyShare(partition, 0.5), KeyShare(sort, 0.45)
    if heat is Heat.MOVING:
        return (KeyShare(f"{partition}{minute // 60}", 0.9, sort=sort),)
    return KeyShare(partition, 0.02), KeyShare(sort, 0.02)


def traffic(values: Sequence[str], heat: Heat) -> TableSpec:
    """Writes as told; and one key of the index takes more of its reads than a partition serves."""
    writes, capacity = WRITES[heat]
    units = {TABLE_WRITE: 60 * writes, TABLE_READ: 60 * 50.0, INDEX_READ: 60 * 4000.0}

    def demand(minute: int) -> MinuteDemand:
        of_index = (KeyShare(values[2], 0.95),)
        return MinuteDemand(units, {TABLE_WRITE: shares(heat, values, minute), INDEX_READ: of_index})

    return TableSpec(
        TABLE,
        read=100,
        write=capacity,
        indexes=(IndexSpec(INDEX, read=6000, write=2000),),
        has_sort_key=True,
        demand=demand,
    )


@contextmanager
def logging_into(stream: io.StringIO, level: str, clock: SimulatedClock) -> Iterator[None]:
    root = logging.getLogger()
    handlers, before = list(root.handlers), root.level
    configure("json", level, stream, clock)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)
        logging.getLogger("watcher").setLevel(logging.NOTSET)
        structlog.reset_defaults()


def live(values: Sequence[str], form: KeyForm, heat: Heat, directory: Path) -> Outputs:
    """Some minutes of the daemon's life, and everything that it and the commands then show."""
    clock = SimulatedClock(START - WARM)
    plant = Plant(START - WARM, region=REGION, jitter=0.0, late_share=0.0, spread=0.0)
    plant.create(traffic(values, heat))
    clock.advance(WARM + 5)
    modes = {Place(TABLE): SamplerMode.FULL, Place(TABLE, INDEX): SamplerMode.THROTTLED}
    aws = PlantAws(plant, clock, samplers=modes, cloak=KeyCloak(form, SECRET))
    health, metrics = Health(clock, 60), WatcherMetrics(own_registry(), version="1", regions=[REGION])
    hub = TelemetryHub(metrics, health, version="1", regions=[REGION])
    box, outputs, log = Mailbox(), Outputs(), io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(logging_into(log, "debug", clock))
        store = SqliteStore(directory / "watcher.db")
        stack.callback(store.close)
        cycle = Cycle(
            [aws.region()],
            store=store,
            notifier=box,
            telemetry=hub,
            clock=clock,
            policies=lambda _name: POLICY,
            settings=SETTINGS,
        )
        for _ in range(MINUTES):
            outputs.reports.append(cycle.run())
            clock.advance(60)
        _serve(outputs, Sources(lambda: hub.snapshot, health, metrics.exposition, store.history, clock))
        _commands(outputs, aws, store, clock)
        for name, path in _files(directory):
            outputs.files[f"open file {name}"] = path.read_bytes()
    for name, path in _files(directory):
        outputs.files[f"closed file {name}"] = path.read_bytes()
    for sent in box.sent:
        outputs.texts[f"attributes {sent.id}"] = json.dumps(sent.alert.attributes())
        for shape in Format:
            message = render(sent.alert, shape)
            outputs.texts[f"alert {shape} {sent.id}"] = f"{message.subject}\n{message.body}"
    outputs.logs = [(json.loads(line)["level"], line) for line in log.getvalue().splitlines()]
    return outputs


def _files(directory: Path) -> list[tuple[str, Path]]:
    return [(path.name, path) for path in sorted(directory.iterdir())]


def _serve(outputs: Outputs, sources: Sources) -> None:
    """Every route of the server."""
    app = make_app(sources)
    for path in ("/", "/metrics", "/healthz", "/readyz", "/api/state.json", "/nowhere"):
        headers: list[Any] = []

        def start(status: str, told: list[tuple[str, str]], *_: object, into: list[Any] = headers) -> Any:  # noqa: ANN401
            into += [status, *told]

        body = b"".join(app({"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": ""}, start))
        outputs.texts[f"route {path}"] = f"{headers}\n{body.decode()}"


def _commands(outputs: Outputs, aws: PlantAws, store: SqliteStore, clock: SimulatedClock) -> None:
    """history, once and hot-keys, for people and for machines."""
    text = io.StringIO()
    console = Console(file=text, width=200, color_system=None, force_terminal=False)
    history = store.history()
    print_history(console, history)
    outputs.texts["history"] = text.getvalue()
    outputs.texts["history as JSON"] = json.dumps([decision_record(decision) for decision in history])
    text.truncate(0)
    print_verdicts(console, outputs.reports[-1])
    outputs.texts["once"] = text.getvalue()
    outputs.texts["once as JSON"] = json.dumps(once_record(outputs.reports[-1]))
    text.truncate(0)
    cases = read(aws.region(), Place(TABLE), clock.now(), 30, POLICY)
    last = next((decision for decision in history if decision.reason is Reason.HOT_KEYS), None)
    print_cases(console, cases, REGION, last, clock.now(), 30)
    outputs.texts["hot-keys"] = text.getvalue()
    outputs.texts["hot-keys as JSON"] = json.dumps(record(cases, REGION, last), ensure_ascii=False)
    outputs.texts["report"] = repr(outputs.reports)


def spellings(value: str) -> set[str]:
    """A value as it may stand in HTML, JSON, a URL or a repr."""
    sayable = value.encode("utf-8", "replace").decode()
    return {
        *(value, sayable, html.escape(sayable), html.escape(sayable, quote=False)),
        *(json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]),
        *(urllib.parse.quote(sayable), repr(value)[1:-1]),
    }


def lived(values: Sequence[str], form: KeyForm, heat: Heat = Heat.ONE) -> Outputs:
    with tempfile.TemporaryDirectory() as directory:
        return live(values, form, heat, Path(directory))


def verdicts(outputs: Outputs) -> Mapping[str, KeyVerdict]:
    explanation = outputs.reports[-1].tables[0].explanation
    assert explanation is not None
    return {index: finding.verdict for index, finding in explanation.hot_keys.items()}


# The laws ----------------------------------------------------------------------------------------------------------


NASTIEST = tuple("".join(NASTY) + mark for mark in MARKS)
LONG = tuple(mark + "x" * 200 for mark in MARKS)


HIDDEN = st.sampled_from([KeyForm.HASH, KeyForm.REDACT])


@settings(max_examples=12, deadline=None)
@given(values=planted(), form=HIDDEN, heat=st.sampled_from(Heat))
@example(values=NASTIEST, form=KeyForm.HASH, heat=Heat.ONE)
@example(values=LONG, form=KeyForm.HASH, heat=Heat.MOVING)
@example(values=MARKS, form=KeyForm.REDACT, heat=Heat.ONE)
@example(values=MARKS, form=KeyForm.HASH, heat=Heat.FEW)
@example(values=MARKS, form=KeyForm.HASH, heat=Heat.EVEN)
def test_a_value_that_is_not_to_be_told_is_nowhere(values: tuple[str, ...], form: KeyForm, heat: Heat) -> None:
    outputs = lived(values, form, heat)
    for value, mark in zip(values, MARKS, strict=True):
        for spelling in {mark, *spellings(value)}:
            assert outputs.holding(spelling) == []
            assert spelling not in outputs.logged("debug", "info", "warning", "error")
    # The index's key is hot whatever the table's are: there was a key to be told, and it was, in the allowed form.
    assert verdicts(outputs)[INDEX] is KeyVerdict.INDEX_KEY
    label = KeyCloak(form, SECRET)(values[2:])
    for name in ("route /", "route /api/state.json", "history", "history as JSON", "hot-keys", "hot-keys as JSON"):
        assert label in outputs.texts[name], f"{name} does not name it in the allowed form"
    assert any(name.startswith("alert") for name in outputs.holding(label)), "no alert names it in the allowed form"


@settings(max_examples=12, deadline=None)
@given(values=planted(), heat=st.sampled_from(Heat))
@example(values=NASTIEST, heat=Heat.ONE)
@example(values=LONG, heat=Heat.ONE)
@example(values=MARKS, heat=Heat.MOVING)
@example(values=MARKS, heat=Heat.FEW)
@example(values=MARKS, heat=Heat.EVEN)
def test_a_value_in_plain_goes_where_people_look_and_never_into_metrics_or_logs(
    values: tuple[str, ...], heat: Heat
) -> None:
    outputs = lived(values, KeyForm.PLAIN, heat)
    for value, mark in zip(values, MARKS, strict=True):
        label = KeyCloak(KeyForm.PLAIN, SECRET)([value])
        for spelling in {mark, *spellings(value), *spellings(label)}:
            assert spelling not in outputs.logged("info", "warning", "error")
            assert not [name for name in outputs.holding(spelling) if name.startswith("attributes")]
            for name in ("route /metrics", "route /healthz", "route /readyz", "route /nowhere"):
                assert spelling not in outputs.texts[name]
    if MARKS[2] in KeyCloak(KeyForm.PLAIN, SECRET)(values[2:]):  # else the label was cut before it
        for name in ("route /", "route /api/state.json", "history", "hot-keys"):
            assert MARKS[2] in outputs.texts[name], f"{name} does not tell it, though it may"


@pytest.mark.parametrize(
    ("heat", "verdict"),
    [
        (Heat.ONE, KeyVerdict.ONE_KEY),
        (Heat.FEW, KeyVerdict.FEW_KEYS),
        (Heat.MOVING, KeyVerdict.MOVING_KEY),
        (Heat.EVEN, KeyVerdict.NO_SINGLE_KEY),
    ],
)
def test_the_lives_searched_come_to_every_verdict(heat: Heat, verdict: KeyVerdict) -> None:
    assert verdicts(lived(MARKS, KeyForm.HASH, heat))[""] is verdict


def test_the_search_finds_what_is_there() -> None:
    """A value in plain is found in each kind of output: text, JSON, HTML, and the bytes of the state file."""
    outputs = lived(MARKS, KeyForm.PLAIN)
    found = outputs.holding(MARKS[0])
    for kind in ("route /", "route /api/state.json", "history", "hot-keys", "alert text", "closed file watcher.db"):
        assert any(name.startswith(kind) for name in found), kind
    assert MARKS[0] in outputs.logged("debug")


def test_what_is_logged_of_a_verdict_says_all_but_the_key() -> None:
    outputs = lived(MARKS, KeyForm.PLAIN)
    told = [json.loads(line) for level, line in outputs.logs if level == "info" and "hot_keys.judged" in line]
    seen = {(line["index"], line["verdict"], line["keys"]) for line in told}
    assert seen >= {("", "one-key", 1), (INDEX, "index-key", 1)}
