"""When a pass tells what it has decided: once it has acted, so that each message says what became of its change; but
before that where acting takes long, since nobody is to wait for a page until forty tables have been changed."""

from __future__ import annotations

from collections.abc import Sequence

from watcher.clock import Clock
from watcher.core.model import Intent, Settlement
from watcher.core.pauses import Pause
from watcher.post import Delivery, Post

TELL_AFTER = 4.0  # seconds after the record
EARLY = 2.0  # real seconds that the next change waits for early answers: a topic that hangs must not hold up a raise
HOPELESS = 2 * TELL_AFTER  # seconds that all changes left would take, from which no message waits for them


class Telling:
    """One pass's telling; made when what it decided has just been recorded."""

    def __init__(self, post: Post, clock: Clock, pauses: Sequence[Pause], settled: Sequence[Settlement]) -> None:
        """settled: what became of changes of earlier passes."""
        self._post = post
        self._clock = clock
        self._pauses = pauses
        self._settled = settled
        self._began = self._last = clock.monotonic()
        self._is_early = False

    def meanwhile(self, settlements: Sequence[Settlement], left: Sequence[Intent]) -> None:
        """Between two changes: tell now, where one more change of the last one's length would be too late, or where
        most of those left would be: then waiting would buy the outcomes of a few only. Once begun, what hangs is left
        to itself until the next change is made."""
        if self._is_early:
            self._post.go_on()
            return
        now = self._clock.monotonic()
        lasted, self._last = now - self._last, now
        if now - self._began + lasted > TELL_AFTER or lasted * len(left) > HOPELESS:
            self._is_early = True
            answered = [*self._settled, *settlements]
            self._post.begin(self._clock.now(), answered, pauses=self._pauses, under_way=left)
            self._post.go_on(EARLY)

    def finish(self, settlements: Sequence[Settlement]) -> Delivery:
        """After the last change: tell the rest. What both rounds did."""
        return self._post.deliver(self._clock.now(), [*self._settled, *settlements], pauses=self._pauses)
