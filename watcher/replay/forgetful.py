"""What stands behind the cycle's ports in a replay: a store that keeps nothing it is not asked for again, and
telemetry that lets no trouble pass in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from watcher.core.model import Alert, Decision, Intent, Settlement, TableKey
from watcher.core.pauses import Pause
from watcher.core.reasons import Reason
from watcher.core.region_state import RegionState
from watcher.core.state import TableState
from watcher.errors import WatcherError
from watcher.ports import CycleRecord, CycleReport, Outgoing, Thread

SECRET = bytes(32)  # nothing leaves a replay, so there is nothing to hash other people's keys with


class ForgetfulStore:
    """A :class:`watcher.ports.Store` for one life of one cycle, which is never restarted: it holds open intents, and
    of decisions only how many there were of each reason. Memory and time stay the same over months of minutes."""

    def __init__(self) -> None:
        self.reasons: Counter[Reason] = Counter()
        self._open: dict[str, Intent] = {}

    def load(self) -> Mapping[TableKey, TableState]:
        return {}

    def record(self, record: CycleRecord) -> None:
        self.reasons.update(decision.reason for decision in record.decisions)
        self._open.update({intent.id: intent for intent in record.intents})

    def settle(
        self,
        settlements: Sequence[Settlement],
        states: Mapping[TableKey, TableState],  # noqa: ARG002 - the cycle holds them itself
    ) -> None:
        for settlement in settlements:
            self._open.pop(settlement.intent.id, None)

    def open_intents(self) -> Sequence[Intent]:
        return sorted(self._open.values(), key=lambda intent: (intent.time, intent.id))

    def forget(self, table: TableKey) -> None:
        """Nothing is remembered."""

    def load_regions(self) -> Mapping[str, RegionState]:
        return {}

    def outbox(self, now: float) -> Sequence[Thread]:  # noqa: ARG002 - no topic, so no message
        return ()

    def hearers(self, incident: str) -> Sequence[str]:  # noqa: ARG002 - no topic
        return ()

    def waiting(self) -> int:
        return 0

    def delivered(self, messages: Sequence[Outgoing], now: float) -> None:
        """No message is ever handed out."""

    def silenced(self, messages: Sequence[Outgoing], now: float) -> None:
        """No message is ever handed out."""

    def failed(self, messages: Sequence[Outgoing], now: float, error: str, next_attempt: float | None) -> None:
        """No message is ever handed out."""

    def pauses(self, now: float) -> Sequence[Pause]:  # noqa: ARG002 - nobody is there to ask for one
        return ()

    def pause(self, pause: Pause) -> None:
        """Nobody is there to ask for one."""

    def resume(self, match: str, region: str, now: float) -> bool:  # noqa: ARG002 - nobody is there to ask for one
        return False

    def history(self, table: str | None = None, limit: int = 200) -> Sequence[Decision]:  # noqa: ARG002 - not kept
        return ()

    def alerts(self, limit: int = 100) -> Sequence[Alert]:  # noqa: ARG002 - not kept
        return ()

    def prune(self, before: float) -> None:
        """Nothing is kept that could be pruned."""

    def secret(self) -> bytes:
        return SECRET

    def close(self) -> None:
        """Nothing is open."""


class StrictTelemetry:
    """Trouble that the daemon would log and live with ends a replay: its figures would tell of something else."""

    def cycle_finished(self, report: CycleReport) -> None:
        errors = [*report.region_errors.values(), *(table.error for table in report.tables if table.error)]
        if errors:
            raise _trouble(errors[0])

    def trouble(self, event: str, **facts: object) -> None:
        raise _trouble(str(facts.get("sentence", event)))


def _trouble(sentence: str) -> WatcherError:
    return WatcherError(sentence, operation="replay", hint="please report it with the trace")
