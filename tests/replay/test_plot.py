"""Drawings of replays: the files are what their suffix says, equal input gives equal bytes, and nothing is lost."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.replay.plants import NOON
from watcher.core.model import Kind
from watcher.errors import UsageError, WatcherError
from watcher.replay.figures import Played, Result, result_of
from watcher.replay.plot import BINS, DAY, bin_width, bins, check_path, draw, envelope
from watcher.replay.table import MinuteTruth

SVG = "{http://www.w3.org/2000/svg}"


def result(
    rates: Sequence[float | None],
    throttled: dict[int, float] | None = None,
    steps: Sequence[tuple[int, int]] = ((NOON, 100),),
    policy: str = "static:100",
) -> Result:
    """Units per second by minute (None: not known), of which ``throttled`` is refused, by the minute's number."""
    truth = {
        NOON + 60 * number: MinuteTruth(60 * rate, 60 * (rate - refused), 60 * refused)
        for number, rate in enumerate(rates)
        if rate is not None
        for refused in [(throttled or {}).get(number, 0.0)]
    }
    end = NOON + 60 * len(rates)
    return result_of(
        Played(trace="t", policy=policy, kind=Kind.WRITE, start=NOON, end=end, truth=truth, steps=steps, rejected=0)
    )


SHORT = result([50.0, 150.0, None, 80.0], {1: 40.0})
LONG = result([50.0] * 9000, {4321: 20.0}, [(NOON + 60 * n, 100 + n % 7) for n in range(0, 9000, 9)])


def size_of_png(data: bytes) -> tuple[int, int]:
    """Width and height, every chunk's checksum verified."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(body),)
        at += 12 + length
    assert body.startswith(b"IEND")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param([SHORT], id="one policy"),
        pytest.param([SHORT, replace(SHORT), replace(SHORT)], id="three policies"),
        pytest.param([LONG], id="more minutes than can be told apart"),
        pytest.param([result([50.0] * 10, steps=[])], id="on demand has no capacity to draw"),
        pytest.param([result([None, 5.0, None, None, 5.0, None])], id="next to nothing is known"),
    ],
)
def test_a_png_is_a_whole_one(drawn: list[Result], tmp_path: Path) -> None:
    path = tmp_path / "out.PNG"
    draw(path, drawn)
    width, height = size_of_png(path.read_bytes())
    assert width == 1100
    assert height > 200 * len(drawn)


def test_an_svg_names_its_policies_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    draw(path, [SHORT, replace(SHORT, figures=replace(SHORT.figures, policy="watcher"))])
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own drawing
    assert root.tag == f"{SVG}svg"
    # Letters are drawn as shapes; what they say stands beside them as a comment.
    for words in ("static:100", "watcher", "units per second", "UTC", "demand", "capacity", "throttled"):
        assert f"<!-- {words} -->" in text


@pytest.mark.parametrize("name", ["out.svg", "out.png"])
def test_equal_results_give_equal_bytes(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"1{name}", tmp_path / f"2{name}"
    draw(first, [SHORT, LONG])
    draw(second, [SHORT, LONG])
    assert first.read_bytes() == second.read_bytes()
    assert b"<dc:date>" not in first.read_bytes()
    assert b"Matplotlib" not in first.read_bytes()


@pytest.mark.parametrize("name", ["out.pdf", "out", "png"])
def test_another_suffix_is_a_wrong_argument(name: str, tmp_path: Path) -> None:
    for call in (lambda path: draw(path, [SHORT]), check_path):
        with pytest.raises(UsageError) as refused:
            call(tmp_path / name)
        assert str(refused.value) == f"cannot draw into {name}: its name must say PNG or SVG (end it in .png or .svg)"
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_draw_is_a_wrong_argument(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is nothing to draw"):
        draw(tmp_path / "out.png", [])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WatcherError, match=r"absent/out\.png: No such file or directory \(give a writable path\)"):
        draw(tmp_path / "absent" / "out.png", [SHORT])


@pytest.mark.parametrize(
    ("minutes", "seconds"),
    [
        pytest.param(1, 60, id="one minute"),
        pytest.param(BINS, 60, id="as many minutes as can be told apart"),
        pytest.param(BINS + 1, 120, id="one more: two at a time"),
        pytest.param(14 * 1440, 1260, id="two weeks: 21 minutes at a time"),
    ],
)
def test_how_many_seconds_are_drawn_as_one(minutes: int, seconds: int) -> None:
    assert bin_width(result([1.0] * minutes)) == seconds


def test_a_bin_keeps_the_peak_the_trough_and_the_worst_throttle() -> None:
    rates = [10.0, 90.0, 30.0, 70.0, 20.0, 20.0]
    found = list(bins(result(rates, {2: 5.0, 3: 15.0}), 240))
    assert [(one.low, one.high, one.refused) for one in found] == [(10.0, 90.0, (55.0, 70.0)), (20.0, 20.0, None)]
    assert [(one.start, one.end) for one in found] == [(NOON, NOON + 240), (NOON + 240, NOON + 480)]


def test_where_no_minute_is_known_there_is_no_bin() -> None:
    found = list(bins(result([1.0, None, None, 2.0, None, 3.0]), 120))
    assert [one.start - NOON for one in found] == [0, 120, 240]
    assert [one.high for one in found] == [1.0, 2.0, 3.0]
    assert [one.start - NOON for one in bins(result([1.0, None, None, None, 2.0]), 120)] == [0, 240]


def test_the_envelope_of_capacity_keeps_every_level() -> None:
    # A spike of 30 s within the second bin; on the third's edge a fall to 40, drawn from the 100 before it.
    steps = [(NOON, 100), (NOON + 150, 900), (NOON + 180, 100), (NOON + 240, 40)]
    edges, low, high = envelope(result([1.0] * 6, steps=steps), 120)
    assert [round(edge * DAY) - NOON for edge in edges] == [0, 120, 240, 360]
    assert high == [100, 900, 100, 100]
    assert low == [100, 100, 40, 40]
