"""All that is used of moto's private parts; the version is pinned and tests/sandbox holds the contract.

moto keeps its state per process, so at most one sandbox can run at a time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.dynamodb.models import dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from watcher.replay.plant import ACCOUNT
from watcher.sandbox.wire import JsonObject

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

DRAIN = 10  # messages a queue gives at once


@dataclass(frozen=True, slots=True)
class Message:
    """What a subscriber received. attributes: the SNS message attributes, as strings."""

    subject: str
    body: str
    attributes: Mapping[str, str]


def application() -> WSGIApplication:
    """moto's server as a WSGI application."""
    app: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    return app


def reset() -> None:
    """Forget everything that moto knows."""
    BackendDict.reset()
    reset_model_data()


def describe(region: str, name: str) -> JsonObject | None:
    """A table as moto describes it, or None when it has no such table. The caller may change the answer's top level."""
    table = dynamodb_backends[ACCOUNT][region].tables.get(name)
    if table is None:
        return None
    described: dict[str, Any] = table.describe(base_key="Table")["Table"]
    return described


class Topic:
    """An SNS topic with one queue that keeps what is published."""

    def __init__(self, region: str, name: str) -> None:
        queue_name = f"{name}-subscriber"
        self._queues = sqs_backends[ACCOUNT][region]
        self._queue = self._queues.create_queue(queue_name, region=region)
        topic = sns_backends[ACCOUNT][region].create_topic(name)
        sns_backends[ACCOUNT][region].subscribe(topic.arn, self._queue.queue_arn, "sqs")
        self.arn: str = topic.arn
        self.queue_name = queue_name
        self._received: list[Message] = []

    def messages(self) -> list[Message]:
        """Everything received so far, oldest first."""
        while batch := self._queues.receive_message(self.queue_name, DRAIN, 0, 3600):
            for raw in batch:
                self._received.append(_message(json.loads(raw.body)))
                self._queues.delete_message(self.queue_name, raw.receipt_handle or "")
        return list(self._received)


def _message(envelope: Mapping[str, Any]) -> Message:
    return Message(
        subject=envelope.get("Subject") or "",
        body=envelope["Message"],
        attributes={name: value["Value"] for name, value in envelope.get("MessageAttributes", {}).items()},
    )
