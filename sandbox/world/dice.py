"""Reproducible random numbers: a keyed hash of their purpose."""

import hashlib

_BYTES = 6
_SIDES = float(1 << (8 * _BYTES))


class Dice:
    """Random numbers for one seed. The same parts give the same number on every machine."""

    def __init__(self, seed: str) -> None:
        self._base = hashlib.blake2b(
            key=hashlib.blake2b(seed.encode()).digest(), digest_size=_BYTES
        )

    def roll(self, *parts: object) -> float:
        """Return a number of at least 0 and less than 1."""
        state = self._base.copy()
        state.update("|".join(map(str, parts)).encode())
        return int.from_bytes(state.digest(), "big") / _SIDES

    def pick(self, sides: int, *parts: object) -> int:
        """Return a whole number of at least 0 and less than `sides`."""
        return int(self.roll(*parts) * sides)
