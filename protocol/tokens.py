"""Signed access tokens.

A token contains client id, time of issue and life, signed with a key derived from the seed. So
every process with the same seed accepts it, and the in-process servers of several workers act as
one. Only revocations are local to a process.
"""

import base64
import binascii
import hashlib
import hmac
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

from protocol.errors import AmadeusError

_HEAD = struct.Struct(">QI")  # microseconds since the epoch, life in seconds
_SIGNATURE_BYTES = 16
_MICROSECOND = 1_000_000

REVOCATION_CODES = (38190, 38192, 38193)


class Token(NamedTuple):
    """The content of a token."""

    client_id: str
    issued: int
    """Microseconds since the epoch."""
    life: int
    """Seconds."""

    def seconds_left(self, now: float) -> int:
        """Return the whole seconds until it expires; 0 if it has expired."""
        return max(0, int(self.issued / _MICROSECOND + self.life - now))

    def age(self, now: float) -> float:
        """Return the seconds since it was issued."""
        return now - self.issued / _MICROSECOND

    def expired(self, now: float) -> bool:
        """Return whether it has expired."""
        return now >= self.issued / _MICROSECOND + self.life


class Tokens:
    """The tokens of a server: issued, read and revoked here."""

    def __init__(self, seed: str, clock: Callable[[], float]) -> None:
        self._key = hashlib.blake2b(seed.encode(), person=b"access token").digest()
        self._clock = clock
        self._lock = threading.Lock()
        self._last_issued = 0
        self._revoked_until = 0
        self._revoked_code = 38193

    def issue(self, client_id: str, life: int) -> str:
        """Issue a token for this client that is valid for `life` seconds."""
        with self._lock:
            # Strictly increasing, so that a revocation always falls between two tokens.
            issued = max(int(self._clock() * _MICROSECOND), self._last_issued + 1)
            self._last_issued = issued
        payload = _HEAD.pack(issued, life) + client_id.encode()
        return base64.urlsafe_b64encode(self._sign(payload) + payload).decode().rstrip("=")

    def read(self, text: str) -> Token | None:
        """Return the token in `text`, even if expired or revoked; None if it is not ours."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(payload)):
            return None
        issued, life = _HEAD.unpack_from(payload)
        return Token(payload[_HEAD.size :].decode(), issued, life)

    def check(self, text: str) -> Token:
        """Return the valid token in `text`.

        Raises AmadeusError 38190 (not ours), 38192 (expired), or the code of the revocation.
        """
        token = self.read(text)
        if token is None:
            raise AmadeusError(38190)
        if token.issued <= self._revoked_until:
            raise AmadeusError(self._revoked_code, status=401)
        if token.expired(self._clock()):
            raise AmadeusError(38192)
        return token

    def state(self, token: Token) -> str:
        """Return `approved` or `expired`; a revoked token is `expired`."""
        gone = token.issued <= self._revoked_until or token.expired(self._clock())
        return "expired" if gone else "approved"

    def revoke_all(self, code: int = 38193) -> None:
        """Revoke every token issued so far; `check` raises this code for them."""
        with self._lock:
            now = int(self._clock() * _MICROSECOND)
            self._last_issued = self._revoked_until = max(now, self._last_issued)
            self._revoked_code = code

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:_SIGNATURE_BYTES]
