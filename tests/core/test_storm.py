"""Many tables at once are one incident: every incident is told exactly once, nothing is lost, nobody is flooded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from watcher.core.model import Alert, Decision, Dimension, Kind, TableKey
from watcher.core.policy import Links
from watcher.core.reasons import AlertKind, Cause, IncidentState, Mode, Reason, Severity
from watcher.core.region_state import RegionRules, RegionState
from watcher.core.state import Incident
from watcher.core.storm import Folding, Scene, fold
from watcher.core.storm_words import COUNTED, Affected, Response, response_to
from watcher.core.telling.names import SUBJECT_LIMIT
from watcher.store.codec_incidents import REGION

T0 = 1_699_963_200.0
RULES = RegionRules()
REGION_KEY = TableKey("111122223333", "us-east-1", "")
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def names(count: int, start: int = 0) -> list[str]:
    return [f"t{number:03d}" for number in range(start, start + count)]


@dataclass
class Tables:
    """Tables with incidents as the step would keep them, pass by pass. alerts: all that came back, in order."""

    rules: RegionRules = RULES
    now: float = T0
    state: RegionState = field(default_factory=RegionState)
    incidents: dict[str, Incident] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    retell: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    opened: Counter[str] = field(default_factory=Counter)

    def step(
        self,
        opens: Iterable[str] = (),
        resolves: Iterable[str] = (),
        worsens: Mapping[str, tuple[Cause, Severity]] | None = None,
        *,
        cause: Cause = Cause.PROVISIONED,
        severity: Severity = WARNING,
        after: float = 60.0,
    ) -> Folding:
        """One pass, ``after`` seconds later than the one before."""
        self.now += after
        before = dict(self.incidents)
        alerts = [self._tell(name, IncidentState.OPEN) for name in sorted(self.retell & self.incidents.keys())]
        self.retell.clear()
        for name in resolves:
            alerts.append(self._tell(name, IncidentState.RESOLVED))
            del self.incidents[name]
        for name, (to, grave) in (worsens or {}).items():
            self.incidents[name] = replace(self.incidents[name], cause=to, severity=grave)
            alerts.append(self._tell(name, IncidentState.WORSENED))
        for name in opens:
            ident = f"us-east-1.{name}.{int(self.now)}"
            self.incidents[name] = Incident(ident, self.now, cause, "", severity, 0, 0.1, self.now)
            self.opened[ident] += 1
            alerts.append(self._tell(name, IncidentState.OPEN))
        affected = {
            name: Affected(one, self.responses.get(name, Response.HELD)) for name, one in self.incidents.items()
        }
        scene = Scene(REGION_KEY, affected, frozenset(before), frozenset(self.paused))
        folding = fold(self.now, self.rules, self.state, scene, alerts, Links())
        self.state = folding.state
        self.retell |= folding.retell
        self.alerts += (*folding.told, *folding.alerts)
        return folding

    def _tell(self, name: str, state: IncidentState) -> Alert:
        one = self.incidents[name] = replace(self.incidents[name], sequence=self.incidents[name].sequence + 1)
        key = replace(REGION_KEY, name=name)
        return Alert(one.id, one.sequence, state, one.severity, one.cause, key, "", self.now, one.opened_at, "s", "s")

    @property
    def sent(self) -> list[Alert]:
        return [alert for alert in self.alerts if not alert.storm]


def told(folding: Folding) -> list[tuple[str, int]]:
    return [(alert.state.value, len(alert.tables)) for alert in folding.told]


# ---- when it begins


@pytest.mark.parametrize(
    ("count", "storms", "single"),
    [
        pytest.param(9, 0, 9, id="nine tables are nine incidents"),
        pytest.param(10, 1, 0, id="ten are a storm"),
        pytest.param(11, 1, 0, id="so are eleven"),
    ],
)
def test_how_many_at_once_are_a_storm(count: int, storms: int, single: int) -> None:
    tables = Tables()
    folding = tables.step(names(count))
    assert len(folding.told) == storms
    assert len([alert for alert in folding.alerts if not alert.storm]) == single
    for alert in folding.told:
        assert alert.tables == tuple(names(count))
        assert (alert.table, alert.cause, alert.state) == (REGION_KEY, Cause.STORM, IncidentState.OPEN)
        assert alert.incident == f"us-east-1.storm.{int(tables.now)}"
        assert {one.storm for one in folding.alerts} == {alert.incident}


@pytest.mark.parametrize(
    ("wait", "storms"),
    [
        pytest.param(300.0, 1, id="the last of ten just within the window"),
        pytest.param(301.0, 0, id="a second too late"),
    ],
)
def test_tables_that_were_told_before_keep_their_own_thread(wait: float, storms: int) -> None:
    tables = Tables()
    tables.step(names(9))
    folding = tables.step(["late"], after=wait)
    assert len(folding.told) == storms
    if storms:
        (storm,) = folding.told
        assert storm.tables == ("late",)
        assert storm.subject == "us-east-1: 10 tables throttle at once (9 told before)"
        assert dict(storm.facts)["told before"] == ", ".join(f"{name} (not raised)" for name in names(9))
        over = tables.step([], [*names(9), "late"])
        assert [alert.table.name for alert in over.alerts if not alert.storm] == names(9)
        assert told(over) == [("resolved", 1)]
        assert over.told[0].subject == "us-east-1: resolved, 1 table well again (9 more told on their own)"
        assert over.told[0].sentence.endswith("9 more, listed as told before, have messages of their own.")


def test_what_was_told_before_counts_in_all_that_is_counted() -> None:
    tables = Tables(rules=replace(RULES, storm_tables=3))
    tables.responses = {"t000": Response.RAISING}
    tables.step(["t000"], severity=CRITICAL)
    (storm,) = tables.step(["t001", "t002"]).told
    assert storm.subject == "us-east-1: 3 tables throttle at once (1 told before), 1 critical; raising 1"
    assert storm.sentence == "3 tables of us-east-1 (1 told before) throttle at once: 3 with too little capacity."
    assert storm.done == "Raising 1, 2 not raised."
    assert "the 2 tables that nothing raises" in storm.todo
    assert dict(storm.facts)["told before"] == "t000 (critical, raising)"
    assert storm.severity is WARNING  # the critical one has been told
    (over,) = tables.step([], ["t001", "t002"]).told
    assert over.subject == "us-east-1: resolved, 2 tables well again (1 more told on its own)"


def test_a_storm_is_never_where_the_rules_say_never() -> None:
    assert Tables(rules=replace(RULES, storm_tables=0)).step(names(100)).told == ()


def test_a_table_that_opens_twice_counts_once() -> None:
    tables = Tables()
    tables.step(names(9))
    tables.step([], ["t000"])
    assert tables.step(["t000"]).told == ()


def test_what_is_told_of_a_table_that_was_open_before_is_no_opening() -> None:
    tables = Tables()
    tables.step(["long since"])
    tables.now += 3600
    tables.retell.add("long since")  # or its keys have turned up, or it is a reminder: all are "open" once more
    assert tables.step(names(9)).told == ()
    assert len([at for at, _ in tables.state.opened]) == 9


def test_tables_that_are_well_again_do_not_make_a_storm() -> None:
    tables = Tables()
    tables.step(names(5))
    tables.step([], names(5))
    assert tables.step(names(5, start=5)).told == ()


# ---- what it is about


@pytest.mark.parametrize(
    ("cause", "told_as", "words"),
    [
        pytest.param(Cause.PROVISIONED, Cause.STORM, "throttle at once", id="capacity"),
        pytest.param(Cause.BLIND, Cause.BLIND, "cannot be seen", id="all of them silent"),
        pytest.param(Cause.SLOW, Cause.SLOW, "are slow at once", id="all of them slow"),
        pytest.param(Cause.CANNOT_ACT, Cause.CANNOT_ACT, "changes that are held", id="all of them held"),
    ],
)
def test_a_storm_has_the_kind_of_its_tables_by_which_topics_are_chosen(
    cause: Cause, told_as: Cause, words: str
) -> None:
    (storm,) = Tables().step(names(10), cause=cause).told
    assert storm.cause is told_as
    assert storm.cause.kind is cause.kind
    assert words in storm.sentence


def test_tables_of_different_kinds_are_not_thrown_together() -> None:
    tables = Tables()
    tables.step(names(9))
    assert tables.step(names(9, start=100), cause=Cause.SLOW).told == ()
    folding = tables.step(["t200"])
    assert told(folding) == [("open", 1)]
    slow = tables.step(names(20, start=300), cause=Cause.SLOW, after=400)
    assert {(alert.storm, alert.cause) for alert in slow.alerts} == {("", Cause.SLOW)}


def test_a_folded_table_whose_trouble_becomes_of_another_kind_is_told_on_its_own() -> None:
    tables = Tables()
    tables.step(names(12), cause=Cause.BLIND)
    folding = tables.step(worsens={"t003": (Cause.PROVISIONED, CRITICAL)})
    (alert,) = folding.alerts
    assert (alert.storm, alert.cause.kind) == ("", AlertKind.THROTTLING)
    assert told(folding) == []
    assert [one.storm for one in tables.step([], ["t003"]).alerts] == [""]


def test_a_change_of_kind_that_nobody_told_is_told_anew() -> None:
    tables = Tables()
    tables.step(names(12), cause=Cause.BLIND)
    tables.incidents["t003"] = replace(tables.incidents["t003"], cause=Cause.PROVISIONED)
    assert tables.step().retell == {"t003"}
    assert tables.step().retell == frozenset()
    tables.incidents["t004"] = replace(tables.incidents["t004"], cause=Cause.PROVISIONED)
    over = tables.step([], [name for name in names(12) if name not in ("t003", "t004")])
    assert told(over) == [("resolved", 12)]
    assert over.retell == {"t004"}
    assert over.told[0].sentence.endswith("10 are well again, 2 in other trouble told by then.")


# ---- how it goes on


def test_whoever_joins_a_storm_is_told_in_the_same_pass_and_nobody_twice() -> None:
    tables = Tables()
    tables.step(names(10))
    assert told(tables.step(names(1, start=10))) == [("worsened", 11)]
    assert told(tables.step(names(9, start=11))) == [("worsened", 20)]
    assert told(tables.step()) == []
    assert told(tables.step(after=600)) == []
    assert len(tables.sent) == 3


def test_a_table_that_joins_as_the_storm_would_end_is_told_before_its_end() -> None:
    tables = Tables()
    tables.step(names(12))
    newest = "t011"
    for number in range(7):  # one after the other, each alone with the next
        joins = f"t{100 + number}"
        folding = tables.step([joins], [name for name in tables.incidents if name != newest], after=290)
        assert [alert.state for alert in folding.told] == [IncidentState.WORSENED]
        assert joins in folding.told[0].tables
        newest = joins
    assert told(tables.step()) == [("resolved", 19)]


def test_each_table_that_is_critical_is_worth_a_message_since_topics_may_be_of_one_table() -> None:
    tables = Tables()
    tables.step(names(10))
    joined = tables.step(["bad"], severity=CRITICAL)
    assert told(joined) == [("worsened", 11)]
    assert (joined.told[0].severity, joined.told[0].critical) == (CRITICAL, ("bad",))
    assert "1 critical" in joined.told[0].subject
    worse = tables.step(worsens={"t001": (Cause.PROVISIONED, CRITICAL)})
    assert [alert.critical for alert in worse.told] == [("bad", "t001")]
    assert told(tables.step()) == []


def test_what_was_critical_in_a_storm_stays_so_to_its_end() -> None:
    tables = Tables()
    tables.step(names(10))
    tables.step(["bad"], severity=CRITICAL)
    tables.step([], ["bad"])
    assert told(tables.step(["bad"])) == [("worsened", 11)]  # another incident, which warns
    (end,) = tables.step([], [*names(10), "bad"]).told
    assert (end.state, end.critical) == (IncidentState.RESOLVED, ("bad",))


def test_a_folded_table_that_becomes_critical_counts_like_one_that_joins() -> None:
    tables = Tables()
    tables.step(names(10))
    assert told(tables.step(worsens={"t001": (Cause.PROVISIONED, CRITICAL)})) == [("worsened", 10)]


def test_what_comes_long_after_the_storm_stopped_growing_is_no_part_of_it() -> None:
    tables = Tables()
    tables.step(names(30))
    within = tables.step(["joins"], after=300)
    assert [alert.storm != "" for alert in within.alerts] == [True]
    apart = tables.step(["alone"], after=301)
    assert [alert.storm for alert in apart.alerts] == [""]
    # And one that follows it closely is not drawn into the storm either.
    assert [alert.storm for alert in tables.step(["alone too"]).alerts] == [""]
    assert [alert.storm != "" for alert in tables.step([], ["t001"]).alerts] == [True]


def test_a_storm_grows_as_long_as_one_table_follows_another() -> None:
    tables = Tables()
    tables.step(names(12))
    for name in ("first", "second", "third"):
        assert [alert.storm != "" for alert in tables.step([name], after=290).alerts] == [True]


def test_another_incident_of_a_folded_table_is_its_own_and_does_not_hold_the_storm_up() -> None:
    tables = Tables()
    tables.step(names(30))
    tables.step([], ["t001"])
    again = tables.step(["t001"], after=7200)
    assert [alert.storm for alert in again.alerts] == [""]
    over = tables.step([], [name for name in names(30) if name != "t001"])
    assert told(over) == [("resolved", 30)]
    assert over.retell == frozenset()


def test_a_folded_table_that_comes_back_is_folded_again() -> None:
    tables = Tables()
    tables.step(names(12))
    incident = tables.incidents["t005"]
    tables.step([], ["t005"])
    tables.now += 60
    tables.incidents["t005"] = replace(incident, sequence=2)
    alert = tables._tell("t005", IncidentState.OPEN)
    affected = {name: Affected(one) for name, one in tables.incidents.items()}
    scene = Scene(REGION_KEY, affected, frozenset(tables.incidents) - {"t005"})
    folding = fold(tables.now, RULES, tables.state, scene, [alert], Links())
    assert folding.alerts[0].storm
    assert folding.state.storm is not None
    assert folding.state.storm.tables["t005"].is_open


def test_a_storm_that_stays_is_told_again_at_its_intervals() -> None:
    tables = Tables(rules=replace(RULES, repeats=(900.0,)))
    tables.step(names(100))
    passes = [tables.step() for _ in range(30)]
    reminders = [alert for folding in passes for alert in folding.told]
    assert [(alert.state, alert.repeats) for alert in reminders] == [(IncidentState.OPEN, (900.0,))] * 2
    assert reminders[0].tables == tuple(names(100))
    assert reminders[0].subject.startswith("us-east-1: still open after 15 min: 100 tables throttle")
    assert reminders[0].sentence.startswith("Still open after 15 min: 100 tables of us-east-1")


def test_a_storm_that_comes_back_says_so() -> None:
    tables = Tables()
    tables.step(names(10))
    for _ in range(60):
        if tables.state.storm is None:
            break
        tables.step([], list(tables.incidents))
    (again,) = tables.step(names(10)).told
    assert again.subject.startswith("us-east-1: again (2nd time): 10 tables throttle at once")
    assert again.sentence.startswith("Again (2nd time): 10 tables of us-east-1 throttle at once")


# ---- how it ends


def test_it_ends_when_all_are_well_again() -> None:
    tables = Tables()
    tables.step(names(12))
    assert told(tables.step([], names(11))) == []
    over = tables.step([], ["t011"])
    assert told(over) == [("resolved", 12)]
    assert over.alerts[0].storm  # the last one's own end is a part of the storm's
    assert over.state.storm is None
    assert over.retell == frozenset()
    assert over.told[0].todo == "Nothing."
    assert len(tables.sent) == 2


@pytest.mark.parametrize(
    ("count", "left", "seconds", "ends"),
    [
        pytest.param(10, 2, 1800, True, id="two of ten are little"),
        pytest.param(10, 3, 1800, False, id="three of ten are not"),
        pytest.param(100, 10, 1800, True, id="a tenth of a hundred is little"),
        pytest.param(100, 11, 1800, False, id="more than a tenth is not"),
        pytest.param(100, 10, 1799, False, id="little, and too early"),
    ],
)
def test_it_ends_when_little_of_it_is_left_after_half_an_hour(
    count: int,
    left: int,
    seconds: int,
    ends: bool,  # noqa: FBT001 - a column
) -> None:
    tables = Tables()
    tables.step(names(count))
    tables.step([], names(count - left), after=10)
    folding = tables.step(after=seconds - 10)
    assert told(folding) == ([("resolved", count)] if ends else [])
    assert folding.retell == (frozenset(names(left, start=count - left)) if ends else frozenset())
    if ends:
        assert f"{left} are still open" in folding.told[0].sentence
        assert [name for name, _ in folding.told[0].facts] == names(left, start=count - left)


def test_what_is_left_is_told_anew_and_is_no_new_storm() -> None:
    tables = Tables()
    tables.step(names(30))
    tables.step([], names(27), after=60)
    tables.step(after=1800)
    again = tables.step()
    assert again.told == ()
    assert [(alert.table.name, alert.storm) for alert in again.alerts] == [(name, "") for name in names(3, start=27)]
    assert again.state.storm is None


def test_after_a_storm_ten_more_tables_are_needed_for_the_next() -> None:
    tables = Tables()
    tables.step(names(10))
    tables.step([], names(10))
    assert told(tables.step(names(9, start=20))) == []
    assert told(tables.step(names(1, start=29))) == [("open", 1)]


@pytest.mark.parametrize(
    ("wait", "cause", "goes_on"),
    [
        pytest.param(3600.0, Cause.PROVISIONED, True, id="within the hour it is the same incident"),
        pytest.param(3601.0, Cause.PROVISIONED, False, id="a second later it is another"),
        pytest.param(60.0, Cause.SLOW, False, id="trouble of another kind is another incident"),
    ],
)
def test_a_storm_that_comes_back_goes_on_with_its_incident(
    wait: float,
    cause: Cause,
    goes_on: bool,  # noqa: FBT001 - a column
) -> None:
    tables = Tables()
    (first,) = tables.step(names(10)).told
    tables.step([], names(10))
    (again,) = tables.step(names(10), cause=cause, after=wait).told
    assert again.state is IncidentState.OPEN
    assert (again.incident == first.incident, again.sequence) == (goes_on, 3 if goes_on else 1)
    assert (again.opened_at == first.opened_at) is goes_on


def test_a_storm_that_comes_and_goes_tells_less_and_less() -> None:
    tables = Tables()
    for _ in range(12):  # ten minutes each
        tables.step(names(10))
        for resolves in ([], [], [], [], names(10), [], [], [], []):
            tables.step([], resolves)
    assert {alert.incident for alert in tables.sent if alert.tables} == {tables.sent[0].incident}
    assert len([alert for alert in tables.sent if alert.state is IncidentState.RESOLVED]) == 2


def test_one_that_came_back_is_not_over_for_the_age_of_its_incident() -> None:
    tables = Tables()
    tables.step(names(10))
    tables.step([], names(10))
    tables.step(names(9), after=1800)
    assert told(tables.step(["t009"])) == [("open", 1)]
    assert told(tables.step()) == []
    assert told(tables.step(after=1740)) == [("resolved", 1)]


# ---- those that somebody has taken upon himself


def test_paused_tables_neither_make_a_storm_nor_join_one_nor_count() -> None:
    tables = Tables(paused=set(names(12)))
    folding = tables.step(names(12))
    assert folding.told == ()
    assert {alert.storm for alert in folding.alerts} == {""}
    assert tables.step(names(9, start=20)).told == ()  # nine, and none of those paused
    (storm,) = tables.step(["t030"]).told
    assert storm.subject == "us-east-1: 10 tables throttle at once (9 told before)"
    tables.paused.add("t040")
    assert [alert.storm for alert in tables.step(["t040"]).alerts] == [""]


# ---- a clock that was wrong


@pytest.mark.parametrize("step", [86_400.0, -86_400.0], ids=["a day ahead", "a day behind"])
def test_a_clock_that_was_wrong_holds_up_neither_the_next_storm_nor_the_end_of_one(step: float) -> None:
    tables = Tables(rules=replace(RULES, repeats=(900.0,)))
    tables.now += step
    tables.step(names(10))
    tables.step([], ["t000"])
    tables.now -= step
    reminders = [alert for _ in range(32) for alert in tables.step().told]
    assert [alert.is_reminder for alert in reminders][-2:] == [True, True]
    assert told(tables.step([], names(9, start=1))) == [("resolved", 10)]
    tables.now += 7200
    assert [at for at, _ in tables.step(["alone"]).state.opened] == [tables.now]


def test_what_joined_a_storm_late_does_not_count_towards_the_next() -> None:
    tables = Tables(rules=replace(RULES, storm_tables=2))
    tables.step(names(20))
    tables.step([], names(19))
    tables.step(["a", "b"], after=1700)
    assert told(tables.step([], ["t019"], after=200)) == [("resolved", 22)]
    assert told(tables.step(["c"])) == []


# ---- what it says


def test_the_message_of_a_hundred_tables() -> None:
    tables = Tables()
    tables.responses = dict.fromkeys(names(48), Response.RAISING)
    tables.responses |= dict.fromkeys(names(12, start=48), Response.AT_MAX)
    tables.responses |= dict.fromkeys(names(27, start=60), Response.ADVISING)
    for name in names(13, start=87):
        tables.incidents[name] = Incident(name, T0, Cause.KEY_RANGE, "", CRITICAL, 1, 0.4, T0)
    incidents = tables.incidents | {
        name: Incident(name, T0, Cause.PROVISIONED, "", WARNING, 1, 0.1 + int(name[1:]) / 1000, T0)
        for name in names(87)
    }
    affected = {
        name: Affected(one, tables.responses.get(name, Response.HELD), 812.0 if name == "t086" else None)
        for name, one in incidents.items()
    }
    alerts = [
        Alert(
            one.id, 1, IncidentState.OPEN, one.severity, one.cause, replace(REGION_KEY, name=name), "", T0, T0, "", ""
        )
        for name, one in incidents.items()
    ]
    folding = fold(T0, RULES, RegionState(), Scene(REGION_KEY, affected), alerts, Links())
    (storm,) = folding.told
    assert storm.subject == "us-east-1: 100 tables throttle at once, 13 critical; raising 48"
    assert storm.sentence == (
        "100 tables of us-east-1 throttle at once: 87 with too little capacity, 13 with a hot key range."
    )
    assert storm.done == "Raising 48, 12 at their maximum, a raise advised for 27, 13 not raised."
    assert "AWS Health Dashboard" in storm.todo
    assert len(storm.facts) == 41
    assert storm.facts[0] == ("t087", "critical, one key range is too hot, up to 40 % throttled, not raised")
    assert storm.facts[13] == (
        "t086",
        "too little capacity, up to 19 % throttled, demand 812/s, a raise is advised",
    )
    assert storm.facts[40] == ("and 60 more", "see the watcher's page")
    assert storm.tables == tuple(names(100))
    assert storm.severity is CRITICAL


def test_long_names_and_numbers_leave_the_subject_readable() -> None:
    tables = Tables()
    for state in (tables.step(names(5000), severity=CRITICAL), tables.step(names(5000, start=5000))):
        assert all(len(alert.subject) <= SUBJECT_LIMIT for alert in state.told)
        assert len(state.told) == 1


HERE, ELSEWHERE = Dimension("", Kind.WRITE), Dimension("by-day", Kind.WRITE)


def decided(reason: Reason, to: int = 100, mode: Mode = Mode.ACT, where: Dimension = HERE) -> Decision:
    return Decision(T0, replace(REGION_KEY, name="t"), where, 100, to, reason, "s", mode)


@pytest.mark.parametrize(
    ("decisions", "raised", "response"),
    [
        pytest.param([decided(Reason.RAISE_DEMAND, 200)], None, Response.RAISING, id="raised in this pass"),
        pytest.param(
            [decided(Reason.RAISE_DEMAND, 200, Mode.ADVISE)], 60, Response.ADVISING, id="advised in this pass"
        ),
        pytest.param([decided(Reason.HOLD_SETTLING)], 60, Response.RAISED, id="raised a pass ago, and settling"),
        pytest.param([decided(Reason.HOLD_BUSY)], 60, Response.RAISED, id="raised a pass ago, and not in force yet"),
        pytest.param([decided(Reason.HOLD_PENDING)], None, Response.CHANGING, id="a change was sent, which is unknown"),
        pytest.param([decided(Reason.HOLD_BUSY)], 601, Response.CHANGING, id="another change, not our raise of old"),
        pytest.param([decided(Reason.HOLD_STEADY)], 600, Response.RAISED, id="ten minutes ago, and enough it seems"),
        pytest.param([decided(Reason.HOLD_STEADY)], 601, Response.HELD, id="longer ago"),
        pytest.param([decided(Reason.HOLD_STEADY)], None, Response.HELD, id="never raised"),
        pytest.param([], 60, Response.RAISED, id="raised a pass ago, and not looked at in this one"),
        pytest.param([], None, Response.HELD, id="not looked at, and not raised"),
        pytest.param([decided(Reason.HOLD_AT_MAX)], 60, Response.AT_MAX, id="raised to its maximum, which is too low"),
        pytest.param([decided(Reason.HOLD_REFUSED)], 60, Response.HELD, id="raised, and the next raise is refused"),
        pytest.param(
            [decided(Reason.HOLD_SETTLING, where=ELSEWHERE)], None, Response.HELD, id="what settles is elsewhere"
        ),
    ],
)
def test_what_is_done_about_a_table(decisions: list[Decision], raised: float | None, response: Response) -> None:
    incident = Incident("i", T0, Cause.PROVISIONED, "", WARNING, 1, 0.1, T0)
    raised_at = None if raised is None else T0 - raised
    assert response_to(incident, decisions, raised_at, T0) is response


def test_a_raise_is_no_answer_to_a_hot_key() -> None:
    incident = Incident("i", T0, Cause.KEY_RANGE, "", WARNING, 1, 0.1, T0)
    assert response_to(incident, [decided(Reason.HOLD_KEY_RANGE)], T0 - 60, T0) is Response.HELD


@pytest.mark.parametrize("cause", list(COUNTED), ids=str)
def test_every_cause_of_a_table_can_be_counted(cause: Cause) -> None:
    (storm,) = Tables().step(names(10), cause=cause).told
    assert storm.sentence.endswith(f": 10 {COUNTED[cause]}.")


# ---- over any course of events


def check_told_once(tables: Tables) -> None:
    """Each incident that opened: by its own message, by a storm that lists it, or on its own after it."""
    beginnings = [alert for alert in tables.alerts if alert.sequence == 1 and not alert.tables]
    assert Counter(alert.incident for alert in beginnings) == tables.opened
    storms = [alert for alert in tables.alerts if alert.tables and alert.state is not IncidentState.RESOLVED]
    for alert in beginnings:
        if alert.storm:
            told = [one for one in storms if (one.incident, one.time) == (alert.storm, alert.time)]
            assert len(told) == 1, "what is folded is told in the same pass, by one message"
            assert alert.table.name in told[0].tables
            assert (alert.table.name in told[0].critical) or alert.severity is WARNING


def check_nothing_is_silent(tables: Tables) -> None:
    """What is open now is known: told by itself, in the storm going on, or about to be told anew."""
    known = {alert.incident for alert in tables.sent if not alert.tables}
    storm = tables.state.storm
    folded = {one.incident for one in storm.tables.values() if one.is_open} if storm else set()
    waiting = {tables.incidents[name].id for name in tables.retell if name in tables.incidents}
    for name, incident in tables.incidents.items():
        assert incident.id in known | folded | waiting, f"nobody knows of {name}"


@pytest.mark.parametrize("seed", range(40))
def test_over_any_course_of_events_every_incident_is_told_once_and_none_is_lost(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a course of events, and no secret
    tables = Tables(rules=replace(RULES, storm_tables=dice.choice((3, 5, 10))))
    everything = names(40)
    causes = (Cause.PROVISIONED, Cause.KEY_RANGE, Cause.SLOW, Cause.BLIND)
    for _ in range(150):
        free = [name for name in everything if name not in tables.incidents]
        rush = dice.random() < 0.1
        opens = [name for name in free if dice.random() < (0.5 if rush else 0.02)]
        busy = sorted(tables.incidents.keys() - tables.retell)
        resolves = [name for name in busy if dice.random() < 0.08]
        worsens = {
            name: (Cause.KEY_RANGE, dice.choice((WARNING, CRITICAL)))
            for name in busy
            if name not in resolves and dice.random() < 0.03
        }
        tables.step(opens, resolves, worsens, cause=dice.choice(causes), after=dice.choice((20.0, 60.0, 400.0, 2000.0)))
        if dice.random() < 0.2:  # a crash, and the next life reads what was written
            tables.state = REGION.decode(REGION.encode(tables.state), "the Region")
        check_nothing_is_silent(tables)
    check_told_once(tables)
    sequences: dict[str, list[int]] = {}
    for alert in tables.alerts:
        sequences.setdefault(alert.incident, []).append(alert.sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
