"""Chance that comes out the same each time: a keyed hash of what is asked."""

import hashlib

_BYTES = 6
_SIDES = float(1 << (8 * _BYTES))


class Dice:
    """Rolls for one seed. The same parts give the same roll, on any machine and any day."""

    def __init__(self, seed: str) -> None:
        self._base = hashlib.blake2b(
            key=hashlib.blake2b(seed.encode()).digest(), digest_size=_BYTES
        )

    def roll(self, *parts: object) -> float:
        """A number from 0 up to, not including, 1."""
        state = self._base.copy()
        state.update("|".join(map(str, parts)).encode())
        return int.from_bytes(state.digest(), "big") / _SIDES

    def pick(self, sides: int, *parts: object) -> int:
        """A whole number from 0 up to, not including, `sides`."""
        return int(self.roll(*parts) * sides)
