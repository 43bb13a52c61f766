"""What every notifier keeps to, and what the one over HTTP adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from monitor.alerting.alert import Delivery, Notification, Notifier, Outcome
from monitor.alerting.via_apprise import AppriseNotifier, BadDestination, slack_channel
from monitor.alerting.via_recording import RecordingNotifier
from tests.alerting.examples import notification
from tests.servers.webhook import Answer, refusing_port, webhook

SECRET = "hidden"  # in the path of every URL here: it must turn up nowhere

DELIVERED = Delivery(outcome=Outcome.DELIVERED)
RETRY = Delivery(outcome=Outcome.RETRY, reason="the receiver answered 500")
REFUSED = Delivery(outcome=Outcome.REFUSED, reason="the receiver answered 404")
STATUS = {Outcome.DELIVERED: 200, Outcome.RETRY: 500, Outcome.REFUSED: 404}

Place = Callable[..., AbstractContextManager[tuple[Notifier, Callable[[], list[str]]]]]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def recording(*answers: Delivery) -> Iterator[tuple[Notifier, Callable[[], list[str]]]]:
    notifier = RecordingNotifier(answers, destinations=["feed-page"])
    yield notifier, lambda: [each.text for each in notifier.sent]


def over_http(scheme: str, field: str) -> Place:
    @contextmanager
    def place(*answers: Delivery) -> Iterator[tuple[Notifier, Callable[[], list[str]]]]:
        outcomes = [each.outcome for each in answers]
        with webhook(*(Answer(STATUS[outcome], body=b"") for outcome in outcomes)) as server:

            def taken() -> list[str]:
                padded = outcomes + [Outcome.DELIVERED] * len(server.received)
                pairs = zip(server.received, padded, strict=False)
                return [str(each.json[field]) for each, outcome in pairs if outcome is Outcome.DELIVERED]

            yield AppriseNotifier({"feed-page": server.url(scheme)}), taken

    return place


PLACES = {"recording": recording, "slack": over_http("slackhook", "text"), "json": over_http("json", "message")}
everywhere = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@everywhere
def test_a_message_arrives_with_its_key(place: Place) -> None:
    with place() as (notifier, taken):
        assert notifier.send(notification()).outcome is Outcome.DELIVERED
        (text,) = taken()
    assert "key 1a2b3c4d-firing" in text


@everywhere
def test_messages_arrive_in_the_order_they_are_sent(place: Place) -> None:
    keys = ["aaaa0001", "aaaa0002", "aaaa0003"]
    with place() as (notifier, taken):
        for key in keys:
            notifier.send(notification(alert=key))
        arrived = taken()
    assert [key for text in arrived for key in keys if key in text] == keys


@everywhere
def test_a_failure_is_an_answer_and_the_next_attempt_is_free(place: Place) -> None:
    with place(RETRY, REFUSED) as (notifier, taken):
        answers = [notifier.send(notification()) for _ in range(3)]
        assert len(taken()) == 1
    assert answers == [RETRY, REFUSED, DELIVERED]


@everywhere
def test_an_unknown_destination_is_refused_by_name(place: Place) -> None:
    with place() as (notifier, taken):
        delivery = notifier.send(notification(destination="nobody"))
        assert taken() == []
    assert delivery.outcome is Outcome.REFUSED
    assert "'nobody'" in delivery.reason


def sent_to(url: str, seconds: float = 5) -> Delivery:
    return AppriseNotifier({"feed-page": url}, connect_s=seconds, read_s=seconds).send(notification())


def test_slack_gets_one_text_with_the_title_first() -> None:
    with webhook() as server:
        sent_to(server.url("slackhook"))
        (request,) = server.received
    assert request.path == "/services/T0/B0/hidden"
    assert request.json["text"] == (
        "*feed-ranker: reads fell, -2.1 %: page*\n*Where:* watch reads, `x &lt; 1`\nkey 1a2b3c4d-firing"
    )
    assert "Authorization" not in request.headers


def test_a_bot_names_its_channel_and_shows_its_token_to_slack_only() -> None:
    with webhook(Answer(body=b'{"ok": false, "error": "not_in_channel"}')) as server:
        url = f"slackhook://xoxb-{SECRET}@127.0.0.1:{server.port}/api/chat.postMessage?channel=%23feed"
        delivery = sent_to(url)
        (request,) = server.received
    assert request.json["channel"] == "#feed"
    assert request.headers["Authorization"] == f"Bearer xoxb-{SECRET}"
    assert delivery == Delivery(outcome=Outcome.REFUSED, reason="the receiver answered 200 not_in_channel")


def test_other_services_get_plain_text() -> None:
    with webhook() as server:
        sent_to(server.url("json"))
        (request,) = server.received
    assert request.json["message"] == "Where: watch reads, x < 1\nkey 1a2b3c4d-firing"


def test_slack_is_believed_how_long_to_wait() -> None:
    with webhook(Answer(429, {"Retry-After": "30"})) as server:
        assert sent_to(server.url("slackhook")).after_ms == 30_000


def test_a_redirect_is_not_followed() -> None:
    with webhook() as elsewhere, webhook(Answer(302, {"Location": elsewhere.url("http")})) as server:
        assert sent_to(server.url("slackhook")).outcome is Outcome.REFUSED
        assert elsewhere.received == []


@pytest.mark.parametrize("scheme", ["slackhook", "json"])
def test_a_receiver_that_hangs_is_left_in_time_and_tried_again(scheme: str) -> None:
    with webhook(Answer(hang=True)) as server:
        assert sent_to(server.url(scheme), seconds=0.2).outcome is Outcome.RETRY


@pytest.mark.parametrize("scheme", ["slackhook", "json"])
def test_a_receiver_that_is_down_is_tried_again(scheme: str) -> None:
    delivery = sent_to(f"{scheme}://127.0.0.1:{refusing_port()}/services/T0/B0/hidden")
    assert delivery.outcome is Outcome.RETRY


@pytest.mark.parametrize("scheme", ["slackhook", "json"])
def test_a_secret_is_in_no_reason_no_log_and_no_repr(
    scheme: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(1)
    said: list[str] = []
    with webhook(Answer(404), Answer(500), Answer(hang=True)) as server:
        for url in [*[server.url(scheme)] * 3, f"{scheme}://127.0.0.1:{refusing_port()}/{SECRET}"]:
            notifier = AppriseNotifier({"feed-page": url}, connect_s=0.2, read_s=0.2)
            said += [notifier.send(notification()).reason, repr(notifier)]
    assert all(said), "every failure has a reason to look at"
    assert SECRET not in f"{said} {caplog.text} {capfd.readouterr()}"


@pytest.mark.parametrize("url", [f"nonsense://{SECRET}", SECRET, "", f"slack://{SECRET}", f"http://[{SECRET}"])
def test_a_url_that_is_not_understood_is_named_and_not_shown(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadDestination, match="destination 'feed-page'") as refused:
        AppriseNotifier({"feed-page": url})
    assert SECRET not in f"{refused.value} {refused.value.__cause__} {capfd.readouterr()}"


@pytest.mark.parametrize(
    ("url", "address", "channel"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/services/T0/B0/x", ""),
        ("slack://T0/B0/x", "https://hooks.slack.com/services/T0/B0/x", ""),
        (slack_channel("xoxb-1", "#feed"), "https://slack.com/api/chat.postMessage", "#feed"),
        ("slack://xoxb-1/#feed", "https://slack.com/api/chat.postMessage", "#feed"),
        ("slackhooks://chat.example/hooks/x", "https://chat.example/hooks/x", ""),
    ],
)
def test_every_spelling_of_slack_reaches_the_plugin_that_keeps_the_answer(
    url: str, address: str, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[tuple[str, str]] = []

    def post(url: str, data: str, **_: object) -> None:
        posted.append((url, data))
        raise ConnectionResetError

    monkeypatch.setattr("monitor.alerting.via_apprise.requests.post", post)
    assert sent_to(url) == Delivery(outcome=Outcome.RETRY, reason="sending failed with ConnectionResetError")
    ((to, data),) = posted
    assert to == address
    assert (f'"channel": "{channel}"' in data) is bool(channel)


def test_a_notification_is_not_changed_by_sending() -> None:
    row: Notification = notification()
    with webhook() as server:
        AppriseNotifier({"feed-page": server.url("slackhook")}).send(row)
    assert row == notification()
