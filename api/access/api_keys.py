"""API keys. The service keeps only their hashes."""

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

TAKES: Final = (
    "must be keys of 16 to 256 letters, digits and -._~+/= each, separated by commas or newlines"
)
# The syntax of a Bearer token (RFC 6750, section 2.1).
_KEY = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LENGTHS: Final = range(16, 257)
_NAME_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Keys:
    """The API keys of one audience. There can be several, so that keys can be rotated."""

    digests: frozenset[bytes] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a list of keys. Raises ValueError; its message contains no key."""
        keys = re.split(r"[,\s]+", text.strip(", \t\r\n"))
        if not all(_KEY.fullmatch(key) and len(key) in _LENGTHS for key in keys):
            raise ValueError(TAKES)
        return cls(frozenset(map(_digest, keys)))

    def holder(self, key: str) -> str | None:
        """Return the name of a known key, the same in each process; None for an unknown key.

        The comparison takes constant time.
        """
        digest = _digest(key)
        is_known = False
        for known in self.digests:
            is_known |= compare_digest(known, digest)
        return _name(digest) if is_known else None

    def names(self) -> list[str]:
        """Return the names of all keys, as `holder` returns them."""
        return sorted(map(_name, self.digests))

    def overlap(self, other: "Keys") -> bool:
        """Return whether the two have a key in common."""
        return not self.digests.isdisjoint(other.digests)

    def __bool__(self) -> bool:
        return bool(self.digests)


def _digest(key: str) -> bytes:
    # Keys are long and random, so a slow hash would not make them safer.
    return sha256(key.encode()).digest()


def _name(digest: bytes) -> str:
    return f"key-{digest[:_NAME_BYTES].hex()}"
