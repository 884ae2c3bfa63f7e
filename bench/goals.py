"""Lists the goals of this project beside what the tables of README.md say, in "Known gaps"."""

from dataclasses import dataclass

from bench.markdown import rows_with_heads, section, table, with_section

HITS, WAYS, MISSES, STARTUP = "hits", "ways", "misses", "startup"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on one cell of a section's tables. is_least: at least that much, else at most."""

    what: str
    section: str
    row: str
    column: str
    bound: float
    is_least: bool = False

    def measured(self, page: str) -> float | None:
        """Return what the page says, or None if it was not measured."""
        found = [
            row[head.index(self.column)]
            for head, row in rows_with_heads(section(page, self.section))
            if row[0] == self.row and self.column in head
        ]
        return float(found[0].replace(",", "")) if found else None

    def cells(self, page: str) -> list[str]:
        """Return the row of this goal."""
        value = self.measured(page)
        bound = f"{'at least' if self.is_least else 'at most'} {self.bound:g}"
        if value is None:
            return [self.what, bound, "not measured", ""]
        is_met = value >= self.bound if self.is_least else value <= self.bound
        return [self.what, bound, f"{value:g}", "yes" if is_met else "**no**"]


OVER_IT = "this service over it"
GOALS = (
    Goal("rate of hits over bare Falcon", HITS, "bare Falcon", OVER_IT, 0.78, is_least=True),
    Goal("over Flask + redis", HITS, "Flask + redis", OVER_IT, 2.5, is_least=True),
    Goal(
        "over Django REST + django-redis", HITS, "Django REST + django-redis", OVER_IT, 3.2,
        is_least=True,
    ),
    Goal(
        "over FastAPI + redis.asyncio", HITS, "FastAPI + redis.asyncio", OVER_IT, 1.5,
        is_least=True,
    ),
    Goal("p99 of hits, ms", HITS, "this service", "p99 ms", 60),
    Goal(
        "rate with keys and limits, over the rate without", WAYS, "with keys and limits",
        "over this service", 0.85, is_least=True,
    ),
    Goal("a miss over a search with the SDK alone, at p50", MISSES, "plain HTTP", "ratio", 1.5),
    Goal("the same over TLS", MISSES, "TLS", "ratio", 1.5),
    Goal("resident memory of a worker, MB", HITS, "this service", "resident MB a worker", 90),
    Goal("first price after the start, s", STARTUP, "to the first price", "s", 0.9),
)  # fmt: skip


def with_goals(page: str) -> str:
    """Return the page's text with the goals as its other tables say."""
    rows = [goal.cells(page) for goal in GOALS]
    return with_section(page, "goals", table(["goal", "bound", "measured", "met"], rows))
