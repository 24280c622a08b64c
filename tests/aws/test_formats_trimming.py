"""What an alert does without when it is too long, in which order, and that it says so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.aws import schemas
from tests.aws.test_formats import ALERT
from tests.aws.test_formats_parts import LINKED, LINKS, STORM
from watcher.aws.formats import MESSAGE_LIMIT, Format, attribute_bytes, render
from watcher.aws.formats.trimming import FIRST_TABLES, MARK, READ, SHORTEST, letters, shortened, trimmed
from watcher.core.model import Alert

SLACK = 3000  # characters of one block of text


def size(alert: Alert, body: str) -> int:
    return len(body.encode()) + attribute_bytes(alert.attributes())


def told(alert: Alert) -> str:
    """What it says it leaves out."""
    return dict(alert.facts).get("left out", "")


def within(alert: Alert, limit: int) -> Alert:
    """Trimmed by a channel that counts letters."""
    found = trimmed(alert, lambda candidate: letters(candidate) <= limit)
    assert found is not None
    assert letters(found) <= limit
    return found


TABLES = tuple(f"table-{number:03}" for number in range(100))  # 9 letters each
FACTS = tuple((f"fact-{number:02}", "v" * 43) for number in range(20))  # 50 letters each
FULL = replace(
    LINKED,
    sentence="s" * 1000,
    done="d" * 1000,
    todo="t" * 1000,
    tables=TABLES,
    facts=(*FACTS, ("keys", "k" * 996)),
    links=LINKS,
)
LINK_LETTERS = sum(len(name) + len(url) for name, url in LINKS)
ALL = 3000 + 900 + 1000 + 1000 + LINK_LETTERS
NOTE = 110  # letters that saying it takes, at most


class TestOrder:
    """Each row leaves just too little room for the part before: the next one goes, and what is worth more is whole."""

    def test_what_fits_is_not_touched(self) -> None:
        assert within(FULL, ALL) is FULL

    def test_tables_beyond_the_first_go_first(self) -> None:
        kept = within(FULL, ALL - 1)
        assert FIRST_TABLES < len(kept.tables) < 100
        assert kept.tables == TABLES[: len(kept.tables)]
        assert kept.facts[:-1] == FULL.facts
        assert told(kept) == f"{100 - len(kept.tables)} of 100 tables, because the message would be too long"
        assert replace(kept, tables=TABLES, facts=FULL.facts) == FULL

    def test_no_more_than_needed_goes(self) -> None:
        kept = within(FULL, ALL - 9 * 50)
        assert letters(replace(kept, tables=TABLES[: len(kept.tables) + 1])) > ALL - 9 * 50

    def test_then_the_ends_of_long_facts(self) -> None:
        kept = within(FULL, ALL - 9 * 90 - 300)
        assert len(kept.tables) == FIRST_TABLES
        value = dict(kept.facts)["keys"]
        assert value.endswith("k" + MARK)
        assert SHORTEST < len(value) < 996
        assert kept.facts[:20] == FACTS
        assert kept.links == LINKS

    def test_then_the_ends_of_texts_that_nobody_reads_whole(self) -> None:
        endless = replace(FULL, sentence="s" * 9000)
        kept = within(endless, ALL)
        assert (len(kept.tables), [name for name, _ in kept.facts[:-1]]) == (
            FIRST_TABLES,
            [name for name, _ in FULL.facts],
        )
        assert READ < len(kept.sentence.removesuffix(MARK)) < 9000
        assert kept.sentence.endswith(MARK)
        assert (kept.done, kept.todo, kept.links) == (FULL.done, FULL.todo, LINKS)

    def test_then_facts_from_the_last(self) -> None:
        kept = within(FULL, ALL - 9 * 90 - 780 - 400)
        names = [name for name, _ in kept.facts]
        assert names[:-1] == [f"fact-{number:02}" for number in range(len(names) - 1)]
        assert 0 < len(names) - 1 < 20
        assert told(kept).startswith(f"90 of 100 tables, {21 - (len(names) - 1)} of 21 facts, because")
        assert (len(kept.tables), kept.links, kept.done) == (FIRST_TABLES, LINKS, FULL.done)

    def test_then_the_first_tables_then_links_and_the_runbook_is_the_last_of_them(self) -> None:
        bare = 3000 + LINK_LETTERS + NOTE
        assert within(FULL, bare + 50).tables == TABLES[: len(within(FULL, bare + 50).tables)] != ()
        without = within(FULL, bare - 60)
        assert (without.tables, without.links) == ((), LINKS[:2])
        assert within(FULL, 3000 + len("runbook") + len(LINKS[0][1]) + NOTE + 20).links == LINKS[:1]
        assert told(within(FULL, 3000 + NOTE)) == (
            "100 of 100 tables, 21 of 21 facts, 3 of 3 links, because the message would be too long"
        )

    def test_then_what_was_done_and_at_last_the_sentence_and_what_to_do(self) -> None:
        kept = within(FULL, 2900)
        assert kept.done.endswith(MARK)
        assert (kept.sentence, kept.todo) == (FULL.sentence, FULL.todo)
        shorter = within(FULL, 2000)
        assert len(shorter.done) == SHORTEST + len(MARK)
        assert shorter.sentence == "s" * len(shorter.sentence.removesuffix(MARK)) + MARK
        assert len(shorter.sentence) == len(shorter.todo) > SHORTEST + len(MARK)

    def test_there_is_an_end_to_it(self) -> None:
        least = 3 * (SHORTEST + len(MARK)) + NOTE + len("left out")
        assert letters(within(FULL, least)) <= least
        assert trimmed(FULL, lambda candidate: letters(candidate) < 3 * SHORTEST) is None

    def test_a_table_that_a_fact_names_is_not_left_out(self) -> None:
        facts = tuple((name, "throttled") for name in TABLES[:95])
        kept = within(replace(ALERT, tables=TABLES, facts=facts), letters(ALERT) + 95 * 18 + FIRST_TABLES * 9 + NOTE)
        assert len(kept.tables) < 95
        assert told(kept).startswith("5 of 100 tables, because")


@pytest.mark.parametrize(
    ("over", "whole"),
    [
        pytest.param(len(MARK), True, id="what the mark would replace"),
        pytest.param(len(MARK) + 1, False, id="a character more"),
    ],
)
def test_a_text_is_never_cut_to_become_longer(over: int, *, whole: bool) -> None:
    text = "x" * (SHORTEST + over)
    assert (shortened(text, SHORTEST) == text) is whole
    assert len(shortened(text, SHORTEST)) <= len(text)


@pytest.mark.parametrize("form", list(Format))
class TestTheLimit:
    def test_a_message_at_the_limit_is_whole(self, form: Format) -> None:
        alert = replace(ALERT, facts=(*ALERT.facts, ("long", "x" * 500)))
        exact = size(alert, render(alert, form).body)
        assert render(alert, form, limit=exact) == render(alert, form)
        assert "x" * 500 not in render(alert, form, limit=exact - 1).body

    def test_many_facts(self, form: Format) -> None:
        many = replace(ALERT, facts=tuple((f"fact {number}", "é" * 1000) for number in range(900)))
        message = render(many, form)
        assert size(many, message.body) <= MESSAGE_LIMIT
        assert "900 facts, because the message would be too long" in message.body
        assert "fact 0" in message.body
        assert "fact 899" not in message.body
        assert many.todo in message.body
        assert schemas.mistakes(form, message.subject, message.body) == []

    def test_as_much_as_fits_is_told(self, form: Format) -> None:
        many = replace(STORM, tables=tuple(f"table-{number:05}" for number in range(20_000)), facts=())
        message = render(many, form)
        room = SLACK if form is Format.CHAT else MESSAGE_LIMIT
        used = len(json.loads(message.body)["content"]["description"]) if form is Format.CHAT else len(message.body)
        assert room - 1000 < used <= room
        assert "of 20,000 tables, because the message would be too long" in message.body

    def test_a_sentence_without_end(self, form: Format) -> None:
        long = replace(LINKED, sentence="é" * MESSAGE_LIMIT)
        message = render(long, form)
        assert size(long, message.body) <= MESSAGE_LIMIT
        assert MARK in message.body
        assert ALERT.todo in message.body

    def test_what_cannot_fit_is_an_error(self, form: Format) -> None:
        with pytest.raises(ValueError, match="does not fit 300 bytes"):
            render(ALERT, form, limit=300)


class TestChatsAreShorter:
    def test_a_description_at_slacks_limit_is_whole(self) -> None:
        bare = replace(ALERT, facts=(), done="", todo="", sentence="x" * SLACK)
        assert json.loads(render(bare, Format.CHAT).body)["content"]["description"] == bare.sentence
        longer = json.loads(render(replace(bare, sentence=bare.sentence + "x"), Format.CHAT).body)
        assert longer["content"]["description"].endswith(MARK)
        assert len(longer["content"]["description"]) == SLACK

    def test_a_step_at_slacks_limit_is_whole(self) -> None:
        for length, whole in ((SLACK, True), (SLACK + 1, False)):
            bare = replace(ALERT, facts=(), todo="x" * length)
            (step,) = json.loads(render(bare, Format.CHAT).body)["content"]["nextSteps"]
            assert (step == bare.todo) is whole
            assert len(step) <= SLACK

    def test_a_chat_always_says_something(self) -> None:
        silent = replace(ALERT, sentence="", facts=(), done="", todo="")
        assert json.loads(render(silent, Format.CHAT).body)["content"]["description"] == ALERT.subject

    def test_escapes_count(self) -> None:
        amps = replace(ALERT, facts=(), done="&" * 3000, sentence="&" * 3000, todo="&" * 3000)
        message = render(amps, Format.CHAT)
        assert schemas.mistakes(Format.CHAT, message.subject, message.body) == []

    def test_the_other_formats_have_room_for_what_a_chat_has_not(self) -> None:
        long = replace(ALERT, sentence="x" * (SLACK + 1))
        assert long.sentence in render(long, Format.TEXT).body
        assert long.sentence in render(long, Format.CLOUDWATCH_ALARM).body
