"""Lists the goals of this project beside what the tables of README.md say, in "Known gaps"."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.report import README, options, publish, section, table

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
        rows = list(_rows(section(page, self.section)))
        found = [
            row[head.index(self.column)]
            for head, row in rows
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


def goals(page: str) -> str:
    """Return the table of the goals, from the other tables of the page."""
    return table(["goal", "bound", "measured", "met"], [goal.cells(page) for goal in GOALS])


def _rows(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each row of each table, together with the head of its table."""
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("| "):
            head = []
        elif not line.startswith("| ---"):
            cells = [cell.strip() for cell in line[1:-1].split("|")]
            if head:
                yield head, cells
            head = head or cells


def main() -> None:
    wanted = options(__doc__).parse_args()
    publish("goals", goals(README.read_text()), write=wanted.write)


if __name__ == "__main__":
    main()
