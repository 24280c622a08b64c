"""The frontier is read off the bench's own figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.frontier import draw, points

TABLE = [
    {"policy": "target tracking 70", "pooled": 1.0, "cost": 1.0},
    {"policy": "watcher balanced", "pooled": 0.3, "cost": 0.68},
    {"policy": "clairvoyant", "pooled": 0.0, "cost": 0.55},
]


def test_each_policy_that_throttles_has_its_place() -> None:
    assert points({"recorded": TABLE}) == {"target tracking 70": (1.0, 1.0), "watcher balanced": (0.3, 0.68)}


def test_a_file_without_a_table_says_how_to_make_one() -> None:
    with pytest.raises(ValueError, match="control --json"):
        points({})


def test_it_is_drawn_as_a_png(tmp_path: Path) -> None:
    draw(tmp_path / "frontier.png", points({"recorded": TABLE}))
    assert (tmp_path / "frontier.png").read_bytes().startswith(b"\x89PNG")
