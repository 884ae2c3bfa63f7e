"""The goals in bench/README.md are compared with the tables of the same page."""

import pytest

from bench.goals import Goal, with_goals
from bench.report import README

PAGE = """
<!-- hits: begin -->
|  | p99 ms | over it |
| --- | ---: | ---: |
| bare Falcon | 2.5 | 0.81 |
| this service | 1,018.0 | 1.00 |

| table without that column |
| --- |
| bare Falcon |
<!-- hits: end -->
"""


def test_page_lists_the_goals_as_its_tables_say() -> None:
    page = README.read_text()
    assert with_goals(page) == page


@pytest.mark.parametrize(("bound", "is_met"), [(0.81, "yes"), (0.82, "**no**")])
def test_goal_of_at_least_is_met_from_its_bound_on(bound: float, is_met: str) -> None:
    goal = Goal("rate", "hits", "bare Falcon", "over it", bound, is_least=True)
    assert goal.cells(PAGE) == ["rate", f"at least {bound}", "0.81", is_met]


def test_goal_of_at_most_is_missed_by_more() -> None:
    goal = Goal("latency", "hits", "this service", "p99 ms", 60)
    assert goal.cells(PAGE) == ["latency", "at most 60", "1018", "**no**"]


def test_goal_can_be_a_ratio_of_two_columns() -> None:
    goal = Goal("ratio", "hits", "bare Falcon", "p99 ms", 3, over="over it")
    assert goal.measured(PAGE) == pytest.approx(2.5 / 0.81)


def test_goal_of_several_rows_is_about_the_worst() -> None:
    page = PAGE.replace("| this service | 1,018.0", "| bare Falcon | stuck")
    assert Goal("p99", "hits", "bare Falcon", "p99 ms", 9).measured(page) == float("inf")


def test_goal_without_its_row_is_not_measured() -> None:
    goal = Goal("rate", "hits", "Flask", "over it", 2.5)
    assert goal.cells(PAGE) == ["rate", "at most 2.5", "not measured", ""]
