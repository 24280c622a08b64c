"""Short names: of causes, of hot keys, of what holds a change; and what fits into a subject."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.hot_keys import KeyVerdict
from watcher.core.model import Dimension
from watcher.core.reasons import Cause, Reason

SUBJECT_LIMIT = 99  # SNS: less than 100 characters
# Of a long name, this much stays in a subject, so that tables can still be told apart.
SHORTEST_NAME = 24
SHORTEST_INDEX = 12

# How the subject of a message goes on after the name, where it tells that something open has become worse.
WORSE = "worse: "
WORSE_CRITICAL = "worse (critical): "

CAUSE_WORDS: Mapping[Cause, str] = {
    Cause.PROVISIONED: "too little capacity",
    Cause.KEY_RANGE: "one key range is too hot",
    Cause.ACCOUNT_LIMIT: "account or table quota reached",
    Cause.ON_DEMAND_CAP: "on-demand maximum reached",
    Cause.INDEX_BACK_PRESSURE: "a starving index holds the table back",
    Cause.UNCLASSIFIED: "cause not given by AWS",
    Cause.SLOW: "slow, not throttled",
    Cause.CANNOT_ACT: "a needed change is held",
    Cause.BLIND: "CloudWatch is silent",
    Cause.NONE: "well",
    Cause.STORM: "many tables at once",
    Cause.PERMISSION: "a permission is missing",
    Cause.OVERDUE: "no pass finished in time",
    Cause.LEASE_LOST: "the state is lost",
}

KEY_WORDS: Mapping[KeyVerdict, str] = {
    KeyVerdict.ONE_KEY: "one key is too hot",
    KeyVerdict.FEW_KEYS: "a few keys are too hot",
    KeyVerdict.MOVING_KEY: "the heat keeps moving",
    KeyVerdict.INDEX_KEY: "a key of an index is too hot",
}

# What holds a change, the most telling one first. As it ends a subject: "not raised, <words>".
HELD_WORDS: Mapping[Reason, str] = {
    Reason.HOLD_AT_MAX: "at its maximum",
    Reason.HOLD_REFUSED: "AWS refuses it",
    Reason.HOLD_AUTO_SCALING: "Auto Scaling holds it",
    Reason.HOLD_FOREIGN_CHANGE: "another hand is on it",
    Reason.HOLD_GLOBAL_TABLE: "global table",
    Reason.HOLD_UNBOUNDED: "no bounds set",
    Reason.HOLD_OBSERVE_ONLY: "only observed",
    Reason.HOLD_RATE_LIMIT: "changed too often",
    Reason.HOLD_BUDGET: "no decreases left",
    Reason.HOLD_ERROR: "the watcher failed",
    Reason.HOLD_BACK_PRESSURE: "its index comes first",
    Reason.HOLD_BUSY: "an update is under way",
    Reason.HOLD_PENDING: "the last change is unanswered",
    Reason.HOLD_SETTLING: "the last change is settling",
    Reason.HOLD_STALE: "no fresh data",
    Reason.HOLD_ABSENT: "no data",
}
# The same as it ends a sentence: "cannot be raised: <words>".
HELD_SENTENCES: Mapping[Reason, str] = {
    Reason.HOLD_AT_MAX: "the configured maximum is reached",
    Reason.HOLD_REFUSED: "AWS refuses it",
    Reason.HOLD_AUTO_SCALING: "Application Auto Scaling holds them",
    Reason.HOLD_FOREIGN_CHANGE: "another hand is changing this table",
    Reason.HOLD_GLOBAL_TABLE: "the watcher changes no global table",
    Reason.HOLD_UNBOUNDED: "the config gives no bounds for them",
    Reason.HOLD_RATE_LIMIT: "this table has been changed too often within the hour",
    Reason.HOLD_BUDGET: "today's decreases are used up",
    Reason.HOLD_ERROR: "the watcher failed at it",
}
# These pass by themselves.
UNDER_WAY = frozenset({Reason.HOLD_SETTLING, Reason.HOLD_BUSY, Reason.HOLD_PENDING})
# These move another scaler's minimum instead of capacity.
FLOOR_REASONS = frozenset({Reason.RAISE_FLOOR, Reason.RESTORE_FLOOR})


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def headed(name: str, subject: str, limit: int = SUBJECT_LIMIT) -> str:
    """``name: subject`` in ``limit`` characters. A name may have 255: it gives way first, since every message carries
    it in full below, but what is wrong must be read at a glance."""
    room = max(SHORTEST_NAME, limit - len(subject) - len(": "))
    return shortened(f"{shortened(name, room)}: {subject}", limit)


def fits(name: str, subject: str) -> bool:
    """Whether ``headed`` leaves the subject whole."""
    return min(len(name), SHORTEST_NAME) + len(": ") + len(subject) <= SUBJECT_LIMIT


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def place(index: str) -> str:
    """``the table``, or ``index by-customer``: decreases and Contributor Insights are of both kinds together."""
    return f"index {index}" if index else "the table"


def held_sentence(reason: Reason) -> str:
    return HELD_SENTENCES.get(reason, reason.value)


def whose(table: str, dimension: Dimension) -> str:
    """``writes of orders``, or ``writes of index by-customer (table orders)``."""
    return f"{dimension.noun} of {table}" if dimension.is_table else f"{dimension.noun} (table {table})"
