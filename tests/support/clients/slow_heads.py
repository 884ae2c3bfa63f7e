"""Sends endless request heads, a byte at a time, on several connections at once.

It runs as a separate program, because it must not share processor time with the clients whose
waiting time is measured: python -m tests.support.clients.slow_heads PORT
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
    """Open a connection and send the beginning of a head."""
    attacker = socket.create_connection(("127.0.0.1", port))
    attacker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    attacker.settimeout(1)
    attacker.sendall(BEGINNING + b"\r" * length)
    return attacker


def attack(port: int) -> None:
    """Send bytes on all connections, and reopen those that were closed."""
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
