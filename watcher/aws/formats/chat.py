"""A custom notification of Amazon Q Developer in chat applications (see AWS docs: "Custom notifications using Amazon Q
Developer in chat applications"). All messages of one incident share a thread.

AWS's document gives no longest description; Slack, where it is shown, takes 3,000 characters in one block of text and
150 in a title (see Slack's docs: Block Kit, Section block and Header block).
"""

from __future__ import annotations

import re
from typing import Any

from watcher.aws.formats.record import compact, other_tables
from watcher.aws.permissions import partition
from watcher.core.model import Alert

LONGEST_TEXT = 3000  # characters of a description, or of a step
LONGEST_TITLE = 150
RESOURCES = 20  # table ARNs of a storm; all its tables are named in the description as far as there is room
STEPS = frozenset({"runbook"})  # links that say what to do; the others only show more

# What Slack reads as a mention, and what Microsoft Teams reads as a link. An invisible space takes that from them.
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")
_GAP = "\u200b"


def chat(alert: Alert) -> str:
    document: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "id": alert.id,
        "content": {
            "textType": "client-markdown",
            "title": _title(alert.subject),
            "description": _description(alert),
            "nextSteps": _next_steps(alert),
            "keywords": _keywords(alert),
        },
        "metadata": {
            "threadId": alert.incident,
            "summary": _title(alert.subject),
            "eventType": f"watcher.{alert.state.value}",
            "relatedResources": _resources(alert),
            "additionalContext": alert.attributes(),
            "enableCustomActions": False,
        },
    }
    return compact(document)


def is_shown_whole(alert: Alert) -> bool:
    """Whether a chat shows all of it."""
    return all(len(text) <= LONGEST_TEXT for text in (_description(alert), *_next_steps(alert)))


def harmless(text: str) -> str:
    """A key in plain may be anything: it calls nobody and is no link (see Slack's docs: Escaping text)."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub(f"@{_GAP}", escaped).replace("](", f"]{_GAP}(")


def _title(text: str) -> str:
    """Escapes would make it longer than it may be, so what would need them is replaced."""
    return harmless(text.translate({ord("<"): "(", ord(">"): ")", ord("&"): "+"}))[:LONGEST_TITLE]


def _description(alert: Alert) -> str:
    facts = "\n".join(f"- {_flat(name)}: {_flat(value)}" for name, value in alert.facts)
    title, names = other_tables(alert)
    tables = f"{title}: {', '.join(map(harmless, names))}" if names else ""
    more = " · ".join(_link(name, url) for name, url in alert.links if name not in STEPS)
    done = harmless(f"Done: {alert.done}") if alert.done else ""
    blocks = (harmless(alert.sentence), facts, done, tables, more)
    return "\n\n".join(block for block in blocks if block) or _title(alert.subject)  # AWS requires one


def _flat(text: str) -> str:
    """A fact is one item of a list, and may not look like two."""
    return harmless(" ".join(text.split("\n")))


def _next_steps(alert: Alert) -> list[str]:
    todo = [harmless(alert.todo)] if alert.todo else []
    return [*todo, *(f"Follow the {_link(name, url)}" for name, url in alert.links if name in STEPS)]


def _link(name: str, url: str) -> str:
    """As AWS's own example of a custom notification writes one."""
    if not url.startswith(("https://", "http://")):
        return f"{harmless(name)}: {harmless(url)}"
    safe = url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return f"<{safe}|{harmless(name).replace('|', '/')}>"


def _keywords(alert: Alert) -> list[str]:
    words = [alert.cause.value, alert.severity.value, alert.state.value]
    return [*words, "reminder"] if alert.is_reminder else words


def _resources(alert: Alert) -> list[str]:
    """ARNs of the tables; none while no account is known to be theirs."""
    key = alert.table
    if not key.account:
        return []
    names = [key.name] if key.name else alert.tables[:RESOURCES]
    return [f"arn:{partition(key.region)}:dynamodb:{key.region}:{key.account}:table/{name}" for name in names]
