"""Makes a new worker react to stop signals at once.

A forked worker inherits its master's handlers, which only queue a signal for the master's loop. So
stop signals are blocked during the fork. Afterwards they end the worker at once, until it installs
its own handlers.
"""

import os
import signal
from functools import partial
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def install_fork_signal_handlers() -> None:
    """Handle stop signals in all processes that this one forks. Call this once."""
    block = partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOP_SIGNALS)
    unblock = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS)
    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=_reset_handlers)


def _reset_handlers() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
