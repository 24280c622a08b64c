"""Reads Contributor Insights of one Region, as little as will do: what throttles now is asked about, nothing else.

Three gates, each cheaper than the next: throttled requests, which every cycle reads anyway; the largest value of each
rule by GetMetricData; and reports only of the rules that have one. What is sampled where is surveyed with the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from watcher.clock import Clock, process_seconds
from watcher.core.hot_keys import PARTITION_CEILING
from watcher.core.insights import DISABLED, KeySample, Place, Sampler, SamplerMode, SamplerStatus, Survey
from watcher.core.series import MINUTE
from watcher.core.words import duration
from watcher.cycle_denials import Denials, Question, of_mapping
from watcher.errors import AwsDenied, AwsError, AwsNotFound
from watcher.ports import Insights

SWITCHING_NOTE = "Contributor Insights is being switched on; keys show in some minutes"
# What was seen while all keys were sampled is told for so long after that has ended, as long as it throttles still.
LASTING = 3600.0
BLIND_NOTE = "Contributor Insights could not be read: {}"


@dataclass(frozen=True, slots=True)
class Attention:
    """How much may be asked. window: seconds of past in a report, so that it shows since when a key is hot. places,
    describes: how many in one pass; AWS allows five describes and twenty reports a second, and capacity is waiting.
    fresh: seconds for which a description and a sample hold. settling: seconds that a switch needs.
    warning: part of a partition's ceiling from which an unthrottled key is looked at, where accesses are sampled.
    patience: real seconds after which a look ends, whatever is left; slow: those after which the next ones pause for
    ``fresh`` seconds, since an AWS that does not answer here would hold up capacity in every pass."""

    window: float = 3600.0
    places: int = 20
    describes: int = 8
    fresh: float = 300.0
    settling: float = 30.0
    warning: float = 0.8
    patience: float = 8.0
    slow: float = 15.0


@dataclass(slots=True)
class _Known:
    """A description with the instant it was made, on the monotonic face."""

    sampler: Sampler
    at: float


@dataclass
class KeyWatch:
    """What is remembered of one Region's Contributor Insights between passes. tell: of trouble, (event, sentence).
    stopping: whether the watcher is, so that nothing is begun any more. seconds: real ones, for how long a look takes.
    """

    insights: Insights
    clock: Clock
    tell: Callable[[str, str], None]
    attention: Attention = field(default_factory=Attention)
    stopping: Callable[[], bool] = lambda: False
    seconds: Callable[[], float] = process_seconds
    survey: Survey | None = None
    denials: Denials = field(init=False)  # what AWS denies of all this
    _surveyed_at: float | None = None
    _known: dict[Place, _Known] = field(default_factory=dict)
    _samples: dict[Place, KeySample] = field(default_factory=dict)
    _switched: dict[Place, float] = field(default_factory=dict)
    _counted: dict[Place, int] = field(default_factory=dict)  # rules of a place when it was last described
    _in_survey: dict[Place, int] = field(default_factory=dict)  # rules of a switched place that the survey counts
    _began: float = 0.0
    _paused_until: float | None = None  # on the monotonic face

    def __post_init__(self) -> None:
        self.denials = Denials(self.clock)

    def look(
        self, now: float, heat: Mapping[Place, float], watched: Iterable[Place], *, surveying: bool
    ) -> dict[str, dict[str, KeySample]]:
        """Samples by table and index, of the places that throttle and of those in full mode that are close to it.

        heat: throttled events of the visible minutes by place, of every place with any. watched: every place that a
        policy covers. surveying: whether anything is to be sampled by our hand here; without, what is on is only read.
        """
        watched = frozenset(watched)
        self._forget(watched)
        self._began = self.seconds()
        if self._is_paused():
            return _by_table({place: self._silence(now, place, None) for place in heat})
        if surveying:
            self._survey(now, watched)
        else:
            self.survey = None
        candidates = self._candidates(heat, watched)
        known = self._describe(candidates, watched)
        readable = {place: sampler for place, sampler in known.items() if sampler.is_reading}
        samples = self._read(now, readable)
        samples = {place: sample for place, sample in samples.items() if place in heat or self._is_warning(sample)}
        for place in heat:
            if place not in samples:
                samples[place] = self._silence(now, place, known.get(place))
        for place in [place for place in self._samples if place not in samples]:
            del self._samples[place]  # calm by now: what was seen then says nothing of the next time
        self._pause_if_slow()
        return _by_table(samples)

    def _is_warning(self, sample: KeySample) -> bool:
        """Whether a key that nothing throttles comes close to what a partition serves."""
        close = self.attention.warning * PARTITION_CEILING
        return any(trace.busiest >= close for trace in sample.accessed)

    def switched(self, place: Place) -> None:
        """Our hand has switched this place: what is known of it is old."""
        self._switched[place] = self.clock.monotonic()
        self._in_survey.setdefault(place, self._counted.get(place, 0))
        self._known.pop(place, None)

    def forget_samples(self) -> None:
        """Key values may be shown otherwise from now on: what was read is in the form of before."""
        self._samples.clear()

    def _is_paused(self) -> bool:
        return self._paused_until is not None and self.clock.monotonic() < self._paused_until

    def _is_over(self) -> bool:
        """Whether this look has taken its time."""
        return self.stopping() or self.seconds() - self._began > self.attention.patience

    def _pause_if_slow(self) -> None:
        took = self.seconds() - self._began
        if took > self.attention.slow:
            self._paused_until = self.clock.monotonic() + self.attention.fresh
            rest = f"nothing is read of it for {duration(self.attention.fresh)}, so that capacity does not wait"
            self.tell("insights.slow", f"Contributor Insights took {duration(took)} to answer: {rest}")

    def _forget(self, watched: frozenset[Place]) -> None:
        for memory in (self._known, self._samples, self._switched, self._counted, self._in_survey):
            for place in [place for place in memory if place not in watched]:
                del memory[place]

    # survey ----------------------------------------------------------------------------------------------------------

    def _survey(self, now: float, watched: frozenset[Place]) -> None:
        if self._surveyed_at is not None and self.clock.monotonic() - self._surveyed_at < self.attention.fresh - 30:
            self._patch_survey(now)
            return
        # What fails takes its time too, and is not tried again before its next turn.
        self._surveyed_at = self.clock.monotonic()
        try:
            self.survey = self.insights.survey(now)
        except AwsError as error:
            self.survey = None
            self.denials.note(Question.SURVEY, error)
            self.tell("insights.unreadable", str(error))
            return
        self.denials.keep(Question.SURVEY, of_mapping(self.survey.denied))
        self._switched.clear()
        self._in_survey.clear()
        if self.survey.error:
            self.tell("insights.uncounted", self.survey.error)
        for place in [place for place in self._known if place in watched]:
            surveyed = self.survey.sampler(place)
            if (surveyed.status, surveyed.mode) != (self._known[place].sampler.status, self._known[place].sampler.mode):
                del self._known[place]

    def _patch_survey(self, now: float) -> None:
        """Bring what we switched since the survey up to date, place by place: a survey of everything costs seconds."""
        if self.survey is None or not self._switched:
            return
        samplers, rules = dict(self.survey.samplers), self.survey.rules
        for number, place in enumerate(list(self._switched)):
            before = samplers.get(place, DISABLED)
            # Until it is known what became of it, it is shown as what it is: being switched.
            samplers[place] = replace(before, status=SamplerStatus.ENABLING)
            if number >= self.attention.describes or self._is_over():
                continue
            try:
                samplers[place] = after = self._describe_one(place)
            except AwsError as error:
                self.tell("insights.unreadable", str(error))
                continue
            if rules is not None:
                rules += len(after.rules) - self._in_survey.get(place, 0)
            self._in_survey[place] = len(after.rules)
            if after.is_settled:
                del self._switched[place]
        self.survey = replace(self.survey, at=now, samplers=samplers, rules=rules)

    # read ------------------------------------------------------------------------------------------------------------

    def _candidates(self, heat: Mapping[Place, float], watched: frozenset[Place]) -> list[Place]:
        """What to look at: half of it what throttles most, half what has waited longest; then what samples every
        access, where a key can be seen coming."""
        hot = sorted((place for place in heat if place in watched), key=lambda place: (-heat[place], place))
        most = hot[: (self.attention.places + 1) // 2]
        rest = sorted(hot[len(most) :], key=lambda place: self._samples[place].end if place in self._samples else 0.0)
        surveyed = self.survey.samplers if self.survey else {}
        full = sorted(
            place
            for place, sampler in surveyed.items()
            if sampler.mode is SamplerMode.FULL and place in watched and place not in heat and self._is_old(place)
        )
        return [*most, *rest, *full][: self.attention.places]

    def _is_old(self, place: Place) -> bool:
        known = self._known.get(place)
        return known is None or self.clock.monotonic() - known.at >= self.attention.fresh - 30

    def _describe(self, candidates: Sequence[Place], watched: frozenset[Place]) -> dict[Place, Sampler]:
        """The samplers of the candidates, rules included. In quiet passes those of places that sample are learned
        ahead, so that a storm finds them known."""
        surveyed = self.survey.samplers if self.survey else {}
        ahead = [place for place in sorted(surveyed) if place in watched and surveyed[place].is_reading]
        described: dict[Place, Sampler] = {}
        room = self.attention.describes
        for place in dict.fromkeys([*candidates, *ahead]):
            known = self._known.get(place)
            if known is not None and not (place in candidates and self._is_old(place)):
                described[place] = known.sampler
                continue
            if self.survey is not None and place not in surveyed:
                described[place] = DISABLED
                continue
            if not room or self._is_over():
                if known is not None:
                    described[place] = known.sampler  # old is better than none
                continue
            room -= 1
            try:
                described[place] = self._describe_one(place)
            except AwsError as error:
                described[place] = Sampler(SamplerStatus.FAILED, failure=_why(error))
        return {place: sampler for place, sampler in described.items() if place in set(candidates)}

    def _describe_one(self, place: Place) -> Sampler:
        """Raises AwsError."""
        try:
            sampler = self.insights.describe(place)
        except AwsError as error:
            self.denials.note(Question.SAMPLER, error, str(place), place.table)
            raise
        self.denials.answered(Question.SAMPLER, str(place))
        self._counted[place] = len(sampler.rules)
        self._known[place] = _Known(sampler, self.clock.monotonic())
        return sampler

    def _read(self, now: float, readable: Mapping[Place, Sampler]) -> dict[Place, KeySample]:
        """A fresh sample of each place whose rules have anything; where they have nothing, an empty one says so."""
        end = now - now % MINUTE + MINUTE
        start = end - self.attention.window
        rules = [rule for sampler in readable.values() for rule in sampler.rules]
        if not rules or self._is_over():
            return {}
        try:
            peaks = self.insights.peaks(rules, start, end)
        except AwsError as error:
            self.denials.note(Question.KEYS, error)
            return {place: _unread(now, BLIND_NOTE.format(_why(error)), sampler) for place, sampler in readable.items()}
        self.denials.answered(Question.KEYS)
        samples: dict[Place, KeySample] = {}
        for place, sampler in readable.items():
            if self._is_over():
                break
            unknown = [rule for rule in sampler.rules if rule not in peaks or not peaks[rule].complete]
            telling = [rule for rule in sampler.rules if rule in unknown or any(peaks[rule].points.values())]
            sample = self.insights.sample(place, sampler, telling, start, end)
            self._samples[place] = samples[place] = sample
            if telling:
                self.denials.keep(Question.KEYS, of_mapping(sample.denied), str(place))
            if not sample.complete:
                self._known.pop(place, None)  # a rule may have vanished: look anew
        return samples

    def _silence(self, now: float, place: Place, sampler: Sampler | None) -> KeySample:
        """The last sample of this trouble while it still tells something, or one that says why there is none."""
        before = self._samples.get(place)
        unread = sampler is None or sampler.is_reading
        lasting = self.attention.fresh if unread else 0.0 if sampler and sampler.failure else LASTING
        if before is not None and now - before.end <= lasting:
            return before
        if sampler is None or sampler.is_reading:
            return _unread(now, "it was not read in this pass; its turn comes in the next minutes", DISABLED)
        if sampler.failure:
            return _unread(now, BLIND_NOTE.format(sampler.failure), sampler)
        # Where it is off, the policy says what is to become of it; that is not known here.
        note = SWITCHING_NOTE if sampler.status is SamplerStatus.ENABLING else ""
        return _unread(now, note, sampler)


def _by_table(samples: Mapping[Place, KeySample]) -> dict[str, dict[str, KeySample]]:
    found: dict[str, dict[str, KeySample]] = {}
    for place, sample in samples.items():
        found.setdefault(place.table, {})[place.index] = sample
    return found


def _unread(now: float, note: str, sampler: Sampler) -> KeySample:
    return KeySample(now, now, note=note, complete=False, since=sampler.updated)


def _why(error: AwsError) -> str:
    """One sentence, with the remedy where a permission is missing."""
    if isinstance(error, AwsDenied):
        return f"it may not be read ({error.hint})"
    if isinstance(error, AwsNotFound):
        return f"there is nothing to read: {error.cause}"
    return f"it did not answer: {error.cause}"
