"""Lists the goals of this project beside what the tables of README.md say, in "Known gaps"."""

import math
from dataclasses import dataclass

from bench.markdown import rows_with_heads, section, table, with_section

HITS, WAYS, CROWD, MISSES, STARTUP = "hits", "ways", "crowd", "misses", "startup"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on the cells of a section's tables in a column and in rows of that name.

    is_least: at least that much, else at most. over: the column to divide by, if any.
    """

    what: str
    section: str
    row: str
    column: str
    bound: float
    is_least: bool = False
    over: str = ""

    def measured(self, page: str) -> float | None:
        """Return what the page says, the worst of several rows; None if it was not measured."""
        found = [
            _number(row[head.index(self.column)])
            / (_number(row[head.index(self.over)]) if self.over else 1)
            for head, row in rows_with_heads(section(page, self.section))
            if row[0] == self.row and self.column in head
        ]
        worst = min if self.is_least else max
        return worst(found, default=None)

    def cells(self, page: str) -> list[str]:
        """Return the row of this goal."""
        value = self.measured(page)
        bound = f"{'at least' if self.is_least else 'at most'} {self.bound:g}"
        if value is None:
            return [self.what, bound, "not measured", ""]
        is_met = value >= self.bound if self.is_least else value <= self.bound
        return [self.what, bound, f"{value:.4g}", "yes" if is_met else "**no**"]


OVER_IT, IN_USE = "this service over it", "shares (in use)"
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
    Goal("p99 over p50 with up to 1,000 clients at once", CROWD, IN_USE, "p99 over p50", 5),
    Goal(
        "rate with keys and limits, over the rate without", WAYS, "with keys and limits",
        "over this service", 0.85, is_least=True,
    ),
    Goal("a miss over a search with the SDK alone, at p50", MISSES, "plain HTTP", "ratio", 1.5),
    Goal("the same over TLS", MISSES, "TLS", "ratio", 1.5),
    *(
        Goal(
            f"calls to Amadeus over the least possible, {routes} routes", "simulation", routes,
            "read-through", 1.03, over="least possible",
        )
        for routes in ("1,000", "10,000", "100,000")
    ),
    Goal("resident memory of a worker, MB", HITS, "this service", "resident MB a worker", 90),
    Goal("first price after the start, s", STARTUP, "to the first price", "s", 0.9),
)  # fmt: skip


def _number(cell: str) -> float:
    return math.inf if cell == "stuck" else float(cell.replace(",", ""))


def with_goals(page: str) -> str:
    """Return the page's text with the goals as its other tables say."""
    rows = [goal.cells(page) for goal in GOALS]
    return with_section(page, "goals", table(["goal", "bound", "measured", "met"], rows))
