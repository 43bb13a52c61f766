"""One run of the daemon over the one stream, with something happening to it, and what is left to compare afterwards."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from detectors import snapshot
from monitor.alerting.alert import Alert
from monitor.store.protocols import StoreUnavailable
from tests.e2e import streams
from tests.e2e.daemons import RunningDaemon, wait_until
from tests.faults.child import Death, Drift, ForkedDaemon
from tests.servers.webhook import Webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

FINISHED_WITHIN = 240.0


@dataclass(frozen=True)
class Verdict:
    """A run beside the undisturbed one.

    read           events that were taken in, as the committed state counts them; lost and doubled against what was produced.
    findings, alerts, messages   equal to those of the undisturbed run.
    repeated       messages that the receiver took more than once; `unexplained` of them without having been in flight at a fault.
    """

    read: int
    lost: int
    doubled: int
    findings: bool
    alerts: bool
    messages: bool
    repeated: int
    unexplained: int

    def amiss(self) -> int:
        """Events lost, events doubled, messages repeated without a reason, and which of the three was told otherwise."""
        otherwise = [self.findings, self.alerts, self.messages].count(False)
        return self.lost + self.doubled + self.unexplained + otherwise

    def sound(self) -> bool:
        """Nothing lost, nothing doubled, and nothing told otherwise."""
        return not self.amiss()


@dataclass
class Trial:
    """A database, a config and a receiver of its own. `recovered` are seconds from the end of a fault to the next commit."""

    folder: Path
    cluster: KafkaCluster
    topics: streams.Topics
    replayed: streams.Replayed
    url: str
    receiver: Webhook
    turn_records: int = 2_000
    lease: str = "3s"
    recovered: list[float] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = streams.write_config(
            self.folder, self.cluster, self.topics, turn_records=self.turn_records, lease=self.lease
        )
        self.env = {"DATABASE_URL": self.url, "SLACK_URL": self.receiver.url("slackhook")}
        self.outcome = streams.Outcome(self.url)

    def daemon(self, name: str = "daemon", *, death: Death | None = None, drift: Drift | None = None) -> ForkedDaemon:
        """A daemon on this trial's config; one of the same name is the same owner."""
        return ForkedDaemon(self.config, self.env, name, death=death, drift=drift, owner=name)

    def step(self) -> int:
        """Number of the last committed step; -1 while the database is away."""
        try:
            return int(self.outcome.store.status(streams.MODEL)["step"])
        except StoreUnavailable:
            return -1

    def over(self) -> bool:
        """Every window that the stream is sure to close is closed."""
        try:
            return self.outcome.judged_to() >= self.topics.until
        except StoreUnavailable:
            return False

    def in_the_middle(self, daemon: RunningDaemon, steps: int = 4) -> int:
        """Wait until so many steps more are committed; the number of the last one. Fails if the stream is over by then."""
        goal = max(self.step(), 0) + steps
        daemon.wait("it is in the middle", lambda: self.step() >= goal, seconds=90)
        assert not self.over(), "the stream was over before anything could happen to it"
        return self.step()

    def recover(self, daemon: RunningDaemon, since: float, before: int) -> None:
        """Wait for the next commit after a fault that ended at `since` (monotonic seconds)."""
        daemon.wait("it goes on", lambda: self.step() > before, seconds=120)
        self.recovered.append(time.monotonic() - since)

    def hear(self, daemon: RunningDaemon, part: str, what: str = "") -> None:
        """Wait until /readyz says that a part is not well, with `what` in its reason; keep the reason."""

        def says_so() -> bool:
            said = daemon.parts().get(part, {"ok": True, "reason": ""})
            if not said["ok"] and what in said["reason"]:
                self.said[part] = said["reason"]
                return True
            return False

        daemon.wait(f"/readyz says why {part} is not well", says_so, seconds=60)

    def finish(self, daemon: RunningDaemon) -> None:
        """Let it come to the stream's end and send what it has to, then end it."""
        daemon.wait("all windows are closed", self.over, seconds=FINISHED_WITHIN)
        wanted = len(self.replayed.story.messages)
        daemon.wait("everything is delivered", lambda: self._delivered() >= wanted, seconds=90)
        with contextlib.suppress(AssertionError):  # what is lost is counted afterwards
            wait_until("all is read", lambda: self._unread() == 0, seconds=30)
        assert daemon.terminate() == 0

    def close(self) -> None:
        """Let go of the database."""
        self.outcome.store.close()

    def _unread(self) -> int:
        """Records that were produced and are not committed yet."""
        return sum(self.topics.records.values()) - sum(_read(self.outcome).values())

    def _delivered(self) -> int:
        try:
            return [state for _, state in self.outcome.messages()].count("delivered")
        except StoreUnavailable:
            return -1

    def verdict(self, without: Collection[str] = ()) -> Verdict:
        """What is left, beside what an undisturbed run leaves; `without` watches that only this run has."""
        story, store = self.replayed.story, self.outcome.store
        read = _read(self.outcome)
        produced = self.topics.records
        rows = [row for row, _ in store.notifications(limit=1_000_000)]
        taken = Counter(request.json["text"] for request in self.receiver.received if request.status == 200)
        again = [text for text, times in taken.items() if times > 1]
        in_flight = {row.notification.text for row in rows if row.repeated}
        return Verdict(
            read=sum(read.values()),
            lost=sum(max(produced[stream] - read[stream], 0) for stream in produced),
            doubled=sum(max(read[stream] - produced[stream], 0) for stream in produced),
            findings=self.outcome.findings(self.topics.until, without) == self.replayed.findings(self.topics.until),
            alerts=_shape(self.outcome.alerts()) == _shape(list(story.alerts.values())),
            messages=[(n.key, n.title, n.text) for n, _ in self.outcome.messages()]
            == [(n.key, n.title, n.text) for n in story.messages],
            repeated=sum(taken[text] - 1 for text in again),
            unexplained=sum(not any(sent in text for sent in in_flight) for text in again),
        )


def _read(outcome: streams.Outcome) -> dict[str, int]:
    (page,) = [p for p in outcome.store.load(streams.MODEL).pages if p.room == "progress" and p.data is not None]
    assert page.data is not None
    counters = snapshot.unpack(page.data)["counters"]
    return {stream: int(counters[f"{stream}.read"]) for stream in ("predictions", "click")}


def _shape(alerts: list[Alert]) -> list[tuple[object, ...]]:
    return sorted((a.opened_at, a.id, a.watch, a.phase, a.severity, a.resolved_at) for a in alerts)


def until(what: str, condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something of the world outside the daemon."""
    wait_until(what, condition, seconds)
