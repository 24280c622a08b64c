"""What the page says of whole Regions, storms, pauses and topics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.telemetry import examples
from tests.web.scene import Scene
from tests.web.test_page import Document, busy, stormy
from watcher.core.links import anchor
from watcher.core.reasons import Cause
from watcher.web.view import Level, headline, ordinal, regionals


def incidents(scene: Scene) -> list[str]:
    """The text of each open incident, in order."""
    found = [cell for cell in Document(scene.page()).all("li") if cell.attributes.get("class")]
    return [" ".join(cell.text.split()) for cell in found]


def test_incidents_of_whole_regions_stand_before_those_of_tables() -> None:
    blind, storm, slow = incidents(stormy())
    assert blind == (
        "Region us-east-1 critical blind Nothing of this Region can be read. "
        "Open again, for the 3rd time; first opened 2026-11-22T02:59:05Z."
    )
    assert storm == (
        "Region us-east-1 critical storm Nothing of us-east-1 can be read since 02:59 UTC. "
        "2 tables in trouble: carts, orders. To do: Look at the network of the watcher. "
        "Open for 2 min, since 2026-11-22T03:02:05Z."
    )
    assert slow.startswith("slow "), "the tables of the storm are one with it"


def test_an_acknowledged_incident_says_by_whom_until_when_and_why() -> None:
    *others, slow = incidents(stormy())
    assert slow.startswith("slow critical slow acknowledged ")
    assert "Silenced until 2026-11-22T05:03:05Z by ana@db-7: deploying" in slow
    assert "Open again, for the 3rd time; first opened 2026-11-22T03:00:05Z." in slow
    assert not any("acknowledged" in one for one in others)


def test_the_headline_counts_a_storm_as_one() -> None:
    scene = stormy()
    head = headline(scene.hub.snapshot, scene.health.alive())
    assert head.level is Level.BAD
    assert head.sentence == (
        "3 incidents are open, 3 of them critical, 1 acknowledged: "
        "Region us-east-1 (blind), Region us-east-1 (storm, 2 tables), slow (slow)."
    )
    assert head.notes == ("Alerts do not reach chat: NotFound: Topic does not exist",)


def test_a_lone_incident_that_is_acknowledged() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(examples.throttled_table(), pauses=[examples.pause()]))
    sentence = headline(scene.hub.snapshot, scene.health.alive()).sentence
    assert sentence == "1 incident is open and acknowledged: orders (provisioned)."


def test_a_region_s_warning_comes_after_a_table_that_is_critical() -> None:
    scene = Scene()
    regions = {"us-east-1": examples.region(examples.PERMISSION_LOST)}
    scene.cycle(examples.cycle(examples.throttled_table(), regions=regions))
    sentence = headline(scene.hub.snapshot, scene.health.alive()).sentence
    assert sentence == (
        "2 incidents are open, 1 of them critical: orders (provisioned), Region us-east-1 (permission-lost)."
    )


def test_the_pauses_in_force_are_listed() -> None:
    terms = dict(zip(Document(stormy().page()).words("dt"), Document(stormy().page()).words("dd"), strict=True))
    assert terms["slow"] == (
        "Silenced until 2026-11-22T05:03:05Z, for 119 min more, by ana@db-7: deploying. Ended sooner by watcher resume."
    )
    assert "Its capacity is only advised on meanwhile." in terms["x* eu-west-1"]
    assert terms["Messages waiting"] == "3 messages, 2 of them held by quiet hours or a pause"
    assert terms["Topic chat"] == "failing: NotFound: Topic does not exist"
    assert terms["Topic pages"] == "no delivery to it fails"


def test_without_pauses_there_is_no_such_section() -> None:
    assert "Pauses" not in Document(busy().page()).words("h2")
    assert "Pauses" in Document(stormy().page()).words("h2")


def test_an_alert_s_link_finds_its_table() -> None:
    document = Document(stormy().page())
    ids = [cell.attributes["id"] for cell in document.all("tbody") if "id" in cell.attributes]
    assert ids == [anchor(examples.key(name)) for name in ("carts", "orders", "slow")]
    assert document.all("h2", id=anchor(examples.key("")))
    links = [str(cell.attributes["href"]) for cell in document.all("a") if str(cell.attributes["href"]).startswith("#")]
    assert [link.removeprefix("#") for link in links] == ids


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_ordinals(number: int, word: str) -> None:
    assert ordinal(number) == word


@pytest.mark.parametrize("cause", [Cause.STORM, Cause.BLIND, Cause.PERMISSION, Cause.OVERDUE, Cause.LEASE_LOST])
def test_a_region_s_incident_has_words_before_any_message_is_known(cause: Cause) -> None:
    scene = Scene()
    scene.cycle(examples.cycle(regions={"us-east-1": examples.region(replace(examples.BLIND, cause=cause))}))
    [one] = regionals(scene.hub.snapshot)
    assert one.sentence.endswith(".")
    assert one.sentence in Document(scene.page()).words("p")
