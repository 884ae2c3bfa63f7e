"""Every test that a document names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "README.md", "SECURITY.md")),
    *ROOT.glob("docs/**/*.md"),
]


def defined_tests() -> set[str]:
    sources = ROOT.glob("tests/**/test_*.py")
    return {
        name for source in sources for name in re.findall(r"def (test_\w+)", source.read_text())
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_and_files_named_in_documents_exist(document: Path) -> None:
    text = document.read_text()
    assert set(re.findall(r"`(test_\w+)`", text)) - defined_tests() == set()
    files = re.findall(
        r"`((?:api|bench|bridge|deploy|docs|protocol|sandbox|tests)/[\w./-]+)`", text
    )
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_failure_table_rows_name_their_tests() -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| when |")]
    assert len(rows) > 25
    assert all(re.search(r"\| `test_\w+` \|$", row) for row in rows)


def test_threat_table_rows_name_their_tests() -> None:
    table = (ROOT / "SECURITY.md").read_text().partition("\n## Threats\n")[2]
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert all(re.search(r"\| `(test_\w+|make docker-test)` \|$", row) for row in rows)
