"""The web server on loopback: four paths, two methods, bounded connections and times."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest

from monitor.clock import ManualClock
from monitor.metrics import Metrics
from monitor.web.health import Health
from monitor.web.overview import ModelSection, Overview, State, WatchRow
from monitor.web.server import Pages, WebServer

OVERVIEW = Overview(0, "0.1.0", {}, [ModelSection("feed", [WatchRow("clicks", State.FIRING)])])


class Broken(Exception):
    """What the snapshot of a store that is away may raise."""


@pytest.fixture
def health() -> Health:
    return Health(ManualClock(1_000))


@pytest.fixture
def faults() -> list[BaseException]:
    return []


def pages(health: Health, faults: list[BaseException], overview: Callable[[], Overview] = lambda: OVERVIEW) -> Pages:
    metrics = Metrics("0.1.0")
    return Pages(health, lambda: (metrics.content_type, metrics.exposition()), overview, faults.append)


@pytest.fixture
def server(health: Health, faults: list[BaseException]) -> Iterator[WebServer]:
    made = WebServer(pages(health, faults))
    made.start()
    yield made
    made.close()


def ask(server: WebServer, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def say(server: WebServer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        peer.sendall(request)
        return b"".join(iter(lambda: peer.recv(4096), b""))


def test_alive_says_alive(server: WebServer) -> None:
    response, body = ask(server, "/healthz")
    assert (response.status, body) == (200, b"alive\n")


def test_ready_only_when_every_part_is_and_says_why_not(server: WebServer, health: Health) -> None:
    for part in ("source", "lease", "models"):
        health.set(part, True)
    health.set("store", False, "no connection")
    response, body = ask(server, "/readyz")
    assert response.status == 503
    told = json.loads(body)
    assert told["ready"] is False
    assert told["parts"]["store"] == {"ok": False, "reason": "no connection", "since": 1_000}
    health.set("store", True)
    response, body = ask(server, "/readyz")
    assert response.status == 200
    assert json.loads(body)["ready"] is True


def test_metrics_are_told_in_prometheus_text(server: WebServer) -> None:
    response, body = ask(server, "/metrics?name=x")
    assert response.status == 200
    assert (response.getheader("Content-Type") or "").startswith("text/plain; version=")
    assert b"loopwatch_build_info" in body


def test_the_page_shows_the_overview(server: WebServer) -> None:
    response, body = ask(server, "/")
    assert response.status == 200
    assert response.getheader("Content-Type") == "text/html; charset=utf-8"
    assert b"1 firing" in body


def test_head_tells_the_length_and_sends_no_body(server: WebServer) -> None:
    _, whole = ask(server, "/")
    response, body = ask(server, "/", "HEAD")
    assert response.status == 200
    assert body == b""
    assert response.getheader("Content-Length") == str(len(whole))


@pytest.mark.parametrize("path", ["/x", "/../etc/passwd", "/metrics/", "/.//", "/static", "/<script>"])
def test_other_paths_are_not_found_and_not_echoed(server: WebServer, path: str) -> None:
    response, body = ask(server, path)
    assert response.status == 404
    assert body == b"There are: / /healthz /readyz /metrics\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "EVIL"])
def test_other_methods_are_not_allowed(server: WebServer, method: str) -> None:
    response, body = ask(server, "/", method)
    assert response.status == 405
    assert response.getheader("Allow") == "GET, HEAD"
    assert method.encode() not in body


def test_no_header_tells_what_software_answers(server: WebServer) -> None:
    for path in ("/", "/nowhere"):
        response, _ = ask(server, path)
        assert response.getheader("Server") is None
        assert "ython" not in str(response.headers)
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert "default-src 'none'" in (response.getheader("Content-Security-Policy") or "")


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / EVIL/9\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
def test_a_malformed_request_gets_a_short_refusal(server: WebServer, request_text: bytes) -> None:
    try:
        told = say(server, request_text)
    except ConnectionResetError:
        told = b""
    assert b"EVIL" not in told
    assert b"aaaa" not in told
    assert b"200 OK" not in told
    assert ask(server, "/healthz")[0].status == 200


def test_a_snapshot_that_fails_is_a_503_without_details_and_is_told_to_the_daemon(
    health: Health, faults: list[BaseException]
) -> None:
    def broken() -> Overview:
        raise Broken("postgresql://loopwatch:hunter2@db")

    server = WebServer(pages(health, faults, broken))
    server.start()
    try:
        response, body = ask(server, "/")
        assert response.status == 503
        assert b"hunter2" not in body
        assert [type(fault) for fault in faults] == [Broken]
        assert ask(server, "/healthz")[0].status == 200
    finally:
        server.close()


def test_connections_beyond_the_limit_are_told_503_and_the_others_go_on(
    health: Health, faults: list[BaseException]
) -> None:
    server = WebServer(pages(health, faults), connections=2)
    server.start()
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(2)]
    try:
        assert say(server, b"").startswith(b"HTTP/1.0 503 ")
        idle[0].sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b"".join(iter(lambda: idle[0].recv(4096), b"")).endswith(b"alive\n")
    finally:
        for peer in idle:
            peer.close()
        server.close()


def test_a_connection_that_outlives_its_time_is_cut_off_however_it_drips(
    health: Health, faults: list[BaseException]
) -> None:
    server = WebServer(pages(health, faults), seconds=0.3)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.02) as peer:
            told, drops = None, 0
            while told is None and drops < 500:
                try:
                    peer.send(b"x")
                    drops += 1
                    told = peer.recv(4096)
                except TimeoutError:
                    continue
                except ConnectionError:
                    told = b""
        assert told == b""
        assert drops > 3
    finally:
        server.close()


def test_closing_cuts_off_idle_peers_and_frees_the_port(health: Health, faults: list[BaseException]) -> None:
    server = WebServer(pages(health, faults))
    server.start()
    assert ask(server, "/healthz")[0].status == 200
    port = server.port
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_server_that_was_never_started_can_be_closed(health: Health, faults: list[BaseException]) -> None:
    WebServer(pages(health, faults)).close()


def test_it_listens_on_loopback_unless_told_otherwise(server: WebServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"


def test_with_a_token_the_page_and_the_metrics_ask_for_it_and_the_probes_do_not() -> None:
    pages = Pages(
        Health(ManualClock()),
        lambda: ("text/plain", b"m"),
        lambda: Overview(0, "1", {}, []),
        lambda _: None,
        token="t0ken",
    )
    assert pages.answer("/metrics").status is HTTPStatus.UNAUTHORIZED
    assert pages.answer("/", "Bearer wrong").status is HTTPStatus.UNAUTHORIZED
    assert pages.answer("/metrics", "Bearer t0ken").status is HTTPStatus.OK
    assert pages.answer("/", "Bearer t0ken").status is HTTPStatus.OK
    assert pages.answer("/healthz").status is HTTPStatus.OK
