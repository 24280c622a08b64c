"""How the domain's values are written down: JSON documents, each carrying the version of its format.

Every engine stores these documents and knows nothing of what is in them. A document is one JSON object with the key
"v". Changing a format means: raise its version, and add the function that turns the previous version's object into
the new one's; old documents are then migrated one step at a time as they are read. A document of a newer version is
refused, because guessing at it could lose what the newer watcher knew. A field that is added, and whose absence has
a plain meaning, needs no new version: where an older watcher wrote none, it is read as that.

Numbers must be finite: a NaN is a defect of whoever computed it, and writing it down would make the defect durable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from watcher.core.model import Dimension, Kind, TableKey
from watcher.errors import StoreError

Json = dict[str, Any]
T = TypeVar("T")

_VERSION = "v"
_FRESH_START = "restore a backup, or move the state file away to start with an empty memory"


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """One kind of document. ``migrations[n]`` turns the object of version n into that of version n + 1."""

    name: str
    write: Callable[[T], Json]
    read: Callable[[Json], T]
    version: int = 1
    migrations: Mapping[int, Callable[[Json], Json]] = field(default_factory=dict)

    def encode(self, value: T) -> str:
        """The document as text, ASCII only. Raises StoreError for a number that is not finite."""
        try:
            return json.dumps({_VERSION: self.version, **self.write(value)}, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise StoreError(
                "it holds a number that is not finite",
                operation="encoding",
                subject=f"{self.name} {value!r:.200}",
                hint="this is a defect of the watcher; report it with this message",
            ) from error

    def decode(self, text: str | bytes, where: str = "the state store") -> T:
        """The value. Raises StoreError, naming ``where``, for a document that is damaged or of an unknown version."""
        try:
            document = json.loads(text)
            return self.read(self._migrated(document, document.pop(_VERSION), where))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise self._unreadable(f"it is damaged: {type(error).__name__} {error}", where, _FRESH_START) from error

    def _migrated(self, document: Json, version: int, where: str) -> Json:
        if version > self.version:
            raise self._unreadable(
                f"its format is version {version}, this watcher reads up to version {self.version}",
                where,
                "upgrade the watcher, or move the state file away to start with an empty memory",
            )
        for step in range(version, self.version):
            if step not in self.migrations:
                cause = f"its format is version {step}, older than any this watcher reads"
                raise self._unreadable(cause, where, _FRESH_START)
            document = self.migrations[step](document)
        return document

    def _unreadable(self, cause: str, where: str, hint: str) -> StoreError:
        return StoreError(cause, operation="decoding", subject=f"a {self.name} in {where}", hint=hint)


# -- reading: JSON that is not of the expected type is damage, never converted into something plausible ---------------


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r:.80}")
    return value


def read_number(value: object) -> float:
    # bool is an int to Python, but never a number to us.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r:.80}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value}")
    return value


def read_integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r:.80}")
    return value


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, found {value!r:.80}")
    return value


def _items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {value!r:.80}")
    return value


def read_texts(value: object) -> tuple[str, ...]:
    return tuple(map(read_text, _items(value)))


def read_numbers(value: object) -> tuple[float, ...]:
    return tuple(map(read_number, _items(value)))


def read_pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple((read_text(name), read_text(text)) for name, text in _items(value))


def maybe(read: Callable[[Any], T], value: object) -> T | None:
    return None if value is None else read(value)


def present(document: Json) -> Json:
    """Absent means None: most of a state is None most of the time, and it is written every minute."""
    return {key: value for key, value in document.items() if value is not None}


# -- the parts that several documents share ---------------------------------------------------------------------------


def write_table(key: TableKey) -> list[str]:
    return [key.account, key.region, key.name]


def read_table(value: object) -> TableKey:
    if not isinstance(value, list):
        raise TypeError(f"expected [account, region, name], found {value!r:.80}")
    account, region, name = value
    return TableKey(read_text(account), read_text(region), read_text(name))


def write_dimension(dimension: Dimension) -> Json:
    return {"index": dimension.index, "kind": dimension.kind.value}


def read_dimension(document: Json) -> Dimension:
    return Dimension(read_text(document["index"]), Kind(document["kind"]))
