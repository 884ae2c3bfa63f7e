"""Access tokens that carry their own proof.

A token is `client id, time of issue, life` signed with a key derived from the seed. So any
process with the same seed accepts it, whoever issued it: the in-process sandboxes of several
workers act as one. Only revocations are known to one process alone.
"""

import base64
import binascii
import hashlib
import hmac
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

from sandbox.errors import AmadeusError

_HEAD = struct.Struct(">QI")  # microseconds since the epoch, life in seconds
_SIGNATURE_BYTES = 16
_MICROSECOND = 1_000_000

REVOCATION_CODES = (38190, 38192, 38193)


class Token(NamedTuple):
    """What a token says about itself."""

    client_id: str
    issued: int
    """Microseconds since the epoch."""
    life: int
    """Seconds."""

    def left(self, now: float) -> int:
        """Whole seconds until it expires, 0 if it has."""
        return max(0, int(self.issued / _MICROSECOND + self.life - now))

    def expired(self, now: float) -> bool:
        """Whether its life is over."""
        return now >= self.issued / _MICROSECOND + self.life


class Tokens:
    """Issues, reads and revokes tokens."""

    def __init__(self, seed: str, clock: Callable[[], float]) -> None:
        self._key = hashlib.blake2b(seed.encode(), person=b"sandbox token").digest()
        self._clock = clock
        self._lock = threading.Lock()
        self._last_issued = 0
        self._revoked_until = 0
        self._revoked_code = 38193

    def issue(self, client_id: str, life: int) -> str:
        """Make a token for this client that lives `life` seconds."""
        with self._lock:
            # Strictly rising, so that a revocation falls between two tokens and never on one.
            issued = max(int(self._clock() * _MICROSECOND), self._last_issued + 1)
            self._last_issued = issued
        payload = _HEAD.pack(issued, life) + client_id.encode()
        return base64.urlsafe_b64encode(self._sign(payload) + payload).decode().rstrip("=")

    def read(self, text: str) -> Token | None:
        """The token in `text`, expired or revoked ones too; None if it is none of ours."""
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
        """The valid token in `text`.

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
        """`approved` or `expired`, the two states that the OpenAPI file's reader will meet."""
        gone = token.issued <= self._revoked_until or token.expired(self._clock())
        return "expired" if gone else "approved"

    def revoke_all(self, code: int = 38193) -> None:
        """From now on refuse every token issued until now, with this code."""
        with self._lock:
            now = int(self._clock() * _MICROSECOND)
            self._last_issued = self._revoked_until = max(now, self._last_issued)
            self._revoked_code = code

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:_SIGNATURE_BYTES]
