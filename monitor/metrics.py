"""Every metric that loopwatch tells of itself, each with a sentence; the home of prometheus-client.

Label values come from the config (model, stream, watch, destination) or from words fixed in the code (standing, severity,
outcome, kind of error), never from events: so the number of series is known before the first event.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector

_PREFIX = "loopwatch"
_STREAM = ("model", "stream")
_MODEL = ("model",)
_COMMIT_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The metrics of one daemon, in a registry of its own. Thread-safe.

    Use as `metrics.records_read.labels(model="feed", stream="predictions").inc(512)`.
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4
    """Media type of what `exposition` returns."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._labelled: list[tuple[Counter | Gauge | Histogram, tuple[str, ...]]] = []
        ProcessCollector(registry=self.registry)

        self.records_read = self._counter("records_read", "Records taken from the source.", _STREAM)
        self.records_decoded = self._counter("records_decoded", "Records that became an event of ours.", _STREAM)
        self.records_rejected = self._counter("records_rejected", "Records that went to the dead letters.", _STREAM)
        self.records_filtered = self._counter(
            "records_filtered", "Records that the config's `where` says are not ours.", _STREAM
        )
        self.events_late = self._counter(
            "events_late", "Events older than the watermark less the lateness: counted, never used.", _STREAM
        )
        self.events_future = self._counter(
            "events_future", "Events whose time lies too far after the record came; they move no watermark.", _STREAM
        )
        self.events_duplicate = self._counter("events_duplicate", "Events whose id was seen before: dropped.", _STREAM)
        self.outcomes_joined = self._counter(
            "outcomes_joined", "Outcomes matched to the prediction they belong to.", _STREAM
        )

        self.gaps = self._counter(
            "gaps", "Times that records were gone from Kafka before they were read.", ("model", "topic")
        )
        self.records_missed = self._counter(
            "records_missed", "Records known to be gone from Kafka before they were read.", ("model", "topic")
        )
        self.rows_waiting = self._gauge("rows_waiting", "Rows that wait for their windows to close.", _MODEL)
        self.units_folded = self._counter(
            "units_folded", "Units that a full table has kept out, in every window anew.", ("model", "table")
        )

        self.windows_closed = self._counter(
            "windows_closed", "Event-time windows closed, empty ones included.", ("model", "watch")
        )
        self.findings = self._counter(
            "findings",
            "Findings stored, by standing: ok, insufficient, blind, not_computable or stale.",
            ("model", "watch", "standing"),
        )
        self.alerts = self._counter(
            "alerts", "Alerts that were opened, by their severity then or in the same turn.", ("model", "severity")
        )
        self.alerts_firing = self._gauge("alerts_firing", "Alerts firing now, by severity.", ("model", "severity"))

        self.commit_seconds = self._histogram(
            "commit_seconds", "Time that the store took to commit one step.", _MODEL, _COMMIT_BUCKETS
        )
        self.step_number = self._gauge("step_number", "Number of the last committed step.", _MODEL)
        self.watermark_lag_seconds = self._gauge(
            "watermark_lag_seconds", "Wall time less the watermark: how far behind the present the windows are.", _MODEL
        )
        self.behind_records = self._gauge(
            "behind_records", "Records between the position and the end of the topic, over its partitions.", _STREAM
        )
        self.lease_held = self._gauge("lease_held", "1 while this daemon may write to the store, 0 while it stands by.")
        self.outbox_rows = self._gauge(
            "outbox_rows",
            "Notifications not delivered, by state: queued (will be tried) or parked (given up).",
            ("state",),
        )
        self.rows_forgotten = self._counter("rows_forgotten", "Rows that retention has deleted, by kind.", ("kind",))
        self.notifications = self._counter(
            "notifications",
            "Attempts to send a notification, by outcome: delivered, retry or refused.",
            ("destination", "outcome"),
        )
        self.errors = self._counter(
            "errors", "Errors the daemon met and lived through, by the class of the error.", ("kind",)
        )
        build = self._gauge("build_info", "Always 1; the labels tell what is running.", ("version", "python"))
        build.labels(version=version, python=platform.python_version()).set(1)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def forget(self, model: str) -> None:
        """Drop every series of a model that the config no longer has."""
        for metric, names in self._labelled:
            if "model" not in names:
                continue
            series = {
                tuple(sample.labels[name] for name in names)
                for family in metric.collect()
                for sample in family.samples
                if sample.labels["model"] == model
            }
            for values in series:
                metric.remove(*values)

    def _counter(self, name: str, sentence: str, labels: Sequence[str]) -> Counter:
        counter = Counter(f"{_PREFIX}_{name}", sentence, labels, registry=self.registry)
        self._labelled.append((counter, tuple(labels)))
        return counter

    def _gauge(self, name: str, sentence: str, labels: Sequence[str] = ()) -> Gauge:
        gauge = Gauge(f"{_PREFIX}_{name}", sentence, labels, registry=self.registry)
        self._labelled.append((gauge, tuple(labels)))
        return gauge

    def _histogram(self, name: str, sentence: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        histogram = Histogram(f"{_PREFIX}_{name}", sentence, labels, registry=self.registry, buckets=buckets)
        self._labelled.append((histogram, tuple(labels)))
        return histogram
