"""Everything an alert is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watcher.core.diagnose import Diagnosis
from watcher.core.hot_keys import HotKeyFinding
from watcher.core.model import Decision, Dimension, ScalableTarget, TableDescription
from watcher.core.policy import TablePolicy
from watcher.core.state import Blocked, Refusal


@dataclass(frozen=True, slots=True)
class Briefing:
    """One table in one step, for :mod:`watcher.core.alerting` to follow and :mod:`watcher.core.advice` to word."""

    now: float
    policy: TablePolicy
    description: TableDescription
    diagnosis: Diagnosis
    decisions: Sequence[Decision]
    hot_keys: Mapping[str, HotKeyFinding]
    gained: float  # throttled events this step learned of
    blocked: Mapping[Dimension, Blocked] = field(default_factory=dict)  # changes that are wanted and held
    scaling: Mapping[Dimension, ScalableTarget] | None = field(default_factory=dict)  # None where it cannot be read
    refusal: Refusal | None = None  # AWS's last, None once an action is accepted
