"""API keys. Only their hashes are kept."""

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

TAKES: Final = (
    "must be keys of 16 to 256 letters, digits and -._~+/= each, separated by commas or newlines"
)
# What `Authorization: Bearer` can carry (RFC 6750, 2.1).
_KEY = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LENGTHS: Final = range(16, 257)
_NAME_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that open one side of the service; several at once, so that they can be rotated."""

    digests: frozenset[bytes] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The keys of a list. Raises ValueError, which does not repeat them."""
        keys = re.split(r"[,\s]+", text.strip(", \t\r\n"))
        if not all(_KEY.fullmatch(key) and len(key) in _LENGTHS for key in keys):
            raise ValueError(TAKES)
        return cls(frozenset(map(_digest, keys)))

    def holder(self, key: str) -> str | None:
        """A name for whoever brought this key, the same in each process; None if it opens nothing.

        Takes as long for a key that is nearly right as for any other.
        """
        digest = _digest(key)
        is_known = False
        for known in self.digests:
            is_known |= compare_digest(known, digest)
        return _name(digest) if is_known else None

    def names(self) -> list[str]:
        """The names of all of them, as `holder` gives them."""
        return sorted(map(_name, self.digests))

    def overlap(self, other: "Keys") -> bool:
        """Whether a key is among both."""
        return not self.digests.isdisjoint(other.digests)

    def __bool__(self) -> bool:
        return bool(self.digests)


def _digest(key: str) -> bytes:
    # Keys are long and random, so a slow hash would add nothing but its slowness.
    return sha256(key.encode()).digest()


def _name(digest: bytes) -> str:
    return f"key-{digest[:_NAME_BYTES].hex()}"
