"""A tiny AWS over HTTP for what the moto server cannot do: scripted answers, errors, pages, web pages for JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

Params = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A raw HTTP answer."""

    status: int
    body: str
    content_type: str = "application/x-amz-json-1.0"


def fault(code: str, message: str = "no reason given", status: int = 400) -> Reply:
    """An awsJson error."""
    return Reply(status, json.dumps({"__type": f"com.amazonaws.fake#{code}", "message": message}))


def query_fault(code: str, message: str = "no reason given", status: int = 400) -> Reply:
    """An error of the Query protocol, which SNS and STS speak."""
    told = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
    return Reply(status, f"<ErrorResponse><Error>{told}</Error></ErrorResponse>", "text/xml")


HTML_500 = Reply(500, "<!doctype html>\n<html lang=en><title>500 Internal Server Error</title></html>", "text/html")

Answer = dict[str, Any] | Reply | Callable[[Params], "dict[str, Any] | Reply"]


@dataclass
class FakeAws:
    """``script`` answers for an operation; the last answer repeats. ``calls`` keeps (operation, parameters)."""

    url: str = ""
    calls: list[tuple[str, Params]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    _scripts: dict[str, list[Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def script(self, operation: str, *answers: Answer) -> None:
        self._scripts[operation] = list(answers)

    def sent(self, operation: str) -> list[Params]:
        return [params for name, params in self.calls if name == operation]

    def answer(self, operation: str, params: Params) -> dict[str, Any] | Reply:
        with self._lock:
            self.calls.append((operation, params))
            answers = self._scripts.get(operation)
            if answers is None:
                return HTML_500  # what the moto server does with an operation it lacks
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(params) if callable(answer) else answer


@contextmanager
def fake_aws() -> Iterator[FakeAws]:
    fake = FakeAws()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target = self.headers.get("X-Amz-Target", "")
            params: Params = json.loads(body) if target else dict(parse_qsl(body))
            operation = target.rpartition(".")[2] or params["Action"]
            fake.agents.append(self.headers["User-Agent"])
            answer = fake.answer(operation, params)
            reply = answer if isinstance(answer, Reply) else Reply(200, json.dumps(answer))
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.end_headers()
            self.wfile.write(reply.body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
