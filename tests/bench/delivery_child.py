"""One life of the watcher of the fault run: the real cycle, SQLite file and boto3; it dies at its appointed step.

What it did is said in a journal, a line in one write each, so that no kill takes a line back.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ctypes import c_double
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.bench.delivery_script import RULES, region_rules, scripted
from tests.bench.delivery_sns import AUDIT, CHAT, PAGES, TIMEOUT, address
from tests.bench.delivery_world import REGION, Ledger, ScriptedAws
from tests.support.wire import RecordingTelemetry, Wire
from watcher.aws.client import AwsClients, AwsSettings, StaticCredentials
from watcher.aws.formats import Format
from watcher.aws.sns import Route, SnsNotifier
from watcher.clock import SimulatedClock
from watcher.core.insights import Sampling
from watcher.core.model import Kind
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Mode
from watcher.cycle import Cycle, CycleSettings
from watcher.ports import Outgoing
from watcher.store.sqlite import SqliteStore

INTERVAL = 60.0
OFFSET = 5.0  # seconds after the minute at which a pass begins
RANGE = Bounds(5, 40_000)
POLICY = TablePolicy(
    mode=Mode.ACT, bounds={Kind.READ: RANGE, Kind.WRITE: RANGE}, incidents=RULES, sampling=Sampling.OFF
)
# Everything goes to the first two; the third wants every other table.
ROUTES = (
    Route(PAGES, Format.TEXT),
    Route(AUDIT, Format.CLOUDWATCH_ALARM),
    Route(CHAT, Format.CHAT, match="orders-*[02468]"),
)


class Step(StrEnum):
    """Where a life may end, between decision and delivery."""

    BEFORE_RECORD = "before record"
    IN_RECORD = "inside record's transaction"
    AFTER_RECORD = "after record"
    BEFORE_ACT = "before acting"
    AFTER_ACT = "after acting"
    BEFORE_SETTLE = "before settling"
    IN_SETTLE = "inside settle's transaction"
    AFTER_SETTLE = "after settling"
    BEFORE_PUBLISH = "before publishing"
    IN_THE_AIR = "in the air, not taken"
    TAKEN = "in the air, taken"
    AFTER_PUBLISH = "after publishing"
    BEFORE_MARK = "before marking delivered"
    IN_MARK = "inside marking's transaction"
    AFTER_MARK = "after marking delivered"
    BEFORE_FAILED = "before counting a failure"
    AFTER_FAILED = "after counting a failure"


BY_SNS = frozenset({Step.IN_THE_AIR, Step.TAKEN})  # there, not the child but SNS ends the life
_CALLS = {
    "store.record": (Step.BEFORE_RECORD, Step.IN_RECORD, Step.AFTER_RECORD),
    "hand.carry_out": (Step.BEFORE_ACT, None, Step.AFTER_ACT),
    "store.settle": (Step.BEFORE_SETTLE, Step.IN_SETTLE, Step.AFTER_SETTLE),
    "notifier.publish": (Step.BEFORE_PUBLISH, None, Step.AFTER_PUBLISH),
    "store.delivered": (Step.BEFORE_MARK, Step.IN_MARK, Step.AFTER_MARK),
    "store.failed": (Step.BEFORE_FAILED, None, Step.AFTER_FAILED),
}


@dataclass(frozen=True, slots=True)
class Life:
    """What a child is told. number: of this life. begins: the simulated instant. ends: when it may end in peace. step:
    where it dies instead, None for nowhere; ready: the instant from which; skip: how often it lives through that step
    before."""

    number: int
    directory: Path
    url: str
    incidents: int
    seed: int
    begins: float
    ends: float
    step: Step | None = None
    ready: float = 0.0
    skip: int = 0


class Journal:
    """Lines of what was done, from any thread."""

    def __init__(self, path: Path, life: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._life = life

    def say(self, what: str, **facts: object) -> None:
        os.write(self._file, (json.dumps({"life": self._life, "what": what, **facts}) + "\n").encode())


class DeadlyWire(Wire):
    """Announces the steps of a pass, and ends the process at the appointed one."""

    def __init__(self, journal: Journal, die: Callable[[Step], None], store: SqliteStore) -> None:
        super().__init__()
        self._journal = journal
        self._die = die
        self._inside = threading.local()
        assert store._connection is not None
        store._connection.set_trace_callback(self._statement)

    def call(self, name: str, target: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a proxy
        before, inside, after = _CALLS.get(name, (None, None, None))
        if before is None or after is None:
            return target(*args)
        self._say(f"{name} begins", name, args)
        self._die(before)
        self._inside.step = inside
        try:
            answer = target(*args)
        except Exception as error:
            self._say(f"{name} fails", name, args, error=str(error))
            raise
        finally:
            self._inside.step = None
        self._die(after)
        self._say(f"{name} ends", name, args)
        return answer

    def _statement(self, text: str) -> None:
        step = getattr(self._inside, "step", None)
        # Where messages are written, and when all of it is about to be made good.
        if step is not None and ("messages" in text or text == "COMMIT"):
            self._die(step)

    def _say(self, what: str, name: str, args: Sequence[Any], **facts: object) -> None:
        if name == "notifier.publish":
            self._journal.say(what, **_named([args[0]]), **facts)
        elif name == "store.delivered":
            self._journal.say(what, **_named(args[0]), **facts)
        elif name == "store.record":
            self._journal.say(what, time=args[0].time, **facts)


def _named(messages: Sequence[Outgoing]) -> dict[str, object]:
    return {
        "topic": messages[0].topic_arn,
        "incident": messages[0].alert.incident,
        "sequences": [one.alert.sequence for one in messages],
    }


class Death:
    """Counts the appointed step, from any thread, and kills the process when its turn has come."""

    def __init__(self, life: Life, journal: Journal, clock: SimulatedClock) -> None:
        self._life = life
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._left = life.skip

    def __call__(self, step: Step) -> None:
        if step is not self._life.step or self._clock.now() < self._life.ready:
            return
        with self._lock:
            self._left -= 1
            if self._left >= 0:
                return
            self._journal.say("killed", step=step.value)
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # the other threads must not go on while the signal is on its way


def live(life: Life, now: c_double) -> None:
    """One pass a minute until the end, or until death. now: where the parent reads the simulated instant."""
    clock = SimulatedClock(life.begins)
    now.value = clock.now()
    journal = Journal(life.directory / "journal", life.number)
    with ExitStack() as stack:
        cycle = _watcher(life, clock, journal, stack)
        while clock.now() < life.ends:
            cycle.run()
            minute = clock.now() // INTERVAL * INTERVAL
            clock.advance_to(minute + INTERVAL + OFFSET)
            now.value = clock.now()
        journal.say("ended")


def _watcher(life: Life, clock: SimulatedClock, journal: Journal, stack: ExitStack) -> Cycle:
    store = SqliteStore(life.directory / "watcher.db")
    stack.callback(store.close)
    ledger = Ledger(life.directory / "ledger")
    stack.callback(ledger.close)
    clients = stack.enter_context(
        AwsClients(
            AwsSettings(
                endpoint_url=address(life.url, life.number),
                credentials=StaticCredentials("AKIAFAULTS", "faults"),
                connect_timeout=TIMEOUT,
                read_timeout=TIMEOUT,
            )
        )
    )
    script = scripted(life.incidents, life.seed)
    aws = ScriptedAws(script, clock, ledger)
    wire = DeadlyWire(journal, Death(life, journal, clock), store)
    return Cycle(
        [wire.region(aws.region())],
        store=wire.store(store),
        notifier=wire.notifier(SnsNotifier({REGION: clients.sns(REGION)}, ROUTES)),
        telemetry=RecordingTelemetry(),
        clock=clock,
        policies=lambda _: POLICY,
        settings=CycleSettings(workers=4, latency=False, backfill=0.0),
        region_rules=region_rules(len(script.tables)),
    )
