"""The SNS of the fault run: a loopback server that speaks Publish and, by a seeded plan, answers, fails, throttles,
refuses, is slow, hangs, takes a message without saying so, or has the watcher killed while it is in the air.

Sources: API reference of SNS (Publish, its errors, the query protocol's answers); what a FIFO topic drops within five
minutes: "Message deduplication for FIFO topics" (AWS).
"""

from __future__ import annotations

import random
import re
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast
from urllib.parse import parse_qsl

import botocore.session
from botocore.model import StructureShape
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from tests.bench.delivery_script import MINUTE, START

PREFIX = "arn:aws:sns:us-east-1:123456789012:"
PAGES, AUDIT, CHAT = PREFIX + "pages", PREFIX + "audit.fifo", PREFIX + "chat"
TIMEOUT = 0.8  # seconds that the watcher's client waits in the fault run
DEDUPLICATED = 300.0  # seconds for which a FIFO topic remembers deduplication ids
LARGEST = 262_144  # bytes of a message with its attributes


class Way(StrEnum):
    """How a request is met."""

    TAKEN = "taken"
    SLOW = "slow"
    FAILED = "failed (5xx)"
    THROTTLED = "throttled"
    DENIED = "refused (AuthorizationError)"
    MISSING = "refused (NotFound)"
    INVALID = "refused for itself (InvalidParameter)"
    BROKEN = "connection broken"
    HUNG = "hung until time-out"
    TAKEN_BROKEN = "taken, connection broken"
    TAKEN_HUNG = "taken, hung until time-out"
    KILLED = "killed in the air"
    TAKEN_KILLED = "taken, killed in the air"

    @property
    def takes(self) -> bool:
        return self in (Way.TAKEN, Way.SLOW, *AMBIGUOUS, Way.TAKEN_KILLED)


AMBIGUOUS = (Way.TAKEN_BROKEN, Way.TAKEN_HUNG)
_ERRORS: Mapping[Way, tuple[int, str, str]] = {
    Way.FAILED: (500, "InternalError", "An internal error has occurred"),
    Way.THROTTLED: (400, "Throttling", "Rate exceeded"),
    Way.DENIED: (403, "AuthorizationError", "User is not authorized to perform: SNS:Publish on resource"),
    Way.MISSING: (404, "NotFound", "Topic does not exist"),
    Way.INVALID: (400, "InvalidParameter", "Invalid parameter: Message"),
}
# Parts of 1,000 requests, where no spell says otherwise; the rest is taken.
_CHANCES: Mapping[Way, int] = {
    Way.SLOW: 20,
    Way.FAILED: 50,
    Way.THROTTLED: 30,
    Way.DENIED: 15,
    Way.MISSING: 10,
    Way.BROKEN: 15,
    Way.TAKEN_BROKEN: 25,
    Way.HUNG: 3,
    Way.TAKEN_HUNG: 3,
}
_INVALID_OF = 80  # one message in so many is refused for itself


@dataclass(frozen=True, slots=True)
class Spell:
    """Instants between which a topic meets every request alike."""

    start: float
    end: float
    way: Way


class Plan:
    """What SNS does when. After ``calm`` all is well, but for messages refused for themselves."""

    def __init__(self, seed: int, calm: float) -> None:
        self._seed = seed
        self._calm = calm
        self._attempts: Counter[tuple[str, str, int]] = Counter()
        self._spells = {
            PAGES: self._rows(PAGES, every=240, longest=25, ways=(Way.FAILED, Way.THROTTLED)),
            AUDIT: self._rows(AUDIT, every=300, longest=60, ways=(Way.DENIED, Way.MISSING, Way.BROKEN)),
            CHAT: self._rows(CHAT, every=400, longest=300, ways=(Way.MISSING, Way.DENIED, Way.FAILED)),
        }

    def _rows(self, topic: str, *, every: int, longest: int, ways: tuple[Way, ...]) -> list[Spell]:
        """About one spell in ``every`` minutes, of up to ``longest`` of them and at least a half."""
        chance = random.Random(f"{self._seed}/{topic}")  # noqa: S311 - a plan, no secret
        found, at = [], float(START)
        while at < self._calm:
            start = at + MINUTE * chance.randrange(every // 8, every // 4)
            end = start + MINUTE * chance.randrange(longest // 2, longest + 1)
            found.append(Spell(start, min(end, self._calm), chance.choice(ways)))
            at += MINUTE * every
        return found

    def way(self, topic: str, now: float, incident: str, sequence: int) -> Way:
        """How the next request to the topic is met. By what is asked and how often, not by the order of requests, which
        the watcher's threads make by chance."""
        key = (topic, incident, sequence)
        self._attempts[key] += 1
        if topic != AUDIT and _drawn(self._seed, *key) % _INVALID_OF == 0:
            return Way.INVALID
        if now >= self._calm:
            return Way.TAKEN
        spell = next((spell for spell in self._spells[topic] if spell.start <= now < spell.end), None)
        if spell is not None:
            return spell.way
        drawn = _drawn(self._seed, *key, self._attempts[key]) % 1000
        for way, part in _CHANCES.items():
            if drawn < part:
                return way
            drawn -= part
        return Way.TAKEN


def _drawn(*parts: object) -> int:
    return zlib.crc32("/".join(map(str, parts)).encode())


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it arrived. number: from 0. life: of the watcher. now: the simulated instant. dropped: taken by a
    FIFO topic that had taken its deduplication id within five minutes, so that no subscriber sees it again."""

    number: int
    life: int
    now: float
    topic: str
    incident: str
    sequence: int
    state: str
    subject: str
    body: str
    way: Way
    dropped: bool = False


@dataclass
class Air:
    """The life whose requests arrive now. kill: ends it, given in the lives that die in the air; at: the number of the
    life's request at which; taken: whether SNS takes that one."""

    life: int = 0
    kill: Callable[[], None] | None = None
    at: int = 0
    taken: bool = False
    seen: int = 0


@dataclass
class SnsServer:
    """now: the simulated instant. Enter it; ``air`` is set anew for each life."""

    plan: Plan
    now: Callable[[], float]
    arrivals: list[Arrival] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    air: Air = field(default_factory=Air)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._fifo: dict[str, float] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sns", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def meet(self, form: Mapping[str, str], life: int) -> Arrival:
        """Take in one request, whole, and say how it is met. life: the one that sent it, which may be over by now."""
        with self._lock:
            topic, incident, sequence = form.get("TopicArn", ""), _attribute(form, "incident"), _sequence(form)
            self.mistakes += mistakes_of(form)
            now = self.now()
            way = self._in_the_air(life) or self.plan.way(topic, now, incident, sequence)
            arrival = Arrival(
                number=len(self.arrivals),
                life=life,
                now=now,
                topic=topic,
                incident=incident,
                sequence=sequence,
                state=_attribute(form, "state"),
                subject=form.get("Subject", ""),
                body=form.get("Message", ""),
                way=way,
                dropped=way.takes and self._is_dropped(form, now),
            )
            self.arrivals.append(arrival)
            return arrival

    def _in_the_air(self, life: int) -> Way | None:
        air = self.air
        if life != air.life:
            return None
        air.seen += 1
        if air.kill is None or air.seen - 1 != air.at:
            return None
        return Way.TAKEN_KILLED if air.taken else Way.KILLED

    def _is_dropped(self, form: Mapping[str, str], now: float) -> bool:
        ident = form.get("MessageDeduplicationId")
        if ident is None:
            return False
        first = self._fifo.get(ident)
        if first is not None and now - first < DEDUPLICATED:
            return True
        self._fifo[ident] = now
        return False

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sns = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer goes out in one piece

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:  # killed while sending
                    self.close_connection = True
                    return
                form = dict(parse_qsl(body.decode(), keep_blank_values=True))
                self._answer(sns.meet(form, life_of(self.path)))

            def handle(self) -> None:
                with suppress(OSError):  # who was killed, or has given up, sends no more and reads no answer
                    super().handle()

            def _answer(self, arrival: Arrival) -> None:
                way = arrival.way
                if way in (Way.KILLED, Way.TAKEN_KILLED) and sns.air.kill is not None:
                    sns.air.kill()
                if way in (Way.HUNG, Way.TAKEN_HUNG):
                    sns._closing.wait(TIMEOUT * 1.5)
                if way in (Way.BROKEN, Way.HUNG, Way.KILLED, Way.TAKEN_KILLED, *AMBIGUOUS):
                    self.close_connection = True
                    return
                if way is Way.SLOW:
                    sns._closing.wait(0.05)
                status, text = _written(arrival)
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Arrivals are kept, not printed."""

        return Handler


def address(url: str, life: int) -> str:
    """Where the life's requests go, so that it is known whose they are."""
    return f"{url}/life-{life}"


def life_of(path: str) -> int:
    """The life that was given the address with this path."""
    return int(path.strip("/").removeprefix("life-"))


def _written(arrival: Arrival) -> tuple[int, bytes]:
    """(status, body) as SNS writes them."""
    space = 'xmlns="http://sns.amazonaws.com/doc/2010-03-31/"'
    if arrival.way in _ERRORS:
        status, code, text = _ERRORS[arrival.way]
        kind = "Receiver" if status >= 500 else "Sender"
        error = f"<Error><Type>{kind}</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        return status, f"<ErrorResponse {space}>{error}<RequestId>r</RequestId></ErrorResponse>".encode()
    result = f"<PublishResult><MessageId>message-{arrival.number}</MessageId></PublishResult>"
    meta = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    return 200, f"<PublishResponse {space}>{result}{meta}</PublishResponse>".encode()


# -- what a request must look like ------------------------------------------------------------------------------------

_MODEL = botocore.session.Session().get_service_model("sns").operation_model("Publish")
_INPUT = cast("StructureShape", _MODEL.input_shape)
_SERIALIZER = create_serializer("query")
_ENTRY = re.compile(r"MessageAttributes\.entry\.(\d+)\.Name")


def mistakes_of(form: Mapping[str, str]) -> list[str]:
    """What is wrong with a Publish: against botocore's model of it, and against what SNS says of its values."""
    params = _params(form)
    report = ParamValidator().validate(params, _INPUT)
    found = [report.generate_report()] if report.has_errors() else []
    if not found and dict(_SERIALIZER.serialize_to_request(params, _MODEL)["body"]) != dict(form):
        found.append(f"not a Publish as the model has it: {sorted(form)}")
    subject = form.get("Subject", "")
    size = len(form.get("Message", "").encode()) + sum(
        len(part.encode())
        for name, given in params.get("MessageAttributes", {}).items()
        for part in (name, given["DataType"], given["StringValue"])
    )
    fifo = form.get("TopicArn", "").endswith(".fifo")
    rules = (
        (not subject or len(subject) >= 100 or not subject.isprintable(), f"a subject that SNS refuses: {subject!r}"),
        (not form.get("Message"), "an empty message"),
        (size > LARGEST, f"{size} bytes"),
        (any(not given["StringValue"] for given in params.get("MessageAttributes", {}).values()), "an empty attribute"),
        (fifo and "MessageGroupId" not in form, "no group for a FIFO topic"),
        (fifo is not ("MessageDeduplicationId" in form), "a deduplication id that does not fit the topic"),
        (fifo and form.get("MessageGroupId") != _attribute(form, "incident"), "a group that is not the incident"),
        (not _attribute(form, "incident") or not _sequence(form), "an incident or a sequence that cannot be read"),
    )
    return found + [f"{said} ({subject!r} to {form.get('TopicArn')})" for broken, said in rules if broken]


def _params(form: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of Publish that this form came from."""
    plain = {name: value for name, value in form.items() if name in _INPUT.members}
    entries = [match[1] for name in form if (match := _ENTRY.fullmatch(name))]
    attributes = {
        form[f"MessageAttributes.entry.{number}.Name"]: {
            "DataType": form.get(f"MessageAttributes.entry.{number}.Value.DataType", ""),
            "StringValue": form.get(f"MessageAttributes.entry.{number}.Value.StringValue", ""),
        }
        for number in entries
    }
    return plain | ({"MessageAttributes": attributes} if attributes else {})


def _attribute(form: Mapping[str, str], name: str) -> str:
    given: Mapping[str, Mapping[str, str]] = _params(form).get("MessageAttributes", {})
    return given.get(name, {}).get("StringValue", "")


def _sequence(form: Mapping[str, str]) -> int:
    """The number of the message in its incident, from the body; a chat's has it in its id. 0 for none."""
    body = form.get("Message", "")
    found = re.search(r'"sequence":\s*(\d+)', body) or re.search(r'"id":\s*"[^"]*-(\d+)"', body)
    return int(found[1]) if found else 0
