"""Lifetimes of locks and failure markers, in memory and in Redis."""

from dataclasses import dataclass
from typing import Final

# The owner renews its lock every second, so a lock ends this long after its owner died.
LOCK_SECONDS: Final = 3.0
MARKER_SECONDS: Final = 5.0
# An entry is kept at least this long, so that callers that poll for it find it.
HANDOVER_SECONDS: Final = 5.0
# Shortest time between a failure and the next background fetch.
BACKGROUND_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds that a store keeps a lock, a failure marker and an entry at least."""

    lock: float = LOCK_SECONDS
    marker: float = MARKER_SECONDS
    handover: float = HANDOVER_SECONDS

    def marker_after(self, pause: float) -> float:
        """Return a marker's lifetime. It exceeds the pause, to count consecutive failures."""
        return max(self.marker, 2 * pause)


DEFAULT_LIFETIMES: Final = Lifetimes()
