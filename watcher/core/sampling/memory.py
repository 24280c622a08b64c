"""What is remembered of a place whose sampling the watcher switched, from planning to AWS's answer.

The state is recorded before the call is made, so it must own what the call may bring about: it is given up only on
AWS's word, or on a survey young enough to know. ``until`` in the past means: to be put back.
"""

from __future__ import annotations

from dataclasses import replace

from watcher.core.budget import midnight
from watcher.core.insights import SamplerMode
from watcher.core.model import Switch
from watcher.core.reasons import Outcome
from watcher.core.state import SamplerState

# What was told of a place is not told again for so long, should it come and go.
TELL = 3600.0
# What the notes of switching on, and of putting back, begin with.
ON, BACK = "on ", "back: "

# Nothing was refused: it may be tried again as soon as the next survey shows how things stand.
_PASSING = frozenset({Outcome.CANCELLED, Outcome.BUSY, Outcome.THROTTLED})
# Not yet an answer, or one that a later survey may contradict.
_OPEN = frozenset({Outcome.NONE, Outcome.PENDING, Outcome.UNKNOWN, Outcome.SUPERSEDED})
# What was to be put back is off, whoever saw to it.
_BACK = frozenset({Outcome.APPLIED, Outcome.UNCHANGED, Outcome.GONE})


def spent_on(memory: SamplerState, day: float) -> float:
    """Dollars of the UTC day that begins at ``day``."""
    return memory.spent if memory.spent_day == day else 0.0


def is_news(memory: SamplerState, note: str, now: float) -> bool:
    """Whether it was not told lately; nor was what the clock, set back since, shows in the future."""
    at = memory.told.get(note)
    return at is None or not 0 <= now - at < TELL


def having_told(memory: SamplerState, note: str, now: float) -> SamplerState:
    """Told just now."""
    return replace(memory, told={**memory.told, note: now})


def recent(memory: SamplerState, now: float) -> SamplerState:
    """Without what was told too long ago to matter."""
    told = {note: at for note, at in memory.told.items() if not is_news(memory, note, now)}
    return memory if len(told) == len(memory.told) else replace(memory, told=told)


def confirmed(memory: SamplerState) -> SamplerState:
    """What we set was accepted or seen: the next time that it is switched on is news again."""
    told = {note: at for note, at in memory.told.items() if not note.startswith(ON)}
    return replace(memory, in_force=True, told=told)


def grown(memory: SamplerState, now: float, dollars: float) -> SamplerState:
    """The window of full mode now on turns out to cost so many dollars more than it was given."""
    day = midnight(now)
    return replace(memory, spent=spent_on(memory, day) + dollars, spent_day=day, reserved=memory.reserved + dollars)


def asked(memory: SamplerState, now: float, mode: SamplerMode) -> SamplerState:
    """About to be switched on, from off."""
    return replace(memory, found=SamplerMode.OFF, set=mode, set_at=now, until=None, in_force=False, reserved=0.0)


def asked_for_a_while(memory: SamplerState, now: float, seconds: float, dollars: float) -> SamplerState:
    """About to be switched to full mode, for ``seconds`` at most, which ``dollars`` of the day are set aside for."""
    day = midnight(now)
    return replace(
        asked(memory, now, SamplerMode.FULL),
        until=now + seconds,
        full_at=now,
        spent=spent_on(memory, day) + dollars,
        spent_day=day,
        reserved=dollars,
    )


def returning(memory: SamplerState, now: float) -> SamplerState:
    """About to be put back. It stays ours until that is seen: a crash in between must not leave it on for good."""
    return replace(memory, set_at=now, until=now)


def is_returning(memory: SamplerState) -> bool:
    """Whether it has been asked to go back, and was not seen to."""
    return memory.until is not None and memory.set_at is not None and memory.until <= memory.set_at


def returned(memory: SamplerState) -> SamplerState:
    """Nothing of ours is on any more. When full mode began and what it cost stay known."""
    noted = "" if memory.noted.startswith(BACK) else memory.noted
    return replace(memory, found=None, set=SamplerMode.OFF, until=None, in_force=False, reserved=0.0, noted=noted)


def unbegun(memory: SamplerState) -> SamplerState:
    """Still ours in case it comes, but as far as known it never was on: its dollars and its pause are taken back."""
    full_at = None if memory.set is SamplerMode.FULL else memory.full_at
    return replace(memory, full_at=full_at, spent=max(0.0, memory.spent - memory.reserved), reserved=0.0)


def undone(memory: SamplerState) -> SamplerState:
    """It never was switched on, and will not be."""
    return returned(unbegun(memory))


def absorbed(state: SamplerState, switch: Switch, outcome: Outcome, detail: str, now: float) -> SamplerState:
    """The state of a place after our switching of it was answered. detail: AWS's own words, kept with a refusal.

    Never raises, and an answer that comes late, to a switch that is no longer remembered, changes nothing.
    """
    if outcome is Outcome.ADVISED:
        return replace(state, advised=switch.after)
    if not state.is_ours or outcome is Outcome.NONE:
        return state
    if switch.after is state.found:
        return _after_return(state, outcome, detail, now)
    if switch.after is not state.set:
        return state
    return _after_switch_on(state, outcome, detail, now)


def _after_switch_on(state: SamplerState, outcome: Outcome, detail: str, now: float) -> SamplerState:
    if outcome is Outcome.APPLIED:
        accepted = replace(confirmed(state), refused_at=None, refusal="", noted="", advised=None)
        return accepted if is_returning(state) else replace(accepted, set_at=_later(state.set_at, now))
    if outcome is Outcome.SUPERSEDED:
        return unbegun(state)
    if outcome in _OPEN:
        return state
    if outcome in _PASSING:
        return undone(state)
    return replace(undone(state), refused_at=now, refusal=detail or outcome.value)


def _after_return(state: SamplerState, outcome: Outcome, detail: str, now: float) -> SamplerState:
    if outcome in _BACK:
        return replace(returned(state), set_at=_later(state.set_at, now))
    if outcome in _OPEN or outcome in _PASSING:
        return state
    return replace(state, refused_at=now, refusal=detail or outcome.value)


def _later(one: float | None, other: float) -> float:
    return other if one is None else max(one, other)
