"""The server over real sockets: routes, methods, headers, and leaving nothing behind."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.telemetry import examples
from tests.web.scene import Scene
from watcher.errors import WatcherError
from watcher.web.page import STYLE_HASH
from watcher.web.server import WebServer, make_app

ROUTES = ("/", "/metrics", "/healthz", "/readyz", "/api/state.json")


@pytest.fixture
def scene() -> Scene:
    return Scene()


@contextmanager
def serving(scene: Scene) -> Iterator[WebServer]:
    server = WebServer(make_app(scene.sources()), "127.0.0.1", 0)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(scene: Scene) -> Iterator[WebServer]:
    with serving(scene) as one:
        yield one


Reply = tuple[int, dict[str, str], bytes]


def ask(server: WebServer, path: str, method: str = "GET", body: bytes | None = None) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body=body)
        with connection.getresponse() as response:
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/", "text/html; charset=utf-8", id="the page"),
        pytest.param("/metrics", "text/plain; version=0.0.4; charset=utf-8", id="metrics"),
        pytest.param("/healthz", "text/plain; charset=utf-8", id="health"),
        pytest.param("/readyz", "text/plain; charset=utf-8", id="readiness"),
        pytest.param("/api/state.json", "application/json", id="state"),
    ],
)
def test_each_route_answers_get_and_head_alike(scene: Scene, server: WebServer, path: str, kind: str) -> None:
    scene.cycle(examples.cycle(examples.throttled_table()))
    status, headers, body = ask(server, path)
    assert (status, headers["content-type"]) == (200, kind)
    assert int(headers["content-length"]) == len(body) > 0
    head_status, head_headers, head_body = ask(server, path, "HEAD")
    assert (head_status, head_body) == (200, b"")
    volatile = {"date"}
    assert {k: v for k, v in head_headers.items() if k not in volatile} == {
        k: v for k, v in headers.items() if k not in volatile
    }


def test_the_application_itself_writes_no_body_to_head(scene: Scene) -> None:
    # Over a socket a client ignores what follows the headers, and takes it for the next answer's start at worst.
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        said.append((status, headers))
        return said.append  # type: ignore[return-value]  # the old write callable of WSGI, unused here

    body = make_app(scene.sources())({"REQUEST_METHOD": "HEAD", "PATH_INFO": "/"}, start_response)
    assert list(body) == []
    assert said[0][0] == "200 OK"
    assert int(dict(said[0][1])["Content-Length"]) > 1000


def test_a_head_leaves_the_connection_usable(scene: Scene, server: WebServer) -> None:
    scene.cycle(examples.cycle())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for method in ("HEAD", "GET", "HEAD", "GET"):
        connection.request(method, "/healthz")
        with connection.getresponse() as response:
            assert response.status == 200
            assert response.read() == (b"" if method == "HEAD" else b"The last cycle finished 0 s ago.\n")
    connection.close()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_no_other_method(server: WebServer, path: str, method: str) -> None:
    status, headers, body = ask(server, path, method, b"x=1" if method == "POST" else None)
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert body == b"This server only answers GET and HEAD.\n"


@pytest.mark.parametrize(
    "path",
    ["/favicon.ico", "/index.html", "/metrics/", "/api", "/api/state", "/../etc/passwd", "/%2e%2e/", "/healthz%00"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_nothing_else_is_there(server: WebServer, path: str, method: str) -> None:
    status, headers, body = ask(server, path, method)
    assert status == 404
    assert body == (b"" if method == "HEAD" else b"There is nothing here. The page is at /.\n")
    assert headers["content-length"] == "41"


@pytest.mark.parametrize("path", [*ROUTES, "/nowhere"])
def test_every_answer_has_the_security_headers_and_no_banner(server: WebServer, path: str) -> None:
    _, headers, _ = ask(server, path)
    assert headers["content-security-policy"] == (
        f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers.keys().isdisjoint({"server", "via", "x-powered-by", "set-cookie"})


def test_probes_follow_the_cycle(scene: Scene, server: WebServer) -> None:
    assert ask(server, "/healthz")[0] == 200
    assert ask(server, "/readyz")[::2] == (503, b"The first cycle has not finished yet.\n")
    scene.cycle(examples.cycle())
    assert ask(server, "/readyz")[0] == 200
    scene.clock.advance(scene.health.limit_seconds)
    status, headers, body = ask(server, "/healthz")
    assert status == 503
    assert body == b"The last cycle finished 4 min ago; more than 4 min means the watcher is stuck.\n"
    assert ask(server, "/healthz", "HEAD")[1]["content-length"] == headers["content-length"]


def test_metrics_are_the_registrys(scene: Scene, server: WebServer) -> None:
    scene.cycle(examples.cycle(examples.throttled_table()))
    assert ask(server, "/metrics")[2] == scene.metrics.exposition()


def test_a_lost_store_does_not_take_the_page_with_it(scene: Scene, server: WebServer) -> None:
    scene.cycle(examples.cycle(examples.throttled_table()))
    scene.store_error = "disk <full>"
    status, _, page = ask(server, "/")
    assert status == 200
    assert "They cannot be read: read of history: disk &lt;full&gt; (free some space)" in page.decode()
    status, _, state = ask(server, "/api/state.json")
    assert status == 200
    assert json.loads(state)["history_error"] == "read of history: disk <full> (free some space)"


def test_the_page_reloads_itself_only_when_asked_to(server: WebServer) -> None:
    assert b"http-equiv" not in ask(server, "/")[2]
    assert b'<meta http-equiv="refresh" content="60">' in ask(server, "/?refresh")[2]


def test_a_page_is_one_picture_even_while_cycles_finish(scene: Scene, server: WebServer) -> None:
    # Each picture holds one table, named after its cycle; a torn one would show two, or none.
    done = threading.Event()

    def cycles() -> None:
        for number in range(200):
            scene.cycle(examples.cycle(examples.table_report(f"table-{number}")))
        done.set()

    scene.cycle(examples.cycle(examples.table_report("table-0")))
    worker = threading.Thread(target=cycles)
    worker.start()
    pictures = 0
    while not done.is_set() or not pictures:
        state = json.loads(ask(server, "/api/state.json")[2])
        assert len(state["tables"]) == 1
        tables = set(re.findall(r'table="(table-\d+)"', ask(server, "/metrics")[2].decode()))
        assert 1 <= len(tables) <= 2  # counters outlive the gauges by the length of one cycle
        pictures += 1
    worker.join()


def test_stop_is_idempotent_and_leaves_no_thread_and_no_socket(scene: Scene) -> None:
    before = set(threading.enumerate())
    server = WebServer(make_app(scene.sources()), "127.0.0.1", 0)
    server.start()
    assert set(threading.enumerate()) > before
    idle = socket.create_connection(("127.0.0.1", server.port), timeout=10)  # a kept-alive client must not hold it up
    ask(server, "/")
    server.stop()
    server.stop()
    assert idle.recv(1) == b""
    idle.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=10)
    again = WebServer(make_app(scene.sources()), "127.0.0.1", server.port)  # the port is free at once
    again.stop()


def test_a_server_never_started_can_be_stopped(scene: Scene) -> None:
    server = WebServer(make_app(scene.sources()), "127.0.0.1", 0)
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_a_port_in_use_is_said_with_its_remedy(scene: Scene, server: WebServer) -> None:
    with pytest.raises(WatcherError) as caught:
        WebServer(make_app(scene.sources()), "127.0.0.1", server.port)
    assert str(caught.value) == (
        f"listen of 127.0.0.1:{server.port}: Address already in use (stop the program that holds the port, "
        "or choose another address with [server] host and port, or --port)"
    )


def test_an_address_that_is_not_ours_is_said(scene: Scene) -> None:
    with pytest.raises(WatcherError, match=r"listen of 192\.0\.2\.1:9464: Cannot assign requested address"):
        WebServer(make_app(scene.sources()), "192.0.2.1", 9464)


def test_ipv6(scene: Scene) -> None:
    try:
        server = WebServer(make_app(scene.sources()), "::1", 0)
    except WatcherError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server.start()
    with socket.create_connection(("::1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200 OK\r\n")
    server.stop()
