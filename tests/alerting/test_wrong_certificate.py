"""A receiver with TLS whose certificate proves nothing gets nothing, is tried again, and is told of without its address's secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.alerting.via_apprise import AppriseNotifier
from monitor.clock import ManualClock
from monitor.metrics import Metrics
from monitor.relay import Relay
from monitor.selfwatch import SelfWatch
from monitor.store.protocols import Step
from monitor.store.via_memory import MemoryStore
from monitor.web.health import Health
from tests.alerting.examples import T0, notification
from tests.servers.certificates import Authority, Issued
from tests.servers.webhook import webhook

SECRET = "hidden"
SCHEMES = ["slackhooks", "jsons"]


def good(folder: Path) -> Issued:
    return Authority(folder).issue("webhook")


def expired(folder: Path) -> Issued:
    return Authority(folder).issue("webhook", days=(-10, -1))


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **values: Any) -> None:
        self.lines.append(f"{event} {values}")

    warning = info


class Sending:
    """A relay with one message to send, and what is said of it."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock(T0)
        self.store = MemoryStore(self.clock)
        lease = self.store.acquire("test", 1 << 50)
        assert lease is not None
        self.store.commit(Step(model="feed-ranker", number=1, outbox=[notification()]), lease)
        notifier = AppriseNotifier({"feed-page": url}, connect_s=2, read_s=2)
        self.relay = Relay(self.store, notifier, self.clock, lambda: lease)
        self.health, self.metrics, self.log = Health(self.clock), Metrics("test"), Lines()
        self.watch = SelfWatch(self.health, self.metrics, self.log, self.clock)

    def try_once(self) -> str:
        """One round an hour later; the state of the row afterwards."""
        self.clock.sleep(3_600_000)
        self.relay.run_once()
        self.watch.relay(self.relay)
        ((_, state),) = self.store.notifications()
        return state

    def said(self) -> str:
        """Everything that anybody could read of it."""
        shown = [*self.log.lines, json.dumps(str(self.health.parts())), self.metrics.exposition().decode()]
        return "\n".join([*shown, str(self.relay.failing), str(self.store.notifications())])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("issue", [good, expired])
def test_it_is_refused_tried_again_and_said(
    issue: Callable[[Path], Issued], scheme: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with webhook(certificate=issue(tmp_path).both) as server:
        sending = Sending(server.url(scheme))
        assert [sending.try_once() for _ in range(3)] == ["queued"] * 3
        assert server.received == []
    assert sending.relay.retried == 3
    part = sending.health.parts()["delivery"]
    assert not part.ok
    assert part.reason.startswith("feed-page: ")
    if scheme == "slackhooks":
        assert "the receiver's certificate was not accepted" in part.reason
    assert SECRET not in sending.said() + str(capfd.readouterr())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_with_the_authority_that_signed_it_the_same_receiver_is_sent_to_and_all_is_well(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = good(tmp_path)
    with webhook(certificate=issued.both) as server:
        sending = Sending(server.url(scheme))
        assert sending.try_once() == "queued"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        assert sending.try_once() == "delivered"
        assert len(server.received) == 1
    assert sending.health.parts()["delivery"].ok
