"""The fault run in small; and that its judge sees what it is there to see, and its SNS refuses what SNS refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.bench.delivery_check import Run, judged
from tests.bench.delivery_child import ROUTES, Step
from tests.bench.delivery_faults import Trial, document, fault_run, table
from tests.bench.delivery_script import GAP, MINUTE, Trouble, scripted
from tests.bench.delivery_sns import AMBIGUOUS, AUDIT, PAGES, Air, Arrival, Plan, SnsServer, Way, address, mistakes_of
from tests.core.builders import KEY
from watcher.aws.client import AwsClients, AwsSettings, StaticCredentials
from watcher.aws.sns import SnsNotifier
from watcher.core.model import Alert
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.errors import DeliveryError
from watcher.ports import Outgoing

INCIDENTS = 60
NOON = 1_700_049_600.0


@dataclass(frozen=True)
class Done:
    trial: Trial
    run: Run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    trial, run, _ = fault_run(INCIDENTS, 1, tmp_path_factory.mktemp("faults"))
    return Done(trial, run)


def test_through_sixty_incidents_nothing_is_lost_and_every_duplicate_has_its_reason(done: Done) -> None:
    verdict = judged(done.run)
    assert verdict.holds, table(done.trial, done.run, verdict)
    assert verdict.figures["incidents"] >= INCIDENTS
    assert verdict.figures["duplicates"] == sum(verdict.duplicates.values()) > 0
    assert "unattributed" not in verdict.duplicates


def test_it_was_killed_at_nearly_every_step_and_sns_was_ill_in_every_way(done: Done) -> None:
    # Steps that need a change or a failure do not come in every life.
    assert len(set(done.run.deaths.values())) >= len(Step) - 3
    met = {arrival.way for arrival in done.run.arrivals}
    assert {Way.FAILED, Way.THROTTLED, Way.BROKEN, Way.TAKEN_BROKEN, Way.TAKEN_KILLED, Way.KILLED} <= met
    assert {arrival.topic for arrival in done.run.arrivals} == {route.topic_arn for route in ROUTES}


def test_the_document_has_what_the_table_has(done: Done) -> None:
    verdict = judged(done.run)
    said = json.loads(document(done.trial, done.run, verdict))
    assert said["holds"] is True
    assert said["figures"] == verdict.figures
    assert f"{'incidents':<56}{said['figures']['incidents']:>8}" in table(done.trial, done.run, verdict)


# -- the judge --------------------------------------------------------------------------------------------------------


def without_last_thread(run: Run) -> Run:
    last = run.arrivals[-1]
    return replace(run, arrivals=[one for one in run.arrivals if one.incident != last.incident])


def without_ends(run: Run) -> Run:
    return replace(run, arrivals=[one for one in run.arrivals if one.state != "resolved"])


def with_everything_twice(run: Run) -> Run:
    # The second copies come in the last life, the first ones were marked or died: only the clean ones lack a reason.
    return replace(run, arrivals=[*run.arrivals, *(one for one in run.arrivals if one.way is Way.TAKEN)])


def backwards(run: Run) -> Run:
    return replace(run, arrivals=list(reversed(run.arrivals)))


def with_no_refusals(run: Run) -> Run:
    return replace(run, arrivals=[one for one in run.arrivals if one.way is not Way.INVALID])


def without_the_first_half(run: Run) -> Run:
    """As if nobody had decided anything: the trouble is in the script all the same."""
    return replace(run, script=scripted(2 * INCIDENTS, 2))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        pytest.param(without_last_thread, "alerts lost", id="an incident that no topic heard of"),
        pytest.param(without_ends, "alerts lost", id="ends that nobody heard of"),
        pytest.param(with_everything_twice, "duplicates without a reason", id="messages doubled for nothing"),
        pytest.param(backwards, "told in the wrong order", id="an order that goes back"),
        pytest.param(without_the_first_half, "troubles without an incident", id="trouble that nobody decided on"),
    ],
)
def test_the_judge_sees(done: Done, spoil: Callable[[Run], Run], problem: str) -> None:
    assert judged(spoil(done.run)).problems[problem]


# -- the script and SNS -----------------------------------------------------------------------------------------------


def test_a_script_comes_from_its_seed_and_leaves_room_between_incidents() -> None:
    script = scripted(200, 5)
    assert script == scripted(200, 5)
    assert script != scripted(200, 6)
    assert len(script.episodes) >= 200
    assert {scripted_table.kind for scripted_table in script.tables.values()} == set(Trouble)
    for one in script.tables.values():
        for before, after in zip(one.episodes, one.episodes[1:], strict=False):
            assert after.start - before.end >= GAP * MINUTE
    assert any(episode.stormy for episode in script.episodes)


def alert(sequence: int = 1) -> Alert:
    return Alert(
        incident="eu-west-1.orders.1",
        sequence=sequence,
        state=IncidentState.OPEN,
        severity=Severity.WARNING,
        cause=Cause.PROVISIONED,
        table=KEY,
        index="",
        time=NOON,
        opened_at=NOON,
        subject="orders throttles",
        sentence="orders throttles.",
    )


def published(sns: SnsServer, topic: str, *sequences: int) -> list[Arrival]:
    """What SNS made of these messages, sent by the product's notifier."""
    settings = AwsSettings(
        endpoint_url=address(sns.url, 7), credentials=StaticCredentials("AKIATEST", "test"), read_timeout=5.0
    )
    with AwsClients(settings) as clients:
        notifier = SnsNotifier({"us-east-1": clients.sns("us-east-1")}, ROUTES)
        for sequence in sequences:
            try:
                notifier.publish(Outgoing(f"m-{sequence}", topic, alert(sequence)))
            except DeliveryError as error:
                assert error.retryable or error.of_message  # noqa: PT017 - which of them the way says
    return sns.arrivals


def test_the_products_requests_are_as_the_model_has_them_and_their_sender_is_known() -> None:
    with SnsServer(Plan(1, calm=0.0), lambda: NOON) as sns:
        [arrival] = published(sns, AUDIT, 3)
        assert not sns.mistakes
    assert (arrival.life, arrival.sequence, arrival.incident) == (7, 3, "eu-west-1.orders.1")
    assert arrival.way is Way.TAKEN


def test_a_fifo_topic_drops_what_comes_again_within_five_minutes() -> None:
    clock = [NOON]
    with SnsServer(Plan(1, calm=0.0), lambda: clock[0]) as sns:
        published(sns, AUDIT, 1)
        clock[0] += 299
        published(sns, AUDIT, 1)
        clock[0] += 1
        published(sns, AUDIT, 1)
    assert [arrival.dropped for arrival in sns.arrivals] == [False, True, False]


def test_a_life_that_dies_in_the_air_is_killed_by_its_own_request_only() -> None:
    killed: list[str] = []
    with SnsServer(Plan(1, calm=0.0), lambda: NOON) as sns:
        sns.air = Air(life=8, kill=lambda: killed.append("8"))
        assert [one.way for one in published(sns, AUDIT, 1)] == [Way.TAKEN]
        sns.air = Air(life=7, kill=lambda: killed.append("7"), at=1, taken=True)
        published(sns, AUDIT, 2, 3)
    assert killed == ["7"]
    assert [one.way for one in sns.arrivals] == [Way.TAKEN, Way.TAKEN, Way.TAKEN_KILLED]


FORM = {
    "Action": "Publish",
    "Version": "2010-03-31",
    "TopicArn": PAGES,
    "Subject": "orders throttles",
    "Message": '{"sequence": 1}',
    "MessageAttributes.entry.1.Name": "incident",
    "MessageAttributes.entry.1.Value.DataType": "String",
    "MessageAttributes.entry.1.Value.StringValue": "i-1",
}


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        pytest.param({}, "", id="a sound request has no mistake"),
        pytest.param({"Subject": "x" * 100}, "a subject", id="a subject of 100 characters"),
        pytest.param({"Subject": "x" * 99}, "", id="one of 99 is allowed"),
        pytest.param({"Subject": "two\nlines"}, "a subject", id="a line break in it"),
        pytest.param({"Message": '{"sequence": 1}' + "x" * 262_144}, "bytes", id="too large a message"),
        pytest.param({"MessageAttributes.entry.1.Value.StringValue": ""}, "empty attribute", id="an empty attribute"),
        pytest.param({"MessageDeduplicationId": "i-1"}, "does not fit", id="deduplication on a topic that is not FIFO"),
        pytest.param({"TopicArn": AUDIT}, "no group", id="no group on a FIFO topic"),
        pytest.param({"TopicArn": AUDIT}, "does not fit", id="no deduplication on a FIFO topic"),
        pytest.param({"Colour": "red"}, "not a Publish", id="a field that the model does not know"),
        pytest.param({"Message": "nothing"}, "cannot be read", id="a message whose number cannot be found"),
    ],
)
def test_sns_refuses_what_it_refuses(changes: dict[str, str], mistake: str) -> None:
    found = mistakes_of({**FORM, **changes})
    assert any(mistake in one for one in found) if mistake else found == []


def test_only_answers_that_never_arrive_are_ambiguous() -> None:
    assert {way for way in Way if way.takes} == {Way.TAKEN, Way.SLOW, *AMBIGUOUS, Way.TAKEN_KILLED}


def test_a_run_without_a_directory_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, _, verdict = fault_run(1, 4)
    assert verdict.holds
    assert list(tmp_path.iterdir()) == []
