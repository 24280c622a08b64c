"""The sandbox tells what the README shows, to the letter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.bench.alerts import shown, told
from watcher.aws.formats import Format

README = Path(__file__).parents[2] / "README.md"
MINUTES = 16  # by then all that the README shows has been told
# The environment that the README names, by what its text says before it.
RUNS: tuple[Mapping[str, str], ...] = (
    {},
    {"WATCHER_TABLES__0__WRITE__MAX": "300"},
    {"WATCHER_INCIDENTS__STORM_TABLES": "3"},
)


@cache
def messages(run: int) -> tuple[str, ...]:
    return tuple(shown(message) for message in told(MINUTES, RUNS[run]))


def blocks() -> list[str]:
    """The alerts that the README shows."""
    text = README.read_text(encoding="utf-8")
    return [block.strip() for block in re.findall(r"^```\n(Subject: .*?)^```$", text, flags=re.MULTILINE | re.DOTALL)]


def test_the_readme_shows_five_alerts_that_the_sandbox_sent() -> None:
    sent = {message for run in range(len(RUNS)) for message in messages(run)}
    assert len(blocks()) == 5
    for block in blocks():
        assert block in sent, "print it anew: python -m tests.bench.alerts"


@pytest.mark.parametrize("name", [name for run in RUNS for name in run])
def test_the_readme_names_what_its_alerts_were_made_with(name: str) -> None:
    assert name in README.read_text(encoding="utf-8")


def test_every_story_of_the_sandbox_is_told_once_and_what_is_over_is_closed() -> None:
    subjects = [message.splitlines()[0] for message in messages(0)]
    assert [subject for subject in subjects if "orders" in subject] == [
        "Subject: orders: writes throttled, too little capacity; raising 59 to 1,106",
        "Subject: orders: resolved (too little capacity)",
    ]
    assert any(subject.startswith("Subject: sessions: writes throttled, one key is too hot") for subject in subjects)


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.TEXT])
def test_other_formats_are_shown_too(form: Format) -> None:
    (first, *_) = told(5, {}, form)
    assert shown(first, whole=True).splitlines()[2].startswith("{")
