"""A webhook on 127.0.0.1 that records what it is sent and answers as scripted."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast


@dataclass(frozen=True)
class Answer:
    """One scripted answer. `hang` keeps the request open until the server stops."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False


@dataclass(frozen=True)
class Received:
    """One request, and the status it was answered with; 0 if it was left to hang."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.body))


class Webhook(ThreadingHTTPServer):
    """`script` gives the answers to come, one a request; when it is empty, everything is taken with 200."""

    daemon_threads = True

    def __init__(self, script: tuple[Answer, ...] = (), port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = deque(script)
        self.received: list[Received] = []
        self.stopped = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, scheme: str, path: str = "/services/T0/B0/hidden") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no fault of ours."""

    def stop(self) -> None:
        """End the server and every request that hangs."""
        self.stopped.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.script.popleft() if self.server.script else Answer()
        status = 0 if answer.hang else answer.status
        self.server.received.append(Received(self.path, dict(self.headers.items()), body, status))
        if answer.hang:
            self.server.stopped.wait(30)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def webhook(*script: Answer, port: int = 0, certificate: Path | None = None) -> Iterator[Webhook]:
    """A running server with the given script, on a free port unless one is named; with TLS if it has a PEM file of key and certificate."""
    server = Webhook(script, port)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def refusing_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
