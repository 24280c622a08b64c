"""The simulated world behind the door: the plant, moved by an injected clock, and those who act in it every minute."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Final

from watcher.clock import Clock
from watcher.replay.plant import Plant

MINUTE: Final = 60


class World:
    """lock: held by whoever reads or changes the plant. agents: called once a simulated minute, at its end."""

    def __init__(self, clock: Clock, plant: Plant) -> None:
        self.lock = RLock()
        self.plant = plant
        self.agents: list[Callable[[], None]] = []
        self._clock = clock

    @property
    def now(self) -> float:
        """How far the world has been moved."""
        return self.plant.now

    def advance(self) -> float:
        """Move the world to the clock's now, minute by minute while anybody acts in it, and return it.

        A clock that was set back does not move the world.
        """
        with self.lock:
            target = max(self._clock.now(), self.plant.now)
            while self.agents and (boundary := (self.plant.now // MINUTE + 1) * MINUTE) <= target:
                self.plant.advance(boundary)
                for agent in self.agents:
                    agent()
            self.plant.advance(target)
            return target
