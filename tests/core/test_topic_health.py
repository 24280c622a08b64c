"""How often a topic that fails is asked again."""

from __future__ import annotations

import pytest

from watcher.core.topic_health import FIRST_WAIT, LONGEST_WAIT, SLACK, Failing, failed, patience


def test_patience_doubles_from_half_a_minute_to_five_minutes() -> None:
    assert [patience(failures) for failures in (1, 2, 3, 4, 5, 99)] == [30, 60, 120, 240, 300, 300]
    assert (FIRST_WAIT, LONGEST_WAIT) == (30.0, 300.0)


@pytest.mark.parametrize(
    ("after", "failures", "probe_at"),
    [
        pytest.param(0.0, 1, 130.0, id="one more of those on their way when it failed changes nothing"),
        pytest.param(30 - SLACK - 0.1, 1, 130.0, id="until a probe is due"),
        pytest.param(30 - SLACK, 2, 185.0, id="a probe that fails doubles the wait, from then on"),
        pytest.param(600.0, 2, 760.0, id="however late the probe"),
    ],
)
def test_only_a_probe_that_fails_counts(after: float, failures: int, probe_at: float) -> None:
    first = failed(None, "no answer", 100.0)
    assert first == Failing("no answer", 1, 130.0)
    assert failed(first, "refused", 100.0 + after) == Failing("refused", failures, probe_at)


def test_a_pass_a_little_early_still_probes() -> None:
    failing = Failing("no answer", 1, 130.0)
    assert not failing.is_due(130.0 - SLACK - 0.1)
    assert failing.is_due(130.0 - SLACK)
