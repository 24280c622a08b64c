"""Where a reader of an alert goes next: every URL whole, and nothing made up."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest

from watcher.core.links import anchor, encoded, links_of
from watcher.core.model import TableKey
from watcher.core.policy import Links
from watcher.core.reasons import Cause

ORDERS = TableKey("111122223333", "eu-west-1", "orders")
REGION = replace(ORDERS, name="")


def url(name: str, links: Links, table: TableKey = ORDERS, index: str = "", cause: Cause = Cause.PROVISIONED) -> str:
    return dict(links_of(links, table, index, cause)).get(name, "")


def test_the_order_in_which_they_help() -> None:
    links = Links(page="https://watcher.example/", runbook="https://wiki.example/{cause}")
    names = [name for name, _ in links_of(links, ORDERS, "", Cause.KEY_RANGE)]
    assert names == ["runbook", "page", "console", "keys"]


def test_what_is_not_configured_is_left_out() -> None:
    assert [name for name, _ in links_of(Links(), ORDERS, "", Cause.PROVISIONED)] == ["console"]


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        pytest.param("eu-west-1", "https://eu-west-1.console.aws.amazon.com", id="aws"),
        pytest.param("cn-north-1", "https://cn-north-1.console.amazonaws.cn", id="aws-cn"),
        pytest.param("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com", id="aws-us-gov"),
        pytest.param("eusc-de-east-1", "https://eusc-de-east-1.console.amazonaws-eusc.eu", id="aws-eusc"),
    ],
)
def test_the_console_of_each_partition(region: str, expected: str) -> None:
    table = replace(ORDERS, region=region)
    assert url("console", Links(), table) == (
        f"{expected}/dynamodbv2/home?region={region}#table?name=orders&tab=monitoring"
    )
    assert url("keys", Links(), table, cause=Cause.KEY_RANGE) == (
        f"{expected}/cloudwatch/home?region={region}#contributor-insights:rules"
    )


@pytest.mark.parametrize("region", ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", ""])
def test_a_console_that_is_not_public_is_not_made_up(region: str) -> None:
    assert links_of(Links(), replace(ORDERS, region=region), "", Cause.KEY_RANGE) == ()


def test_a_whole_region_leads_to_its_tables_and_to_the_watcher_itself() -> None:
    links = Links(page="https://watcher.example/")
    assert url("console", links, REGION, cause=Cause.STORM) == (
        "https://eu-west-1.console.aws.amazon.com/dynamodbv2/home?region=eu-west-1#tables"
    )
    assert url("page", links, REGION, cause=Cause.STORM) == "https://watcher.example/#itself"


@pytest.mark.parametrize(
    ("cause", "is_there"),
    [
        (Cause.KEY_RANGE, True),
        (Cause.UNCLASSIFIED, True),
        (Cause.PROVISIONED, False),
        (Cause.SLOW, False),
        (Cause.BLIND, False),
    ],
)
def test_contributor_insights_only_where_a_key_may_be_to_blame(cause: Cause, is_there: bool) -> None:  # noqa: FBT001 - a table's column
    assert bool(url("keys", Links(), cause=cause)) is is_there


def test_the_page_leads_to_the_table() -> None:
    assert url("page", Links(page="https://watcher.example/a")) == "https://watcher.example/a#table-eu-west-1-orders"


def test_a_page_with_a_place_of_its_own_keeps_it() -> None:
    assert url("page", Links(page="https://watcher.example/#tables")) == "https://watcher.example/#tables"


def test_tables_of_one_name_in_two_regions_have_two_places() -> None:
    assert anchor(ORDERS) != anchor(replace(ORDERS, region="us-east-1"))


ALL = "https://wiki.example/{account}/{region}/{table}?cause={cause}&index={index}#x"


@pytest.mark.parametrize(
    ("runbook", "table", "index", "expected"),
    [
        pytest.param(
            ALL,
            ORDERS,
            "by-customer",
            "https://wiki.example/111122223333/eu-west-1/orders?cause=key-range&index=by-customer#x",
            id="every placeholder",
        ),
        pytest.param(
            ALL, REGION, "", "https://wiki.example/111122223333/eu-west-1/?cause=key-range&index=#x", id="of a Region"
        ),
        pytest.param(
            "https://wiki.example/{cause}/{cause}",
            ORDERS,
            "",
            "https://wiki.example/key-range/key-range",
            id="one placeholder twice",
        ),
        pytest.param("https://wiki.example/", ORDERS, "", "https://wiki.example/", id="no placeholder"),
        pytest.param(
            "https://wiki.example/{what}/{table", ORDERS, "", "https://wiki.example/{what}/{table", id="none of ours"
        ),
        pytest.param("https://wiki.example/{{table}}", ORDERS, "", "https://wiki.example/{orders}", id="nested braces"),
        pytest.param(
            "https://wiki.example/{table}/{index}",
            replace(ORDERS, name="{index}"),
            "a/b c&d=ü",
            "https://wiki.example/%7Bindex%7D/a%2Fb%20c%26d%3D%C3%BC",
            id="a value is encoded, and is no placeholder itself",
        ),
    ],
)
def test_runbook(runbook: str, table: TableKey, index: str, expected: str) -> None:
    assert url("runbook", Links(runbook=runbook), table, index, Cause.KEY_RANGE) == expected


@pytest.mark.parametrize("text", ["orders", "a.b-c_d~e", "a b", "a/b?c#d&e=f", "äöü", "日本", "{}%", ""])
def test_encoding_is_undone_by_any_reader(text: str) -> None:
    assert unquote(encoded(text)) == text
    assert not set(encoded(text)) & set(" /?#&={}")


def test_every_url_parses() -> None:
    links = Links(page="https://watcher.example/", runbook="https://wiki.example/{table}")
    for _, one in links_of(links, replace(ORDERS, name="a" * 255), "i" * 255, Cause.KEY_RANGE):
        parts = urlsplit(one)
        assert parts.scheme == "https"
        assert parts.hostname
