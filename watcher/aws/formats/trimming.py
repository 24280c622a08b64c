"""What an alert can do without when it is too long for its channel, the least useful first, and saying so.

The order: tables of a storm beyond the first ones (the page has them all); the ends of very long facts, such as lists
of keys; the ends of texts longer than anybody reads; facts from the last, as they are told in the order of their worth;
the first tables; links from the last, the runbook is the first; the end of what was done; the ends of the sentence and
of what to do. The subject stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from watcher.core.model import Alert

FIRST_TABLES = 10
SHORTEST = 200  # characters that stay of a text that has to be cut
READ = 1000  # characters of a text that are worth more than facts
MARK = " ... (shortened)"


@dataclass(frozen=True, slots=True)
class Part:
    """size: how much of it an alert has. least: how much stays before the next part is touched. cut: the alert with so
    much of it."""

    size: Callable[[Alert], int]
    least: int
    cut: Callable[[Alert, int], Alert]


def trimmed(alert: Alert, fits: Callable[[Alert], bool]) -> Alert | None:
    """The alert with as little left out as makes it fit; None when it never does."""
    if fits(alert):
        return alert
    kept = alert
    for part in PARTS:
        found = _most(part, kept, lambda candidate: fits(_saying(candidate, alert)))
        if found is not None:
            return _saying(found, alert)
        kept = part.cut(kept, part.least)
    return None


def _most(part: Part, alert: Alert, fits: Callable[[Alert], bool]) -> Alert | None:
    """The alert with the most of this part that fits, None when its least does not."""
    enough, too_much = part.least, part.size(alert)
    found = part.cut(alert, enough)
    if enough >= too_much or not fits(found):
        return None
    while too_much - enough > 1:
        middle = (enough + too_much) // 2
        candidate = part.cut(alert, middle)
        if fits(candidate):
            found, enough = candidate, middle
        else:
            too_much = middle
    return found


def _saying(kept: Alert, whole: Alert) -> Alert:
    """With a last fact that says what is left out. Texts that were cut end with a mark."""
    named = {*kept.tables, *(name for name, _ in kept.facts)}
    missing = (
        (sum(name not in named for name in whole.tables), len(whole.tables), "tables"),
        (len(whole.facts) - len(kept.facts), len(whole.facts), "facts"),
        (len(whole.links) - len(kept.links), len(whole.links), "links"),
    )
    told = ", ".join(f"{left:,} of {number:,} {what}" for left, number, what in missing if left)
    if not told:
        return kept
    return replace(kept, facts=(*kept.facts, ("left out", f"{told}, because the message would be too long")))


def letters(alert: Alert) -> int:
    """How many characters its texts have together."""
    pairs = sum(len(name) + len(value) for name, value in (*alert.facts, *alert.links))
    return len(alert.sentence) + len(alert.done) + len(alert.todo) + sum(map(len, alert.tables)) + pairs


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length + len(MARK) else text[:length].rstrip() + MARK


def _of_facts(alert: Alert, length: int) -> Alert:
    return replace(
        alert, facts=tuple((shortened(name, length), shortened(value, length)) for name, value in alert.facts)
    )


def _longest_fact(alert: Alert) -> int:
    return max((len(text) for fact in alert.facts for text in fact), default=0)


def _of_texts(alert: Alert, length: int) -> Alert:
    return replace(
        alert,
        sentence=shortened(alert.sentence, length),
        done=shortened(alert.done, length),
        todo=shortened(alert.todo, length),
    )


def _longest_text(alert: Alert) -> int:
    return max(len(alert.sentence), len(alert.done), len(alert.todo))


_tables = Part(lambda a: len(a.tables), FIRST_TABLES, lambda a, n: replace(a, tables=a.tables[:n]))

PARTS = (
    _tables,
    Part(_longest_fact, SHORTEST, _of_facts),
    Part(_longest_text, READ, _of_texts),
    Part(lambda a: len(a.facts), 0, lambda a, n: replace(a, facts=a.facts[:n])),
    replace(_tables, least=0),
    Part(lambda a: len(a.links), 0, lambda a, n: replace(a, links=a.links[:n])),
    Part(lambda a: len(a.done), SHORTEST, lambda a, n: replace(a, done=shortened(a.done, n))),
    Part(_longest_text, SHORTEST, _of_texts),
)
