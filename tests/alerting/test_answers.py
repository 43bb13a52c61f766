"""What an HTTP answer means for the row."""

from __future__ import annotations

import pytest

from monitor.alerting.alert import Outcome
from monitor.alerting.answers import judge, retry_after_ms

DATE = "Mon, 17 Nov 2025 04:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "body", "outcome", "said"),
    [
        (200, b"ok", Outcome.DELIVERED, ""),
        (204, b"", Outcome.DELIVERED, ""),
        (200, b'{"ok": true}', Outcome.DELIVERED, ""),
        (200, b'{"ok": false, "error": "ratelimited"}', Outcome.RETRY, "200 ratelimited"),
        (200, b'{"ok": false, "error": "channel_not_found"}', Outcome.REFUSED, "200 channel_not_found"),
        (302, b"", Outcome.REFUSED, "302"),
        (400, b"invalid_payload", Outcome.REFUSED, "400 invalid_payload"),
        (404, b"<html>secret</html>", Outcome.REFUSED, "404"),
        (403, b'{"error": {"a": 1}}', Outcome.REFUSED, "403"),
        (408, b"", Outcome.RETRY, "408"),
        (429, b"", Outcome.RETRY, "429"),
        (500, b"\xff\xfe", Outcome.RETRY, "500"),
        (503, b"", Outcome.RETRY, "503"),
    ],
)
def test_an_answer_decides_what_becomes_of_the_row(status: int, body: bytes, outcome: Outcome, said: str) -> None:
    delivery = judge(status, {}, body)
    assert delivery.outcome is outcome
    assert delivery.reason == (f"the receiver answered {said}" if said else "")


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7_000),
        ({"Retry-After": " 0 "}, 0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Mon, 17 Nov 2025 04:00:30 GMT", "Date": DATE}, 30_000),
        ({"Retry-After": "Mon, 17 Nov 2025 03:00:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "Mon, 17 Nov 2025 04:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], waits: int | None) -> None:
    assert retry_after_ms(headers) == waits


def test_only_a_row_that_is_tried_again_waits() -> None:
    assert judge(429, {"Retry-After": "7"}, b"").after_ms == 7_000
    assert judge(404, {"Retry-After": "7"}, b"").after_ms is None
