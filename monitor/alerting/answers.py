"""What a receiver's HTTP answer means for the row that was sent: pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from monitor.alerting.alert import Delivery, Outcome

_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_AGAIN_WORDS = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout", "service_unavailable"}
)


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Delivery:
    """DELIVERED for 2xx; RETRY for 408, 425, 429 and 5xx; REFUSED for everything else, redirects included.

    Slack's web API answers 200 with `{"ok": false, "error": ...}`: the error decides then. The reason quotes of the body
    at most one lower-case error word. `headers` compares names without case, or holds them in their usual spelling.
    """
    said = _error_word(body)
    reason = f"the receiver answered {status}" + (f" {said}" if said else "")
    if 200 <= status < 300:
        if not _denied(body):
            return Delivery(outcome=Outcome.DELIVERED)
        outcome = Outcome.RETRY if said in _AGAIN_WORDS else Outcome.REFUSED
    else:
        outcome = Outcome.RETRY if status in _AGAIN or status >= 500 else Outcome.REFUSED
    return Delivery(
        outcome=outcome, after_ms=retry_after_ms(headers) if outcome is Outcome.RETRY else None, reason=reason
    )


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long `Retry-After` asks to wait: seconds, or a date counted from the answer's own `Date`; None if unreadable.

    >>> retry_after_ms({"Retry-After": "30"})
    30000
    """
    asked = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", asked):
        return int(asked) * 1000
    until, sent = _date(asked), _date(headers.get("Date", ""))
    if until is None or sent is None:
        return None
    return max(0, round((until - sent).total_seconds() * 1000))


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    return moment if moment.tzinfo is not None else None


def _denied(body: bytes) -> bool:
    answer = _json(body)
    return isinstance(answer, dict) and answer.get("ok") is False


def _error_word(body: bytes) -> str:
    answer = _json(body)
    word = answer.get("error") if isinstance(answer, dict) else body.decode("ascii", "replace").strip()
    return word if isinstance(word, str) and re.fullmatch(r"[a-z_]{3,40}", word) else ""


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
