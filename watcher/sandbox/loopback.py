"""HTTP on a free loopback port, with nothing left behind when it stops."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

# What socketserver calls a request: a connection, or for datagrams (never here) the data with its socket.
Connection = socket.socket | tuple[bytes, socket.socket]


class LoopbackServer:
    """Serves a WSGI application on a free port of 127.0.0.1, from construction on."""

    def __init__(self, app: WSGIApplication) -> None:
        self._server = _Server("127.0.0.1", 0, app, handler=_QuietHandler)
        self.port: int = self._server.server_port
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Waits until every thread is gone and every connection closed."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadedWSGIServer):
    """Knows its connections, so that none outlives the server; werkzeug ends each after one answer."""

    def __init__(self, host: str, port: int, app: WSGIApplication, *, handler: type[MotoRequestHandler]) -> None:
        self._connections: dict[Thread, Connection] = {}
        self._guard = Lock()
        super().__init__(host, port, app, handler=handler)

    def process_request(self, request: Connection, client_address: object) -> None:
        # A daemon: a program that dies without stopping the sandbox must not wait for an idle connection.
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._guard:
            self._connections = {one: held for one, held in self._connections.items() if one.is_alive()}
            self._connections[thread] = request
            thread.start()

    def hang_up(self) -> None:
        """End every open connection, so that its thread finds nothing more to read, and wait for the threads."""
        with self._guard:
            connections, self._connections = self._connections, {}
        for connection in connections.values():
            if isinstance(connection, socket.socket):
                # A peer that has hung up already leaves nothing to shut down.
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join()


class _QuietHandler(MotoRequestHandler):
    """moto's, without a log line per request."""

    def log(self, kind: str, message: str, *args: object) -> None:
        """Say nothing: failures reach the caller and the sandbox's own log."""
