"""When CloudWatch shows a point: never at once, not all together, and some of them late."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.replay.spread import fraction, mixed


@dataclass(frozen=True, slots=True)
class Publication:
    """Seconds after a minute's end: ``delay``, plus up to ``jitter``; ``late`` more for a ``late_share`` of them."""

    delay: float
    jitter: float
    late_share: float
    late: float

    def is_visible(self, purpose: int, minute: int, now: float) -> bool:
        """Whether the point of ``minute`` (its start) of the series that ``purpose`` stands for is out at ``now``."""
        age = now - (minute + 60)
        if age < self.delay:
            return False
        if age >= self.delay + self.jitter + self.late:
            return True
        bits = mixed(purpose, minute)
        delay = self.delay + self.jitter * fraction(bits)
        if fraction(bits >> 32) < self.late_share:
            delay += self.late
        return age >= delay
