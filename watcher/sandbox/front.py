"""The door of the sandbox: a WSGI application that answers what moto lacks and hands everything else to moto.

Standing in front of moto, rather than patching its classes, leaves nothing to be undone and keeps the private parts
of moto that are used to a few reads (see ``backends``).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from watcher.sandbox.calls import ACCEPTED, RATES, Fault, Faults, Ledger, RateLimit
from watcher.sandbox.wire import Answer, ApiError, Call, JsonObject, Service, ask, error_of, query_refusal, scope

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOG: Final = logging.getLogger("watcher.sandbox")
SUBJECT_LIMIT: Final = 100  # "less than 100 characters"


class Front:
    """Routes a request by its X-Amz-Target.

    services: by target prefix. One lock is held while one of them works; moto's own services (SNS, SQS, STS) run
    outside it, because a long poll of a queue would hold up everything. tick: called first, moves the world to now
    and returns it.
    """

    def __init__(
        self,
        behind: WSGIApplication,
        services: Mapping[str, Service],
        *,
        region: str,
        lock: RLock,
        tick: Callable[[], float],
    ) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self._limits = [RateLimit(rate) for rate in RATES]
        self._behind = behind
        self._services = services
        self._region = region
        self._lock = lock
        self._tick = tick

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return self.answer(environ, body).send(start_response)

    def forget(self) -> None:
        """Start the records afresh, as if nobody had called yet."""
        self.ledger.entries.clear()
        self.ledger.counts.clear()
        self._limits = [RateLimit(rate) for rate in RATES]

    def answer(self, environ: WSGIEnvironment, body: bytes) -> Answer:
        prefix, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
        region, signing_name = scope(environ)
        service = self._services.get(prefix)
        if service is not None and region == self._region:
            with self._lock:
                return self._serve(service, operation, environ, body)
        if signing_name == "monitoring" and service is None:
            return query_refusal(
                "UnsupportedProtocol", "The sandbox speaks only JSON for CloudWatch; use boto3 1.43 or newer.", 400
            )
        return self._pass_on(operation or _action(body), environ, body)

    def _pass_on(self, operation: str, environ: WSGIEnvironment, body: bytes) -> Answer:
        with self._lock:
            self.ledger.counts[operation] += 1
            fault = self.faults.take(operation)
        if fault is None or fault.lost:
            answer = _objection(operation, body) or ask(self._behind, environ, body)
        return answer if fault is None else query_refusal(fault.code, fault.message, fault.status)

    def _serve(self, service: Service, operation: str, environ: WSGIEnvironment, body: bytes) -> Answer:
        now = self._tick()
        self.ledger.counts[operation] += 1
        arguments: JsonObject = json.loads(body or b"{}")
        fault = self.faults.take(operation)
        outcome = ACCEPTED
        try:
            self._admit(operation, fault, now)
            answer = self._carry_out(service, operation, arguments, environ, body)
        except ApiError as error:
            outcome, answer = error.code, service.refuse(error)
        except Exception:
            # A mistake of the sandbox itself: callers see what a broken service looks like, the log the traceback.
            LOG.exception("sandbox failed in %s", operation)
            outcome, answer = "InternalFailure", service.refuse(ApiError("InternalFailure", "sandbox", status=500))
        self.ledger.note(now, operation, arguments, outcome)
        return answer if fault is None else service.refuse(_as_error(fault))

    def _admit(self, operation: str, fault: Fault | None, now: float) -> None:
        if fault is not None and not fault.lost:
            raise _as_error(fault)
        for limit in self._limits:
            if not limit.admits(operation, now):
                raise ApiError("ThrottlingException", limit.rate.refusal)

    def _carry_out(
        self, service: Service, operation: str, arguments: JsonObject, environ: WSGIEnvironment, body: bytes
    ) -> Answer:
        handler = service.operations.get(operation)
        if handler is None:
            return ask(self._behind, environ, body)

        def forward(other: JsonObject) -> JsonObject:
            answer = ask(self._behind, environ, json.dumps(other).encode())
            if answer.status != 200:
                raise error_of(answer)
            result: JsonObject = json.loads(answer.body)
            return result

        return service.answer(handler(Call(operation, arguments, forward)))


def _as_error(fault: Fault) -> ApiError:
    return ApiError(fault.code, fault.message, status=fault.status)


def _objection(operation: str, body: bytes) -> Answer | None:
    """What SNS refuses and moto lets pass: a subject of 100 characters, or with line breaks or other controls."""
    if operation != "Publish":
        return None
    subject = parse_qs(body.decode("utf-8", "replace")).get("Subject", [""])[0]
    if len(subject) < SUBJECT_LIMIT and subject.isprintable():
        return None
    return query_refusal("InvalidParameter", "Invalid parameter: Subject", 400)


def _action(body: bytes) -> str:
    """The operation of a query-protocol request."""
    if not body.startswith((b"Action=", b"Version=")) and b"&Action=" not in body:
        return ""
    return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
