"""What the daemon says of itself: parts, models, steps and attempts to send."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from detectors.evidence import Evidence, Mode
from monitor.alerting.alert import Alert, Decided, Delivery, Kind, Notification, Outcome, Phase, Severity
from monitor.clock import ManualClock
from monitor.events import TopicPartition
from monitor.ingest.source import SourceUnavailable
from monitor.memory import ModelMemory
from monitor.metrics import Metrics
from monitor.relay import Relay
from monitor.selfwatch import CountingNotifier, SelfWatch
from monitor.store.protocols import Step
from monitor.watch.finding import Finding
from monitor.watch.plan import ModelPlan
from monitor.web.health import Health


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **values: Any) -> None:
        self.lines.append(("info", event, values))

    def warning(self, event: str, **values: Any) -> None:
        self.lines.append(("warning", event, values))


class House:
    def __init__(self) -> None:
        self.clock = ManualClock(10_000_000)
        self.health, self.metrics, self.log = Health(self.clock), Metrics("1"), Log()
        self.watch = SelfWatch(self.health, self.metrics, self.log, self.clock)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"loopwatch_{name}", labels)


@pytest.fixture
def house() -> House:
    return House()


def memory(counters: dict[str, int] | None = None, **more: Any) -> ModelMemory:
    plain = {"counters": Counter(counters or {}), "clocks": {}, "alerts": {}, "intake": "", "pending": ()} | more
    return cast("ModelMemory", SimpleNamespace(**plain))


def finding(end: int, watch: str = "clicks") -> Finding:
    return Finding(
        model="feed",
        watch=watch,
        detector="d",
        incarnation="i",
        start=end - 1,
        end=end,
        evidence=Evidence(mode=Mode.WATCHING),
    )


def alert(phase: Phase, opened_at: int, changed_at: int, severity: Severity = Severity.PAGE) -> Alert:
    return Alert(
        id="a1",
        model="feed",
        watch="clicks",
        labels={},
        phase=phase,
        severity=severity,
        opened_at=opened_at,
        since=None,
        finding=finding(changed_at),
        first=finding(opened_at),
    )


def step(**values: Any) -> Step:
    return Step(model="feed", number=7, **values)


def test_a_part_is_logged_when_it_changes_and_only_then(house: House) -> None:
    for _ in range(3):
        house.watch.part("store", False, "away")
    for _ in range(3):
        house.watch.part("store", True)
    assert [(level, event) for level, event, _ in house.log.lines] == [("warning", "waiting"), ("info", "well")]
    assert house.log.lines[0][2] == {"part": "store", "reason": "away"}
    assert house.health.parts()["store"].ok


def test_the_lease_is_a_metric_too(house: House) -> None:
    house.watch.part("lease", True)
    assert house.value("lease_held") == 1
    house.watch.part("lease", False, "standing by")
    assert house.value("lease_held") == 0


def test_a_failing_model_is_named_with_its_reason_until_it_goes_on(house: House) -> None:
    error = ZeroDivisionError("by nothing")
    house.watch.model("feed", error)
    house.watch.model("feed", error)
    house.watch.model("search", None)
    assert house.health.parts()["models"].reason == "feed: ZeroDivisionError: by nothing"
    assert house.value("errors_total", kind="ZeroDivisionError") == 1
    assert house.health.parts()["source"].ok
    house.watch.model("feed", None)
    assert house.health.parts()["models"].ok
    assert ("info", "going on", {"model": "feed"}) in house.log.lines


def test_a_source_that_is_away_is_told_as_such(house: House) -> None:
    house.watch.model("feed", SourceUnavailable("no broker"))
    assert house.health.parts()["source"].reason == "no events can be read for feed"
    house.watch.model("feed", None)
    assert house.health.parts()["source"].ok


def test_counters_rise_by_what_is_new(house: House) -> None:
    for read in (100, 250, 250):
        house.watch.step(memory({"predictions.read": read, "click.joined": 3}), step(), 0.01)
    assert house.value("records_read_total", model="feed", stream="predictions") == 250
    assert house.value("outcomes_joined_total", model="feed", stream="click") == 3
    assert house.value("step_number", model="feed") == 7
    assert house.value("commit_seconds_count", model="feed") == 3


def test_an_alert_is_counted_once_when_it_opens_even_if_it_rose_in_the_same_turn(house: House) -> None:
    risen = alert(Phase.FIRING, opened_at=100, changed_at=200)
    house.watch.step(memory(alerts={"clicks": risen}), step(findings=[finding(100), finding(200)], alerts=[risen]), 0.0)
    assert house.value("alerts_total", model="feed", severity="page") == 1
    assert house.value("alerts_firing", model="feed", severity="page") == 1
    over = alert(Phase.RESOLVED, opened_at=100, changed_at=300)
    house.watch.step(memory(), step(findings=[finding(300)], alerts=[over]), 0.0)
    assert house.value("alerts_total", model="feed", severity="page") == 1
    assert house.value("alerts_firing", model="feed", severity="page") == 0


def test_every_change_of_an_alert_is_logged_also_of_one_that_ended_in_the_turn_it_began_in(house: House) -> None:
    opened, over = alert(Phase.FIRING, 100, 100), alert(Phase.RESOLVED, 100, 300)
    changes = [Decided.of(opened, 100, "crossed page"), Decided.of(over, 300, "recovered")]
    house.watch.step(memory(), step(alerts=[over], decisions=changes), 0.0)
    said = [line for _, event, line in house.log.lines if event == "alert"]
    assert [(line["phase"], line["reason"]) for line in said] == [("firing", "crossed page"), ("resolved", "recovered")]
    assert said[0]["at"] == "1970-01-01T00:00:00.100000+00:00"


def test_findings_are_counted_by_watch_and_standing(house: House) -> None:
    house.watch.step(memory(), step(findings=[finding(1), finding(2), finding(2, "holdout")]), 0.0)
    assert house.value("windows_closed_total", model="feed", watch="clicks") == 2
    assert house.value("findings_total", model="feed", watch="holdout", standing="ok") == 1


def test_the_lag_is_that_of_the_slowest_partition(house: House) -> None:
    clocks = {("predictions", "p", 0): 9_000_000, ("predictions", "p", 1): 9_990_000}
    house.watch.step(memory(clocks=clocks), step(), 0.0)
    assert house.value("watermark_lag_seconds", model="feed") == 1_000


def test_records_behind_are_summed_over_the_partitions_of_a_stream(house: House) -> None:
    mappings = [SimpleNamespace(topic="p", stream="predictions"), SimpleNamespace(topic="c", stream="click")]
    plan = cast("ModelPlan", SimpleNamespace(model="feed", mappings=mappings))
    house.watch.behind(plan, {TopicPartition("p", 0): 5, TopicPartition("p", 1): 7})
    assert house.value("behind_records", model="feed", stream="predictions") == 12
    assert house.value("behind_records", model="feed", stream="click") == 0


def test_a_destination_that_fails_is_named_as_part_delivery(house: House) -> None:
    relay = cast("Relay", SimpleNamespace(parked=0, failing={"oncall": "answered 500"}))
    house.watch.relay(relay)
    assert house.health.parts()["delivery"].reason == "oncall: answered 500"
    relay.failing.clear()
    house.watch.relay(relay)
    assert house.health.parts()["delivery"].ok


def test_attempts_to_send_are_counted_by_destination_and_outcome(house: House) -> None:
    answers = [Delivery(outcome=Outcome.RETRY, reason="500"), Delivery(outcome=Outcome.DELIVERED)]
    notifier = CountingNotifier(cast("Any", SimpleNamespace(send=lambda _: answers.pop(0))), house.metrics)
    message = Notification(
        key="k", alert="a", model="feed", kind=Kind.FIRING, severity=Severity.PAGE, destination="oncall", title="t",
        text="x", created_at=0,
    )  # fmt: skip
    assert notifier.send(message).outcome is Outcome.RETRY
    assert notifier.send(message).outcome is Outcome.DELIVERED
    for outcome in ("retry", "delivered"):
        assert house.value("notifications_total", destination="oncall", outcome=outcome) == 1


def test_outbox_rows_that_wait_or_were_given_up_are_shown(house: House) -> None:
    house.watch.outbox({"queued": 2, "delivered": 9})
    assert house.value("outbox_rows", state="queued") == 2
    assert house.value("outbox_rows", state="parked") == 0


def test_partitions_that_are_held_back_are_noted_with_how_many_rows_wait_until_they_go_on(house: House) -> None:
    house.watch.step(memory(pending=range(12_345)), step(observed={"held": [["clicks", 0]]}), 0.0)
    assert house.health.notes() == {
        "feed: waiting": "12,345 rows wait, more than limits.waiting_rows; clicks[0] wait for slower partitions"
    }
    house.watch.step(memory(), step(observed={"held": []}), 0.0)
    assert house.health.notes() == {}


def test_a_partition_that_a_topic_gains_is_logged_once(house: House) -> None:
    first, second = TopicPartition("clicks", 0), TopicPartition("clicks", 1)
    for offsets in ({first: 5}, {first: 6, second: 0}, {first: 7, second: 3}):
        house.watch.step(memory(), step(offsets=offsets), 0.0)
    assert [values for _, event, values in house.log.lines if event == "a partition was added"] == [
        {"model": "feed", "topic": "clicks", "partition": 1}
    ]


def test_many_dead_letters_are_noted_until_they_are_few_again(house: House) -> None:
    house.watch.step(memory({"click.read": 1_000, "click.rejected": 200}), step(), 0.0)
    assert house.health.notes()["feed: dead letters"].startswith("20% of the last 1,000 records could not be used")
    house.watch.step(memory({"click.read": 3_000, "click.rejected": 210}), step(), 0.0)
    assert house.health.notes() == {}
