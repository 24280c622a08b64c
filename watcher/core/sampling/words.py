"""What is said of switching Contributor Insights, and of not switching it. One sentence each, numbers included."""

from __future__ import annotations

from watcher.core.insights import Place, SamplerMode, Sampling
from watcher.core.prices import dollars
from watcher.core.sampling.cost import MINUTES_A_MONTH, billed_events, mode_rules, monthly_dollars
from watcher.core.words import count, duration, time_of_day, units

NAMES = {SamplerMode.OFF: "off", SamplerMode.THROTTLED: "throttled keys", SamplerMode.FULL: "all keys"}

TIME_IS_UP = "its time is up"
NOT_SEEN_TO_WORK = "the last attempt was not seen to work"
NEED_IS_OVER = "nothing throttles here any more that a key would explain"
NOT_CONFIGURED = "the table has left the config"
OBSERVING = "the table is only observed now"
DAY_IS_SPENT = "it costs more than expected, and today's dollars are spent"
STOPPING = "the watcher stops"
NOT_BEGUN = "it came after it had been given up"
INDEX_GONE = "the index is gone"

SWITCHING = "not sampled yet: Contributor Insights is just being switched"
TURN = "not sampled yet: only so many places are switched in one cycle, and it has its turn in one of the next"
FREEING = "not sampled yet: its rules are just being freed or counted"


def config_changed(sampling: Sampling) -> str:
    return f'the config now says sampling = "{sampling}"'


def restore(place: Place, mode: SamplerMode, found: SamplerMode, why: str) -> str:
    return f"put sampling of {NAMES[mode]} of {place} back as found ({NAMES[found]}): {why}"


def failed(failure: str) -> str:
    return f"AWS could not switch it on: {failure or 'no reason given'}"


def gives_way(to: Place) -> str:
    return f"it is calm, and its rules go to {to}, which throttles"


def sample_throttled(place: Place, rules: int) -> str:
    usd = dollars(monthly_dollars(rules, 0.0))
    return f"sample throttled keys of {place} from now on: {count(rules, 'rule')}, about {usd} a month"


def sample_full(place: Place, seconds: float, need: float, usd: float) -> str:
    return (
        f"sample all keys of {place} for at most {duration(seconds)}: {count(need, 'throttled request')} that a key "
        f"may explain; about {dollars(usd)}"
    )


def foreign_full(place: Place, events: float | None, has_sort: bool) -> str:  # noqa: FBT001  # a fact of the key
    rules = mode_rules(SamplerMode.FULL, has_sort)
    if events is None:
        cost = f"{dollars(monthly_dollars(rules, 0.0))} a month for {count(rules, 'rule')}, and every access on top"
    else:
        billed = billed_events(events, has_sort)
        month = monthly_dollars(rules, billed * MINUTES_A_MONTH)
        cost = f"about {dollars(month)} a month at {units(billed)} events a minute"
    return (
        f"another hand samples all keys of {place}, which is left alone; full mode costs {cost}, so switch it to "
        "throttled keys unless it is wanted"
    )


def foreign_throttled(place: Place) -> str:
    return (
        f"another hand samples throttled keys of {place}, which is left alone, so its other keys are not sampled; "
        "disable it there to let the watcher sample all keys in an incident"
    )


def foreign_failed(place: Place, failure: str) -> str:
    return (
        f"Contributor Insights of {place}, enabled by another hand, is FAILED: {failure or 'no reason given'}; "
        "disable it there to let the watcher sample it"
    )


def switched_off(place: Place, mode: SamplerMode, pause: float) -> str:
    return (
        f"another hand switched sampling of {NAMES[mode]} of {place} off; it is left so for {duration(pause)}, and "
        'for good with sampling = "off"'
    )


def refused(place: Place, refusal: str, again: float, now: float) -> str:
    return f"{place} is not sampled, and not tried again before {time_of_day(again, now)}: {refusal}"


def rested(place: Place, again: float, now: float) -> str:
    return f"all keys of {place} were sampled lately, and are again from {time_of_day(again, now)} on at the earliest"


def advised(place: Place, mode: SamplerMode) -> str:
    return (
        f"{NAMES[mode]} of {place} are not sampled: this table is only advised on; switch it on there, or set "
        'mode = "act"'
    )


def unsurveyed(place: Place, error: str) -> str:
    why = error or "Contributor Insights of this Region could not be listed"
    return f"{place} is not sampled, as nothing is switched on unseen: {why}"


def quota(place: Place, need: int, used: float, limit: int) -> str:
    return (
        f"{place} is not sampled: it takes {count(need, 'Contributor Insights rule')}, and {units(used)} of the "
        f"Region's {units(limit)} are in use or promised; what throttles goes first, then tables in act mode, then "
        'the busiest; raise the quota "CloudWatch Contributor Insights rules", or set sampling = "off" for other tables'
    )


def too_dear(place: Place, seconds: float, events: float, usd: float, spent: float, limit: float) -> str:
    return (
        f"all keys of {place} are not sampled: {duration(seconds)} at {units(events)} events a minute cost about "
        f"{dollars(usd)}, and {dollars(spent)} of today's {dollars(limit)} are spent; raise max_usd_per_day, or wait "
        "for the next UTC day"
    )


def unpriced(place: Place) -> str:
    return (
        f"all keys of {place} are not sampled: its requests a minute are not known, so neither is what that would cost"
    )
