"""What AWS denies the watcher in one Region, remembered for as long as nothing says otherwise.

Not everything is asked in every pass: a denied question stays denied until it is answered, or until it has not been
asked for so long that nobody can tell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from watcher.clock import Clock
from watcher.core.region_sight import Denial
from watcher.errors import AwsDenied, AwsError

HOLDS = 3900.0  # seconds, by the monotonic face; what AWS refused is asked again within the hour


class Question(StrEnum):
    """What is asked as one: an answer to it takes back what was denied of it before."""

    NAMES = "names"  # which tables there are
    OPERATIONS = "operations"  # which of their operations have latency
    SURVEY = "survey"  # what is sampled in the Region
    SAMPLER = "sampler"  # what is sampled of a table or index
    KEYS = "keys"  # which keys were found there
    CHANGE = "change"  # to change something of a table


def denials_of(refused: Iterable[tuple[str, AwsError]], whole: int = 0) -> tuple[Denial, ...]:
    """(table's name or "", error) -> one denial for each operation, of those errors that are one. whole: how many
    tables were asked; what is denied for all of them is denied for the Region."""
    found: dict[str, Denial] = {}
    for table, error in refused:
        if not isinstance(error, AwsDenied):
            continue
        known = found.get(error.operation)
        before = known or Denial(error.operation, str(error), credentials=error.retryable)
        found[error.operation] = replace(before, tables=(*before.tables, table) if table else before.tables)
    return tuple(
        replace(denial, tables=() if len(denial.tables) == whole else denial.tables) for denial in found.values()
    )


@dataclass
class Denials:
    """By question and what it was about ("" for the Region)."""

    clock: Clock
    _noted: dict[tuple[Question, str], tuple[float, tuple[Denial, ...]]] = field(default_factory=dict)

    def note(self, question: Question, error: AwsError, subject: str = "", table: str = "") -> None:
        """Remember an error that is a denial. One that is none says nothing: who is not reached denies nothing, and
        allows nothing."""
        denied = denials_of([(table, error)])
        if denied:
            self.keep(question, denied, subject)

    def keep(self, question: Question, denied: tuple[Denial, ...], subject: str = "") -> None:
        """What is denied of this question now; nothing, where it was answered."""
        self._noted[question, subject] = (self.clock.monotonic(), denied)

    def answered(self, question: Question, subject: str = "") -> None:
        self._noted.pop((question, subject), None)

    def of(self, question: Question) -> tuple[Denial, ...]:
        """What is denied of one question."""
        return self._merged({question})

    def standing(self) -> tuple[Denial, ...]:
        """What is denied of all, one for each operation."""
        now = self.clock.monotonic()
        self._noted = {key: noted for key, noted in self._noted.items() if noted[1] and now - noted[0] < HOLDS}
        return self._merged(set(Question))

    def _merged(self, questions: Collection[Question]) -> tuple[Denial, ...]:
        return merged(one for (asked, _), (_, denied) in self._noted.items() if asked in questions for one in denied)


def merged(denials: Iterable[Denial]) -> tuple[Denial, ...]:
    """One denial for each operation: of the whole Region where any of them is, otherwise of all their tables."""
    found: dict[str, Denial] = {}
    for denial in denials:
        known = found.setdefault(denial.operation, denial)
        tables = tuple(sorted({*known.tables, *denial.tables})) if known.tables and denial.tables else ()
        found[denial.operation] = replace(
            known,
            tables=tables,
            darkens=known.darkens or denial.darkens,
            credentials=known.credentials or denial.credentials,
        )
    return tuple(found[operation] for operation in sorted(found))


def of_mapping(denied: Mapping[str, str]) -> tuple[Denial, ...]:
    """Denials from sentences by operation, as samples and surveys carry them."""
    return tuple(Denial(operation, sentence) for operation, sentence in denied.items())
