"""Sections and tables of Markdown pages."""

import re
from collections.abc import Iterator, Sequence


def section(page: str, name: str) -> str:
    """Return a section of a page's text. Raises ValueError unless there is exactly one."""
    [text] = _pattern(name).findall(page)
    return str(text)


def with_section(page: str, name: str, text: str) -> str:
    """Return a page's text with another section. Raises ValueError as `section`."""
    section(page, name)
    comments = f"<!-- {name}: begin -->\n{text}\n<!-- {name}: end -->"
    return _pattern(name).sub(lambda _: comments, page)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table. All columns except the first are aligned to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows_with_heads(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the head and the cells of each row of each table."""
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("| "):
            head = []
        elif not line.startswith("| ---"):
            cells = [cell.strip() for cell in line[1:-1].split("|")]
            if head:
                yield head, cells
            head = head or cells


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(f"<!-- {name}: begin -->(.*?)<!-- {name}: end -->", re.DOTALL)
