"""The names by which policies are asked for."""

from __future__ import annotations

import pytest

from watcher.core.model import Kind
from watcher.core.policy import Bounds
from watcher.errors import UsageError
from watcher.replay.baselines import Polling, Static, Tracking, parse_policy
from watcher.replay.scaler import TargetTracking


@pytest.mark.parametrize(
    ("text", "family", "number"),
    [
        pytest.param("watcher", "watcher", 0, id="the watcher itself"),
        pytest.param("on-demand", "on-demand", 0, id="on demand"),
        pytest.param("target-tracking:20", "target-tracking", 20, id="the lowest target"),
        pytest.param("target-tracking:90", "target-tracking", 90, id="the highest target"),
        pytest.param("dynamic-dynamodb", "dynamic-dynamodb", 0, id="the defaults"),
        pytest.param("dynamic-dynamodb:tuned", "dynamic-dynamodb:tuned", 0, id="tuned"),
        pytest.param("static:1", "static", 1, id="the least a table can have"),
    ],
)
def test_names(text: str, family: str, number: int) -> None:
    name = parse_policy(text)
    assert (name.text, name.family, name.number) == (text, family, number)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("tracking", "there is no policy 'tracking' (give watcher, target-tracking:70", id="unknown"),
        pytest.param("", "there is no policy ''", id="empty"),
        pytest.param("target-tracking", "there is no policy 'target-tracking'", id="a target is part of the name"),
        pytest.param("target-tracking:19", "no target of 19 % (give target-tracking:20 to :90)", id="target too low"),
        pytest.param("target-tracking:91", "no target of 91 %", id="target too high"),
        pytest.param("target-tracking:70.5", "there is no policy", id="half a percent"),
        pytest.param("target-tracking:-70", "there is no policy", id="a negative target"),
        pytest.param("static:0", "a table cannot have 0 units (give static:1 or more)", id="no capacity at all"),
        pytest.param("static:many", "there is no policy 'static:many'", id="not a number"),
        pytest.param("static:99999999", "there is no policy", id="more digits than any table has"),
        pytest.param("dynamic-dynamodb:wild", "there is no policy", id="an unknown variant"),
        pytest.param("watcher:1", "there is no policy", id="a number where none belongs"),
    ],
)
def test_a_wrong_name_is_told_with_the_remedy(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(text)
    assert told in str(caught.value)


def test_each_family_has_its_scaler_within_the_bounds() -> None:
    bounds = Bounds(5, 500)

    def scaler(text: str) -> object:
        return parse_policy(text).scaler(Kind.READ, bounds, 250.0)

    assert scaler("target-tracking:55") == Tracking(TargetTracking(55, 5, 500), 250.0)
    assert isinstance(scaler("dynamic-dynamodb"), Polling)
    assert isinstance(scaler("dynamic-dynamodb:tuned"), Polling)
    assert isinstance(scaler("static:7"), Static)
