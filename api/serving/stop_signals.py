"""What tells a worker to end, heard from its first moment on.

A worker is born with its master's handlers, which only note a signal for a master that is not
there. So these signals wait while a worker is being born, and end it at once from then until it
has handlers of its own.
"""

import os
import signal
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def install_fork_signal_handlers() -> None:
    """Do so for all workers of this process; to be called once."""
    os.register_at_fork(
        before=_hold_back, after_in_parent=_let_through, after_in_child=_end_at_once
    )


def _hold_back() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _end_at_once() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _let_through()
