"""What the hot keys of a table or index are, in one sentence that can be read at 03:00. What to do: hot_key_todo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watcher.core.hot_keys.finding import HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.heat import Evidence, Heat
from watcher.core.hot_keys.motion import Motion
from watcher.core.insights import KeyShape, Place, SamplerMode
from watcher.core.model import Kind
from watcher.core.reasons import Cause
from watcher.core.series import MINUTE
from watcher.core.words import count, duration, percent, time_of_day, units

# This part of the throttled requests is worth a word in a sentence about something else.
WORTH_A_WORD = 0.1
# Heat that showed no more for this long is over; a minute or two are only late.
OVER_AFTER = 3 * MINUTE
# Beyond so many keys a sentence is a list.
NAMED = 3
# With fewer of the throttled requests named than this, the unnamed ones are worth a word.
HALF_NAMED = 0.5

# A key with this part of the hottest one's share is about as hot.
COMPARABLE = 0.5

SHAPE_WORDS = {KeyShape.TIME: "look like times", KeyShape.COUNTER: "count up", KeyShape.PLAIN: ""}
CAPACITY_WORDS = {
    Cause.PROVISIONED: "for too little capacity",
    Cause.ACCOUNT_LIMIT: "by an account or table quota",
    Cause.ON_DEMAND_CAP: "by the on-demand maximum",
}
PARTIQL = "Requests in PartiQL are not counted by Contributor Insights."
DAX = "Reads that DAX answers from its cache never reach the table."
INDEX_REFUSALS = "Writes refused because of an index are not counted on the table."


@dataclass(frozen=True, slots=True)
class Scene:
    """What every sentence speaks of. kinds: what is hot, as far as that can be told."""

    place: Place
    evidence: Evidence
    kinds: frozenset[Kind] = frozenset()

    @property
    def kind(self) -> Kind | None:
        """The one kind that is hot, or that nearly all the traffic is; None where both may be."""
        if self.kinds:
            return next(iter(self.kinds)) if len(self.kinds) == 1 else None
        return self.evidence.load.mostly


def one(scene: Scene, heat: Heat, following: Sequence[Heat] = ()) -> str:
    """One key that alone asks for what a partition serves, or that a key range refuses alone.

    following: those that are not yet too much, but close to it.
    """
    name = f"One key, {heat.label}{', whose value looks like a time' if heat.shape is KeyShape.TIME else ''},"
    close = (
        f"; close to that: {_listed(following, [percent(h.asked_share or 0.0) for h in following])}"
        if following
        else ""
    )
    tail = f"{_throttled(scene, heat)}{close}{_besides(scene, 1 + len(following))}."
    if heat.asked_share is not None:
        traffic = f"{percent(heat.share)} of the traffic of {scene.place}"
        return f"{name} takes {traffic} and asks for {of_partition(heat.asked_share)}: {tail}"
    why = "for which AWS has given no cause"
    if scene.evidence.cause(Cause.KEY_RANGE) > 0:
        why = "and its key range asks for more than one partition serves"
    return f"{name} takes {percent(heat.throttle_share)} of the throttled requests of {scene.place}, {why}: {tail}"


def near(scene: Scene, heats: Sequence[Heat]) -> str:
    """One or more keys close to a partition's ceiling, and no key range refuses anything yet."""
    heat = heats[0]
    tail = f"{_calm(scene)}{_besides(scene, len(heats))}."
    if len(heats) > 1:
        shares = _listed(heats, [percent(each.ceiling_share or 0.0) for each in heats])
        return f"{len(heats)} keys of {scene.place} are each close to what one partition serves: {shares}; {tail}"
    share = f"{percent(heat.ceiling_share or 0.0)} of it and {percent(heat.share)} of the traffic of {scene.place}"
    return f"One key, {heat.label}, is close to what one partition serves: {share}, {_lasted(scene, heat)}; {tail}"


def each_over(scene: Scene, heats: Sequence[Heat]) -> str:
    """Several keys, each of which asks for as much as a partition serves."""
    shares = _listed(heats, [_times(heat.asked_share or 0.0) for heat in heats])
    return (
        f"{len(heats)} keys of {scene.place} each ask for as much as one partition serves, or more: {shares}; "
        f"{_first_throttled(scene, heats)}{_besides(scene, len(heats))}."
    )


def few(scene: Scene, heats: Sequence[Heat]) -> str:
    """A few keys with most of the heat, none of them above a partition's ceiling by itself."""
    heat = heats[0]
    tail = f"{_besides(scene, len(heats))}."
    if len(heats) == 1:
        though = f", though it asks for only {of_partition(heat.asked_share)}" if heat.asked_share is not None else ""
        claim = f"takes {_part(scene, heat)} of {scene.place}{though}"
        return f"One key, {heat.label}, {claim}: {_throttled(scene, heat)}{tail}"
    if all(each.asked_share is not None for each in heats):
        shares = [percent(each.asked_share or 0.0) for each in heats]
        shares[0] += " of what one partition serves"
        listed = f"{_listed(heats, shares)}, none too much by itself"
    else:
        listed = _listed(heats, [_part(scene, heat), *(percent(each.throttle_share) for each in heats[1:])])
    return f"{len(heats)} keys share the heat of {scene.place}: {listed}; {_first_throttled(scene, heats)}{tail}"


def moving(scene: Scene, motion: Motion, heats: Sequence[Heat], latest: str, partition: str) -> str:
    """latest: label of the key that led last; partition: label of the partition key whose sort keys they are, or ""."""
    span = duration(motion.seconds)
    looks = f"; they {SHAPE_WORDS[motion.shape]}" if motion.shape is not KeyShape.PLAIN else ""
    way = f"through one partition key, {partition}" if partition else "from key to key"
    noun = "sort keys" if partition else "keys"
    led = f"{motion.keys} {noun} were hottest in turn within {span} and did not come back"
    if not motion.leaders:
        led = f"{motion.keys} {noun} were written within {span}, each but once"
    last = "" if partition else f"; the last is {latest}"
    busiest = max((heat.throttled for heat in heats), default=0.0)
    often = f"throttled {_often(busiest)}" if busiest > 0 else _calm(scene)
    return f"The heat of {scene.place} moves {way}: {led}{looks}{last}; {often}{_besides(scene, 0)}."


def nobody(scene: Scene) -> str:
    """No key stands out."""
    evidence = scene.evidence
    hottest = _hottest(scene)
    if evidence.own <= 0:
        return f"No key of {scene.place} is hot: {hottest}; nothing is throttled."
    if is_capacity(evidence):
        why = f"{_requests(evidence.own)} throttled {_capacity_word(evidence)}"
        return f"No single key of {scene.place} is to blame: {why}; {hottest}{_besides(scene, 0)}."
    return (
        f"No single key of {scene.place} stands out: {_requests(evidence.own)} throttled, spread over many keys; "
        f"{hottest}{_besides(scene, 0)}."
    )


def is_capacity(evidence: Evidence) -> bool:
    """Whether too little capacity, of whatever kind, explains nearly all throttled requests."""
    return evidence.of_capacity > 0 and not evidence.is_hot


def _hottest(scene: Scene) -> str:
    heat = scene.evidence.heats[0]
    if heat.ceiling_share is None:
        return f"the hottest key has {percent(heat.throttle_share)} of them"
    return f"the hottest key has {percent(heat.share)} of the traffic, {of_partition(heat.ceiling_share)}"


def _calm(scene: Scene) -> str:
    if scene.evidence.is_hot:
        return f"only {_requests(scene.evidence.own)} throttled"
    if scene.evidence.own > 0:
        return f"what is throttled is {_capacity_word(scene.evidence)}"
    return "nothing is throttled yet"


def _throttled(scene: Scene, heat: Heat) -> str:
    if heat.throttled <= 0:
        return f"{_requests(scene.evidence.own)} throttled, {_lasted(scene, heat)}"
    its = f"its {next(iter(scene.kinds))}s were" if len(scene.kinds) == 1 else "it was"
    return f"{its} throttled {_often(heat.throttled)}, {_lasted(scene, heat)}"


def _first_throttled(scene: Scene, heats: Sequence[Heat]) -> str:
    heat = heats[0]
    if heat.throttled <= 0:
        return _throttled(scene, heat)
    return f"the first was throttled {_often(heat.throttled)}, {_lasted(scene, heat)}"


def _requests(number: float) -> str:
    """``1 request was``, ``6,000 requests were``."""
    return f"{count(number, 'request')} {'was' if round(number) == 1 else 'were'}"


def _often(throttled: float) -> str:
    return f"up to {count(throttled, 'time')} a minute"


def _lasted(scene: Scene, heat: Heat) -> str:
    """``for 6 min, still rising``; ``for 6 min, until 03:04 UTC`` where it is over."""
    evidence = scene.evidence
    if heat.since is not None:
        text = f"for {duration(heat.last + MINUTE - heat.since)}"
    else:
        text = f"for {duration(max(MINUTE, heat.last + MINUTE - evidence.horizon))} at least"
    if is_over(evidence, heat):
        return f"{text}, until {time_of_day(heat.last + MINUTE, evidence.now)}"
    return f"{text}, still rising" if heat.rising else text


def is_over(evidence: Evidence, heat: Heat) -> bool:
    """Whether CloudWatch has gone on for so long without more of this heat that it is not merely late."""
    return evidence.load.newest is not None and evidence.load.newest - heat.last >= OVER_AFTER


def _besides(scene: Scene, keys: int) -> str:
    """What is true besides: capacity is short too; whose the keys are where that is not the table, and what that does.

    keys: how many were named, 0 where the sentence is about none in particular.
    """
    evidence = scene.evidence
    text = ""
    cold = (evidence.own - evidence.hot) / evidence.own if evidence.own > 0 else 0.0
    if evidence.hot > 0 and cold >= WORTH_A_WORD:
        text = f"; {percent(cold)} of the throttled requests are {_capacity_word(evidence)} besides"
    if not scene.place.index:
        return text
    if keys:
        text += f"; {'it is the key' if keys == 1 else f'these {keys} are keys'} of the index, not of the table"
    if scene.kinds == {Kind.READ} or evidence.own <= 0:
        return text
    return f"{text}; a write that the index refuses, its table refuses too"


def _capacity_word(evidence: Evidence) -> str:
    return CAPACITY_WORDS[max(CAPACITY_WORDS, key=evidence.cause)]


def _part(scene: Scene, heat: Heat) -> str:
    if scene.evidence.named > 0:
        return f"{percent(heat.throttle_share)} of the throttled requests"
    return f"{percent(heat.share)} of the traffic"


def of_partition(share: float) -> str:
    """``1.2 times what one partition serves``, ``85 % of what one partition serves``."""
    return f"{_times(share)} {'' if _is_multiple(share) else 'of '}what one partition serves"


def _times(share: float) -> str:
    if not _is_multiple(share):
        return percent(share)
    return f"{share:.1f} times" if share < 10 else f"{units(share)} times"


def _is_multiple(share: float) -> bool:
    return round(share, 2) >= 1.0


def _listed(heats: Sequence[Heat], shares: Sequence[str]) -> str:
    """``a (41 %), b (30 %) and 2 more``."""
    parts = [f"{heat.label} ({share})" for heat, share in zip(heats[:NAMED], shares, strict=False)]
    more = len(heats) - NAMED
    if more > 0:
        return f"{', '.join(parts)} and {more} more"
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def state_mark(finding: HotKeyFinding) -> tuple[str, str]:
    """(the verdict's word, its hottest key or ""): a finding with another mark is news.

    Heat that moves has another key every minute, which is no news. Of several keys about as hot as each other the first
    by name stands for all, so that their order may change.
    """
    if finding.verdict is KeyVerdict.MOVING_KEY or not finding.keys:
        return finding.verdict.value, ""
    first = finding.keys[0]
    if finding.verdict is KeyVerdict.ONE_KEY:
        return finding.verdict.value, first.key
    bar = COMPARABLE * (first.asked_share or first.share)
    return finding.verdict.value, min(key.key for key in finding.keys if (key.asked_share or key.share) >= bar)


def blind_spots(scene: Scene) -> tuple[str, ...]:
    """What a verdict on this evidence cannot see, a sentence each."""
    evidence, load = scene.evidence, scene.evidence.load
    spots = []
    if not evidence.sample.complete:
        spots.append(f"Not everything could be read: {_note(evidence)}.")
    if evidence.mode is SamplerMode.THROTTLED:
        spots.append("Only throttled requests are sampled: who takes how much of the traffic is not known.")
    if 0 < evidence.named < HALF_NAMED * evidence.own:
        part = percent(evidence.named / evidence.own)
        spots.append(f"Only {part} of the throttled requests have a named key: no more than 25 keys are ever named.")
    if not scene.place.index and evidence.cause(Cause.INDEX_BACK_PRESSURE) > 0:
        spots.append(INDEX_REFUSALS)
    if evidence.sampled and scene.kind is None and load.mostly is None and sum(load.consumed.values()) > 0:
        spots.append("Reads and writes are counted together here, but a partition limits each by itself.")
    spots.append(PARTIQL)
    if scene.kinds != {Kind.WRITE}:
        spots.append(DAX)
    return tuple(spots)


def off(scene: Scene) -> str:
    return f"Nothing is known of the keys of {scene.place}: {_note(scene.evidence) or 'Contributor Insights is off'}."


def unread(scene: Scene) -> str:
    note = _note(scene.evidence) or "Contributor Insights did not answer"
    return f"The keys of {scene.place} could not all be read ({note}): one that is not named may still be hot."


def young(scene: Scene) -> str:
    since = scene.evidence.sample.since or scene.evidence.now
    age = duration(max(0.0, scene.evidence.now - since))
    return f"Sampling of {scene.place} began {age} ago and has named no key yet."


def refused_by_index(scene: Scene) -> str:
    number = count(scene.evidence.cause(Cause.INDEX_BACK_PRESSURE), "time")
    return (
        f"No key of {scene.place} can be named: its writes were refused {number} because of an index, "
        "and these are not counted on the table."
    )


def unnamed(scene: Scene) -> str:
    number = count(scene.evidence.own, "time")
    return (
        f"Requests of {scene.place} were throttled {number}, but Contributor Insights has named no key of theirs: "
        "it does not count PartiQL, and may be late."
    )


def _minutes(scene: Scene) -> str:
    return "all in one minute" if scene.evidence.refused_minutes == 1 else "in all"


def too_few(scene: Scene) -> str:
    number = count(scene.evidence.named, "throttled request")
    return f"Too little to tell: only {number} of {scene.place} had a named key, {_minutes(scene)}."


def idle(scene: Scene, window: float) -> str:
    """Nothing throttled, and nothing sampled of the traffic."""
    if scene.evidence.mode is SamplerMode.THROTTLED:
        return (
            f"Nothing of {scene.place} was seen throttled in {duration(window)}, and only throttled keys are sampled."
        )
    if sum(scene.evidence.load.consumed.values()) > 0:
        return (
            f"There is traffic of {scene.place}, but Contributor Insights has named no key: it does not count PartiQL."
        )
    return f"There is no traffic of {scene.place} that CloudWatch or Contributor Insights can see."


def _note(evidence: Evidence) -> str:
    return evidence.sample.note.strip().rstrip(".")
