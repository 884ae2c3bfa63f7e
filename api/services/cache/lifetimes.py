"""Lifetimes of locks and failure markers, in memory and in Redis."""

from typing import Final

# The owner renews its lock every second, so a lock ends this long after its owner died.
LOCK_SECONDS: Final = 3.0
MARKER_SECONDS: Final = 5.0
# An entry is kept at least this long, so that callers that poll for it find it.
HANDOVER_SECONDS: Final = 5.0
# Shortest time between a failure and the next background fetch.
BACKGROUND_PAUSE_SECONDS: Final = 1.0


def marker_seconds(pause: float) -> float:
    """Return a marker's lifetime. It exceeds the pause, to count consecutive failures."""
    return max(MARKER_SECONDS, 2 * pause)
