"""What has been complained about, so that nothing is said twice."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable


class Troubles:
    """What has been complained about, so that a complaint is repeated only when it changes or comes back.

    Passing complaints may come from any thread: the nightly replay has its own.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], str] = {}  # lasting: until it ends
        self._passing: dict[tuple[str, ...], str] = {}  # until a cycle passes without it
        self._renewed: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def begins(self, subject: tuple[str, ...], text: str) -> bool:
        """Whether this is news, for a trouble whose end will be seen."""
        news = self._told.get(subject) != text
        self._told[subject] = text
        return news

    def ends(self, subject: tuple[str, ...]) -> bool:
        return self._told.pop(subject, None) is not None

    def over(self, event: str, still: Iterable[str]) -> list[str]:
        """The second part of every subject of ``event`` that is not among ``still``; they end."""
        return [subject for (subject,) in self.gone(event, {(one,) for one in still})]

    def gone(self, event: str, still: Collection[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Every subject of ``event``, without that, which is not among ``still``; they end."""
        ended = sorted(subject for subject in self._told if subject[0] == event and subject[1:] not in still)
        for subject in ended:
            del self._told[subject]
        return [subject[1:] for subject in ended]

    def is_news(self, subject: tuple[str, ...], text: str) -> bool:
        """Whether this is news, for a trouble that only stops being reported."""
        with self._lock:
            news = self._passing.get(subject) != text
            self._passing[subject] = text
            self._renewed.add(subject)
        return news

    def cycle_finished(self) -> None:
        with self._lock:
            self._passing = {subject: text for subject, text in self._passing.items() if subject in self._renewed}
            self._renewed.clear()
