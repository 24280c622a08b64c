"""How what has been learned of a table is written down: small enough that a thousand tables are a few megabytes.

A document of its own beside the table's state: it is written less often than that, and it may be lost, for it can be
learned anew. Hence its own version, and no migrations: a document of another version is not read.

Bytes are base64. Numbers are four-byte floats. Margins are one byte each, on a logarithmic scale under the largest of
their histogram: 2.9 % off at most, so that a quantile is that of a share as little off, and what is below a
two-millionth of the largest is none. Their weight is divided out. Written once and read back, a value is written as the
same text again.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from itertools import chain
from math import isfinite, log2
from struct import Struct

from watcher.core.learned import DAY_HOURS, DEPTHS, MOODS, NO_SEASON, VERSION, Learned
from watcher.core.margins import BINS
from watcher.core.model import Dimension
from watcher.store.format import Format, Json, read_dimension, read_integer, read_text, write_dimension

Lessons = Mapping[Dimension, Learned]

HISTOGRAMS = DEPTHS * MOODS
TOP = 255  # the code of a histogram's largest bin; 0 is an empty one
STEPS = 12.0  # codes to a doubling
LARGEST = 3.4e38  # that four bytes hold

# The fields that are numbers, in the order in which they are written.
NUMBERS = ("losses", "jump", "missed", "naive", "spent", "used", "lost", "booked")
_NUMBERS = Struct("<14f")
_MARGINS = Struct(f"<{HISTOGRAMS}f{HISTOGRAMS * BINS}B")
_PEAKS = Struct(f"<{DAY_HOURS}H")


def _write(lessons: Lessons) -> Json:
    return {"dimensions": [write_dimension(dimension) | _packed(learned) for dimension, learned in lessons.items()]}


def _read(document: Json) -> Lessons:
    return {read_dimension(entry): _unpacked(entry) for entry in document["dimensions"]}


def _packed(learned: Learned) -> Json:
    values = [getattr(learned, name) for name in NUMBERS]
    flat = [*chain.from_iterable(value if isinstance(value, tuple) else (value,) for value in values)]
    if not all(map(isfinite, flat)):
        raise ValueError("a number that is not finite")
    return {
        "minutes": learned.minutes,
        "newest": learned.newest,
        "numbers": _text_of(_NUMBERS.pack(*(min(LARGEST, max(-LARGEST, value)) for value in flat))),
        "margins": _text_of(_packed_margins(array("f", learned.margins), learned.weight)),
        "peaks": _text_of(_PEAKS.pack(*memoryview(learned.peaks).cast("H"))),
        "profiles": _text_of(learned.profiles),
    }


def _unpacked(document: Json) -> Learned:
    numbers: Sequence[float] = _NUMBERS.unpack(_bytes_of(document["numbers"], _NUMBERS.size))
    if not all(map(isfinite, numbers)):
        raise ValueError("a number that is not finite")
    return Learned(
        minutes=read_integer(document["minutes"]),
        newest=read_integer(document["newest"]),
        margins=_unpacked_margins(_bytes_of(document["margins"], _MARGINS.size)),
        losses=(numbers[0], numbers[1], numbers[2]),
        jump=numbers[3],
        missed=(numbers[4], numbers[5], numbers[6]),
        naive=(numbers[7], numbers[8], numbers[9]),
        spent=numbers[10],
        used=numbers[11],
        lost=numbers[12],
        booked=numbers[13],
        peaks=array("H", _PEAKS.unpack(_bytes_of(document["peaks"], _PEAKS.size))).tobytes(),
        profiles=_bytes_of(document["profiles"], len(NO_SEASON)),
    )


def _packed_margins(counts: Sequence[float], weight: float) -> bytes:
    largest, codes = [], []
    for start in range(0, len(counts), BINS):
        histogram = counts[start : start + BINS]
        most = max(histogram)
        largest.append(min(LARGEST, most / weight))
        codes += [_code(count / most) if most > 0.0 else 0 for count in histogram]
    return _MARGINS.pack(*largest, *codes)


def _code(part: float) -> int:
    """part: of the largest, 0 to 1."""
    return max(0, round(TOP + STEPS * log2(part))) if part > 0.0 else 0


def _unpacked_margins(packed: bytes) -> bytes:
    values = _MARGINS.unpack(packed)
    largest, codes = values[:HISTOGRAMS], values[HISTOGRAMS:]
    if not all(isfinite(most) and most >= 0.0 for most in largest):
        raise ValueError("a histogram that is none")
    parts = [2.0 ** ((code - TOP) / STEPS) if code else 0.0 for code in codes]
    return array("f", [largest[number // BINS] * part for number, part in enumerate(parts)]).tobytes()


def _text_of(packed: bytes) -> str:
    return b64encode(packed).decode("ascii")


def _bytes_of(value: object, length: int) -> bytes:
    packed = b64decode(read_text(value), validate=True)
    if len(packed) != length:
        raise ValueError(f"expected {length} bytes, found {len(packed)}")
    return packed


LEARNED: Format[Lessons] = Format("learned traffic", _write, _read, version=VERSION)


def as_kept(lessons: Lessons) -> Lessons:
    """What comes back of it, whatever the engine: the packing rounds."""
    return LEARNED.decode(LEARNED.encode(lessons))
