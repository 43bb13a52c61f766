"""Log lines: one an event, no secret in any spelling, nothing that forges a line."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest
import structlog

from monitor import logs
from monitor.logs import Redactor

SECRET = "xoxb-pa ss/\"wörd'\n1"  # made up, awkward to spell


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """Log lines as JSON into memory; logging is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(Redactor([SECRET]), stream=stream, as_json=True)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def assert_no_secret(text: str) -> None:
    for spelling in (SECRET, "xoxb-pa ss", "wörd", "w%C3%B6rd", base64.b64encode(SECRET.encode()).decode()):
        assert spelling not in text


def test_a_line_tells_event_level_logger_time_and_values(told: io.StringIO) -> None:
    logs.logger("relay").info("parked", destination="oncall", attempts=7, seconds=0.5, ok=False, why=None)
    (line,) = lines(told)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "parked",
        "level": "info",
        "logger": "relay",
        "destination": "oncall",
        "attempts": 7,
        "seconds": 0.5,
        "ok": False,
        "why": None,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"url": f"https://host/{SECRET}/x"},
        {"url": f"https://host/?key={quote_plus(SECRET)}"},
        {"header": "Basic " + base64.b64encode(SECRET.encode()).decode()},
        {"body": json.dumps({"token": SECRET})},
        {"shown": repr({"token": SECRET})},
        {"nested": {"list": [1, {"deep": (SECRET,)}]}},
        {SECRET: "as a key"},
        {"nested": {SECRET: 1}},
        {"raw": SECRET.encode()},
        {"failed": ValueError(SECRET)},
    ],
)
def test_a_secret_is_struck_out_wherever_it_stands(told: io.StringIO, values: dict[str, Any]) -> None:
    logs.logger("kafka").warning(f"said {SECRET}", **values)
    assert_no_secret(json.dumps(lines(told), ensure_ascii=False))
    assert told.getvalue().count("***") >= 2


def test_a_secret_is_struck_out_of_an_exception_and_its_cause(told: io.StringIO) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            raise RuntimeError(f"cannot open {SECRET}") from cause
    except RuntimeError:
        logs.logger("store").exception("failed")
    (line,) = lines(told)
    assert_no_secret(line["exception"])
    assert "RuntimeError: cannot open ***" in line["exception"]
    assert "KeyError" in line["exception"]


def test_lines_of_libraries_take_the_same_way(told: io.StringIO) -> None:
    logging.getLogger("kafka.conn").warning("login with %s refused", SECRET)
    (line,) = lines(told)
    assert line["event"] == "login with *** refused"
    assert line["logger"] == "kafka.conn"
    assert line["level"] == "warning"


def test_a_number_that_is_a_secret_is_struck_out() -> None:
    event = Redactor(["424242"])(None, "info", {"event": "x", "pin": 424242, "other": 424})
    assert event == {"event": "x", "pin": "***", "other": 424}


def test_hostile_text_stays_on_one_line_for_people_too() -> None:
    hostile = "x\n2025-01-01 [info] all is well\r\x1b[2J\u202eevil\u2028\x00"
    event = Redactor()(None, "info", {"event": hostile, "item": {hostile: hostile}})
    text = str(event["event"]) + str(event["item"])
    assert text.isprintable()
    assert "\\n2025-01-01" in text
    assert "\\x1b[2J" in text


def test_a_traceback_for_people_cannot_begin_a_line_of_its_own(told: io.StringIO) -> None:
    logs.configure(Redactor(), stream=told, as_json=False)
    try:
        raise ValueError("bad\n2025-01-01 [info] all is well")
    except ValueError:
        logs.logger("decode").exception("failed")
    assert not any(line.startswith("2025-01-01 [info]") for line in told.getvalue().splitlines())
    assert "all is well" in told.getvalue()
    assert told.getvalue().count("Traceback") == 1


def test_numbers_that_json_does_not_know_become_words() -> None:
    event = Redactor()(None, "info", {"event": "x", "a": float("nan"), "b": float("inf")})
    assert event == {"event": "x", "a": "nan", "b": "inf"}


def test_a_structure_that_contains_itself_is_cut_off() -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert "{...}" in json.dumps(Redactor()(None, "info", {"event": "x", "loop": loop}))


def test_blank_secrets_strike_out_nothing() -> None:
    assert Redactor(["", "  ", "\n"]).redact("a  b\n") == "a  b\n"


def test_the_longer_of_two_secrets_is_struck_out_whole() -> None:
    assert Redactor(["abc", "abcdef"]).redact("-abcdef-abc-") == "-***-***-"


def test_a_redactor_does_not_show_its_secrets() -> None:
    assert SECRET not in repr(Redactor([SECRET]))


def test_lines_below_the_level_are_not_told(told: io.StringIO) -> None:
    logs.configure(Redactor(), level="warning", stream=told, as_json=True)
    logs.logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    logs.logger("a").error("loud")
    assert [line["event"] for line in lines(told)] == ["loud"]


def test_an_unknown_level_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="found 'loud', allowed are debug"):
        logs.configure(Redactor(), level="loud")


def test_a_line_that_cannot_be_made_is_told_without_its_arguments(told: io.StringIO) -> None:
    class Spiteful:
        def __str__(self) -> str:
            raise TypeError(SECRET)

    logs.logger("sqlalchemy").warning("value", value=Spiteful())
    assert told.getvalue() == "loopwatch: a log line of sqlalchemy was lost: TypeError\n"


def test_exceptions_that_nobody_caught_are_told_redacted_from_any_thread(
    told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    try:
        logs.log_uncaught()

        def fail() -> None:
            raise RuntimeError(SECRET)

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        try:
            fail()
        except RuntimeError as fault:
            sys.excepthook(RuntimeError, fault, fault.__traceback__)
    finally:
        logging.captureWarnings(False)
    both = lines(told)
    assert [line["event"] for line in both] == ["not caught", "not caught"]
    assert all(line["level"] == "critical" for line in both)
    assert_no_secret(told.getvalue())
