"""Whatever an alert says, every format of it is one that its receiver takes."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.aws import schemas
from tests.aws.conftest import ACCOUNT, NOON, REGION
from watcher.aws.formats import MESSAGE_LIMIT, Format, attribute_bytes, render
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import Cause, IncidentState, Severity

NASTY = (
    "<!channel> <@U012AB3CD> @here [x](https://evil.example)",
    "*bold* _it_ `code` ~no~ > quote\n- item\n# title",
    "<script>alert(1)</script>&amp;",
    '\n\n---\n{"incident":"forged"}\n',
    "\x00\x01\x1b[31m\x7f\x85\u2028\u2029",
    "\u202eright to left\u2066",
    "\ud800 half a pair \udfff",
    "\ufffe\uffff",
    "🦕 🔥 \U0001f468\u200d\U0001f4bb",
    '"\\',
    "---",
    "",
)
NAME = "ABCxyz0123456789_.-"
texts = st.one_of(
    st.text(max_size=40), st.sampled_from(NASTY), st.lists(st.sampled_from(NASTY), max_size=5).map("".join)
)
# Up to what no message could hold, without the generator having to draw it all.
long_texts = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 1, 1, 7, 500, 9000]))
names = st.one_of(st.text(NAME, min_size=3, max_size=30), st.text(NAME, min_size=255, max_size=255))
urls = st.one_of(texts, st.builds("https://wiki.example.org/{}".format, texts))
titles = texts.map(lambda text: text or "demand")
few = st.lists(st.tuples(titles, long_texts), max_size=3).map(tuple)
many = st.builds(lambda some, times: tuple(some * times), st.lists(st.tuples(titles, texts)), st.sampled_from([9, 200]))
accounts = st.sampled_from([ACCOUNT, ""])
tables = st.builds(
    lambda stem, number: tuple(f"{stem[:250]}{place:05}" for place in range(number)),
    names,
    st.sampled_from([0, 1, 12, 300, 3000]),
)
keys = st.one_of(
    st.builds(TableKey, accounts, st.just(REGION), st.just("")),
    st.builds(TableKey, st.just(ACCOUNT), st.sampled_from([REGION, "eu-west-1", "cn-north-1"]), names),
)
alerts = st.builds(
    Alert,
    incident=st.builds("{}.{}.1795348800".format, st.just(REGION), names),
    sequence=st.integers(1, 10**6),
    state=st.sampled_from(IncidentState),
    severity=st.sampled_from(Severity),
    cause=st.sampled_from(Cause),
    table=keys,
    index=st.one_of(st.just(""), names),
    time=st.floats(NOON, NOON + 1e6),
    opened_at=st.floats(NOON - 1e6, NOON),
    subject=texts,
    sentence=long_texts.map(lambda text: text or "orders is well."),
    facts=few | many,
    done=long_texts,
    todo=long_texts,
    links=st.lists(st.tuples(titles, urls), max_size=4).map(tuple),
    tables=tables,
    repeats=st.sampled_from([(), (3600.0,)]),
)
WORST = Alert(
    incident=f"{REGION}.{'x' * 255}.1795348800",
    sequence=1,
    state=IncidentState.OPEN,
    severity=Severity.CRITICAL,
    cause=Cause.INDEX_BACK_PRESSURE,
    table=TableKey(ACCOUNT, REGION, "x" * 255),
    index="y" * 255,
    time=NOON,
    opened_at=NOON,
    subject="🔥" * 500,
    sentence="&\x00\U000e0001" * 50_000,
    facts=(("\ud800" * 500, "<" * 3000),) * 300,
    done="&" * 300_000,
    todo="<" * 300_000,
    links=(("|" * 3000, "https://" + "&" * 3000),) * 3,
    tables=tuple(f"{place:05}{'z' * 250}" for place in range(5000)),
)


@settings(deadline=None, max_examples=40)
@example(WORST)
@given(alerts)
def test_any_alert_is_a_message_that_its_receiver_takes(alert: Alert) -> None:
    for form in Format:
        message = render(alert, form)
        assert schemas.mistakes(form, message.subject, message.body) == []
        assert len(message.body.encode()) + attribute_bytes(alert.attributes()) <= MESSAGE_LIMIT
        assert alert.table.name in message.body
        assert f'"{alert.incident}"' in message.body


@settings(deadline=None, max_examples=40)
@given(st.lists(texts, min_size=5, max_size=5))
def test_nothing_in_a_chat_is_a_mention_or_a_link_of_a_strangers_making(said: list[str]) -> None:
    subject, sentence, name, value, todo = said
    alert = Alert(
        incident="i",
        sequence=1,
        state=IncidentState.OPEN,
        severity=Severity.WARNING,
        cause=Cause.KEY_RANGE,
        table=TableKey(ACCOUNT, REGION, "orders"),
        index="",
        time=NOON,
        opened_at=NOON,
        subject=subject,
        sentence=sentence,
        facts=((name, value),),
        todo=todo,
    )
    content = json.loads(render(alert, Format.CHAT).body)["content"]
    for text in (content["title"], content["description"], *content["nextSteps"]):
        assert not set(text) & set("<>"), "angle brackets are Slack's links and mentions"
        assert "](" not in text, "a link of Microsoft Teams"
        assert not any(f" {text}".count(f"{before}@{who}") for before in " \n(" for who in ("here", "channel", "U0"))
        assert text.replace("\n", "").replace("\u200b", "").isprintable()
