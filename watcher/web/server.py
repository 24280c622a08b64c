"""The read-only HTTP server: five routes, GET and HEAD, nothing else."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import waitress
from waitress.wasyncore import close_all, loop

from watcher.clock import Clock
from watcher.core.model import Decision
from watcher.errors import StoreError, WatcherError
from watcher.telemetry.health import Health, Verdict
from watcher.telemetry.snapshot import Snapshot
from watcher.web.page import STYLE_HASH, render
from watcher.web.state import state_record

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

METHODS: Final = ("GET", "HEAD")
THREADS: Final = 4
LARGEST_BODY: Final = 1024  # bytes; no route reads one
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 1.0  # the trigger wakes the loop sooner

SECURITY_HEADERS: Final = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)

_STATUS: Mapping[int, str] = {
    200: "200 OK",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    503: "503 Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """What the routes show. All callables are called from the server's threads.

    history: the newest decisions, newest first; may raise StoreError. metrics: the exposition text.
    """

    snapshot: Callable[[], Snapshot]
    health: Health
    metrics: Callable[[], bytes]
    history: Callable[[], Sequence[Decision]]
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def make_app(sources: Sources) -> WSGIApplication:
    """A WSGI application over ``sources``."""
    routes: Mapping[str, Callable[[str], _Answer]] = {
        "/": lambda query: _page(sources, query),
        "/metrics": lambda _: _Answer(200, "text/plain; version=0.0.4; charset=utf-8", sources.metrics()),
        "/healthz": lambda _: _verdict(sources.health.alive()),
        "/readyz": lambda _: _verdict(sources.health.ready()),
        "/api/state.json": lambda _: _state(sources),
    }

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        route = routes.get(environ["PATH_INFO"])
        if route is None:
            answer = _text(404, "There is nothing here. The page is at /.")
        elif method not in METHODS:
            answer = _text(405, "This server only answers GET and HEAD.", ("Allow", ", ".join(METHODS)))
        else:
            answer = route(environ.get("QUERY_STRING", ""))
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
            *SECURITY_HEADERS,
        ]
        start_response(_STATUS[answer.status], headers)
        return [] if method == "HEAD" else [answer.body]

    return app


def _text(status: int, sentence: str, *headers: tuple[str, str]) -> _Answer:
    return _Answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode(), headers)


def _verdict(verdict: Verdict) -> _Answer:
    return _text(verdict.status, verdict.sentence)


def _history(sources: Sources) -> tuple[Sequence[Decision], str]:
    """The decisions, and why there are none: a lost store must not take the page with it."""
    try:
        return sources.history(), ""
    except StoreError as error:
        return (), str(error)


def _page(sources: Sources, query: str) -> _Answer:
    decisions, error = _history(sources)
    text = render(
        sources.snapshot(),
        now=sources.clock.now(),
        health=sources.health.alive(),
        decisions=decisions,
        history_error=error,
        refresh="refresh" in parse_qs(query, keep_blank_values=True),
    )
    return _Answer(200, "text/html; charset=utf-8", text.encode())


def _state(sources: Sources) -> _Answer:
    decisions, error = _history(sources)
    record = state_record(
        sources.snapshot(),
        now=sources.clock.now(),
        health=sources.health.alive(),
        decisions=decisions,
        history_error=error,
    )
    return _Answer(200, "application/json", json.dumps(record, allow_nan=False).encode())


class WebServer:
    """Serves a WSGI application from threads of its own, from construction bound, from ``start`` answering.

    port 0 takes a free one. Raises WatcherError when the address cannot be bound.
    """

    def __init__(self, app: WSGIApplication, host: str, port: int) -> None:
        listening = _bind(host, port)
        # An address of getsockname is (host, port) for IPv4 and (host, port, flow, scope) for IPv6.
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self._app = app
        self._stop: Callable[[], None] = listening.close

    def start(self) -> None:
        """Call once."""
        sockets: dict[int, object] = {}
        server = waitress.create_server(
            self._app,
            map=sockets,
            sockets=[self._listening],
            threads=THREADS,
            ident="",  # no banner
            max_request_body_size=LARGEST_BODY,
        )
        stopping, pulling = threading.Event(), threading.Lock()

        def serve() -> None:
            while not stopping.is_set():
                loop(timeout=POLL_SECONDS, map=sockets, count=1)
            with pulling:  # not before the trigger has been pulled: tearing down closes its pipe
                _tear_down(server, sockets)

        thread = threading.Thread(target=serve, name="web", daemon=True)
        thread.start()

        def stop() -> None:
            # Workers first: one that answers while its connection is torn down would write to a closed trigger.
            server.task_dispatcher.shutdown()
            with pulling:
                stopping.set()
                server.trigger.pull_trigger()
            thread.join(STOP_SECONDS)

        self._stop = stop

    def stop(self) -> None:
        """Idempotent; waits until the threads are gone, at most a few seconds."""
        stop, self._stop = self._stop, lambda: None
        stop()


def _tear_down(server: waitress.server.TcpWSGIServer, sockets: dict[int, object]) -> None:
    """Runs in the server's own thread, when its loop has ended."""
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    close_all(sockets)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unbindable(host, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise _unbindable(host, port, error) from error
    return listening


def _unbindable(host: str, port: int, error: OSError) -> WatcherError:
    return WatcherError(
        error.strerror or str(error),
        operation="listen",
        subject=f"{host}:{port}",
        hint="stop the program that holds the port, or choose another address with [server] host and port, or --port",
    )
