"""AWS's JSON protocol: what a call and a refusal look like on the wire.

Sources: "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol" (Smithy), "awsQueryCompatible trait".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

JsonObject = dict[str, Any]


class ApiError(Exception):
    """A refusal as the service would send it. code: the error code boto3 shows; shape: its name in the service model
    where that differs (services that once spoke the query protocol)."""

    def __init__(self, code: str, message: str, *, status: int = 400, shape: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.shape = shape or code


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", list(self.headers))
        return [self.body]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. forward: hands a body to the stand-in behind for the same operation; raises ApiError."""

    operation: str
    body: JsonObject
    forward: Callable[[JsonObject], JsonObject]


Handler = Callable[[Call], JsonObject]


@dataclass(frozen=True, slots=True)
class Service:
    """Operations by name. namespace: of its error types. version: of the JSON protocol. An operation that is not
    listed goes to the stand-in behind."""

    namespace: str
    version: str
    operations: Mapping[str, Handler]
    query_compatible: bool = False

    def answer(self, result: JsonObject) -> Answer:
        return self._answer(200, json.dumps(result, default=_timestamp).encode())

    def refuse(self, error: ApiError) -> Answer:
        extra: tuple[tuple[str, str], ...] = ()
        if self.query_compatible:
            fault = "Receiver" if error.status >= 500 else "Sender"
            extra = (("x-amzn-query-error", f"{error.code};{fault}"),)
        text = {"__type": f"{self.namespace}#{error.shape}", "message": error.message}
        return self._answer(error.status, json.dumps(text).encode(), extra)

    def _answer(self, status: int, body: bytes, extra: tuple[tuple[str, str], ...] = ()) -> Answer:
        headers = (
            ("Content-Type", f"application/x-amz-json-{self.version}"),
            ("Content-Length", str(len(body))),
            ("x-amzn-RequestId", str(uuid4())),
        )
        return Answer(status, headers + extra, body)


def query_refusal(code: str, message: str, status: int) -> Answer:
    """A refusal in the query protocol (SNS, SQS, STS), which is XML."""
    fault = "Receiver" if status >= 500 else "Sender"
    body = (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        f"<RequestId>{uuid4()}</RequestId></ErrorResponse>"
    ).encode()
    return Answer(status, (("Content-Type", "text/xml"), ("Content-Length", str(len(body)))), body)


def ask(app: WSGIApplication, environ: WSGIEnvironment, body: bytes) -> Answer:
    """Call a WSGI application with ``environ`` but another body."""
    asked = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    begun: list[tuple[str, tuple[tuple[str, str], ...]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        begun.append((status, tuple(headers)))
        return chunks.append

    chunks: list[bytes] = []
    parts = app(asked, start_response)
    try:
        chunks.extend(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = begun[-1]
    return Answer(int(status.split(maxsplit=1)[0]), headers, b"".join(chunks))


def json_environ(target: str, version: str, service: str, region: str) -> WSGIEnvironment:
    """The environ of a signed JSON call that comes from this process itself."""
    scope = f"Credential=sandbox/20260101/{region}/{service}/aws4_request"
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_X_AMZ_TARGET": target,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none",
        "CONTENT_TYPE": f"application/x-amz-json-{version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def scope(environ: WSGIEnvironment) -> tuple[str, str]:
    """(region, signing name) of a signed request, or two empty strings."""
    _, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    parts = credential.split(",", 1)[0].split("/")
    return (parts[-3], parts[-2]) if len(parts) >= 5 else ("", "")


def error_of(answer: Answer) -> ApiError:
    """The refusal that a JSON answer carries."""
    try:
        text = json.loads(answer.body)
        code = str(text["__type"]).rpartition("#")[2]
        message = str(text.get("message") or text.get("Message") or "")
    except (ValueError, KeyError, TypeError):
        code, message = "InternalFailure", "The stand-in behind did not answer in JSON."
    return ApiError(code, message, status=answer.status)


def _timestamp(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"cannot send {value!r}")
