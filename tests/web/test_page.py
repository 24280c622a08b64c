"""What a person reads on the page, and that nothing else comes through it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest

from tests.telemetry import examples
from tests.web.scene import Scene
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import SamplerMode
from watcher.core.model import TABLE_READ, Billing, Dimension, Kind
from watcher.core.policy import Bounds
from watcher.core.reasons import Cause, Freshness, Mode, Outcome, Reason, Severity
from watcher.core.sampling import SamplingPlan
from watcher.core.state import TableState
from watcher.ports import TableReport
from watcher.web.page import STYLE_HASH
from watcher.web.view import Level, by_need, headline

VOID = {"meta", "link", "br", "hr", "img", "input", "rect"}


@dataclass
class Cell:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Document(HTMLParser):
    """Just enough of a DOM: every element in order with its text, and whether the tags nest."""

    source: str
    elements: list[Cell] = field(default_factory=list)
    open: list[Cell] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)
        self.close()
        assert not self.open, f"never closed: {[cell.tag for cell in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        cell = Cell(tag, dict(attrs))
        assert len(cell.attributes) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append(cell)
        if tag not in VOID:
            self.open.append(cell)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Cell(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for cell in self.open:
            cell.text += data

    def all(self, tag: str, **attributes: str) -> list[Cell]:
        return [
            cell
            for cell in self.elements
            if cell.tag == tag and all(cell.attributes.get(name) == value for name, value in attributes.items())
        ]

    def words(self, tag: str) -> list[str]:
        return [" ".join(cell.text.split()) for cell in self.all(tag)]


def busy() -> Scene:
    scene = Scene()
    scene.cycle(examples.cycle(examples.throttled_table(), examples.table_report("customers")))
    scene.decisions = [examples.raise_decision(examples.key(), outcome=Outcome.APPLIED)]
    return scene


def hot() -> Scene:
    scene = Scene()
    scene.cycle(examples.cycle(examples.hot_table()))
    return scene


def heats(scene: Scene) -> list[str]:
    """The text of each row about hot keys."""
    found = Document(scene.page()).all("tr")
    return [" ".join(row.text.split()) for row in found if "heat" in str(row.attributes.get("class")).split()]


def rows(scene: Scene) -> dict[str, str]:
    """The text of each row of the tables section, by its row header."""
    found = [" ".join(cell.text.split()) for cell in Document(scene.page()).all("tr")]
    return {row.split(" ")[0]: row for row in reversed(found)}


def stormy() -> Scene:
    """A storm of three tables, one of them over and one acknowledged; the watcher itself blind for the third time."""
    scene = Scene()
    orders, carts = examples.throttled_table(), replace(examples.throttled_table(), key=examples.key("carts"))
    assert carts.explanation is not None
    again = replace(examples.incident(), flaps=2)
    slow = examples.table_report("slow", cause=Cause.SLOW, trouble=examples.incident(Cause.SLOW, Severity.WARNING))
    assert slow.explanation is not None
    slow = replace(slow, explanation=replace(slow.explanation, incident=replace(again, cause=Cause.SLOW)))
    scene.hub.use_topics([examples.PAGES, examples.CHAT])
    scene.cycle(
        examples.cycle(
            orders,
            carts,
            slow,
            told=[examples.regional_alert(examples.STORM, tables=["carts", "orders"])],
            regions={"us-east-1": examples.region(examples.BLIND, storm=["carts", "orders", "users"], over=["users"])},
            pauses=[examples.pause("slow"), examples.pause("x*", region="eu-west-1", advise_only=True)],
            outbox=3,
            held=2,
            failing={examples.CHAT: "NotFound: Topic does not exist"},
        )
    )
    return scene


@pytest.fixture(params=["empty", "busy", "hot", "stormy", "unseen", "stuck"])
def page(request: pytest.FixtureRequest) -> str:
    scenes = {"busy": busy, "hot": hot, "stormy": stormy}
    scene = scenes.get(request.param, Scene)()
    if request.param == "unseen":
        scene.cycle(examples.cycle(examples.unseen(), region_errors={"eu-west-1": "no answer", "": "disk full"}))
    scene.clock.advance(9999 if request.param == "stuck" else 12)
    return scene.page()


class TestEveryPage:
    def test_is_well_formed_and_says_its_language(self, page: str) -> None:
        document = Document(page)
        assert page.startswith("<!doctype html>\n")
        assert document.all("html")[0].attributes == {"lang": "en"}
        assert len(document.all("h1")) == 1
        assert len(document.all("title")) == 1

    def test_needs_no_script_and_nothing_from_elsewhere(self, page: str) -> None:
        document = Document(page)
        assert {cell.tag for cell in document.elements}.isdisjoint({"script", "link", "img", "iframe", "form", "base"})
        for cell in document.elements:
            for name, value in cell.attributes.items():
                assert not name.startswith("on"), f"{cell.tag} {name}"
                assert name != "style", "the content security policy forbids style attributes"
                assert "//" not in (value or ""), f"{cell.tag} {name}={value}"
        style = document.all("style")[0].text
        assert "url(" not in style
        assert "@import" not in style

    def test_carries_exactly_the_stylesheet_that_the_policy_allows(self, page: str) -> None:
        [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
        assert "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() == STYLE_HASH

    def test_has_scoped_table_headers_and_labelled_sections(self, page: str) -> None:
        document = Document(page)
        for header in document.all("th"):
            assert header.attributes["scope"] in {"col", "row", "rowgroup"}
        names = {cell.attributes.get("id") for cell in document.elements}
        for cell in document.elements:
            assert cell.attributes.get("aria-labelledby") in {None, *names}

    def test_writes_times_in_iso_8601_utc(self, page: str) -> None:
        times = Document(page).all("time")
        assert times
        for cell in times:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", cell.text)
            assert cell.attributes["datetime"] == cell.text


def test_a_name_from_outside_is_text_and_nothing_more() -> None:
    evil = "<script>alert(1)</script>\"&'<b>"
    scene = Scene()
    report = examples.table_report(
        evil,
        cause=Cause.PROVISIONED,
        sentence=f"Sentence of {evil}",
        dimensions=[examples.dimension_report(replace(TABLE_READ, index=evil))],
        trouble=examples.incident(index=evil),
    )
    scene.cycle(examples.cycle(report, region_errors={"eu-west-1": evil}))
    scene.decisions = [examples.decision(examples.key(evil), replace(TABLE_READ, index=evil), sentence=evil)]
    text = scene.page()
    document = Document(text)
    assert "<script" not in text
    assert not document.all("script")
    assert not document.all("b")
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&amp;&#39;&lt;b&gt;") >= 8


SLOW = examples.table_report("slow", cause=Cause.SLOW, sentence="Slow.")
STALE = examples.table_report("stale", dimensions=[examples.dimension_report(freshness=Freshness.STALE)])


def troubled(name: str, severity: Severity, cause: Cause = Cause.PROVISIONED) -> TableReport:
    return examples.table_report(name, cause=cause, trouble=examples.incident(cause, severity))


@pytest.mark.parametrize(
    ("tables", "errors", "age", "level", "sentence"),
    [
        pytest.param(
            None, {}, 0, Level.WAIT, "The watcher has started; its first cycle has not finished yet.", id="new"
        ),
        pytest.param(
            [],
            {},
            0,
            Level.WARN,
            "No table is watched: no rule of the configuration matches a table.",
            id="no table is not well",
        ),
        pytest.param([examples.table_report()], {}, 0, Level.GOOD, "The one table is well.", id="one table, well"),
        pytest.param(
            [examples.table_report("a"), examples.table_report("b")],
            {},
            0,
            Level.GOOD,
            "All 2 tables are well.",
            id="well",
        ),
        pytest.param(
            [troubled("orders", Severity.WARNING)],
            {},
            0,
            Level.WARN,
            "1 incident is open: orders (provisioned).",
            id="one warning",
        ),
        pytest.param(
            [troubled("a", Severity.WARNING, Cause.SLOW), troubled("b", Severity.CRITICAL)],
            {},
            0,
            Level.BAD,
            "2 incidents are open, 1 of them critical: b (provisioned), a (slow).",
            id="the critical one comes first",
        ),
        pytest.param(
            [troubled(name, Severity.WARNING) for name in "abcdef"],
            {},
            0,
            Level.WARN,
            "6 incidents are open: a (provisioned), b (provisioned), c (provisioned), d (provisioned) and 2 more.",
            id="a long list is cut",
        ),
        pytest.param(
            [SLOW, examples.table_report()],
            {},
            0,
            Level.WARN,
            "No incident is open, but 1 table needs a look: slow (slow).",
            id="a cause without an incident",
        ),
        pytest.param(
            [STALE, examples.unseen("unseen")],
            {},
            0,
            Level.WARN,
            "No incident is open, but 2 tables need a look: unseen (unreadable), stale (no fresh data).",
            id="the unseen and the stale are not well",
        ),
        pytest.param(
            [examples.table_report()],
            {"eu-west-1": "no answer"},
            0,
            Level.WARN,
            "No incident is open, but not everything can be seen or done.",
            id="an unreadable Region is not well",
        ),
        pytest.param(
            [troubled("orders", Severity.CRITICAL)],
            {},
            210,
            Level.BAD,
            "The last cycle finished 4 min ago; more than 4 min means the watcher is stuck.",
            id="a stuck watcher says so before anything else",
        ),
    ],
)
def test_headline(
    tables: list[TableReport] | None, errors: dict[str, str], age: float, level: Level, sentence: str
) -> None:
    scene = Scene()
    if tables is not None:
        scene.cycle(examples.cycle(*tables, region_errors=errors))
    scene.clock.advance(age)
    said = headline(scene.hub.snapshot, scene.health.alive())
    assert (said.level, said.sentence) == (level, sentence)
    assert Document(scene.page()).words("h1") == [sentence]


def test_notes_tell_what_limits_the_answer() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(region_errors={"": "disk full", "eu-west-1": "no answer"}, acting=False))
    assert headline(scene.hub.snapshot, scene.health.alive()).notes == (
        "The state store is lost, so nothing is changed until it is back: disk full",
        "Region eu-west-1 cannot be read: no answer",
    )


def test_tables_come_by_need() -> None:
    scene = Scene()
    full = examples.table_report("full", dimensions=[examples.dimension_report(demand=95.0)])
    tables = [
        examples.table_report("calm"),
        full,
        STALE,
        examples.unseen("unseen"),
        SLOW,
        troubled("warned", Severity.WARNING),
        troubled("critical", Severity.CRITICAL, Cause.SLOW),
    ]
    scene.cycle(examples.cycle(*tables))
    assert [view.key.name for view in by_need(scene.hub.snapshot.tables)] == [
        *("critical", "warned", "slow", "unseen", "stale", "full", "calm")
    ]


def test_a_throttled_row_tells_all_its_figures_with_their_age() -> None:
    scene = busy()
    scene.clock.advance(12)
    # The newest point is of 03:01 and ended at 03:02:00; it is 03:04:17 now.
    assert rows(scene)["writes"] == (
        "writes 100 100 405 (405 %) 1,204 provisioned 5 to 2,000 3 next in 25 min 2 min "
        "Writes want 405/s and get 100/s, so 579/s leaves room. raise-throttled, applied, 12 s ago"
    )
    assert rows(scene)["latency"] == (
        "latency PutItem 6.2 ms average, 18 ms p99 normal 5.5 ms GetItem 2.5 ms average normal still being learned"
    )
    document = Document(scene.page())
    labels = {cell.attributes.get("data-label") for cell in document.all("td")} - {None}
    assert {label for label in labels if label and "units/s" in label} == {
        "Provisioned, units/s",
        "Consumed, units/s",
        "Demand, units/s (of provisioned)",
        "Bounds, units/s",
        "Capacity, units/s",
    }


@pytest.mark.parametrize(
    ("demand", "width", "over"),
    [
        pytest.param(0.0, "0.0", False, id="no demand, no bar"),
        pytest.param(50.0, "50.0", False, id="half"),
        pytest.param(100.0, "100.0", False, id="exactly full is not over"),
        pytest.param(100.5, "100.0", True, id="just over"),
        pytest.param(4000.0, "100.0", True, id="far over stays inside"),
    ],
)
def test_the_bar(demand: float, width: str, over: bool) -> None:  # noqa: FBT001 - a table's column
    scene = Scene()
    scene.cycle(examples.cycle(examples.table_report(dimensions=[examples.dimension_report(demand=demand)])))
    document = Document(scene.page())
    [bar] = document.all("svg")
    [fill] = document.all("rect", **{"class": "fill"})
    assert fill.attributes["width"] == width
    assert bar.attributes["class"] == ("bar over" if over else "bar")


def test_stale_absent_and_zero_look_different() -> None:
    scene = Scene()
    old = examples.dimension_report(TABLE_READ, freshness=Freshness.STALE, newest=examples.NEWEST - 1200)
    none = examples.dimension_report(consumed=None, demand=None, newest=None, freshness=Freshness.ABSENT)
    zero = examples.dimension_report(examples.INDEX_WRITE, consumed=0.0, demand=0.0, bounds=Bounds(1, 10))
    scene.cycle(examples.cycle(examples.table_report(dimensions=[old, none, zero])))
    _, _, stale, absent, fresh = Document(scene.page()).all("tr")
    assert [row.attributes["class"] for row in (stale, absent, fresh)] == ["stale", "stale", ""]
    assert "22 min stale" in " ".join(stale.text.split())
    assert "100 unknown unknown unknown 5 to 2,000 3 no data absent" in " ".join(absent.text.split())
    assert "100 0 0 (0 %) 0 1 to 10 3 2 min" in " ".join(fresh.text.split())


def test_a_table_out_of_sight_looks_stale_and_says_why() -> None:
    scene = busy()
    scene.clock.advance(60)
    scene.cycle(examples.cycle(examples.unseen(error="DescribeTable timed out."), at=examples.NOW + 60))
    document = Document(scene.page())
    [body] = document.all("tbody", **{"class": "stale"})
    text = " ".join(body.text.split())
    assert "Not seen in the last cycle: DescribeTable timed out. The figures are from 60 s ago." in text
    [incident] = document.all("li")
    assert incident.attributes["class"] == "critical stale"
    assert incident.text.split()[-5:] == ["Last", "seen", "60", "s", "ago."]


def test_on_a_stuck_watcher_everything_looks_stale() -> None:
    scene = busy()
    assert not Document(scene.page()).all("tbody", **{"class": "stale"})
    scene.clock.advance(scene.health.limit_seconds)
    assert len(Document(scene.page()).all("tbody", **{"class": "stale"})) == 2


def test_on_demand_shows_no_capacity_of_its_own() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(examples.table_report(billing=Billing.ON_DEMAND)))
    assert rows(scene)["reads"].startswith("reads on demand 60 60 0 5 to 2,000 on demand 2 min")
    assert not Document(scene.page()).all("svg")


class TestHotKeys:
    def test_each_place_tells_its_verdict_its_keys_and_what_is_sampled(self) -> None:
        table, by_customer, by_day = heats(hot())
        todo = "To do: Shard this key over several, or cache what is read of it; more capacity does not help. "
        assert table == (
            "hot keys one-key One key asks for 140 % of what a partition serves. "
            "key:0a1b2c3d4e5f 118 % of a partition's ceiling (140 % asked for), 62 % of the traffic, "
            "1,204 throttled a minute hot since 2026-11-22T02:52:00Z, still rising "
            "key:99aa88bb77cc 21 % of a partition's ceiling, 11 % of the traffic hot for longer than was read "
            f"{todo}Contributor Insights samples all keys. PartiQL is not counted."
        )
        assert by_customer == (
            "hot keys of index by-customer index-key One key asks for 140 % of what a partition serves. "
            "key:5f4e3d2c1b0a 80 % of what was throttled, 310 throttled a minute "
            "hot since 2026-11-22T02:59:00Z, not rising "
            f"{todo}Contributor Insights samples throttled keys. PartiQL is not counted."
        )
        assert by_day == (
            "hot keys of index by-day Throttled keys of index by-day of orders are not sampled: "
            "no rule is left of the 100 of the account."
        )

    def test_the_open_incident_tells_the_verdict_of_its_place(self) -> None:
        [incident] = Document(hot().page()).all("li", **{"class": "critical"})
        text = " ".join(incident.text.split())
        assert "Hot keys: one-key One key asks for 140 % of what a partition serves." in text

    def test_only_a_key_above_the_ceiling_has_a_full_red_bar(self) -> None:
        scene = Scene()
        edge = [examples.hot_key("key:1", 0.5, 1.0), examples.hot_key("key:2", 0.4, 1.001)]
        found = examples.finding(KeyVerdict.FEW_KEYS, *edge)
        scene.cycle(examples.cycle(examples.table_report(dimensions=[], hot_keys=[found])))
        bars = Document(scene.page()).all("svg")
        assert [bar.attributes["class"] for bar in bars] == ["bar", "bar over"]

    @pytest.mark.parametrize(
        ("verdict", "marked"),
        [(verdict, verdict not in (KeyVerdict.NO_SINGLE_KEY, KeyVerdict.UNKNOWN)) for verdict in KeyVerdict],
    )
    def test_only_hot_keys_are_marked(self, verdict: KeyVerdict, marked: bool) -> None:  # noqa: FBT001 - a column
        scene = Scene()
        scene.cycle(examples.cycle(examples.table_report(hot_keys=[examples.finding(verdict)])))
        [tag] = [cell for cell in Document(scene.page()).all("span") if cell.text == verdict.value]
        assert ("warning" in str(tag.attributes["class"])) is marked

    def test_a_table_of_which_nothing_is_asked_has_no_row(self) -> None:
        assert heats(busy()) == []

    def test_a_quiet_table_that_is_sampled_says_so_in_one_line(self) -> None:
        scene = Scene()
        plan = SamplingPlan(TableState(), current={"": SamplerMode.THROTTLED, "by-day": SamplerMode.OFF})
        scene.cycle(examples.cycle(examples.table_report(sampling=plan)))
        assert heats(scene) == ["hot keys Contributor Insights samples throttled keys."]

    def test_a_key_from_outside_is_text_and_nothing_more(self) -> None:
        evil = "<script>alert(1)</script>\"&'<b>"
        scene = Scene()
        found = examples.finding(KeyVerdict.ONE_KEY, examples.hot_key(evil, 0.5, None), index="by-customer")
        found = replace(found, sentence=evil, todo=evil, blind=(evil,))
        plan = SamplingPlan(TableState(), lost={"by-customer": evil})
        scene.cycle(examples.cycle(examples.table_report(hot_keys=[found], sampling=plan)))
        text = scene.page()
        assert "<script" not in text
        assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&amp;&#39;&lt;b&gt;") == 5

    @pytest.mark.parametrize("reason", [reason for reason in Reason if reason.is_of_place])
    @pytest.mark.parametrize(
        ("index", "place"), [pytest.param("", "table", id="table"), pytest.param("by-day", "index by-day", id="index")]
    )
    def test_history_names_the_place_and_no_capacity(self, reason: Reason, index: str, place: str) -> None:
        scene = Scene()
        told = examples.decision(
            examples.key(), Dimension(index, Kind.READ), before=0, after=0, reason=reason, sentence="so and so"
        )
        scene.decisions = [told]
        row = " ".join(Document(scene.page()).all("tr")[-1].text.split())
        assert row == f"2026-11-22T03:04:05Z 0 s ago orders {place} {reason} none act mode so and so"


def test_recent_decisions_are_cut_at_fifty() -> None:
    scene = busy()
    one = examples.decision(
        examples.key("customers"), before=400, after=400, reason=Reason.HOLD_AT_MIN, mode=Mode.ADVISE
    )
    scene.decisions = [examples.raise_decision(examples.key(), outcome=Outcome.APPLIED), *[one] * 60]
    text = scene.page()
    assert text.count("hold-at-min") == 49
    row = next(" ".join(cell.text.split()) for cell in Document(text).all("tr") if "→" in cell.text)
    assert row == (
        "2026-11-22T03:04:05Z 0 s ago orders writes 100 → 579 raise-throttled applied act mode "
        "Writes want 405/s and get 100/s, so 579/s leaves room."
    )


def test_the_watcher_tells_about_itself() -> None:
    scene = Scene()
    scene.cycle(examples.cycle(outbox=1, region_errors={"eu-west-1": "no answer"}))
    scene.clock.advance(5)
    document = Document(scene.page())
    assert dict(zip(document.words("dt"), document.words("dd"), strict=True)) == {
        "Health": "The last cycle finished 5 s ago.",
        "Last cycle": "2026-11-22T03:04:05Z, 5 s ago; took 1.5 s: observe 1.25 s, step 0.05 s",
        "State store": "available",
        "Messages waiting": "1 message",
        "Tables no rule matches": "2 tables",
        "Region us-east-1": "readable",
        "Region eu-west-1": "no answer",
        "Version": "1.2.3",
    }


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "background"),
    [
        *[(text, ground) for text in ("ink", "quiet", "link") for ground in ("paper", "card")],
        *[(text, "card") for text in ("warn", "bad")],
        ("warn", "paper"),
        *[(level, f"{level}-tint") for level in ("good", "wait", "warn", "bad")],
        *[("ink", f"{level}-tint") for level in ("good", "wait", "warn", "bad")],
    ],
)
def test_text_is_readable(scheme: int, text: str, background: str) -> None:
    schemes = re.findall(r":root \{(.*?)\}", Scene().page(), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", schemes[scheme]))
    assert contrast(colours[text], colours[background]) >= 4.5
