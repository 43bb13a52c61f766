"""What the daemon says on stderr: one line an event, secrets struck out; the home of structlog.

Every line passes here, also those of libraries that use the standard `logging`, so that none can carry a secret or forge a
second line.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import structlog

STRUCK = "***"
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DEPTH = 8
_LIBRARIES = {"kafka": logging.CRITICAL, "alembic": logging.WARNING}
_TRACEBACKS = ("exception", "stack")


class Redactor:
    """Strikes registered secrets out of text, in whatever usual spelling; thread-safe.

    Spellings: as it is, percent-encoded, as JSON, as a Python literal, base64. A secret that is empty or blank is ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return "Redactor()"

    def add(self, secret: str) -> None:
        """Strike this out from now on."""
        if not secret.strip():
            return
        with self._lock:
            self._spellings |= _spellings(secret)
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """`text` with every secret replaced by `***`."""
        pattern = self._pattern
        return pattern.sub(STRUCK, text) if pattern else text

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        """A structlog processor: keys, values at any depth and exception text, made safe to print as one line."""
        return {self._line(str(key)): self._value(value, key in _TRACEBACKS) for key, value in event.items()}

    def _line(self, text: str) -> str:
        return escape(self.redact(text))

    def _value(self, value: object, is_traceback: bool = False, depth: int = 0) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if depth < _DEPTH and isinstance(value, Mapping):
            return {self._line(str(key)): self._value(inner, depth=depth + 1) for key, inner in value.items()}
        if depth < _DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._value(inner, depth=depth + 1) for inner in value]
        text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
        if is_traceback:
            return "\n  | ".join(escape(line) for line in self.redact(text).split("\n"))
        is_a_json_number = isinstance(value, int | float) and math.isfinite(value)
        line = self._line(text)
        return value if is_a_json_number and line == text else line


def escape(text: str) -> str:
    """`text` on one line: control characters, line separators and marks of writing direction as visible escapes."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _spellings(secret: str) -> set[str]:
    return {
        secret,
        secret.strip(),
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote_plus(secret, errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode(errors="replace")).decode(),
    }


class _Stderr(logging.StreamHandler[TextIO]):
    """A stream handler that, when a line cannot be made, tells so without printing its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # named by the standard library
        fault = sys.exc_info()[0]
        self.stream.write(
            f"loopwatch: a log line of {record.name} was lost: {fault.__name__ if fault else 'unknown'}\n"
        )


def configure(
    redactor: Redactor, *, level: str = "info", stream: TextIO | None = None, as_json: bool | None = None
) -> None:
    """Send every log line of this process through `redactor` to `stream` (default stderr).

    `as_json`: one JSON object a line, or for people; default: for people if the stream is a terminal. Replaces the
    handlers of the root logger; call it again to change something. Raises ValueError for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level: found {level!r}, allowed are debug, info, warning, error, critical")
    stream = stream or sys.stderr
    for_people = stream.isatty() if as_json is None else not as_json
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer()
    )
    told_of_every_line: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _Stderr(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=told_of_every_line,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                redactor,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *told_of_every_line,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def hush_libraries(*, debugging: bool = False) -> None:
    """Show of libraries only what we do not tell ourselves: what Kafka's client meets, its source tells in words, once.

    While `debugging` they are heard, but never below info: there Kafka's client prints the bytes that it sends and receives, and
    in these are people's ids, whole events, and what proves who we are.
    """
    for name, level in _LIBRARIES.items():
        logging.getLogger(name).setLevel(logging.INFO if debugging else level)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `logger("relay").info("parked", destination="oncall", attempts=7)`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def log_uncaught() -> None:
    """Let exceptions that nobody caught, in any thread, and warnings take the same way as log lines. Call once at start."""
    log = logger("loopwatch")

    def uncaught(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            sys.__excepthook__(kind, fault, trace)
        else:
            log.critical("not caught", exc_info=(kind, fault, trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    logging.captureWarnings(True)
