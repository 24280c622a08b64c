"""What a key's value looks like: times and counters move heat, and everything else does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.hot_keys.shape import EPOCH_FIRST, EPOCH_LAST, LONGEST_COUNTER, shape_of
from watcher.core.insights import KeyShape

PLAIN, TIME, COUNTER = KeyShape.PLAIN, KeyShape.TIME, KeyShape.COUNTER


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        pytest.param("2026-11-23", TIME, id="a date"),
        pytest.param("2026-11", TIME, id="a month"),
        pytest.param("2026/11/23", TIME, id="a date with strokes"),
        pytest.param("20261123", TIME, id="a date without anything between"),
        pytest.param("20261123T0304", TIME, id="a compact timestamp"),
        pytest.param("2026-11-23T03", TIME, id="an hour"),
        pytest.param("2026-11-23T03:04:05.123+01:00", TIME, id="a timestamp with an offset"),
        pytest.param("2026-11-23 03:04:05", TIME, id="a timestamp as SQL writes it"),
        pytest.param("log#2026-11-23T03:04Z", TIME, id="a timestamp after a prefix"),
        pytest.param("2026-11-23#7", TIME, id="a date before a shard"),
        pytest.param("2026-13-01", COUNTER, id="no thirteenth month: then it only ends in a number"),
        pytest.param("20269923", COUNTER, id="no 99th month"),
        pytest.param("2026-11-shard3", TIME, id="a month before a shard"),
        pytest.param("2026-13-x", PLAIN, id="no thirteenth month, and no number at the end"),
        pytest.param("1999-12-31", COUNTER, id="a date before this century is some other number"),
        pytest.param(str(EPOCH_FIRST - 1), COUNTER, id="a second before the span of plausible epochs"),
        pytest.param(str(EPOCH_FIRST), TIME, id="its first second"),
        pytest.param(str(EPOCH_LAST - 1), TIME, id="its last second"),
        pytest.param(str(EPOCH_LAST), COUNTER, id="a second after it"),
        pytest.param(f"{EPOCH_FIRST - 1}999", COUNTER, id="a millisecond before the span"),
        pytest.param(f"{EPOCH_FIRST}000", TIME, id="its first millisecond"),
        pytest.param(f"{EPOCH_LAST}000", COUNTER, id="a millisecond after it"),
        pytest.param("1763860000.123", TIME, id="an epoch with a fraction"),
        pytest.param("evt#1763860000123", TIME, id="an epoch after a prefix"),
        pytest.param("17638600001", COUNTER, id="eleven digits are no epoch"),
        pytest.param("0", COUNTER, id="nought"),
        pytest.param("000123", COUNTER, id="a number with leading noughts"),
        pytest.param("order#000123", COUNTER, id="a number after a prefix"),
        pytest.param("order000123", COUNTER, id="a number right after letters"),
        pytest.param("tenant-7#invoice-31", COUNTER, id="a number after two prefixes"),
        pytest.param("1" * LONGEST_COUNTER, COUNTER, id="as long as a 64-bit number gets"),
        pytest.param("1" * (LONGEST_COUNTER + 1), PLAIN, id="one digit longer: a hash"),
        pytest.param("3.5", PLAIN, id="a fraction"),
        pytest.param("v1.2.3", PLAIN, id="a version"),
        pytest.param("10.0.0.1", PLAIN, id="an address"),
        pytest.param("550e8400-e29b-41d4-a716-446655440000", PLAIN, id="a UUID"),
        pytest.param(
            "user#550e8400-e29b-41d4-a716-446655440000", PLAIN, id="a UUID after a prefix, whose end is digits"
        ),
        pytest.param("00000000-0000-0000-0000-000000000001", PLAIN, id="a UUID of digits alone"),
        pytest.param("deadbeef12", PLAIN, id="hexadecimal that ends in digits"),
        pytest.param("user#deadbeef12", PLAIN, id="the same after a prefix"),
        pytest.param("ab12ef", PLAIN, id="hexadecimal that ends in letters"),
        pytest.param("customer", PLAIN, id="a word"),
        pytest.param("5 apples", PLAIN, id="a number before a word"),
        pytest.param("", PLAIN, id="nothing"),
        pytest.param("  42\n", COUNTER, id="white space around it does not count"),
    ],
)
def test_shapes(value: str, shape: KeyShape) -> None:
    assert shape_of(value) is shape


@given(st.text(max_size=60))
def test_any_text_has_a_shape(value: str) -> None:
    assert shape_of(value) in KeyShape


@given(st.integers(min_value=EPOCH_FIRST, max_value=EPOCH_LAST - 1), st.text(alphabet="abcxyz", max_size=8))
def test_every_plausible_epoch_is_a_time_after_any_prefix(seconds: int, prefix: str) -> None:
    assert shape_of(f"{prefix}#{seconds}") is TIME


@given(st.uuids())
def test_no_uuid_is_a_counter(value: object) -> None:
    assert shape_of(str(value)) is PLAIN


def test_long_values_are_shaped_in_no_time() -> None:
    assert shape_of("2026-#" * 400 + "x") is PLAIN  # 2,400 characters: a partition key has at most 2,048 bytes
