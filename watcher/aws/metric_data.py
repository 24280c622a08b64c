"""GetMetricData, all pages: what every reader of CloudWatch shares.

See AWS docs: GetMetricData (500 queries a call, 100,800 points an answer, a status for each result).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.permissions import GET_METRIC_DATA
from watcher.clock import utc
from watcher.core.model import Answer
from watcher.core.series import MINUTE
from watcher.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

QUERIES_PER_CALL = 500
POINTS_PER_ANSWER = 100_800
PAGES_PER_CALL = 100  # batches are cut to need one; a server that never ends must not hold the cycle
ABSURD = 1e12  # no minute of one table has seen as many units, or milliseconds: a broken point


@dataclass(frozen=True, slots=True)
class Window:
    """Intervals of ``period`` seconds that start in [start, end)."""

    start: float
    end: float
    period: int = MINUTE

    @property
    def first(self) -> int:
        """Start of the interval that holds ``start``: AWS rounds a crooked StartTime down itself."""
        return int(self.start // self.period * self.period)

    @property
    def points(self) -> int:
        """The most that one metric can answer."""
        return math.ceil((self.end - self.first) / self.period)


class Collected:
    """One query's answer while its pages come in. level: where two points fall into one interval, the larger one counts
    instead of their sum. expression: of metric math, which has something to say where it could not do its work."""

    def __init__(self, window: Window, *, level: bool, expression: bool = False) -> None:
        self._window = window
        self._level = level
        self._expression = expression
        self._points: dict[int, float] = {}
        self._status = "Missing"
        self._spoilt = False

    def add(self, result: Mapping[str, Any]) -> None:
        """PartialData on one page is completed by the next; an InternalError or Forbidden stays."""
        self._status = result.get("StatusCode", "Complete")
        failed = self._status not in {"Complete", "PartialData"} or (self._expression and bool(result.get("Messages")))
        self._spoilt = self._spoilt or failed
        for moment, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=False):
            self._add_point(int(moment.timestamp() // self._window.period * self._window.period), float(value))

    def answer(self) -> Answer:
        return Answer(points=self._points, complete=self._status == "Complete" and not self._spoilt)

    def _add_point(self, minute: int, value: float) -> None:
        if not self._window.start <= minute < self._window.end:
            return
        if not 0 <= value <= ABSURD:  # NaN fails this, too
            self._spoilt = True
        elif self._level:
            self._points[minute] = max(value, self._points.get(minute, 0.0))
        else:  # two points folded into one minute are parts of it
            self._points[minute] = value + self._points.get(minute, 0.0)


def query_id(position: int) -> str:
    """The Id of the query at this position: a lower-case letter first."""
    return f"q{position}"


def fetch(
    client: CloudWatchClient,
    queries: Sequence[Mapping[str, Any]],
    collected: Sequence[Collected],
    window: Window,
    *,
    subject: str,
    before_page: Callable[[], None],
) -> None:
    """One call with all its pages into ``collected``, which is in the order of ``queries``; their Ids are those of
    :func:`query_id`. Raises AwsError."""
    request: dict[str, Any] = {
        "MetricDataQueries": list(queries),
        "StartTime": utc(window.first),
        "EndTime": utc(window.end),
        "ScanBy": "TimestampAscending",
    }
    with aws_call(GET_METRIC_DATA, subject):
        for _page in range(PAGES_PER_CALL):
            before_page()
            page = client.get_metric_data(**request)
            for result in page["MetricDataResults"]:
                collected[int(result["Id"].removeprefix("q"))].add(result)
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]
    cause = f"no end after {PAGES_PER_CALL} pages"
    raise AwsError(cause, code="TooManyPages", operation=GET_METRIC_DATA.operation, subject=subject)
