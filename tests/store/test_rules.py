"""Which decisions wait for what becomes of an action."""

from __future__ import annotations

from dataclasses import replace

from tests.store import samples
from watcher.core.reasons import Outcome, Reason
from watcher.ports import CycleRecord
from watcher.store.rules import decisions_with_intents


def test_only_the_change_itself_waits_for_its_action() -> None:
    """A choice of an operating point stands for its table under the dimension that changes in the same cycle."""
    intent = samples.intent()
    (change, *_) = intent.action.changes
    raised = replace(
        samples.decision(),
        table=intent.action.table,
        dimension=change.dimension,
        before=change.before,
        after=change.after,
    )
    chosen = replace(raised, before=0, after=0, reason=Reason.CHOOSE_POINT, outcome=Outcome.NONE)
    pairs = decisions_with_intents(CycleRecord(intent.time, decisions=[chosen, raised], intents=[intent]))
    assert pairs == [(chosen, ""), (replace(raised, outcome=Outcome.PENDING), intent.id)]
