"""What a key's value looks like: a time, a counter, or neither. Time-ordered keys make heat move, which no split cures.

Only the shape leaves this module, never the value.
"""

from __future__ import annotations

import re

from watcher.core.insights import KeyShape

# An epoch of this span looks like one; a phone number or an order number of ten digits mostly does not.
EPOCH_FIRST = 1_420_070_400  # 2015-01-01
EPOCH_LAST = 2_366_841_600  # 2045-01-01
# Longer than any counter a 64-bit sequence gives: a hash that happens to have no letter.
LONGEST_COUNTER = 20

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
_BETWEEN = r"[#|/_: -]"  # what people put between the parts of a key
_MONTH = r"20\d\d(?:-|/)(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?[0-5]\d(?:[.,]\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?"
_TIME = rf"(?:{_MONTH}(?:(?:-|/){_DAY}(?:[T _]{_CLOCK})?)?|20\d\d(?:0[1-9]|1[0-2]){_DAY}(?:T?{_CLOCK})?)"
# At either end: "log#2026-11-23T03" and "2026-11-23#7" are both buckets of time.
_ENDS_IN_TIME = re.compile(rf"(?:.*{_BETWEEN})?{_TIME}", re.DOTALL)
_BEGINS_WITH_TIME = re.compile(rf"{_TIME}{_BETWEEN}.*", re.DOTALL)
_LAST_NUMBER = re.compile(
    rf"(?:.*{_BETWEEN})?(?P<letters>[a-z]*)(?P<digits>[0-9]+)(?:\.[0-9]+)?", re.IGNORECASE | re.DOTALL
)


def shape_of(value: str) -> KeyShape:
    """The shape of one key's value, as Contributor Insights renders it. UUIDs and hexadecimal are PLAIN."""
    text = value.strip()
    if _UUID.search(text) or (_HEX.fullmatch(text) and not text.isdecimal()):
        return KeyShape.PLAIN
    number = _LAST_NUMBER.fullmatch(text)
    if number and not number["letters"] and _is_epoch(number["digits"]):
        return KeyShape.TIME
    if _ENDS_IN_TIME.fullmatch(text) or _BEGINS_WITH_TIME.fullmatch(text):
        return KeyShape.TIME
    return KeyShape.COUNTER if number and _is_counter(text, number) else KeyShape.PLAIN


def _is_epoch(digits: str) -> bool:
    """Seconds or milliseconds since 1970."""
    if len(digits) == 13:
        return EPOCH_FIRST <= int(digits[:10]) < EPOCH_LAST
    return len(digits) == 10 and EPOCH_FIRST <= int(digits) < EPOCH_LAST


def _is_counter(text: str, number: re.Match[str]) -> bool:
    """A whole number, alone or after a prefix; not the last part of an address, a version or a fraction, nor a hash."""
    last = number["letters"] + number["digits"]
    if "." in text or len(number["digits"]) > LONGEST_COUNTER:
        return False
    return number["letters"] == "" or not _HEX.fullmatch(last)
