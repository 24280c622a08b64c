"""The control bench's own machinery: what it loads, what it leaves out and says so, and one small run end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.control import CLAIRVOYANT, DAYS, ROSTER, Job, load, main, play
from tests.bench.variants import ABLATIONS, BALANCED, BASELINES, GOALS, OBJECTIVES, REFERENCE, WORLDS, watcher
from tests.replay.plants import NOON
from watcher.core.policy import Objective
from watcher.core.reasons import Mode
from watcher.replay.baselines import parse_policy
from watcher.replay.scenario import World
from watcher.replay.trace import Trace, write_trace


def recording(folder: Path, name: str, hours: int, step: int = 60) -> str:
    """100 units a second, every third hour 400."""
    rows = {
        second: step * (400.0 if second // 3600 % 3 == 0 else 100.0)
        for second in range(NOON, NOON + hours * 3600, step)
    }
    path = folder / f"{name}.csv"
    write_trace(path, Trace(rows, step))
    return str(path)


def test_of_a_recording_the_first_14_days_are_used_and_rescaled_by_themselves(tmp_path: Path) -> None:
    path = recording(tmp_path, "long", hours=20 * 24, step=3600)
    trace = load(path, 50.0)
    assert trace.end - trace.start == DAYS * 86_400
    assert trace.mean == pytest.approx(50.0)


def test_generated_traffic_is_loaded_whole() -> None:
    trace = load("generated:noise", 5.0)
    assert trace.mean == pytest.approx(5.0)
    assert len(trace.rows) == 7 * 1440


@pytest.mark.parametrize(
    ("traffic", "name"),
    [
        pytest.param("some/folder/wc98_may.csv", "wc98_may", id="a file is called by its name"),
        pytest.param("generated:flash crowd", "flash crowd", id="generated traffic by its character"),
    ],
)
def test_what_traffic_is_called(traffic: str, name: str) -> None:
    assert Job(traffic, 500.0, REFERENCE).name == name


def test_every_label_stands_for_a_policy() -> None:
    assert [parse_policy(name).text for name in BASELINES.values()] == list(BASELINES.values())
    for label in (*OBJECTIVES, *GOALS, *ABLATIONS):
        assert watcher(label).mode is Mode.ACT
    assert [watcher(label).objective for label in OBJECTIVES] == list(Objective)
    assert set(ROSTER) == {*BASELINES, *OBJECTIVES, CLAIRVOYANT}


def test_every_ablation_changes_something() -> None:
    balanced = watcher(BALANCED).tuning
    assert [label for label in ABLATIONS if watcher(label).tuning == balanced] == []


def test_every_world_but_the_first_differs_from_the_plant_as_measured() -> None:
    first, *others = WORLDS.values()
    assert first == World()
    assert World() not in others


def test_the_reference_is_played_in_the_world_of_the_job(tmp_path: Path) -> None:
    path = recording(tmp_path, "steps", hours=8)
    late = play(Job(path, 200.0, REFERENCE, "published after 180 s"))[1].figures
    soon = play(Job(path, 200.0, REFERENCE, "published after 30 s"))[1].figures
    assert late.throttled_units > 1.5 * soon.throttled_units > 0.0


def test_a_small_run_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path, "steps", hours=7)
    recording(tmp_path, "other", hours=7)
    out = tmp_path / "out.json"
    options = f"--only recordings frontier --traces {tmp_path} --name steps --mean 200 --jobs 1 --markdown --json {out}"
    assert main(options.split()) == 0
    printed = capsys.readouterr().out
    assert "### Recorded traffic, mean 200 units/s\n" in printed
    assert "| target tracking 70 | 1.00 | 1.00 | 1.00 |" in printed
    assert "\n| steps | " in printed
    assert "other" not in printed
    written = json.loads(out.read_text(encoding="utf-8"))
    policies = [run["policy"] for run in written["runs"]]
    assert sorted(policies) == sorted({*ROSTER, *GOALS})  # each once: the frontier shares what the first table ran
    summaries = written["summaries"]["Recorded traffic, mean 200 units/s"]
    assert [one["policy"] for one in summaries] == list(ROSTER)


def test_without_recordings_it_says_so_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"--only recordings --traces {tmp_path / 'absent'}".split()) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        printed.err
        == f"No recording to replay in {tmp_path / 'absent'}: that table is left out (give --traces FOLDER).\n"
    )


def test_an_unknown_table_is_a_wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_status:
        main(["--only", "everything"])
    assert exit_status.value.code == 2
    assert "invalid choice: 'everything'" in capsys.readouterr().err
