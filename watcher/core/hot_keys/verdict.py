"""Which keys are hot, how hot, and what that means: the verdict on one table or index.

Pure. Shares are of the table's or index's own traffic; a partition's ceiling is 180,000 throughput units a minute
(3,000 read units a second, or 1,000 write units that count three each: "Contributor Insights for DynamoDB").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core.demand import Minute
from watcher.core.hot_keys import todo, words
from watcher.core.hot_keys.finding import HotKey, HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.heat import Evidence, Heat, gather
from watcher.core.hot_keys.motion import NOTHING, Motion, passing, wandering
from watcher.core.hot_keys.words import Scene
from watcher.core.insights import KeySample, KeyTrace, Place, SamplerMode
from watcher.core.model import Kind
from watcher.core.reasons import Cause

# A key asks for too much from here on: values are approximate, and a partition throttles within seconds of a minute.
OVER = 0.9
# Without throttles this much consumed is an early warning.
NEAR = 0.8
# Where consumption is not sampled, a key is alone with this part of what a key range refused and no second key with
# half as much.
ALONE = 0.6
SECOND = 0.5
# A key stands out with this part of the throttled requests, or, where none are named, of a partition's ceiling. A few
# keys are so many at most, and together they must be this much; more than these are everybody.
STANDS_OUT = 0.1
FILLS = 0.2
FEW = 8
TOGETHER = 0.3
# Fewer named throttles than this prove nothing.
FEWEST_THROTTLES = 10
# All of them in one minute, they must be this part of what was asked for: a freak second is no heat.
FREAK = 0.001
# Sampling names its first keys within this time; AWS gives none, minutes were seen.
YOUNG = 300.0


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A verdict before it is a finding."""

    verdict: KeyVerdict
    sentence: str
    todo: str
    heats: tuple[Heat, ...] = ()


def judge(
    now: float, place: Place, sample: KeySample, minutes: Mapping[Kind, Sequence[Minute]], *, window: float = 600.0
) -> HotKeyFinding:
    """The verdict on the visible minutes of the last ``window`` seconds.

    sample: of this place; it may reach further back, for ``since``. minutes: CloudWatch's minutes of the place by kind,
    oldest first, with their throttles by cause. Never raises on missing data: that is UNKNOWN.
    """
    evidence = gather(now, sample, minutes, window)
    scene = Scene(place, evidence, evidence.load.hot_kinds if evidence.is_hot else evidence.load.own_kinds)
    pattern = _pattern(scene, window)
    verdict = pattern.verdict
    if place.index and verdict in (KeyVerdict.ONE_KEY, KeyVerdict.FEW_KEYS):
        verdict = KeyVerdict.INDEX_KEY
    return HotKeyFinding(
        place=place,
        verdict=verdict,
        keys=tuple(_hot_key(heat) for heat in pattern.heats),
        sentence=pattern.sentence,
        todo=pattern.todo,
        kinds=scene.kinds,
        blind=words.blind_spots(scene) if sample.mode is not SamplerMode.OFF else (),
        mode=sample.mode,
        at=evidence.newest,
    )


def _is_enough(evidence: Evidence) -> bool:
    """Whether the throttles that carry a key, where there are any, prove something."""
    if 0 < evidence.named < FEWEST_THROTTLES:
        return False
    return evidence.named <= 0 or evidence.refused_minutes > 1 or evidence.refused_part >= FREAK


def _pattern(scene: Scene, window: float) -> _Pattern:
    evidence = scene.evidence
    if evidence.mode is SamplerMode.OFF:
        return _unknown(
            words.off(scene), 'Have its keys sampled: sampling = "throttled" and mode = "act" are safe to leave on.'
        )
    if not evidence.heats:
        return _nothing_named(scene, window)
    found = _hot(scene) if evidence.is_hot and _is_enough(evidence) else _near(scene)
    if found is not None:
        return found
    if not evidence.sample.complete:
        return _unknown(words.unread(scene), "Mend what could not be read; see watcher doctor.")
    if evidence.is_hot and evidence.named <= 0:
        return _unnamed(scene)
    if evidence.is_hot and not _is_enough(evidence):
        return _unknown(words.too_few(scene), "Nothing for now.")
    if evidence.own <= 0 < evidence.cause(Cause.INDEX_BACK_PRESSURE):
        return _refused_by_index(scene)
    return _Pattern(KeyVerdict.NO_SINGLE_KEY, words.nobody(scene), todo.for_nobody(scene))


def _nothing_named(scene: Scene, window: float) -> _Pattern:
    """Nothing was named: that is never "no hot key"."""
    evidence = scene.evidence
    since = evidence.sample.since
    if not evidence.sample.complete:
        return _unknown(words.unread(scene), "Mend what could not be read; see watcher doctor.")
    if since is not None and evidence.now - since < YOUNG:
        return _unknown(words.young(scene), "Nothing for now: AWS gives no time, but it should take minutes.")
    if evidence.own > 0:
        return _unnamed(scene)
    if evidence.cause(Cause.INDEX_BACK_PRESSURE) > 0:
        return _refused_by_index(scene)
    return _unknown(words.idle(scene, window), "Nothing.")


def _unknown(sentence: str, what: str) -> _Pattern:
    return _Pattern(KeyVerdict.UNKNOWN, sentence, what)


def _unnamed(scene: Scene) -> _Pattern:
    return _unknown(
        words.unnamed(scene), "See whether these requests are PartiQL: then only the application's logs name keys."
    )


def _refused_by_index(scene: Scene) -> _Pattern:
    return _unknown(words.refused_by_index(scene), "See the verdicts on its indexes, and their write capacity.")


def _hot(scene: Scene) -> _Pattern | None:
    """The pattern where key ranges refuse requests, None where no key stands out."""
    evidence = scene.evidence
    over = _over(evidence)
    standing = _standing(evidence)
    moving = _moving(scene, over or standing)
    if moving is not None:
        return moving
    if len(over) > 1:
        return _Pattern(KeyVerdict.FEW_KEYS, words.each_over(scene, over), todo.for_each_over(scene, over), over)
    alone = over or _alone(evidence)
    if alone:
        next_ones = _next(evidence, alone[0])
        sentence = words.one(scene, alone[0], next_ones)
        return _Pattern(KeyVerdict.ONE_KEY, sentence, todo.for_one(scene, alone[0]), (*alone, *next_ones))
    if standing:
        return _Pattern(KeyVerdict.FEW_KEYS, words.few(scene, standing), todo.for_few(scene, standing), standing)
    return None


def _over(evidence: Evidence) -> tuple[Heat, ...]:
    """Keys that each ask for a partition's ceiling, and are throttled as far as that is named."""
    return tuple(
        heat
        for heat in evidence.heats
        if heat.asked_share is not None and heat.asked_share >= OVER and (heat.throttled > 0 or evidence.named <= 0)
    )


def _next(evidence: Evidence, hottest: Heat) -> tuple[Heat, ...]:
    """Keys close to a partition's ceiling and throttled in their worst seconds already: not to blame, but the next."""
    others = (heat for heat in evidence.heats if heat is not hottest and heat.throttled > 0)
    return tuple(heat for heat in others if heat.ceiling_share is not None and heat.ceiling_share >= NEAR)


def _alone(evidence: Evidence) -> tuple[Heat, ...]:
    """The one key that takes most of what a key range refused, where consumption is not sampled."""
    if evidence.sampled or not _is_enough(evidence):
        return ()
    first, *rest = evidence.heats
    if first.hot_share < ALONE or (rest and rest[0].throttle_share > SECOND * first.throttle_share):
        return ()
    return (first,)


def _standing(evidence: Evidence) -> tuple[Heat, ...]:
    """The few keys that have most of the heat; none where they are many or few requests are theirs."""
    if evidence.named <= 0:
        full = tuple(heat for heat in evidence.heats if heat.ceiling_share is not None and heat.ceiling_share >= FILLS)
        return full if len(full) <= FEW else ()
    few = tuple(heat for heat in evidence.heats if heat.throttle_share >= STANDS_OUT)
    together = sum(heat.throttle_share for heat in few)
    if not _is_enough(evidence) or len(few) > FEW or together < TOGETHER:
        return ()
    return few


def _near(scene: Scene) -> _Pattern | None:
    """The early warning: no key range refuses anything, but a key is close to a partition's ceiling."""
    close = tuple(h for h in scene.evidence.heats if h.ceiling_share is not None and h.ceiling_share >= NEAR)
    if not close:
        return None
    moving = _moving(scene, close)
    if moving is not None:
        return moving
    verdict = KeyVerdict.ONE_KEY if len(close) == 1 else KeyVerdict.FEW_KEYS
    return _Pattern(verdict, words.near(scene, close), todo.for_near(scene, close), close)


def _moving(scene: Scene, hot: tuple[Heat, ...]) -> _Pattern | None:
    """Whether the heat wanders: from partition key to partition key, or from sort key to sort key of the one hot key.

    Throttles tell it best, since they are the heat that hurts; accesses where no throttles are named.
    """
    evidence = scene.evidence
    window = evidence.now - evidence.first
    keys = evidence.throttled if evidence.named > 0 else evidence.accessed
    motion = wandering(keys, evidence.first, window) if _is_enough(evidence) else None
    led = tuple(heat for heat in evidence.heats if motion is not None and heat.identity in motion.leaders)
    if motion is not None and (evidence.named > 0 or any((heat.ceiling_share or 0.0) >= FILLS for heat in led)):
        led = tuple(replace(heat, rising=None) for heat in led)  # each is over as soon as the next begins
        return _moved(scene, motion, led, _label(keys, motion.leaders[-1]), "")
    if len(hot) != 1:
        return None
    for keys, items in (
        (evidence.throttled, evidence.throttled_items),
        (evidence.accessed, evidence.accessed_items),
    ):
        whole = next((key.points for key in keys if key.identity == hot[0].identity), NOTHING)
        mine = [pair for pair in items if pair.partition == hot[0].identity]
        motion = wandering(mine, evidence.first, window, whole)
        if motion is None and scene.kind is Kind.WRITE:
            motion = passing(mine, evidence.first)
        if motion is not None:
            return _moved(scene, motion, hot[:1], "", hot[0].label)
    return None


def _moved(scene: Scene, motion: Motion, heats: tuple[Heat, ...], latest: str, partition: str) -> _Pattern:
    sentence = words.moving(scene, motion, heats, latest, partition)
    what = todo.for_moving(scene, motion, heats, by_sort_key=bool(partition))
    return _Pattern(KeyVerdict.MOVING_KEY, sentence, what, heats)


def _label(traces: Sequence[KeyTrace], identity: str) -> str:
    return next(trace.label for trace in traces if trace.identity == identity)


def _hot_key(heat: Heat) -> HotKey:
    return HotKey(
        key=heat.label,
        share=heat.share,
        of_traffic=heat.of_traffic,
        ceiling_share=heat.ceiling_share,
        asked_share=heat.asked_share,
        throttled=heat.throttled,
        since=heat.since,
        rising=heat.rising,
        shape=heat.shape,
    )
