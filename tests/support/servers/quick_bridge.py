"""The command `python -m bridge` with less time for a search, and for a client to send one.

The last argument is this time in seconds.
It prints the number of its greenlets at each SIGUSR1.
"""

import gc
import signal
import sys

import gevent

import protocol.server
from bridge.__main__ import main


def print_greenlets() -> None:
    """Print how many greenlets have work to do."""
    gc.collect()
    alive = [one for one in gc.get_objects() if isinstance(one, gevent.Greenlet) and not one.dead]
    sys.stdout.write(f"{len(alive)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    gevent.signal_handler(signal.SIGUSR1, print_greenlets)
    protocol.server.REQUEST_SECONDS = float(sys.argv[-1])
    sys.exit(main(sys.argv[1:-1], seconds=float(sys.argv[-1])))
