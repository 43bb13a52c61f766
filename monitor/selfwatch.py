"""The watcher watched: what the daemon does, as health, metrics and log lines."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from detectors.evidence import Standing
from monitor.alerting.alert import Delivery, Notification, Notifier, Phase, Severity
from monitor.clock import Clock
from monitor.engine.missing import INTAKE
from monitor.events import TopicPartition
from monitor.ingest.source import SourceError
from monitor.memory import ModelMemory
from monitor.metrics import Metrics
from monitor.relay import Relay
from monitor.store.protocols import Step, StoreError
from monitor.watch.plan import ModelPlan
from monitor.web.health import Health

_COUNTERS = {
    "read": ("records_read", "stream"),
    "rejected": ("records_rejected", "stream"),
    "filtered": ("records_filtered", "stream"),
    "kept": ("records_decoded", "stream"),
    "late": ("events_late", "stream"),
    "ahead": ("events_future", "stream"),
    "repeated": ("events_duplicate", "stream"),
    "joined": ("outcomes_joined", "stream"),
    "gaps": ("gaps", "topic"),
    "missed": ("records_missed", "topic"),
    "folded": ("units_folded", "table"),
}
"""What the counters of a memory are called here, and the label that tells of what they are."""


_LOOK_AT_RECORDS, _MANY_REFUSED = 1_000, 0.05


class Log(Protocol):
    """A structured logger."""

    def info(self, event: str, **values: Any) -> None:
        """Something worth knowing."""

    def warning(self, event: str, **values: Any) -> None:
        """Something that needs a look."""


class SelfWatch:
    """Hears of parts, models and steps; see `monitor.daemon.Told` and `monitor.turns.ModelTurns`."""

    def __init__(self, health: Health, metrics: Metrics, log: Log, clock: Clock) -> None:
        self._health, self._metrics, self._log, self._clock = health, metrics, log, clock
        self._parts: dict[str, bool] = {}
        self._faults: dict[str, str] = {}
        self._waiting: dict[str, bool] = {}
        self._counted: dict[tuple[str, str], int] = {}
        self._looked: dict[str, tuple[int, int]] = {}
        self._held: set[str] = set()
        self._partitions: dict[str, frozenset[TopicPartition]] = {}

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        """A part of the daemon is well, or why it is not; logged when that changes."""
        self._health.set(name, ok, reason)
        if name == "lease":
            self._metrics.lease_held.set(ok)
        if self._parts.get(name) != ok:
            self._parts[name] = ok
            if ok:
                self._log.info("well", part=name)
            else:
                self._log.warning("waiting", part=name, reason=reason)

    def model(self, name: str, error: Exception | None) -> None:
        """A model's turn went well, or why it did not. Logged when it changes; an unknown error with its traceback."""
        fault = "" if error is None else f"{type(error).__name__}: {error}"
        self._waiting[name] = isinstance(error, SourceError)
        self._tell_sources()
        if self._faults.get(name, "") != fault:
            self._faults[name] = fault
            if error is None:
                self._log.info("going on", model=name)
            else:
                self._metrics.errors.labels(kind=type(error).__name__).inc()
                known = isinstance(error, SourceError | StoreError)
                self._log.warning("turn failed", model=name, reason=fault, exc_info=None if known else error)
        broken = [f"{model}: {why}" for model, why in sorted(self._faults.items()) if why]
        self.part("models", not broken, "; ".join(broken))

    def _tell_sources(self) -> None:
        away = sorted(model for model, waiting in self._waiting.items() if waiting)
        self.part("source", not away, f"no events can be read for {', '.join(away)}" if away else "")

    def step(self, memory: ModelMemory, step: Step, seconds: float) -> None:
        """A step was committed."""
        self._metrics.commit_seconds.labels(model=step.model).observe(seconds)
        self._metrics.step_number.labels(model=step.model).set(step.number)
        for name, value in memory.counters.items():
            stream, _, what = name.rpartition(".")
            if what in _COUNTERS:
                rise = value - self._counted.get((step.model, name), 0)
                if rise > 0:
                    metric, label = _COUNTERS[what]
                    getattr(self._metrics, metric).labels(model=step.model, **{label: stream}).inc(rise)
                self._counted[step.model, name] = value
        self._tell_missing(step, memory.intake)
        self._tell_refused(step.model, memory)
        self._tell_held(step, len(memory.pending))
        self._tell_partitions(step)
        if memory.clocks:
            idle = {tuple(source) for source in step.observed.get("idle", ())}
            awake = [clock for source, clock in memory.clocks.items() if source not in idle]
            lag = (self._clock.now() - min(awake, default=max(memory.clocks.values()))) / 1000
            self._metrics.watermark_lag_seconds.labels(model=step.model).set(lag)
        for finding in step.findings:
            self._metrics.windows_closed.labels(model=step.model, watch=finding.watch).inc()
            stands = str(finding.evidence.standing)
            self._metrics.findings.labels(model=step.model, watch=finding.watch, standing=stands).inc()
        for severity in Severity:
            firing = sum(a.phase is Phase.FIRING and a.severity is severity for a in memory.alerts.values())
            self._metrics.alerts_firing.labels(model=step.model, severity=str(severity)).set(firing)
        closed = {(finding.watch, finding.end) for finding in step.findings}
        for alert in step.alerts:
            if (alert.watch, alert.first.end) in closed:
                self._metrics.alerts.labels(model=step.model, severity=str(alert.severity)).inc()
        standing: dict[str, tuple[Phase, Severity]] = {}
        for decided in step.decisions:
            if standing.get(decided.alert) == (decided.phase, decided.severity):
                continue
            standing[decided.alert] = decided.phase, decided.severity
            self._log.info(
                "alert",
                model=step.model,
                watch=decided.watch,
                id=decided.alert,
                phase=str(decided.phase),
                severity=str(decided.severity),
                reason=decided.reason,
                at=datetime.fromtimestamp(decided.at / 1000, UTC).isoformat(),
            )

    def reloaded(self, changed: Sequence[str], refused: Sequence[str]) -> None:
        """The config was read again: models that go on by it from now on, and why others, or all, do not."""
        for sentence in refused:
            self._log.warning("config not taken up", reason=sentence)
        self._log.info("config read again", changed=list(changed), refused=len(refused))
        self._health.note("config", "; ".join(refused))

    def forget(self, model: str) -> None:
        """A model that is not watched any more."""
        tables: Sequence[MutableMapping[str, Any]] = (
            self._faults,
            self._waiting,
            self._looked,
            self._partitions,
        )
        for known in tables:
            known.pop(model, None)
        self._counted = {key: value for key, value in self._counted.items() if key[0] != model}
        for what in ("data", "dead letters", "waiting"):
            self._health.note(f"{model}: {what}", "")
        self._metrics.forget(model)

    def _tell_held(self, step: Step, waiting: int) -> None:
        held = [f"{topic}[{partition}]" for topic, partition in step.observed.get("held", ())]
        line = f"{waiting:,} rows wait, more than limits.waiting_rows; {', '.join(held)} wait for slower partitions"
        self._health.note(f"{step.model}: waiting", line if held else "")
        self._metrics.rows_waiting.labels(model=step.model).set(waiting)
        if held and step.model not in self._held:
            self._log.warning("reading waits", model=step.model, why=line)
        (self._held.add if held else self._held.discard)(step.model)

    def _tell_partitions(self, step: Step) -> None:
        known = self._partitions.get(step.model)
        self._partitions[step.model] = now = frozenset(step.offsets)
        if known:
            topics = {partition.topic for partition in known}
            for topic, partition in sorted(p for p in now - known if p.topic in topics):
                self._log.warning("a partition was added", model=step.model, topic=topic, partition=partition)

    def _tell_refused(self, model: str, memory: ModelMemory) -> None:
        """Once in a thousand records or more: whether many of them could not be used."""
        read, refused = (
            sum(value for name, value in memory.counters.items() if name.endswith(f".{what}"))
            for what in ("read", "rejected")
        )
        read_before, refused_before = self._looked.get(model, (0, 0))
        new = read - read_before
        if new < _LOOK_AT_RECORDS:
            return
        share = (refused - refused_before) / new
        self._looked[model] = read, refused
        many = f"{share:.0%} of the last {new:,} records could not be used; `loopwatch status` counts them"
        self._health.note(f"{model}: dead letters", many if share >= _MANY_REFUSED else "")

    def _tell_missing(self, step: Step, now: str) -> None:
        for finding in step.findings:
            if finding.watch == INTAKE and finding.evidence.standing is not Standing.OK:
                self._log.warning("data is missing", model=step.model, what=finding.evidence.reason)
        self._health.note(f"{step.model}: data", now)

    def relay(self, relay: Relay) -> None:
        """How delivery goes."""
        failing = "; ".join(f"{name}: {why}" for name, why in sorted(relay.failing.items()))
        self.part("delivery", not failing, failing)
        given_up = f"{relay.parked:,} message(s) were given up since the start" if relay.parked else ""
        self._health.note("messages", given_up)

    def forgotten(self, kind: str, rows: int) -> None:
        """Retention deleted rows."""
        self._metrics.rows_forgotten.labels(kind=kind).inc(rows)
        self._log.info("forgotten", kind=kind, rows=rows)

    def outbox(self, states: Mapping[str, int]) -> None:
        """How many outbox rows are in each state."""
        for state in ("queued", "parked"):
            self._metrics.outbox_rows.labels(state=state).set(states.get(state, 0))

    def behind(self, plan: ModelPlan, records: Mapping[TopicPartition, int]) -> None:
        """How far reading is behind the end of each partition."""
        for mapping in plan.mappings:
            left = sum(n for partition, n in records.items() if partition.topic == mapping.topic)
            self._metrics.behind_records.labels(model=plan.model, stream=mapping.stream).set(left)


class CountingNotifier:
    """A notifier whose attempts are counted by destination and outcome."""

    def __init__(self, notifier: Notifier, metrics: Metrics) -> None:
        self._notifier, self._metrics = notifier, metrics

    def send(self, notification: Notification) -> Delivery:
        """Try once."""
        delivery = self._notifier.send(notification)
        self._metrics.notifications.labels(destination=notification.destination, outcome=str(delivery.outcome)).inc()
        return delivery
