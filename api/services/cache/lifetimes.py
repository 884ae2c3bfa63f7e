"""How long what the stores hold lives; the same in the process and in Redis."""

from typing import Final

# A lock outlives its dead owner by this much; a living one renews it each second.
LOCK_SECONDS: Final = 3.0
MARKER_SECONDS: Final = 5.0
# Whoever polls for an entry that is past its TTL when it is stored must still find it.
HANDOVER_SECONDS: Final = 5.0
# A fetch that nobody waits for lets at least this much time pass after a failure.
BACKGROUND_PAUSE_SECONDS: Final = 1.0


def marker_seconds(pause: float) -> float:
    """How long a marker lives: beyond its pause, so that failures in a row can be counted."""
    return max(MARKER_SECONDS, 2 * pause)
