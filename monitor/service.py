"""The daemon put together: its turns, its relay, its pages, what forgets and what beats, each on a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from monitor import app, logs, references
from monitor.alerting import via_http
from monitor.app import Config
from monitor.clock import Clock, SteadyClock, SystemClock
from monitor.daemon import Daemon, owner_name
from monitor.engine import Engine
from monitor.following import EVERY_S, Following
from monitor.heartbeat import Heartbeat
from monitor.ingest.source import Source
from monitor.memory import ModelMemory
from monitor.metrics import Metrics
from monitor.reload import reloaded
from monitor.retention import Retention
from monitor.retiring import retired
from monitor.selfwatch import CountingNotifier, SelfWatch
from monitor.settings import ConfigErrors
from monitor.settings.kafka import KafkaSettings
from monitor.store.protocols import Kept, Step, StoreError
from monitor.turns import ModelTurns, TurnLimits
from monitor.watch.plan import ModelPlan
from monitor.web.health import Health
from monitor.web.overview import Overview
from monitor.web.server import Pages, WebServer

_RELAY_REST_MS = 1_000


class Service:
    """Everything that `loopwatch run` runs; `run` ends when `stop` is set.

    path       where the config can be read again.
    redactor   learns the secrets of a config that is read again.
    follow     read it again when one of its files changes.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        *,
        path: Path | None = None,
        redactor: logs.Redactor | None = None,
        follow: bool = False,
    ) -> None:
        self.config, self.clock, self.path = config, SteadyClock(clock or SystemClock()), path
        self._redactor = redactor or logs.Redactor()
        shared = config.loaded.settings
        if shared.kafka is None:
            raise ValueError("the config has no kafka: section, so there is nothing to read")
        self._kafka: KafkaSettings = shared.kafka
        self.store = app.open_store(config.database, self.clock)
        self._bare = config
        self.config = config = self._with_references(config)
        self.plans: Sequence[ModelPlan] = config.plans.models
        self.metrics = Metrics(app.VERSION)
        self.health = Health(self.clock)
        self.watch = SelfWatch(self.health, self.metrics, logs.logger("loopwatch"), self.clock)
        self.relay = app.relay(config, self.store, self.clock, lambda: self.daemon.lease, self.metrics)
        self.heartbeat = self._heartbeat()
        turns = [self._turns(plan) for plan in self.plans]
        told = self.heartbeat or self.watch
        gone = () if config.plans.faults else retired(self.store, [plan.model for plan in self.plans])
        self.daemon = Daemon(turns, self.store, self.clock, told, owner_name(), shared.limits.lease, gone)
        keep = {kind: getattr(shared.retention, kind) for kind in Kept}
        self.retention = Retention(self.store, self.clock, keep, lambda: self.daemon.lease, self.watch)
        pages = Pages(
            self.health,
            self._exposition,
            self.overview,
            lambda error: logs.logger("web").warning("a page failed", kind=type(error).__name__),
            shared.http.secret.get_secret_value() if shared.http.secret is not None else None,
        )
        self.web = WebServer(pages, address=shared.http.host, port=shared.http.port)
        self._asked, self._read_config = threading.Event(), threading.Event()
        self._following = Following(self._files(config)) if follow else None

    @property
    def address(self) -> str:
        """Where its page is."""
        return f"http://{self.config.loaded.settings.http.host}:{self.web.port}/"

    def overview(self) -> Overview:
        """What the page shows now."""
        return app.overview(self.store, self.plans, self.clock, self.health)

    def reload(self) -> None:
        """Read the config again soon; may be called from a signal handler."""
        self._read_config.set()
        self._asked.set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set: then the turn that has begun is finished, and everything is closed."""
        self.web.start()
        jobs: dict[str, Callable[[threading.Event], None]] = {
            "relay": self._deliver,
            "retention": self.retention.run,
            "reload": self._reload_when_asked,
        }
        if self.heartbeat is not None:
            jobs["heartbeat"] = self.heartbeat.run
        threads = [threading.Thread(target=job, args=(stop,), name=name, daemon=True) for name, job in jobs.items()]
        for thread in threads:
            thread.start()
        try:
            self.daemon.run(stop)
        finally:
            stop.set()
            self._asked.set()
            for thread in threads:
                thread.join(timeout=15)
            self.web.close()
            self.daemon.close()
            self.store.close()

    def _with_references(self, config: Config) -> Config:
        """With the references that were adopted; what is said of them goes into the log."""
        config, said = app.with_references(config, self.store)
        for sentence in said:
            logs.logger("loopwatch").warning("reference", what=sentence)
        return config

    def _turns(self, plan: ModelPlan) -> ModelTurns:
        """The turns of a model, with a source of its own."""
        shared = self.config.loaded.settings
        source = app.kafka_source(self._kafka, plan)
        given = shared.limits
        limits = TurnLimits(given.turn_records, given.turn, waiting_rows=given.waiting_rows)
        heard = partial(self._stepped, plan, source)
        return ModelTurns(Engine(plan), source, self.store, self.clock, limits=limits, on_step=heard)

    def _stepped(self, plan: ModelPlan, source: Source, memory: ModelMemory, step: Step, seconds: float) -> None:
        self.watch.step(memory, step, seconds)
        self.watch.behind(plan, source.behind())
        if step.commands:
            self._asked.set()  # one of them may have adopted a reference

    def _heartbeat(self) -> Heartbeat | None:
        wanted = self.config.loaded.settings.heartbeat
        if wanted is None:
            return None
        beat = partial(via_http.get, wanted.secret.get_secret_value())
        return Heartbeat(self.watch, beat, self.clock, wanted.every, [plan.model for plan in self.plans])

    def _exposition(self) -> tuple[str, bytes]:
        """The metrics; while the store is away, its rows are those last seen."""
        with contextlib.suppress(StoreError):
            states = Counter[str]()
            for plan in self.plans:
                states.update(self.store.status(plan.model)["outbox"])
            self.watch.outbox(states)
        return Metrics.content_type, self.metrics.exposition()

    def _reload_when_asked(self, stop: threading.Event) -> None:
        self._learn_from_history()
        while not stop.is_set():
            asked = self._asked.wait(None if self._following is None else EVERY_S)
            self._asked.clear()
            if stop.is_set():
                return
            changed = self._following is not None and self._following.changed()
            if (changed or self._read_config.is_set()) and self.path is not None:
                self._read_config.clear()
                self._take_up(partial(app.read_config, self.path))
                self._learn_from_history()
            elif asked:
                self._take_up_references()

    def _files(self, config: Config) -> list[Path]:
        return [*([] if self.path is None else [self.path]), *config.files()]

    def _learn_from_history(self) -> None:
        """Meanwhile the daemon runs; what is adopted takes effect as a person's adoption does."""
        log = logs.logger("loopwatch")
        try:
            for model, given, said in app.learn_from_history(self._bare, self.store, self.clock):
                log.info("learned from history", model=model, watches=given)
                for sentence in said:
                    log.warning("history", model=model, what=sentence)
        except Exception as error:  # noqa: BLE001 - without history its watches learn from the stream
            log.warning("history", what=f"{type(error).__name__}: {error}")

    def _take_up_references(self) -> None:
        """What was adopted meanwhile takes effect with the next turn; the config stays as it was read."""
        with contextlib.suppress(StoreError):  # the next command, or the next start, looks again
            known = [references.adopted(p, self.store.references(p.model))[0] for p in self._bare.plans.models]
            if {p.model: p for p in known} != {p.model: p for p in self.plans}:
                self._take_up(lambda: self._bare, again=False)

    def _take_up(self, read: Callable[[], Config], *, again: bool = True) -> None:
        """Take the config that `read` gives up, or say why nothing of it is. Not `again`: faults of it are known already."""
        try:
            bare = read()
            config = self._with_references(bare)
            for secret in config.secrets():
                self._redactor.add(secret)
            destinations = app.notifier(config)
            plans = config.plans if again else replace(config.plans, faults=())
            new = reloaded(self.config.loaded.settings, self.plans, config.loaded.settings, plans)
            if new.refused:
                self.watch.reloaded((), new.refused)
                return
            anew = {plan.model: self._turns(plan) for plan in new.plans if plan.model in new.changed}
        except (ConfigErrors, StoreError, ValueError) as error:
            self.watch.reloaded((), str(error).splitlines())
            return
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, what runs goes on as it was
            self.watch.reloaded((), [f"it cannot be taken up: {type(error).__name__}: {error}"])
            return
        self._bare, self.config = bare, config
        if self._following is not None:
            self._following.look_at(self._files(config))
        self.relay.send_through(CountingNotifier(destinations, self.metrics))
        for gone in {plan.model for plan in self.plans} - {plan.model for plan in new.plans}:
            self.watch.forget(gone)
        self.plans = new.plans
        if self.heartbeat is not None:
            self.heartbeat.watch(plan.model for plan in new.plans)
        self.daemon.take_up([plan.model for plan in new.plans], anew)
        self.watch.reloaded(sorted(new.changed), ())

    def _deliver(self, stop: threading.Event) -> None:
        """Send while this daemon owns the store; what its predecessor left in flight is due again, once, when it takes over."""
        while not stop.is_set():
            lease = self.daemon.lease
            if lease is not None:
                try:
                    self.store.recover(self.clock.now(), lease)
                    self.relay.run(_WhileOwner(stop, self.daemon, lambda: self.watch.relay(self.relay)))
                except Exception as error:  # noqa: BLE001 - whatever goes wrong, messages must go on being sent
                    self.watch.part("delivery", False, f"{type(error).__name__}: {error}")
            self.clock.sleep(_RELAY_REST_MS)


class _WhileOwner:
    """A stop signal that is asked between rounds, set when the store is lost, too; each time the state of delivery is told."""

    def __init__(self, stop: threading.Event, daemon: Daemon, notice: Callable[[], None]) -> None:
        self._stop, self._daemon, self._notice = stop, daemon, notice

    def is_set(self) -> bool:
        """Whether to end."""
        self._notice()
        return self._stop.is_set() or self._daemon.lease is None
