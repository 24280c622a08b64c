"""Uneven traffic."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.replay.plants import NOON
from watcher.replay.skew import moving_key, rising_sort, steadily, together, zipf
from watcher.replay.spec import KeyShare


@pytest.mark.parametrize(
    ("exponent", "first"),
    [
        # 1 / (1 + 2**-s + ... + 10000**-s), which is near zeta(s) + 10000**(1 - s) / (1 - s).
        pytest.param(0.0, 0.0001, id="no exponent: even"),
        pytest.param(0.8, 0.0369, id="0.8: near 1 / (-4.437 + 31.548)"),
        pytest.param(1.0, 0.1022, id="1.0: 1 / 9.788"),
        pytest.param(1.2, 0.2084, id="1.2: near 1 / (5.592 - 0.792)"),
        pytest.param(1.5, 0.3858, id="1.5: near 1 / (2.612 - 0.020)"),
    ],
)
def test_the_first_of_ten_thousand_zipf_keys(exponent: float, first: float) -> None:
    shares = zipf(exponent, 10_000, 50)
    assert len(shares) == 50
    assert shares[0].share == pytest.approx(first, abs=1e-4)
    assert shares[9].share == pytest.approx(shares[0].share * 10**-exponent)
    assert all(a.share >= b.share for a, b in pairwise(shares))
    assert len({one.key for one in shares}) == 50


def test_all_zipf_keys_together_are_all_of_it() -> None:
    assert sum(one.share for one in zipf(1.1, 500, 500)) == pytest.approx(1.0)


def test_shares_that_stay_are_the_same_object_every_minute() -> None:
    skew = steadily(KeyShare("a", 0.5), KeyShare("b", 0.2))
    assert skew(NOON) is skew(NOON + 60)
    assert [one.key for one in skew(NOON)] == ["a", "b"]


def test_keys_in_one_home() -> None:
    assert together("h", {"a": 0.2, "b": 0.1}) == (KeyShare("a", 0.2, home="h"), KeyShare("b", 0.1, home="h"))


def test_a_key_named_after_its_minute() -> None:
    skew = moving_key(0.9)
    assert skew(NOON) == (KeyShare("2023-11-14T12:00", 0.9),)
    assert skew(NOON + 41 * 60) == (KeyShare("2023-11-14T12:41", 0.9),)


def test_a_sort_key_named_after_its_minute() -> None:
    assert rising_sort("device#7", 0.9)(NOON + 60) == (KeyShare("device#7", 0.9, sort="2023-11-14T12:01"),)
