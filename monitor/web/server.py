"""The daemon's own small web server: health, readiness, metrics and the overview page. The home of `http.server`.

Read-only: GET and HEAD of four paths. Each answer ends its connection. Connections beyond the limit are told 503 at once;
one that outlives its time is cut off, however slowly it speaks. Nothing of a request is echoed or logged.
"""

from __future__ import annotations

import contextlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

import msgspec

from monitor.web.health import Health
from monitor.web.overview import Overview
from monitor.web.page import render

_TEXT = "text/plain; charset=utf-8"
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Connection", "close"),
)
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_POLL_SECONDS = 0.1
_OPEN = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, media type, body."""

    status: HTTPStatus
    media_type: str
    body: bytes


class Pages:
    """What each path answers. `metrics` returns (media type, body); `overview` may be slow and may raise.

    An exception of either becomes a 503 without details, and is handed to `on_error`. With a `token`, the page and the metrics
    are given only to requests that bring it (`Authorization: Bearer ...`); the probes /healthz and /readyz never ask for it.
    """

    def __init__(
        self,
        health: Health,
        metrics: Callable[[], tuple[str, bytes]],
        overview: Callable[[], Overview],
        on_error: Callable[[BaseException], None],
        token: str | None = None,
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._overview = overview
        self.on_error = on_error
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._paths: dict[str, Callable[[], Answer]] = {
            "/": self._page,
            "/healthz": self._alive,
            "/readyz": self._ready,
            "/metrics": self._exposition,
        }

    def answer(self, path: str, authorization: str = "") -> Answer:
        """The answer for a request's path and its Authorization header; a query is ignored. Never raises."""
        name = path.partition("?")[0]
        page = self._paths.get(name)
        if page is None:
            return Answer(HTTPStatus.NOT_FOUND, _TEXT, b"There are: / /healthz /readyz /metrics\n")
        if name not in _OPEN and not self._admits(authorization):
            return Answer(HTTPStatus.UNAUTHORIZED, _TEXT, b"Bring the token of http.token: Authorization: Bearer ...\n")
        try:
            return page()
        except Exception as fault:  # noqa: BLE001  # whatever a snapshot meets must not end the server
            self.on_error(fault)
            return Answer(
                HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"This cannot be shown now; see /readyz and the daemon's log.\n"
            )

    def _admits(self, authorization: str) -> bool:
        return self._expected is None or hmac.compare_digest(authorization.encode(errors="replace"), self._expected)

    def _alive(self) -> Answer:
        return Answer(HTTPStatus.OK, _TEXT, b"alive\n")

    def _ready(self) -> Answer:
        parts = self._health.parts()
        ready = all(part.ok for part in parts.values())
        body = msgspec.json.encode({"ready": ready, "parts": parts, "notes": self._health.notes()})
        return Answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body + b"\n")

    def _exposition(self) -> Answer:
        media_type, body = self._metrics()
        return Answer(HTTPStatus.OK, media_type, body)

    def _page(self) -> Answer:
        return Answer(HTTPStatus.OK, "text/html; charset=utf-8", render(self._overview()).encode(errors="replace"))


class WebServer:
    """Listens on `address` as soon as it is made (port 0: any free one), serves from `start` to `close`.

    At most `connections` at a time, each for at most `seconds`. OSError if the address cannot be had.
    """

    def __init__(
        self, pages: Pages, *, address: str = "127.0.0.1", port: int = 0, connections: int = 16, seconds: float = 10.0
    ) -> None:
        self._server = _Server(pages, address, port, connections, seconds)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="web", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut off what is left. Idempotent."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.cut_off(until=float("inf"))


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, pages: Pages, address: str, port: int, connections: int, seconds: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.pages = pages
        self._seconds = seconds
        self._connections = connections
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        super().__init__((address, port), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002  # named by the library
        with self._lock:
            if len(self._open) < self._connections:
                self._open[request] = time.monotonic() + self._seconds
                request.settimeout(self._seconds)
                return True
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(_BUSY)
        return False

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.cut_off(until=time.monotonic())

    def cut_off(self, until: float) -> None:
        with self._lock:
            overdue = [request for request, deadline in self._open.items() if deadline <= until]
            for request in overdue:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is its peer's affair; anything else was handled in `Pages.answer`."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._send(self.server.pages.answer(self.path, self.headers.get("Authorization", "")))

    def do_HEAD(self) -> None:
        self._send(self.server.pages.answer(self.path, self.headers.get("Authorization", "")), with_body=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002  # named by the library
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
        self._send(Answer(status, _TEXT, f"{status.phrase}\n".encode()))

    def log_message(self, *_: Any) -> None:
        """Requests are not logged: they are probes and scrapes, and their text is a stranger's."""

    def _send(self, answer: Answer, *, with_body: bool = True) -> None:
        self.close_connection = True
        if self.request_version != "HTTP/0.9":
            self.send_response_only(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.status is HTTPStatus.UNAUTHORIZED:
                self.send_header("WWW-Authenticate", "Bearer")
            if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
                self.send_header("Allow", "GET, HEAD")
            for name, value in _HEADERS:
                self.send_header(name, value)
            self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
