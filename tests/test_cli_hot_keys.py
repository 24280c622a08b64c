"""``watcher hot-keys`` as people and scripts run it, over HTTP against the sandbox; and the order and shape of it."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.aws.fake import FakeAws, fake_aws, fault
from tests.commands import environment, watcher
from tests.telemetry import examples
from watcher.aws.cloak import KeyCloak
from watcher.cli import status
from watcher.cli_hot_keys_read import Case, read
from watcher.cli_hot_keys_show import print_cases, record, switch_command
from watcher.clock import SimulatedClock, instant, iso
from watcher.core.hot_keys import HotKey, KeyVerdict
from watcher.core.insights import KeyForm, KeySample, Place, Sampler, SamplerMode
from watcher.core.model import TABLE_READ, TABLE_WRITE, Decision, Dimension, Kind, TableKey
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Reason
from watcher.errors import WatcherError
from watcher.ports import CycleRecord
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import PlantAws
from watcher.sandbox import Sandbox
from watcher.store.sqlite import SqliteStore

Captured = pytest.CaptureFixture[str]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"}
HOUR = 3600
CUSTOMER = "customer#4711"
REGION = "us-east-1"
INDEX_READ = Dimension("by-day", Kind.READ)
CONTRACT = ["table", "index", "verdict", "keys"]
KEY_CONTRACT = ["key", "share", "ceiling_share", "throttled"]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, with dummy credentials."""
    clean = environment(**KEYS)
    for name in set(os.environ) - set(clean):
        monkeypatch.delenv(name)
    for name, value in clean.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def one_key(_minute: int) -> MinuteDemand:
    """1,500 writes a second, 90 % of them of one customer: above what a partition serves."""
    hot = {TABLE_WRITE: (KeyShare(CUSTOMER, 0.9),)}
    return MinuteDemand({TABLE_WRITE: 60 * 1500.0, TABLE_READ: 60 * 50.0}, hot)


def index_key(_minute: int) -> MinuteDemand:
    """The index is read 4,000 times a second, 95 % of one of its keys."""
    hot = {INDEX_READ: (KeyShare("2026-11-23", 0.95),)}
    return MinuteDemand({TABLE_WRITE: 60 * 20.0, TABLE_READ: 60 * 20.0, INDEX_READ: 60 * 4000.0}, hot)


def even(_minute: int) -> MinuteDemand:
    return MinuteDemand({TABLE_WRITE: 60 * 70.0, TABLE_READ: 60 * 50.0})


def specs() -> tuple[TableSpec, ...]:
    index = IndexSpec("by-day", read=6000, write=2000)
    return (
        TableSpec("orders", read=100, write=3000, demand=one_key),
        TableSpec("visits", read=100, write=100, indexes=(index,), demand=index_key),
        TableSpec("quiet", read=100, write=100, demand=even),
        TableSpec("unsampled", read=100, write=3000, demand=one_key),
    )


SAMPLED = {
    Place("orders"): SamplerMode.FULL,
    Place("visits"): SamplerMode.FULL,
    Place("visits", "by-day"): SamplerMode.FULL,
    Place("quiet"): SamplerMode.THROTTLED,
}


@pytest.fixture(scope="module")
def clock() -> SimulatedClock:
    return SimulatedClock(int(time.time()))


@pytest.fixture(scope="module")
def sandbox(clock: SimulatedClock) -> Iterator[Sandbox]:
    now = int(clock.now())
    plant = Plant(now - HOUR, region=REGION)
    for spec in specs():
        plant.create(spec)
    plant.advance(now)
    with Sandbox(clock, stories=(), plant=plant) as running:
        for place, mode in SAMPLED.items():
            running.samplers.install(place, mode)
        yield running


@pytest.fixture
def here(sandbox: Sandbox, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox as AWS for commands of this process, some seconds later: its rates of calls are free again."""
    clock.advance(3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint_url)
    return sandbox


def hot_keys(*arguments: str | Path) -> int:
    return status(["hot-keys", *map(str, arguments)])


def asked(capsys: Captured, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The record of one command, without what it said on standard error."""
    assert hot_keys(*arguments, "--json") == code
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def configure(**settings: str) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    Path("config.toml").write_text("\n".join(["[hot_keys]", *lines]), encoding="utf-8")


# Over HTTP ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
class TestAnswers:
    def test_the_record_begins_with_the_contract(self, capsys: Captured) -> None:
        found = asked(capsys, "orders")
        assert list(found)[:4] == CONTRACT
        assert [list(key)[:4] for key in found["keys"]] == [KEY_CONTRACT]
        assert (found["table"], found["index"], found["verdict"]) == ("orders", "", "one-key")
        assert (found["region"], found["mode"], found["remedy"], found["others"]) == (REGION, "full", "", [])

    def test_the_key_is_named_with_its_figures(self, capsys: Captured) -> None:
        [key] = asked(capsys, "orders")["keys"]
        assert re.fullmatch("key:[0-9a-f]{12}", key["key"])
        # 1,350 of its writes a second are wanted and 1,000 served, each three units, of 3,450 units of traffic served.
        assert key["ceiling_share"] == pytest.approx(1.0, rel=0.05)
        assert key["asked_share"] == pytest.approx(1.35, rel=0.1)
        assert key["share"] == pytest.approx(3000 / 3500, rel=0.05)
        assert key["throttled"] == pytest.approx(60 * 350, rel=0.25)  # the busiest of several uneven minutes
        assert key["of_traffic"] is True

    def test_an_index_in_trouble_comes_before_its_table(self, capsys: Captured) -> None:
        found = asked(capsys, "visits")
        assert (found["index"], found["verdict"], found["kinds"]) == ("by-day", "index-key", ["read"])
        assert [(other["table"], other["index"]) for other in found["others"]] == [("visits", "")]
        assert list(found["others"][0])[:4] == CONTRACT

    def test_one_index_alone(self, capsys: Captured) -> None:
        found = asked(capsys, "visits", "--index", "by-day", "--minutes", "10")
        assert (found["index"], found["verdict"], found["others"]) == ("by-day", "index-key", [])

    def test_nothing_throttled_is_an_answer(self, capsys: Captured) -> None:
        found = asked(capsys, "quiet")
        assert (found["verdict"], found["keys"], found["remedy"]) == ("unknown", [], "")
        assert "only throttled keys are sampled" in found["sentence"]

    def test_no_sampling_is_an_answer_with_the_remedy(self, capsys: Captured) -> None:
        found = asked(capsys, "unsampled")
        assert (found["verdict"], found["mode"], found["last"]) == ("unknown", "off", None)
        assert found["remedy"] == (
            "aws dynamodb update-contributor-insights --region us-east-1 --table-name unsampled "
            "--contributor-insights-action ENABLE --contributor-insights-mode THROTTLED_KEYS"
        )
        assert "Contributor Insights is off here" in found["sentence"]
        assert 'sampling = "throttled"' in found["todo"]

    def test_only_what_reads_is_called(self, capsys: Captured, here: Sandbox) -> None:
        before = here.ledger.counts.copy()
        asked(capsys, "visits")
        assert here.ledger.counts - before == {
            "DescribeTable": 1,
            "DescribeContributorInsights": 2,
            "GetMetricData": 1,
            "GetInsightRuleReport": 4,
        }

    def test_as_a_table_for_people(self, capsys: Captured) -> None:
        assert hot_keys("orders", "--minutes", "20") == 0
        head, columns, row, sentence, todo, *_ = capsys.readouterr().out.splitlines()
        assert head.rstrip() == "orders  one-key  all keys sampled, last 20 min"
        assert " ".join(columns.split()) == "key of traffic of partition throttled/min since rising"
        assert row.startswith("key:")
        assert sentence.startswith("One key, key:")
        assert todo.startswith("To do: ")

    def test_as_a_process_of_its_own(self, here: Sandbox, tmp_path: Path) -> None:
        env = environment(**KEYS, AWS_ENDPOINT_URL=here.endpoint_url)
        done = watcher("hot-keys", "visits", cwd=tmp_path, env=env)
        assert done.returncode == 0
        assert "Index by-day of visits  index-key" in done.stdout
        assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("here")
class TestForms:
    def test_hashes_are_those_of_the_daemons_state(self, capsys: Captured) -> None:
        with closing(SqliteStore("watcher.db")) as store:
            secret = store.secret()
        assert hot_keys("orders", "--json") == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["keys"][0]["key"] == KeyCloak(KeyForm.HASH, secret)([CUSTOMER])
        assert err == ""

    def test_hashes_are_of_the_configured_secret(self, capsys: Captured) -> None:
        configure(hash_secret="correct horse battery staple")
        assert hot_keys("orders", "--json") == 0
        out, err = capsys.readouterr()
        expected = KeyCloak(KeyForm.HASH, b"correct horse battery staple")([CUSTOMER])
        assert json.loads(out)["keys"][0]["key"] == expected
        assert err == "", "nothing is missing where the secret is given"

    def test_without_either_hashes_hold_for_one_call_and_that_is_said(self, capsys: Captured) -> None:
        labels = set()
        for _ in range(2):
            assert hot_keys("orders", "--json") == 0
            out, err = capsys.readouterr()
            labels.add(json.loads(out)["keys"][0]["key"])
            assert err.startswith("watcher: hashed keys compare within this output only, not with alerts: ")
            assert "there is no such file" in err
            assert err.count("\n") == 1
        assert len(labels) == 2
        assert not Path("watcher.db").exists()

    def test_redacted_keys_need_no_secret(self, capsys: Captured) -> None:
        configure(key_values="redact")
        assert hot_keys("orders", "--json") == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["keys"][0]["key"] == "(redacted)"
        assert (CUSTOMER in out, err) == (False, "")

    @pytest.mark.parametrize("form", ["hash", "redact", "plain"])
    def test_reveal_shows_the_values_and_warns(self, capsys: Captured, form: str) -> None:
        configure(key_values=form)
        assert hot_keys("orders", "--reveal") == 0
        out, err = capsys.readouterr()
        assert f"One key, {CUSTOMER}, takes" in out
        assert err == "watcher: the keys below are other people's data; keep them out of tickets, chats and logs\n"

    def test_a_table_shows_its_own_form(self, capsys: Captured) -> None:
        configure(key_values="redact")
        with Path("config.toml").open("a", encoding="utf-8") as file:
            file.write('\n[[tables]]\nmatch = "orders"\nhot_keys = { key_values = "plain" }\n')
        assert asked(capsys, "orders")["keys"][0]["key"] == CUSTOMER


# What the daemon remembers ------------------------------------------------------------------------------------------


def verdict(table: str, index: str, time_: float, sentence: str, region: str = REGION) -> Decision:
    where = TableKey("123456789012", region, table)
    dimension = Dimension(index, Kind.READ)
    return Decision(time_, where, dimension, 0, 0, Reason.HOT_KEYS, sentence, Mode.ACT)


class TestTheLastVerdict:
    @pytest.fixture(autouse=True)
    def _remembered(self, here: Sandbox) -> None:  # noqa: ARG002 - the sandbox as AWS
        self.now = time.time()
        told = [
            verdict("unsampled", "", self.now - 7200, "one-key: Long ago."),
            verdict("unsampled", "", self.now - 3600, "one-key: Not so long ago."),
            verdict("unsampled", "", self.now - 60, "one-key: Elsewhere.", region="eu-west-1"),
            replace(verdict("unsampled", "", self.now - 60, "No verdict."), reason=Reason.SAMPLE_RESTORE),
            verdict("orders", "", self.now - 60, "one-key: Of another table."),
        ]
        with closing(SqliteStore("watcher.db")) as store:
            store.record(CycleRecord(self.now, decisions=told))

    def test_is_told_where_nothing_can_be_said_now(self, capsys: Captured) -> None:
        last = asked(capsys, "unsampled")["last"]
        assert (last["sentence"], last["time"]) == ("one-key: Not so long ago.", iso(self.now - 3600))
        assert hot_keys("unsampled") == 0
        out, err = capsys.readouterr()
        assert "The watcher's last verdict is 60 min old: table: one-key: Not so long ago." in out
        assert err == "", "a state without a secret still has its history, and no key is hashed"

    def test_is_left_out_where_there_is_a_verdict_of_now(self, capsys: Captured) -> None:
        assert asked(capsys, "orders")["last"] is None

    def test_of_an_index_is_the_indexs(self, capsys: Captured) -> None:
        assert asked(capsys, "visits")["last"] is None


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["nope"], 1, "(check the name, and give its Region with --region)", id="an unknown table"),
        pytest.param(
            ["visits", "--index", "by-week"],
            1,
            "there is no global secondary index by-week (its indexes are by-day)",
            id="an unknown index",
        ),
        pytest.param(["orders", "--index", "x"], 1, "(it has none; leave --index out)", id="a table without indexes"),
        pytest.param(["orders", "--minutes", "0"], 2, "'--minutes'", id="no minutes"),
        pytest.param(["orders", "--minutes", "1441"], 2, "'--minutes'", id="more minutes than a report has"),
        pytest.param(["orders", "--region", "Ireland"], 2, 'expected a Region name like "us-east-1"', id="no Region"),
        pytest.param(["orders", "--config", "nowhere.toml"], 2, "nowhere.toml", id="a mistyped config"),
        pytest.param([], 2, "Missing argument", id="no table"),
    ],
)
def test_refusals(capsys: Captured, arguments: list[str], code: int, told: str) -> None:
    assert hot_keys(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    if code == 1:
        assert err.count("\n") == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "minutes", [pytest.param(1, id="the newest minute that can be seen"), pytest.param(1440, id="a day")]
)
def test_how_far_back_one_may_look(capsys: Captured, minutes: int) -> None:
    assert asked(capsys, "orders", "--minutes", str(minutes))["verdict"] == "one-key"


def test_several_regions_leave_a_choice(capsys: Captured) -> None:
    Path("config.toml").write_text('[aws]\nregions = ["us-east-1", "eu-west-1"]\n', encoding="utf-8")
    assert hot_keys("orders") == 2
    assert capsys.readouterr().err == (
        "watcher: table orders may be in any of us-east-1, eu-west-1 (say which with --region)\n"
    )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    with fake_aws() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


TABLE = {
    "Table": {
        "TableName": "orders",
        "TableStatus": "ACTIVE",
        "TableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    }
}
RULE = "DynamoDBContributorInsights-PKT-orders-1700000000000"
ENABLED = {
    "TableName": "orders",
    "ContributorInsightsStatus": "ENABLED",
    "ContributorInsightsMode": "THROTTLED_KEYS",
    "ContributorInsightsRuleList": [RULE],
}
DENIED = fault("AccessDeniedException", "User: arn:aws:iam::123456789012:user/w is not authorized")


def test_what_may_not_be_read_is_named(capsys: Captured, fake: FakeAws) -> None:
    fake.script("DescribeTable", DENIED, TABLE)
    fake.script("DescribeContributorInsights", DENIED, ENABLED)
    fake.script("GetMetricData", DENIED)
    for action in ("dynamodb:DescribeTable", "dynamodb:DescribeContributorInsights", "cloudwatch:GetMetricData"):
        assert hot_keys("orders") == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert f"(allow {action})" in err
        assert err.count("\n") == 1


def test_a_report_that_may_not_be_read_leaves_the_question_open(capsys: Captured, fake: FakeAws) -> None:
    fake.script("DescribeTable", TABLE)
    fake.script("DescribeContributorInsights", ENABLED)
    fake.script("GetMetricData", {"MetricDataResults": []})
    fake.script("GetInsightRuleReport", DENIED)
    found = asked(capsys, "orders", code=1)
    assert (found["verdict"], found["keys"], found["remedy"]) == ("unknown", [], "")
    assert "cloudwatch:GetInsightRuleReport" in found["sentence"]


def test_insights_that_failed_are_an_answer(capsys: Captured, fake: FakeAws) -> None:
    fake.script("DescribeTable", TABLE)
    failure = {"ExceptionName": "LimitExceededException", "ExceptionDescription": "The limit of rules is reached"}
    fake.script(
        "DescribeContributorInsights",
        {"TableName": "orders", "ContributorInsightsStatus": "FAILED", "FailureException": failure},
    )
    fake.script("GetMetricData", {"MetricDataResults": []})
    found = asked(capsys, "orders")
    assert "The limit of rules is reached" in found["sentence"]
    assert found["remedy"].startswith("aws dynamodb update-contributor-insights")


# In memory ----------------------------------------------------------------------------------------------------------


NOW = instant("2026-11-22T03:04:05Z")


def case(
    verdict_: KeyVerdict = KeyVerdict.UNKNOWN,
    *,
    index: str = "",
    throttled: float = 0.0,
    ceiling: float | None = None,
    mode: SamplerMode = SamplerMode.THROTTLED,
) -> Case:
    keys = () if ceiling is None else (examples.hot_key("key:1", 0.5, ceiling),)
    return Case(examples.finding(verdict_, *keys, index=index, mode=mode), mode, throttled, answered=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            case(KeyVerdict.FEW_KEYS, index="b"), case(KeyVerdict.NO_SINGLE_KEY, throttled=9.0), id="a hot key first"
        ),
        pytest.param(
            case(KeyVerdict.NO_SINGLE_KEY, index="b"), case(KeyVerdict.UNKNOWN, throttled=9.0), id="then everybody's"
        ),
        pytest.param(
            case(KeyVerdict.INDEX_KEY, index="b", throttled=2.0),
            case(KeyVerdict.ONE_KEY, throttled=1.0),
            id="of hot ones the more throttled",
        ),
        pytest.param(
            case(KeyVerdict.INDEX_KEY, index="b", ceiling=1.2),
            case(KeyVerdict.ONE_KEY, ceiling=1.1),
            id="of equally throttled ones the hotter",
        ),
        pytest.param(case(), case(index="b"), id="of equals the table"),
    ],
)
def test_the_place_in_most_trouble_comes_first(first: Case, second: Case) -> None:
    assert sorted([second, first], key=lambda one: one.rank) == [first, second]


def test_hot_means_every_verdict_that_names_keys() -> None:
    ranks = {verdict_: case(verdict_).rank[0] for verdict_ in KeyVerdict}
    assert ranks == {
        KeyVerdict.ONE_KEY: 0,
        KeyVerdict.FEW_KEYS: 0,
        KeyVerdict.MOVING_KEY: 0,
        KeyVerdict.INDEX_KEY: 0,
        KeyVerdict.NO_SINGLE_KEY: 1,
        KeyVerdict.UNKNOWN: 2,
    }


def region(samplers: Mapping[Place, SamplerMode]) -> PlantAws:
    plant = Plant(int(NOW) - HOUR, region=REGION)
    for spec in specs():
        plant.create(spec)
    return PlantAws(plant, SimulatedClock(NOW), samplers=samplers)


def test_a_part_that_could_not_be_read_is_told_and_the_rest_is_judged() -> None:
    aws = region(SAMPLED)

    def sample(place: Place, sampler: Sampler, rules: Sequence[str], start: float, end: float) -> KeySample:
        if place.index:
            return KeySample(start, end, sampler.mode, complete=False, note="it did not answer")
        return whole(place, sampler, rules, start, end)

    whole, aws.insights.sample = aws.insights.sample, sample  # type: ignore[method-assign]  # a port that fails
    cases = read(aws.region(), Place("visits"), NOW, 30, TablePolicy())
    assert {one.finding.place.index: one.answered for one in cases} == {"": True, "by-day": False}


def test_an_index_that_vanishes_meanwhile_is_an_error() -> None:
    aws = region({})
    description = aws.describe("quiet")
    aws.describe = lambda name: replace(  # type: ignore[method-assign]  # noqa: ARG005 - as described a moment ago
        description, throughputs={**description.throughputs, "gone": description.throughputs[""]}
    )
    with pytest.raises(WatcherError, match="gone"):
        read(aws.region(), Place("quiet"), NOW, 30, TablePolicy())


# Shown --------------------------------------------------------------------------------------------------------------


def printed(cases: list[Case], last: Decision | None = None, width: int = 80) -> list[str]:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, force_terminal=True)
    print_cases(console, cases, REGION, last, NOW, 30)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def shown(*keys: HotKey, index: str = "") -> Case:
    finding = examples.finding(KeyVerdict.ONE_KEY, *keys, index=index)
    return Case(finding, SamplerMode.FULL, 1204.0, answered=True)


def test_everything_fits_eighty_columns() -> None:
    long = examples.hot_key("customer#" + "9" * 119, 1.0, 12.34, 1234567.0, asked_share=13.37, since=1, rising=False)
    lines = printed([shown(long, examples.HOTTEST, examples.SECOND, index="by-customer")])
    assert max(map(len, lines)) <= 80
    assert "".join(line.split()[0] for line in lines[2:] if line.startswith(("cust", "9999"))).startswith(
        "customer#999"
    )
    assert any("118 % (140 %)" in line and "02:52 UTC" in line and line.endswith("yes") for line in lines)
    assert any("earlier" in line for line in lines), "a heat older than the sample"


def test_people_read_the_verdict_the_keys_and_the_blind_spots() -> None:
    assert printed([shown(examples.HOTTEST)]) == [
        "orders  one-key  all keys sampled, last 30 min",
        "key               of traffic   of partition  throttled/min  since      rising",
        "key:0a1b2c3d4e5f        62 %  118 % (140 %)          1,204  02:52 UTC  yes",
        "One key asks for 140 % of what a partition serves.",
        "To do: Shard this key over several, or cache what is read of it; more capacity",
        "does not help.",
        "PartiQL is not counted.",
        "",
    ]


def test_shares_of_what_was_throttled_are_called_so() -> None:
    [heading] = [line for line in printed([shown(examples.INDEX_HOTTEST)]) if line.startswith("key ")]
    assert "of throttles" in heading


def test_brackets_of_a_key_are_no_markup() -> None:
    lines = printed([shown(examples.hot_key("[red]evil[/red]", 0.5, None))])
    assert any(line.startswith("[red]evil[/red]") for line in lines)


@pytest.mark.parametrize(
    ("modes", "told"),
    [
        pytest.param([SamplerMode.OFF, SamplerMode.OFF], True, id="where all is off"),
        pytest.param([SamplerMode.OFF, SamplerMode.THROTTLED], False, id="not where anything is sampled"),
    ],
)
def test_the_remedy_is_told(modes: list[SamplerMode], told: bool) -> None:  # noqa: FBT001 - a table's column
    cases = [case(index=str(number), mode=mode) for number, mode in enumerate(modes)]
    lines = printed(cases, width=1000)
    assert [line.startswith("By hand: aws dynamodb") for line in lines if "By hand" in line] == [True] * told
    assert bool(record(cases, REGION, None)["remedy"]) is told


def test_the_command_names_the_index_and_always_the_mode() -> None:
    assert switch_command(Place("orders", "by-day"), REGION) == (
        "aws dynamodb update-contributor-insights --region us-east-1 --table-name orders --index-name by-day "
        "--contributor-insights-action ENABLE --contributor-insights-mode THROTTLED_KEYS"
    )
