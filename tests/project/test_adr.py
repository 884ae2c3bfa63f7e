"""The architecture decision records have one form, and their index lists them all."""

import datetime as dt
import re
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"- Date: (?P<date>\d{4}-\d\d-\d\d)\n"
    r"- Status: (?P<status>accepted|superseded by \[ADR \d+\]\(\d{4}-[\w-]+\.md\))\n\n"
)
BLOCK = re.compile(r"[|>#]|- |\d+\. ")


def head(record: Path) -> re.Match[str]:
    match = HEAD.match(record.read_text())
    assert match, f"{record.name} does not begin with number, title, date and status"
    return match


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_record_begins_with_number_title_date_and_status(record: Path) -> None:
    match = head(record)

    assert int(match["number"]) == int(record.name[:4])
    assert dt.date.fromisoformat(match["date"]) >= dt.date(2026, 11, 21)


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_paragraph_of_a_record_is_one_line(record: Path) -> None:
    text = re.sub(r"^```.*?^```", "", record.read_text(), flags=re.MULTILINE | re.DOTALL)
    wrapped = [after for before, after in pairwise(text.splitlines()) if before and is_prose(after)]

    assert wrapped == []


def is_prose(line: str) -> bool:
    return bool(line) and not BLOCK.match(line)


def test_adr_numbers_have_no_gap() -> None:
    assert [int(head(record)["number"]) for record in RECORDS] == [*range(1, len(RECORDS) + 1)]


def test_index_lists_every_record() -> None:
    rows = [
        line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")
    ]

    assert rows == [
        "| [{number}]({file}) | {title} | {date} | {status} |".format(
            file=record.name, **head(record).groupdict()
        )
        for record in RECORDS
    ]
