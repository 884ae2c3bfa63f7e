"""Interleaved and paired rounds, which compare fairly although the machine's speed varies.

Whatever is compared is loaded for a few seconds in each round. Each figure is divided by the one of
the same round, and the median of these ratios is the result.
"""

import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TypeVar

LOOP_STEPS = 500_000
T = TypeVar("T")


def interleaved(items: Sequence[T], rounds: int) -> Iterator[T]:
    """Yield every item once a round. Every other round goes backwards, so none is favoured."""
    for number in range(rounds):
        yield from items if number % 2 == 0 else reversed(items)


def paired_ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median of the ratios of each round. Both have a figure for each, in order."""
    return median(one / other for one, other in zip(over, under, strict=True))


def loop_ms() -> float:
    """Return the milliseconds that a fixed loop takes just now. Call it before each load."""
    began = time.perf_counter()
    for _ in range(LOOP_STEPS):
        pass
    return 1000 * (time.perf_counter() - began)


def machine_speed(loops: Sequence[float]) -> str:
    """Return a sentence on how much the machine's speed varied, from the times of the loop."""
    return (
        f"Before each load a fixed loop took {median(loops):.1f} ms in the median,"
        f" {min(loops):.1f} ms at least and {max(loops):.1f} ms at most."
    )
