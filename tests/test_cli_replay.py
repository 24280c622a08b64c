"""``watcher replay``: its contract with scripts, its words for people, and its complaints."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from tests.commands import watcher
from watcher.cli import status
from watcher.clock import iso
from watcher.core.model import Kind
from watcher.core.policy import OBJECTIVES, Bounds, Objective
from watcher.core.reasons import Mode
from watcher.replay.runner import Result, Scenario
from watcher.replay.runner import run as real_run

NOON = 1_699_963_200  # 2023-11-14T12:00:00Z
KEYS = [
    "trace",
    "policy",
    "demanded_units",
    "served_units",
    "throttled_units",
    "throttled_fraction",
    "throttled_minutes",
    "unit_hours",
    "billed_unit_hours",
    "cost_usd",
    "on_demand_cost_usd",
    "increases",
    "decreases",
    "rejected_updates",
    "relief_seconds",
    "advice",
]
RULES = """
[[tables]]
match = "orders-*"
mode = "advise"
objective = "safe"
write = { min = 7, max = 90 }

[[tables]]
match = "users"
mode = "act"
read = { min = 3, max = 300 }
write = { min = 4, max = 400 }
"""

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory with a config that would change everything if it were read unasked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("config.toml").write_text("this is = no TOML at all [", encoding="utf-8")
    Path("rules.toml").write_text(RULES, encoding="utf-8")
    rates = [100.0] * 40 + [700.0] * 20
    rows = [f"{iso(NOON + 60 * number)},{rate * 60:g}" for number, rate in enumerate(rates)]
    Path("t.csv").write_text("\n".join(["timestamp,units", *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def scenarios(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Scenario, str]]:
    """What was to be replayed; static capacity stands in for it, so that it takes no time."""
    seen: list[tuple[Scenario, str]] = []

    def noted(scenario: Scenario, policy: str, progress: object = None) -> Result:  # noqa: ARG001 - as the real one
        seen.append((scenario, policy))
        return real_run(scenario, "static:1")

    monkeypatch.setattr("watcher.cli_replay.run", noted)
    return seen


# For scripts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["watcher", "target-tracking:70", "dynamic-dynamodb", "static:120", "on-demand"])
def test_the_record_of_each_policy_has_the_contracts_keys(capsys: Captured, policy: str) -> None:
    assert status(["replay", "--trace", "t.csv", "--policy", policy, "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert list(record) == KEYS
    assert list(record["relief_seconds"]) == ["p50", "p95", "max"]
    assert (record["trace"], record["policy"]) == ("t.csv", policy)
    assert record["demanded_units"] == pytest.approx(100 * 2400 + 700 * 1200)
    assert err == "", "no bar where nobody watches"


def test_the_watcher_is_replayed_when_nothing_is_said(capsys: Captured) -> None:
    assert status(["replay", "--trace", "t.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["policy"] == "watcher"


def test_the_timeline(capsys: Captured) -> None:
    assert status(["replay", "--trace", "t.csv", "--policy", "target-tracking:70", "--timeline", "out.csv"]) == 0
    lines = Path("out.csv").read_bytes().decode().split("\n")
    # 1.2 x 100; two minutes at 83 % are published at 12:03; ceil(100 / 0.7); the lot moves the pass by ten seconds.
    assert lines[:3] == ["timestamp,provisioned", "2023-11-14T12:00:00Z,120", "2023-11-14T12:03:40Z,143"]
    assert lines[-1] == "", "the last line ends like the others"
    times = [line.split(",")[0] for line in lines[1:-1]]
    assert times == sorted(set(times))
    assert all(int(line.split(",")[1]) > 0 for line in lines[1:-1])
    capsys.readouterr()


def test_the_timeline_on_demand_says_that_nothing_is_provisioned(capsys: Captured) -> None:
    assert status(["replay", "--trace", "t.csv", "--policy", "on-demand", "--timeline", "out.csv"]) == 0
    assert Path("out.csv").read_text(encoding="utf-8") == "timestamp,provisioned\n2023-11-14T12:00:00Z,0\n"
    capsys.readouterr()


def test_the_same_twice_in_other_processes(tmp_path: Path) -> None:
    outputs = []
    for name in ("one.csv", "two.csv"):
        done = watcher("replay", "--trace", "t.csv", "--json", "--timeline", name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        outputs.append((done.stdout, (tmp_path / name).read_bytes()))
    assert outputs[0] == outputs[1]


def test_a_comparison_is_a_list(capsys: Captured, scenarios: list[tuple[Scenario, str]]) -> None:
    assert status(["replay", "--trace", "t.csv", "--compare", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert all(list(record) == KEYS for record in records)
    assert [policy for _, policy in scenarios] == [
        "watcher",
        "target-tracking:70",
        "target-tracking:50",
        "target-tracking:90",
        "dynamic-dynamodb",
        "dynamic-dynamodb:tuned",
        "static:700",
        "on-demand",
    ]


# For people ---------------------------------------------------------------------------------------------------------


def test_the_sheet_of_one_policy(capsys: Captured) -> None:
    assert status(["replay", "--trace", "t.csv", "--policy", "static:400"]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = {line[:16].strip(): line[16:].split() for line in lines}
    assert words["policy"] == ["static:400"]
    assert words["demanded"] == ["1,080,000", "units"]
    # 400 a second and a bucket of 120,000 against 700 a second: 300 a second are lacking after 400 s, for 800 s.
    assert words["throttled"][0].startswith("24")
    assert words["provisioned"] == ["400", "unit-hours"]
    assert words["cost"] == ["$0.26"]
    assert words["on demand"] == ["$0.68", "would", "have", "cost"]


def test_the_comparison_shows_ratios_to_target_tracking_at_70(capsys: Captured) -> None:
    assert status(["replay", "--trace", "t.csv", "--compare"]) == 0
    heading, *rows, caption = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["policy", "throttled"]
    assert caption.startswith("Ratios are to target-tracking:70.")
    cells = {row.split()[0]: row.split() for row in rows}
    assert len(cells) == 8
    assert cells["target-tracking:70"].count("1.00") == 3
    assert cells["on-demand"][1:4] == ["0.000", "%", "0.00"]
    assert cells["static:700"][1:4] == ["0.000", "%", "0.00"]


def test_a_ratio_to_nothing_is_none(capsys: Captured) -> None:
    Path("calm.csv").write_text(f"timestamp,units\n{iso(NOON)},30\n{iso(NOON + 60)},30\n", encoding="utf-8")
    assert status(["replay", "--trace", "calm.csv", "--compare"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:-1]
    assert {row.split()[3] for row in rows} == {"-"}, "nothing throttles at half a unit a second"


def test_drawing_gets_the_path_and_the_results(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, scenarios: list[tuple[Scenario, str]]
) -> None:
    calls: list[tuple[Path, list[str] | int]] = []

    def check_path(path: Path) -> None:
        calls.append((path, len(scenarios)))

    def draw(path: Path, results: Sequence[Result]) -> None:
        calls.append((path, [result.figures.policy for result in results]))

    module = ModuleType("watcher.replay.plot")
    monkeypatch.setattr(module, "check_path", check_path, raising=False)
    monkeypatch.setattr(module, "draw", draw, raising=False)
    monkeypatch.setitem(sys.modules, "watcher.replay.plot", module)
    assert status(["replay", "--trace", "t.csv", "--policy", "static:1", "--plot", "out.png"]) == 0
    assert calls == [(Path("out.png"), 0), (Path("out.png"), ["static:1"])], "checked before anything is replayed"
    assert len(scenarios) == 1
    capsys.readouterr()


def test_drawing_without_its_library_is_refused_at_once(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, scenarios: list[tuple[Scenario, str]]
) -> None:
    monkeypatch.setitem(sys.modules, "watcher.replay.plot", None)
    assert status(["replay", "--trace", "t.csv", "--plot", "out.png"]) == 2
    assert "leave --plot out" in capsys.readouterr().err
    assert scenarios == []


def test_a_bar_shows_on_a_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert status(["replay", "--trace", "t.csv", "--policy", "static:9", "--json"]) == 0
    assert "static:9" in screen.getvalue()
    assert json.loads(capsys.readouterr().out)["policy"] == "static:9"


# What is replayed ---------------------------------------------------------------------------------------------------


def policy_of(scenarios: list[tuple[Scenario, str]], *arguments: str) -> Scenario:
    assert status(["replay", "--trace", "t.csv", "--json", *arguments]) == 0
    return scenarios[-1][0]


def test_without_a_config_everything_is_as_aws_allows(
    capsys: Captured, scenarios: list[tuple[Scenario, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHER_TABLES__0__OBJECTIVE", "safe")
    scenario = policy_of(scenarios)
    assert (scenario.kind, scenario.world.seed) == (Kind.WRITE, 1)
    assert scenario.policy.mode is Mode.ACT
    assert scenario.policy.objective is Objective.BALANCED
    assert scenario.policy.bounds == dict.fromkeys(Kind, Bounds(1, 40_000))
    assert scenario.policy.tuning == OBJECTIVES[Objective.BALANCED]
    assert capsys.readouterr().err == ""


def test_the_first_entry_of_a_config_is_made_to_act(scenarios: list[tuple[Scenario, str]]) -> None:
    policy = policy_of(scenarios, "--config", "rules.toml").policy
    assert policy.mode is Mode.ACT
    assert policy.tuning == OBJECTIVES[Objective.SAFE]
    # It says nothing about reads, so they have what AWS allows.
    assert policy.bounds == {Kind.WRITE: Bounds(7, 90), Kind.READ: Bounds(1, 40_000)}


def test_a_table_picks_its_entry(scenarios: list[tuple[Scenario, str]]) -> None:
    scenario = policy_of(scenarios, "--config", "rules.toml", "--table", "users", "--dimension", "read")
    assert scenario.policy.bounds == {Kind.WRITE: Bounds(4, 400), Kind.READ: Bounds(3, 300)}
    assert scenario.kind is Kind.READ
    assert scenario.opening() == 120
    assert policy_of(scenarios, "--config", "rules.toml", "--table", "orders-eu").policy.objective is Objective.SAFE


def test_an_objective_overrides_the_entrys(scenarios: list[tuple[Scenario, str]]) -> None:
    policy = policy_of(scenarios, "--config", "rules.toml", "--objective", "economy").policy
    assert policy.objective is Objective.ECONOMY
    assert policy.tuning == OBJECTIVES[Objective.ECONOMY]
    assert policy.bounds[Kind.WRITE] == Bounds(7, 90)


def test_mean_seed_and_delays(scenarios: list[tuple[Scenario, str]]) -> None:
    scenario = policy_of(scenarios, "--mean", "50", "--seed", "7", "--publication-delay", "180", "--actuation", "120.5")
    assert scenario.trace.mean == pytest.approx(50.0)
    world = scenario.world
    assert (world.seed, world.publication, world.actuation) == (7, 180.0, 120.5)


# Complaints ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param([], "--trace", id="no trace"),
        pytest.param(["--trace", "nowhere.csv"], "nowhere.csv", id="a trace that is not there"),
        pytest.param(["--trace", "rules.toml"], "make the first line timestamp,units", id="a trace that is none"),
        pytest.param(["--trace", "t.csv", "--policy", "best"], "no policy 'best' (give watcher,", id="no such policy"),
        pytest.param(
            ["--trace", "t.csv", "--policy", "target-tracking:95"],
            "give target-tracking:20 to :90",
            id="no such target",
        ),
        pytest.param(["--trace", "t.csv", "--mean", "0"], "give a positive mean", id="a mean of nothing"),
        pytest.param(["--trace", "t.csv", "--mean", "nan"], "give a positive mean", id="a mean that is no number"),
        pytest.param(["--trace", "t.csv", "--objective", "fast"], "economy", id="no such objective"),
        pytest.param(["--trace", "t.csv", "--dimension", "delete"], "'--dimension'", id="no such dimension"),
        pytest.param(["--trace", "t.csv", "--actuation", "-1"], "'--actuation'", id="an effect before its cause"),
        pytest.param(["--trace", "t.csv", "--table", "users"], "add --config FILE", id="a table without a config"),
        pytest.param(
            ["--trace", "t.csv", "--config", "rules.toml", "--table", "carts"],
            "no [[tables]] entry of rules.toml matches table carts (give another --table, or add one)",
            id="a table that no entry matches",
        ),
        pytest.param(["--trace", "t.csv", "--config", "none.toml"], "none.toml", id="a config that is not there"),
        pytest.param(["--trace", "t.csv", "--config", "config.toml"], "config.toml", id="a config with mistakes"),
        pytest.param(
            ["--trace", "t.csv", "--config", "empty.toml"], "has no [[tables]] entry", id="a config without tables"
        ),
        pytest.param(
            ["--trace", "t.csv", "--compare", "--policy", "watcher"], "leave --policy or --compare out", id="both"
        ),
        pytest.param(
            ["--trace", "t.csv", "--compare", "--timeline", "o.csv"], "leave --compare out", id="one timeline of many"
        ),
        pytest.param(["--trace", "t.csv", "--timeline", "no/o.csv"], "there is no folder no", id="timeline to nowhere"),
        pytest.param(["--trace", "t.csv", "--timeline", "."], "give a file to write", id="timeline into a folder"),
    ],
)
def test_wrong_usage_is_one_sentence_and_2(
    capsys: Captured, arguments: list[str], told: str, scenarios: list[tuple[Scenario, str]]
) -> None:
    Path("empty.toml").write_text("", encoding="utf-8")
    assert status(["replay", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    assert scenarios == [], "refused before anything runs"


def test_a_timeline_that_cannot_be_written_is_told(capsys: Captured) -> None:
    Path("full.csv").symlink_to("/dev/full")
    assert status(["replay", "--trace", "t.csv", "--policy", "static:9", "--timeline", "full.csv"]) == 1
    assert "write timeline of full.csv: No space left on device (give a writable path)" in capsys.readouterr().err
