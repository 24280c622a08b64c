"""What one pass found out about a Region as a whole and about the watcher: the evidence of its own incidents."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.core.model import TableKey

# UpdateTable is the change; without the other nobody can tell whether another scaler holds the capacity.
STOPS_CHANGES = frozenset({"UpdateTable", "DescribeScalableTargets"})


@dataclass(frozen=True, slots=True)
class Denial:
    """An operation that AWS denies. operation: AWS's name for it; sentence: AWS's words with the remedy.

    tables: those it is denied for, empty for the whole Region. darkens: whether nothing of the Region can be read for
    it. credentials: whether the credentials themselves are refused, and not one permission.
    """

    operation: str
    sentence: str
    tables: tuple[str, ...] = ()
    darkens: bool = False
    credentials: bool = False

    @property
    def stops_changes(self) -> bool:
        """Whether no capacity is changed for it, of its tables or of the whole Region."""
        return self.operation in STOPS_CHANGES


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which no pass finished. since: when the one before did, or the process began (is_first); until: when
    the next one did, or now while none has (is_over False). doing: what took the time, "" where that is not known."""

    since: float
    until: float
    is_over: bool
    doing: str = ""
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class RegionSight:
    """key: of the Region, its name "" and its account "" while nothing told it. watched: how many tables are.
    acting: whether any of them may be changed. error: why nothing could be read, AWS's words, or "". gap: the one that
    this life of the process just had. store_error: why the state store could not be written last, or ""."""

    key: TableKey
    watched: int = 0
    acting: bool = True
    error: str = ""
    denied: tuple[Denial, ...] = ()
    gap: Gap | None = None
    store_error: str = ""

    @property
    def is_dark(self) -> bool:
        return bool(self.error)

    @property
    def is_locked_out(self) -> bool:
        """Whether it is dark for want of a permission."""
        return self.is_dark and any(denial.darkens for denial in self.denied)
