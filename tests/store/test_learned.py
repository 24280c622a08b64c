"""What was learned is kept small, comes back near enough to decide the same, and where damaged is done without."""

from __future__ import annotations

import json
import sqlite3
from array import array
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from itertools import pairwise
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store import samples, strategies
from tests.store.samples import ORDERS, USERS, T
from watcher.core.learned import DEPTHS, VERSION, Learned
from watcher.core.margins import BINS, EDGES, quantile
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension
from watcher.core.state import DimensionState, TableState
from watcher.errors import StoreError
from watcher.ports import CycleRecord
from watcher.store.codec import Json
from watcher.store.learned import LEARNED, as_kept
from watcher.store.sqlite import SqliteStore

SHARES = (0.9, 0.95, 0.97, 0.995, 0.998)
# A byte of a margin is at most 2.9 % off, so shares above a quantile are at most twice that.
OFF = 1.06
HISTOGRAMS = 6  # three levels, calm and elevated
MARGIN_BYTES = HISTOGRAMS * (4 + BINS)  # four for the largest of each histogram, then a byte a bin


def back(learned: Learned) -> Learned:
    return as_kept({TABLE_READ: learned})[TABLE_READ]


@settings(max_examples=100, deadline=None)
@given(strategies.LEARNED)
def test_everything_but_margins_comes_back_as_four_byte_floats(learned: Learned) -> None:
    kept = back(learned)
    assert kept.weight == 1.0
    for field in {field.name for field in fields(Learned)} - {"margins", "weight"}:
        before, after = getattr(learned, field), getattr(kept, field)
        if isinstance(before, bytes | int):
            assert after == before, field
        else:
            assert after == pytest.approx(before, rel=1e-7, abs=1e-30), field


@settings(max_examples=100, deadline=None)
@given(strategies.LEARNED)
def test_what_was_written_once_is_written_the_same_again(learned: Learned) -> None:
    once = LEARNED.encode({TABLE_WRITE: learned})
    assert LEARNED.encode(LEARNED.decode(once)) == once


@settings(max_examples=200, deadline=None)
@given(strategies.LEARNED, st.sampled_from(SHARES))
def test_a_quantile_is_that_of_a_share_a_little_off(learned: Learned, share: float) -> None:
    kept = back(learned)
    for depth in range(DEPTHS):
        for elevated in (False, True):
            before, after = learned.errors(depth, elevated=elevated), kept.errors(depth, elevated=elevated)
            if max(before) < 1e-20:
                continue  # never grows from anything: prior() is far above
            low, high = (quantile(before, 1.0 - (1.0 - share) * factor, inf) for factor in (OFF, 1 / OFF))
            assert low - 0.01 <= quantile(after, share, inf) <= high + 0.01


def test_of_traffic_a_quantile_moves_by_a_small_part_of_a_bin() -> None:
    learned = samples.learned()
    kept = back(learned)
    for depth in range(DEPTHS):
        for share in SHARES:
            was = quantile(learned.errors(depth, elevated=False), share, inf)
            bin_width = next(high - low for low, high in pairwise(EDGES) if low <= was < high)
            now = quantile(kept.errors(depth, elevated=False), share, inf)
            assert now == pytest.approx(was, abs=bin_width / 5)


def test_new_errors_weigh_as_before_against_the_kept_ones() -> None:
    learned = samples.learned()
    kept = back(learned)
    for depth in range(DEPTHS):
        before, after = learned.errors(depth, elevated=False), kept.errors(depth, elevated=False)
        assert sum(after) / kept.weight == pytest.approx(sum(before) / learned.weight, rel=0.01)


@pytest.mark.parametrize(
    "learned",
    [
        pytest.param(samples.learned(), id="ten days"),
        pytest.param(Learned(newest=int(T)), id="nothing but the prior"),
        pytest.param(
            Learned(
                minutes=10**9,
                newest=10**10,
                margins=array("f", [1e30] * (BINS * HISTOGRAMS)).tobytes(),
                losses=(1e38,) * 3,
                peaks=b"\xff" * 48,
                profiles=b"\xff" * 372,
            ),
            id="the largest there is",
        ),
    ],
)
def test_one_dimension_takes_less_than_a_thousand_bytes(learned: Learned) -> None:
    index = Dimension("orders-by-customer-and-date", TABLE_READ.kind)
    two, one = LEARNED.encode({TABLE_READ: learned, index: learned}), LEARNED.encode({TABLE_READ: learned})
    assert len(two) - len(one) < 1000


def test_a_number_beyond_four_bytes_is_cut_not_lost() -> None:
    assert back(replace(samples.learned(), used=1e300)).used == pytest.approx(3.4e38)


@pytest.mark.parametrize("wrong", [nan, inf, -inf], ids=str)
def test_a_number_that_is_not_finite_is_not_written(wrong: float) -> None:
    with pytest.raises(StoreError, match="not finite"):
        LEARNED.encode({TABLE_READ: replace(samples.learned(), lost=wrong)})


# Damage -------------------------------------------------------------------------------------------------------------


def changed(**parts: object) -> Callable[[Json], Json]:
    def change(document: Json) -> Json:
        return document | {"dimensions": [entry | parts for entry in document["dimensions"]]}

    return change


DAMAGE: list[Any] = [
    pytest.param(lambda document: document | {"v": VERSION + 1}, "format is version", id="a newer version"),
    pytest.param(lambda document: document | {"v": 0}, "older than any", id="an older version"),
    pytest.param(lambda document: {"v": document["v"]}, "KeyError 'dimensions'", id="nothing but the version"),
    pytest.param(changed(margins="AAAA"), f"expected {MARGIN_BYTES} bytes, found 3", id="margins cut short"),
    pytest.param(changed(profiles="%%%"), "is damaged", id="no base64"),
    pytest.param(changed(peaks=None), "expected text", id="no peaks"),
    pytest.param(changed(numbers="AAAAAA==" * 14), "is damaged", id="numbers with padding within"),
    pytest.param(changed(numbers=b64encode(b"\xff" * 56).decode()), "not finite", id="numbers that are none"),
    pytest.param(
        changed(margins=b64encode(b"\xff" * 4 + bytes(MARGIN_BYTES - 4)).decode()),
        "a histogram that is none",
        id="a histogram of NaN",
    ),
    pytest.param(changed(newest="yesterday"), "expected a whole number", id="a minute in words"),
]


@pytest.mark.parametrize(("damage", "says"), DAMAGE)
def test_damage_is_refused(damage: Callable[[Json], Json], says: str) -> None:
    document = json.loads(LEARNED.encode({TABLE_READ: samples.learned()}))
    with pytest.raises(StoreError, match=says):
        LEARNED.decode(json.dumps(damage(document)))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_a_field_becomes_the_answer_is_a_refusal_or_something_learned(data: st.DataObject) -> None:
    document = json.loads(LEARNED.encode({TABLE_READ: samples.learned()}))
    name = data.draw(st.sampled_from(sorted(document["dimensions"][0])))
    wrong: Any = data.draw(
        st.sampled_from([None, True, -1.5, "word", "", [], {}, b64encode(bytes(MARGIN_BYTES)).decode()])
    )
    try:
        lessons = LEARNED.decode(json.dumps(changed(**{name: wrong})(document)))
    except StoreError:
        return
    assert LEARNED.decode(LEARNED.encode(lessons)) == lessons


@pytest.mark.parametrize(("damage", "says"), DAMAGE)
def test_a_damaged_lesson_costs_only_itself_and_one_line(
    damage: Callable[[Json], Json], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "watcher.db"
    lesson = DimensionState(expected=5, learned=back(samples.learned()))
    states = {key: TableState({TABLE_READ: lesson}, pending="1-2") for key in (ORDERS, USERS)}
    with closing(SqliteStore(path)) as store:
        store.record(CycleRecord(T, states, learned=list(states)))
    with closing(sqlite3.connect(path)) as connection, connection:
        [(text,)] = connection.execute("SELECT document FROM learned WHERE name = 'orders'")
        broken = json.dumps(damage(json.loads(text)))
        connection.execute("UPDATE learned SET document = ? WHERE name = 'orders'", (broken,))
    told: list[str] = []
    with closing(SqliteStore(path, on_loss=told.append)) as store:
        loaded = store.load()
        assert loaded[USERS] == states[USERS]
        assert loaded[ORDERS] == replace(states[ORDERS], dimensions={TABLE_READ: DimensionState(expected=5)})
        store.record(CycleRecord(T, states, learned=[ORDERS]))
        assert store.load() == states
    [sentence] = told
    assert sentence.startswith("what was learned of 1 table cannot be read and is learned anew: orders (")
    assert says.split(maxsplit=1)[0] in sentence
