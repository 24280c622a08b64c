"""Hypothesis strategies for everything a store keeps."""

from __future__ import annotations

from array import array

from hypothesis import strategies as st

from watcher.core.insights import SamplerMode
from watcher.core.learned import NO_MARGINS, Learned
from watcher.core.model import Action, Alert, Change, Decision, Dimension, Intent, Kind, Lever, Switch, TableKey
from watcher.core.pauses import Pause
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.region_state import Folded, RegionState, Storm
from watcher.core.season import CELLS
from watcher.core.series import Series
from watcher.core.state import Blocked, DimensionState, Incident, KeyMark, Normal, Refusal, SamplerState, TableState
from watcher.store.codec import Verdict

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
UNITS = st.integers(0, 2**70)
MINUTES = st.integers(0, 2**40)
TEXTS = st.text(max_size=20)

TABLES = st.builds(TableKey, TEXTS, TEXTS, TEXTS)
DIMENSIONS = st.builds(Dimension, TEXTS, st.sampled_from(Kind))
SERIES = st.builds(Series, st.dictionaries(MINUTES, NUMBERS, max_size=3))

FLOATS = st.floats(-1e30, 1e30)
TRIPLES = st.tuples(FLOATS, FLOATS, FLOATS)
COUNTS = st.just(0.0) | st.floats(1e-30, 1e9)
LEARNED = st.builds(
    Learned,
    minutes=st.integers(0, 2**40),
    newest=MINUTES,
    margins=st.lists(COUNTS, min_size=len(NO_MARGINS) // 4, max_size=len(NO_MARGINS) // 4).map(
        lambda counts: array("f", counts).tobytes()
    ),
    weight=st.floats(1.0, 1e6),
    losses=TRIPLES,
    peaks=st.lists(st.integers(0, 65_535), min_size=24, max_size=24).map(lambda peaks: array("H", peaks).tobytes()),
    jump=FLOATS,
    profiles=st.binary(min_size=CELLS, max_size=CELLS),
    missed=TRIPLES,
    naive=TRIPLES,
    spent=FLOATS,
    used=FLOATS,
    lost=FLOATS,
    booked=FLOATS,
)
OFFERS = st.lists(st.tuples(st.integers(0, 2**40) | st.floats(0, 2**40), st.integers(0, 2**40)), max_size=3).map(tuple)

DIMENSION_STATES = st.builds(
    DimensionState,
    consumed=SERIES,
    requests=SERIES,
    throttled=SERIES,
    causes=st.dictionaries(st.sampled_from(Cause), SERIES, max_size=2),
    offers=OFFERS,
    learned=LEARNED,
    expected=st.none() | UNITS,
    raised_at=st.none() | NUMBERS,
    lowered_at=st.none() | NUMBERS,
    advised=st.none() | UNITS,
    floor_before=st.none() | UNITS,
    floor_set=st.none() | UNITS,
)
NORMALS = st.builds(
    Normal,
    mean=NUMBERS,
    minutes=MINUTES,
    newest=MINUTES,
    slow_minutes=MINUTES,
    average=NUMBERS,
    p99=st.none() | NUMBERS,
    p99_mean=NUMBERS,
    p99_minutes=MINUTES,
    p99_slow_minutes=MINUTES,
)
INCIDENTS = st.builds(
    Incident,
    id=TEXTS,
    opened_at=NUMBERS,
    cause=st.sampled_from(Cause),
    index=TEXTS,
    severity=st.sampled_from(Severity),
    sequence=st.integers(1, 9),
    peak=NUMBERS,
    last_bad=NUMBERS,
    events=NUMBERS,
    named=st.lists(TEXTS, max_size=3).map(tuple),
    flaps=st.integers(0, 9),
    closed_at=st.none() | NUMBERS,
    followed_at=NUMBERS,
    retell=st.booleans(),
    bad_since=st.none() | NUMBERS,
)
BLOCKED = st.builds(Blocked, st.sampled_from(Reason), NUMBERS, st.booleans())
MODES = st.sampled_from(SamplerMode)
SAMPLERS = st.builds(
    SamplerState,
    found=st.none() | MODES,
    set=MODES,
    set_at=st.none() | NUMBERS,
    until=st.none() | NUMBERS,
    full_at=st.none() | NUMBERS,
    spent=NUMBERS,
    spent_day=st.none() | NUMBERS,
    refused_at=st.none() | NUMBERS,
    refusal=TEXTS,
    advised=st.none() | MODES,
    noted=TEXTS,
    in_force=st.booleans(),
    reserved=NUMBERS,
    told=st.dictionaries(TEXTS, NUMBERS, max_size=3),
)
KEY_MARKS = st.builds(
    KeyMark,
    verdict=TEXTS,
    hottest=TEXTS,
    at=NUMBERS,
    told=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=3),
)
REFUSALS = st.builds(Refusal, st.sampled_from(Outcome), NUMBERS, TEXTS)
STATES = st.builds(
    TableState,
    dimensions=st.dictionaries(DIMENSIONS, DIMENSION_STATES, max_size=4),
    latency=st.dictionaries(TEXTS, NORMALS, max_size=3),
    incident=st.none() | INCIDENTS,
    changes=st.lists(NUMBERS, max_size=3).map(tuple),
    foreign_at=st.none() | NUMBERS,
    pending=TEXTS,
    marks=st.dictionaries(DIMENSIONS, st.tuples(st.sampled_from(Reason), UNITS), max_size=4),
    refusal=st.none() | REFUSALS,
    point=TEXTS,
    point_goal=st.none() | NUMBERS,
    point_at=st.none() | NUMBERS,
    dearer_since=st.none() | NUMBERS,
    on_demand_since=st.none() | NUMBERS,
    last_incident=st.none() | INCIDENTS,
    blocked=st.dictionaries(DIMENSIONS, BLOCKED, max_size=3),
    samplers=st.dictionaries(TEXTS, SAMPLERS, max_size=3),
    hot_keys=st.dictionaries(TEXTS, KEY_MARKS, max_size=3),
)
DECISIONS = st.builds(
    Decision,
    time=NUMBERS,
    table=TABLES,
    dimension=DIMENSIONS,
    before=UNITS,
    after=UNITS,
    reason=st.sampled_from(Reason),
    sentence=TEXTS,
    mode=st.sampled_from(Mode),
    outcome=st.sampled_from(Outcome),
    evidence=st.dictionaries(TEXTS, NUMBERS, max_size=3),
)
CHANGES = st.builds(Change, DIMENSIONS, UNITS, UNITS)
SWITCHES = st.builds(Switch, TEXTS, MODES, MODES)
ACTIONS = st.builds(
    Action,
    TABLES,
    st.sampled_from(Lever),
    st.lists(CHANGES, max_size=3).map(tuple),
    st.sampled_from(Mode),
    st.none() | SWITCHES,
)
INTENTS = st.builds(Intent, TEXTS, NUMBERS, ACTIONS)
VERDICTS = st.builds(Verdict, st.sampled_from(Outcome), NUMBERS, TEXTS)
ALERTS = st.builds(
    Alert,
    incident=TEXTS,
    sequence=st.integers(1, 9),
    state=st.sampled_from(IncidentState),
    severity=st.sampled_from(Severity),
    cause=st.sampled_from(Cause),
    table=TABLES,
    index=TEXTS,
    time=NUMBERS,
    opened_at=NUMBERS,
    subject=TEXTS,
    sentence=TEXTS,
    facts=st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    done=TEXTS,
    todo=TEXTS,
    links=st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    tables=st.lists(TEXTS, max_size=3).map(tuple),
    repeats=st.lists(NUMBERS, max_size=3).map(tuple),
    storm=TEXTS,
    critical=st.lists(TEXTS, max_size=3).map(tuple),
)
FOLDED = st.builds(Folded, TEXTS, st.sampled_from(Cause), st.booleans(), st.booleans())
STORMS = st.builds(
    Storm, INCIDENTS, st.dictionaries(TEXTS, FOLDED, max_size=3), st.integers(0, 99), st.none() | NUMBERS
)
REGIONS = st.builds(
    RegionState,
    account=TEXTS,
    incidents=st.dictionaries(st.sampled_from(Cause), INCIDENTS, max_size=2),
    troubled_since=st.dictionaries(st.sampled_from(Cause), NUMBERS, max_size=3),
    opened=st.lists(st.tuples(NUMBERS, TEXTS), max_size=3).map(tuple),
    storm=st.none() | STORMS,
    last_storm=st.none() | INCIDENTS,
    finished_at=st.none() | NUMBERS,
)
PAUSES = st.builds(Pause, TEXTS, NUMBERS, NUMBERS, TEXTS, TEXTS, TEXTS, st.booleans())
