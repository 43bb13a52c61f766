"""A token is used for most of its life, then another is fetched."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from monitor.ingest.via_kafka.token_endpoint import NoToken, TokenEndpoint
from tests.servers.webhook import Answer, webhook


def granted(token: str, **more: float) -> Answer:
    return Answer(body=json.dumps({"access_token": token, **more}).encode())


def test_a_token_is_used_for_four_fifths_of_its_life() -> None:
    times = iter([0.0, 0.0, 79.9, 80.0, 80.0])
    with webhook(granted("first", expires_in=100), granted("second"), granted("third")) as server:
        token = TokenEndpoint(server.url("http"), "c", SecretStr("s"), monotonic=lambda: next(times))
        told = [token().get_secret_value() for _ in range(4)]
    assert told == ["first", "first", "second", "third"]  # how long the second lives is not said: it is used once


def test_a_failure_is_not_kept() -> None:
    with webhook(Answer(503), granted("late")) as server:
        token = TokenEndpoint(server.url("http"), "c", SecretStr("s"))
        with pytest.raises(NoToken, match=r"answered 503$"):
            token()
        assert token().get_secret_value() == "late"
