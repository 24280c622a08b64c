"""What AWS's answer to a switch leaves in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.sampling.sampling_cases import FULL, MIDNIGHT, NOON, OFF, THROTTLED
from watcher.core.model import Switch
from watcher.core.reasons import Outcome
from watcher.core.sampling import absorbed
from watcher.core.sampling.memory import asked, asked_for_a_while, returning, spent_on
from watcher.core.state import SamplerState

SWITCH_ON = Switch("", OFF, FULL)
PUT_BACK = Switch("", FULL, OFF)
BLANK = SamplerState(spent=1.0, spent_day=MIDNIGHT, noted="quota")
ASKED = asked_for_a_while(BLANK, NOON, 900.0, 0.5)
ON = replace(ASKED, in_force=True)
RETURNING = returning(ON, NOON + 300)
NONE_ON = replace(BLANK, full_at=None)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(
            Outcome.APPLIED,
            replace(ASKED, in_force=True, set_at=NOON + 5, noted=""),
            id="accepted: in force, and what held it is news again",
        ),
        pytest.param(Outcome.UNKNOWN, ASKED, id="no answer: ours until the next survey tells"),
        pytest.param(Outcome.PENDING, ASKED, id="not answered yet"),
        pytest.param(Outcome.NONE, ASKED, id="nothing was done"),
        pytest.param(
            Outcome.SUPERSEDED,
            replace(ASKED, full_at=None, spent=1.0, reserved=0.0),
            id="not seen after a crash: still ours should it come, but nothing is counted for it",
        ),
        *[
            pytest.param(outcome, replace(NONE_ON, set_at=NOON), id=f"{outcome}: as before, and no refusal")
            for outcome in (Outcome.CANCELLED, Outcome.BUSY, Outcome.THROTTLED)
        ],
        *[
            pytest.param(
                outcome,
                replace(NONE_ON, set_at=NOON, refused_at=NOON + 5, refusal="said AWS"),
                id=f"{outcome}: as before, and a refusal",
            )
            for outcome in (
                Outcome.DENIED,
                Outcome.QUOTA,
                Outcome.BUDGET,
                Outcome.GONE,
                Outcome.UNCHANGED,
                Outcome.INVALID,
            )
        ],
    ],
)
def test_a_switch_on_answered(outcome: Outcome, expected: SamplerState) -> None:
    assert absorbed(ASKED, SWITCH_ON, outcome, "said AWS", NOON + 5) == expected


GONE_BACK = replace(ON, found=None, set=OFF, set_at=NOON + 305, until=None, in_force=False, reserved=0.0)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        *[
            pytest.param(outcome, GONE_BACK, id=f"{outcome}: off, and what it cost stays known")
            for outcome in (Outcome.APPLIED, Outcome.UNCHANGED, Outcome.GONE)
        ],
        *[
            pytest.param(outcome, RETURNING, id=f"{outcome}: still ours, and still to go")
            for outcome in (
                Outcome.UNKNOWN,
                Outcome.PENDING,
                Outcome.SUPERSEDED,
                Outcome.CANCELLED,
                Outcome.BUSY,
                Outcome.THROTTLED,
            )
        ],
        *[
            pytest.param(
                outcome,
                replace(RETURNING, refused_at=NOON + 305, refusal="said AWS"),
                id=f"{outcome}: still ours, and refused",
            )
            for outcome in (Outcome.DENIED, Outcome.QUOTA, Outcome.BUDGET, Outcome.INVALID)
        ],
    ],
)
def test_a_put_back_answered(outcome: Outcome, expected: SamplerState) -> None:
    assert absorbed(RETURNING, PUT_BACK, outcome, "said AWS", NOON + 305) == expected


@pytest.mark.parametrize(
    ("state", "switch", "outcome"),
    [
        pytest.param(BLANK, SWITCH_ON, Outcome.APPLIED, id="nothing of ours is remembered there"),
        pytest.param(BLANK, PUT_BACK, Outcome.APPLIED, id="nor was put back"),
        pytest.param(ON, Switch("", OFF, THROTTLED), Outcome.DENIED, id="another mode was set since"),
    ],
)
def test_an_answer_that_comes_too_late_changes_nothing(state: SamplerState, switch: Switch, outcome: Outcome) -> None:
    assert absorbed(state, switch, outcome, "", NOON + 400) == state


def test_a_late_yes_to_what_is_being_put_back_does_not_keep_it() -> None:
    late = absorbed(RETURNING, SWITCH_ON, Outcome.APPLIED, "", NOON + 400)
    assert late.is_ours
    assert (late.until, late.set_at) == (RETURNING.until, RETURNING.set_at)


def test_an_advice_owns_nothing() -> None:
    assert absorbed(BLANK, SWITCH_ON, Outcome.ADVISED, "", NOON) == replace(BLANK, advised=FULL)


def test_a_refusal_without_words_is_named() -> None:
    assert absorbed(asked(BLANK, NOON, THROTTLED), Switch("", OFF, THROTTLED), Outcome.DENIED, "", NOON).refusal == (
        "denied"
    )


def test_dollars_are_of_one_day() -> None:
    assert (spent_on(ASKED, MIDNIGHT), spent_on(ASKED, MIDNIGHT + 86_400)) == (1.5, 0.0)
