"""The composition root: chooses the adapters, runs the cycle on its schedule, answers signals, takes everything down.

What is built is taken down in reverse, each step bounded in time, one failing step not stopping the rest.
"""

from __future__ import annotations

import functools
import hashlib
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import FrameType

from watcher import __version__
from watcher.alignment import Alignment
from watcher.aws.capacity import MutationPacer
from watcher.aws.client import AwsClients, AwsSettings, StaticCredentials
from watcher.aws.cloak import KeyCloak
from watcher.aws.compose import region_ports, sns_notifier
from watcher.clock import Clock
from watcher.config import Config, load
from watcher.core.policy import TablePolicy
from watcher.core.region_state import RegionRules
from watcher.core.sampling import SamplingLimits
from watcher.core.series import MINUTE
from watcher.core.words import count
from watcher.cycle import Cycle, CycleSettings
from watcher.daemon_alerts import routes_of, topics_of
from watcher.daemon_keys import hash_secret, key_cloaks
from watcher.daemon_watchdog import Watchdog
from watcher.errors import AwsError, ConfigError, StoreError, WatcherError
from watcher.nightly import Desk, NightSettings, run_night
from watcher.nightly_worker import in_process_of_its_own
from watcher.ports import CycleReport, Notifier, Policies, Store
from watcher.scheduler import Daily, Scheduler
from watcher.store.sqlite import SqliteStore
from watcher.telemetry.health import Health
from watcher.telemetry.hub import TelemetryHub
from watcher.telemetry.logs import Event, configure, logger
from watcher.telemetry.metrics import ReloadOutcome, SchedulerEvent, WatcherMetrics, own_registry
from watcher.web.server import Sources, WebServer, make_app

STOP_SECONDS = 25.0  # for the cycle in hand; containers are usually killed after 30
WATCHDOG_STOP_SECONDS = 2.0  # for a message in hand, which the next start sends again
NIGHT_STOP_SECONDS = 2.0  # for a night in hand, which has nothing to finish
BUSY_SHARE = 0.75  # of the interval, after which nothing more is begun: the next cycle is not to be late
REMEMBERED = 500  # decisions of earlier lives that the page starts with
NIGHT_SPREAD = 3000  # seconds of the hour over which watchers spread their nights


class Command(StrEnum):
    """What signals ask of the main thread."""

    STOP = "stop"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a watcher is put together besides its config. credentials: None takes AWS's usual ways to find them.
    reshape: what a reloaded config goes through first (the sandbox points it at itself)."""

    clock: Clock
    config_path: Path | None
    environ: Mapping[str, str]
    credentials: StaticCredentials | None = None
    reshape: Callable[[Config], Config] = lambda config: config


class Watcher:
    """Everything but the schedule and the server: the cycle with real adapters. ``once`` uses just this.

    Raises StoreError when the state cannot be opened. Close it when done.
    """

    def __init__(self, config: Config, settings: Settings, *, lasting: bool = True) -> None:
        """lasting: whether it will be there to put back what is only switched on for a while."""
        self.config = config
        self.settings = settings
        self._lasting = lasting
        self._polling = config.polling
        self.stopping = threading.Event()
        regions = config.aws.regions
        self.metrics = WatcherMetrics(own_registry(), version=__version__, regions=regions)
        self.health = Health(settings.clock, float(config.polling.interval_seconds))
        self.hub = TelemetryHub(
            self.metrics, self.health, version=__version__, regions=regions, topics=topics_of(config)
        )
        with ExitStack() as stack:
            self.store: Store = SqliteStore(config.state.path, on_loss=self._store_loss)
            stack.callback(self.store.close)
            self._clients = AwsClients(aws_settings(config, settings), on_call=self.metrics.aws_call)
            stack.callback(self._clients.close)
            self._cloaks = key_cloaks(config, hash_secret(config, self.store))
            self.cycle = self._cycle()
            self.hub.remember(self.store.history(limit=REMEMBERED))
            self.hub.remember_alerts(self.store.alerts(limit=REMEMBERED))
            own = hashlib.sha256(b"nightly" + self.store.secret()).digest()
            self._night_place = int.from_bytes(own[:4], "big") % NIGHT_SPREAD
            self._teardown = stack.pop_all()
        for region in regions:
            # The store's exclusive lock makes this process the only watcher of its state.
            self.metrics.lease_held(region, held=True)

    def _cycle(self) -> Cycle:
        config, clock = self.config, self.settings.clock
        pacer = MutationPacer(clock, self.stopping.wait)
        self._ports = [
            region_ports(
                self._clients,
                region,
                clock=clock,
                pacer=pacer,
                cloaks=self._cloak_of,
                on_metrics_requested=self.metrics.cloudwatch_metrics_requested,
                on_trouble=functools.partial(self._cloudwatch_trouble, region),
            )
            for region in config.aws.regions
        ]
        return Cycle(
            self._ports,
            store=self.store,
            notifier=self._notifier(config),
            telemetry=self.hub,
            clock=clock,
            policies=policies_of(config),
            settings=cycle_settings(config),
            sampling=self._sampling_limits(config),
            region_rules=self._region_rules(config),
            links=config.region_links(),
            stopping=self.stopping.is_set,
        )

    def _sampling_limits(self, config: Config) -> SamplingLimits:
        limits = sampling_limits(config)
        return limits if self._lasting else replace(limits, switches=0)

    def _cloak_of(self, table: str) -> KeyCloak:
        """By the config in force, so that a reload counts for the next report."""
        return self._cloaks(table)

    def _region_rules(self, config: Config) -> RegionRules:
        """When a pass is overdue goes by the interval in force, which a reload does not change."""
        return config.model_copy(update={"polling": self._polling}).region_rules()

    def _notifier(self, config: Config) -> Notifier:
        return sns_notifier(self._clients, routes_of(config))

    def _store_loss(self, sentence: str) -> None:
        self.hub.trouble("store.unreadable", sentence=sentence)

    def _cloudwatch_trouble(self, region: str, error: AwsError) -> None:
        self.hub.trouble("cloudwatch.partial", region=region, sentence=f"CloudWatch answered in part: {error}")

    def adopt(self, config: Config) -> None:
        """Decide and alert by this config from the next cycle on."""
        cloaks = key_cloaks(config, hash_secret(config, self.store))
        self.cycle.use(
            policies_of(config),
            self._notifier(config),
            self._sampling_limits(config),
            self._region_rules(config),
            config.region_links(),
        )
        self.hub.use_topics(topics_of(config))
        self._cloaks = cloaks
        self.config = config

    def watchdog(self, say: Callable[..., object]) -> Watchdog:
        """Of the passes. say: (event, facts) for the log."""
        return Watchdog(
            self.cycle.desk,
            lambda: self.cycle.notifier,
            self.store,
            self.settings.clock,
            interval=float(self.config.polling.interval_seconds),
            say=say,
        )

    def run_cycle(self) -> CycleReport:
        return self.cycle.run()

    def run_night(self, say: Callable[..., None]) -> None:
        """Replay the past of the tables with a goal, unless the config says not to. say: (event, facts) for the log."""
        control = self.config.control
        if not control.nightly:
            return
        desk = Desk(
            regions={ports.region: ports for ports in self._ports},
            clock=self.settings.clock,
            policies=policies_of(self.config),
            states=self.cycle.states,
            choose=self.cycle.choose,
            trials=in_process_of_its_own,
            say=say,
            trouble=self.hub.trouble,
            stopping=self.stopping.is_set,
        )
        run_night(desk, NightSettings(control.nightly_days, control.nightly_minutes * 60.0))

    def night_offset(self) -> float:
        """Seconds after midnight UTC: the configured hour, and this watcher's own place in it."""
        return self.config.control.nightly_hour * 3600.0 + self._night_place

    def close(self) -> None:
        self._teardown.close()


class Daemon:
    """A Watcher on its schedule, with its server, until told to stop."""

    def __init__(self, watcher: Watcher) -> None:
        """Binds the server's address. Raises WatcherError when it is taken."""
        self._watcher = watcher
        self._started_with = watcher.config
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._log = logger()
        self._warned: set[str] = set()
        config, clock = watcher.config, watcher.settings.clock
        sources = Sources(
            snapshot=lambda: watcher.hub.snapshot,
            health=watcher.health,
            metrics=watcher.metrics.exposition,
            history=watcher.store.history,
            clock=clock,
        )
        self._alignment = Alignment(float(config.polling.offset_seconds))
        self._server = WebServer(make_app(sources), config.server.host, config.server.port)
        self._scheduler = Scheduler(
            self._run_cycle,
            clock,
            interval=float(config.polling.interval_seconds),
            offset=lambda: self._alignment.offset,
            on_event=self._irregular,
        )
        self._watchdog = watcher.watchdog(self._log.error)
        self._nights = Daily(
            lambda: watcher.run_night(self._log.info),
            clock,
            offset=watcher.night_offset,
            on_event=self._irregular_night,
        )

    @property
    def url(self) -> str:
        """Where the page is; a wildcard address is shown as the loopback one."""
        host = self._watcher.config.server.host
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - shown, not bound
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self._server.port}/"

    def run(self) -> bool:
        """Serve until SIGTERM or SIGINT. False when the cycle in hand did not finish: then exit hard."""
        with _signals(self._commands):
            self._server.start()
            self._scheduler.start()
            self._watchdog.start()
            self._nights.start()
            self._say_hello()
            while self._commands.get() is Command.RELOAD:
                self._reload()
            return self._stop()

    def _run_cycle(self) -> None:
        report = self._watcher.run_cycle()
        # Only now the tables' names are known.
        self._warn(self._watcher.config.overlaps(table.key.name for table in report.tables))
        if self._watcher.config.polling.align:
            self._alignment.learn(point_ages(report))
        self._watcher.cycle.learn_past(BUSY_SHARE * self._watcher.config.polling.interval_seconds - report.seconds)

    def stop(self) -> None:
        """Ask ``run`` to return; for tests and embedders, from any thread."""
        self._commands.put(Command.STOP)

    def reload(self) -> None:
        """Ask for the config to be read again, as SIGHUP does."""
        self._commands.put(Command.RELOAD)

    def _say_hello(self) -> None:
        config = self._watcher.config
        sentence = (
            f"watching {', '.join(config.aws.regions)} every {config.polling.interval_seconds} s; "
            f"page {self.url}  metrics {self.url}metrics"
        )
        self._log.info(Event.DAEMON_STARTED, version=__version__, url=self.url, sentence=sentence)
        self._warn(config.warnings())

    def _warn(self, sentences: Iterable[str]) -> None:
        """Each warning about the config once."""
        for sentence in sentences:
            if sentence not in self._warned:
                self._warned.add(sentence)
                self._log.warning("config.warning", sentence=sentence)

    def _stop(self) -> bool:
        self._log.info(Event.DAEMON_STOPPING, sentence="stopping: the cycle in hand is finished first")
        self._watcher.stopping.set()
        self._watchdog.stop(WATCHDOG_STOP_SECONDS)
        finished = self._scheduler.stop(STOP_SECONDS)
        self._nights.stop(NIGHT_STOP_SECONDS)
        self._server.stop()
        if finished:
            self._release()
            self._watcher.close()
        else:
            sentence = (
                f"the cycle did not finish within {STOP_SECONDS:.0f} s; what it began is reconciled at the next start"
            )
            self._log.error(Event.DAEMON_STOPPING, sentence=sentence)
        return finished

    def _release(self) -> None:
        """End what only this process would have ended."""
        back, left = self._watcher.cycle.release(threading.Event().wait)
        if back:
            sentence = f"Contributor Insights put back as found, of {count(back, 'place')}"
            self._log.info(Event.SAMPLING_RELEASED, sentence=sentence)
        if left:
            sentence = f"all keys of {count(left, 'place')} are still sampled; the next start of the watcher ends that"
            self._log.warning(Event.SAMPLING_RELEASED, sentence=sentence)

    def _reload(self) -> None:
        """All that can fail comes first; a bad file changes nothing."""
        watcher = self._watcher
        try:
            config = watcher.settings.reshape(load(watcher.settings.config_path, watcher.settings.environ))
            watcher.adopt(config)
        except WatcherError as error:
            mistakes = list(error.mistakes) if isinstance(error, ConfigError) else [str(error)]
            watcher.metrics.config_reload(ReloadOutcome.REJECTED)
            sentence = f"the config was not reloaded and nothing has changed: {error}"
            self._log.error(Event.CONFIG_REJECTED, mistakes=mistakes, sentence=sentence)
            return
        fixed = [name for name in ("aws", "polling", "state", "server") if self._differs(name, config)]
        configure(config.logs.format, config.logs.level, sys.stdout, watcher.settings.clock)
        watcher.metrics.config_reload(ReloadOutcome.ACCEPTED)
        later = f"; changes to {', '.join(fixed)} take effect at the next start" if fixed else ""
        self._warn(config.warnings())
        self._log.info(Event.CONFIG_RELOADED, restart_needed=fixed, sentence=f"the config was reloaded{later}")

    def _differs(self, section: str, config: Config) -> bool:
        """From what is in force, which a reload of these sections does not change."""
        return bool(getattr(self._started_with, section) != getattr(config, section))

    def _irregular(self, event: str, error: BaseException | None) -> None:
        self._watcher.metrics.scheduler_event(SchedulerEvent(event))
        facts = {"error": repr(error)} if error else {}
        words = {"missed": "a cycle was missed", "overlap": "a cycle was still running when the next was due"}
        sentence = words.get(event, f"a cycle failed: {error!r}")
        self._log.warning(f"scheduler.{event}", sentence=sentence, **facts)

    def _irregular_night(self, event: str, error: BaseException | None) -> None:
        words = {"missed": "a nightly replay was missed", "overlap": "last night's replay is still running"}
        sentence = words.get(event, f"the nightly replay failed: {error!r}")
        self._log.warning(f"nightly.{event}", sentence=sentence, **({"error": repr(error)} if error else {}))


def point_ages(report: CycleReport) -> list[float]:
    """Seconds from the end of each dimension's newest minute to the start of the cycle."""
    return [
        report.started_at - (seen.newest + MINUTE)
        for table in report.tables
        if table.explanation is not None
        for seen in table.explanation.dimensions
        if seen.newest is not None
    ]


def policies_of(config: Config) -> Policies:
    """The config's policy for a table's name, remembered: it is asked for several times a cycle."""

    @functools.lru_cache(maxsize=100_000)
    def policy(name: str) -> TablePolicy | None:
        return config.policy_for(name)

    return policy


def cycle_settings(config: Config) -> CycleSettings:
    polling = config.polling
    return CycleSettings(
        window=polling.window_minutes * 60.0,
        discovery=polling.discovery_minutes * 60.0,
        acting=polling.interval_seconds * 2 / 3,
        backfill=polling.interval_seconds / 4,
        history=config.state.history_days * 86_400.0,
        latency=polling.latency,
    )


def sampling_limits(config: Config) -> SamplingLimits:
    return SamplingLimits(
        rules=config.hot_keys.rules_quota,
        full_seconds=config.hot_keys.full_minutes * 60.0,
        usd_per_day=config.hot_keys.max_usd_per_day,
    )


def aws_settings(config: Config, settings: Settings) -> AwsSettings:
    aws = config.aws
    return AwsSettings(
        endpoint_url=aws.endpoint_url or "",
        role_arn=aws.role_arn or "",
        external_id=aws.external_id.get_secret_value() if aws.external_id else "",
        credentials=settings.credentials,
        connect_timeout=aws.connect_timeout_seconds,
        read_timeout=aws.read_timeout_seconds,
    )


def _signals(commands: queue.SimpleQueue[Command]) -> ExitStack:
    """SIGTERM and SIGINT stop, SIGHUP reloads; what was installed before comes back on exit. A queue's put is safe in
    a handler."""
    stack = ExitStack()
    if threading.current_thread() is not threading.main_thread():
        return stack

    def put(command: Command) -> Callable[[int, FrameType | None], None]:
        return lambda _number, _frame: commands.put(command)

    handlers = {signal.SIGTERM: Command.STOP, signal.SIGINT: Command.STOP, signal.SIGHUP: Command.RELOAD}
    for number, command in handlers.items():
        stack.callback(signal.signal, number, signal.signal(number, put(command)))
    return stack


__all__ = ["Daemon", "Settings", "StoreError", "Watcher"]
