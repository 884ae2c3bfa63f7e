"""Sends request heads that never end, a byte at a time, on several connections at once.

Run as a program of its own, since it must not share a processor's time slices with the clients
whose waiting is measured: python -m tests.support.clients.slow_heads PORT
"""

import socket
import sys
import time

BEGINNING = b"GET / HTTP/1.1\r\nHost: x\r\nA:"
# Bare CRs make the search for the end of a head slow. The short ones stay within all limits.
LENGTHS = (300_000, 300_000, 300_000, 12_000, 12_000, 12_000)
MAX_SECONDS = 30
PAUSE_SECONDS = 0.0005


def connect(port: int, length: int) -> socket.socket:
    """A connection on which a head has begun."""
    attacker = socket.create_connection(("127.0.0.1", port))
    attacker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    attacker.settimeout(1)
    attacker.sendall(BEGINNING + b"\r" * length)
    return attacker


def attack(port: int) -> None:
    """Send on all connections, and open those again that were closed."""
    attackers: dict[int, socket.socket] = {}
    until = time.monotonic() + MAX_SECONDS
    while time.monotonic() < until:
        for number, length in enumerate(LENGTHS):
            try:
                if number not in attackers:
                    attackers[number] = connect(port, length)
                attackers[number].send(b"\r")
            except OSError:
                attackers.pop(number, None)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    attack(int(sys.argv[1]))
