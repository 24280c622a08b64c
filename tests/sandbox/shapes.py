"""Compares what went over the wire with botocore's own model of the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape

SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float),  # seconds since the epoch, in AWS's JSON protocols
}


class Wire:
    """Calls an operation, checks the raw answer against the model and returns what boto3 made of it."""

    def __init__(self, aws: Callable[[str], Any]) -> None:
        self._aws = aws

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's own
        client = self._aws(service)
        raw: list[bytes] = []

        def keep(response_dict: dict[str, Any], **_: object) -> None:
            raw.append(response_dict["body"])

        event = f"before-parse.{client.meta.service_model.service_id.hyphenize()}.{operation}"
        client.meta.events.register(event, keep)
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**arguments)
        finally:
            client.meta.events.unregister(event, keep)
        shape = client.meta.service_model.operation_model(operation).output_shape
        found = faults_of(shape, json.loads(raw[-1]))
        assert found == [], f"{service} {operation} answers what the model does not know: {found}"
        return answer


def faults_of(shape: Shape, value: object, path: str = "$") -> list[str]:
    """Unknown and missing members and wrong types, by path."""
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            return [f"{path} is no structure"]
        found = [f"{path}.{name} is unknown" for name in value if name not in shape.members]
        found += [f"{path}.{name} is missing" for name in shape.required_members if name not in value]
        for name in set(value) & set(shape.members):
            found += faults_of(shape.members[name], value[name], f"{path}.{name}")
        return found
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [
            fault for number, one in enumerate(value) for fault in faults_of(shape.member, one, f"{path}[{number}]")
        ]
    if isinstance(shape, MapShape):
        return [] if isinstance(value, dict) else [f"{path} is no map"]
    if not isinstance(value, SCALARS[shape.type_name]):
        return [f"{path} is {value!r}, no {shape.type_name}"]
    allowed = shape.metadata.get("enum")
    return [f"{path} is {value!r}, not one of {allowed}"] if allowed and value not in allowed else []
