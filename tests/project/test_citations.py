"""What code and documents cite exists: sections of docs/amadeus.md, links, make targets, names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AMADEUS = ROOT / "docs" / "amadeus.md"
SOURCES = sorted(
    file
    for folder in ("api", "bench", "bridge", "protocol", "sandbox", "tests")
    for file in ROOT.glob(f"{folder}/**/*.py")
    if file != Path(__file__)
)
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("[a-z]*/README.md")})


def headings(document: Path) -> list[str]:
    """The titles of a document's sections, without those inside code blocks."""
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", prose, re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def cited(source: Path) -> list[str | None]:
    """The section in each citation of docs/amadeus.md; None where a citation names no section."""
    text = re.sub(r"\n\s*(#\s*)?", " ", source.read_text())
    citations = re.findall(r"docs/amadeus\.md(?:, section \"([^\"]+)\")?", text)
    return [section or None for section in citations]


def test_cited_sections_are_headings_of_the_amadeus_page() -> None:
    known = headings(AMADEUS)
    missing = [
        f"{source.relative_to(ROOT)}: {section}"
        for source in SOURCES
        for section in cited(source)
        if section not in known
    ]

    assert missing == []


def test_amadeus_page_is_cited_by_service_and_sandbox() -> None:
    rooms = {source.relative_to(ROOT).parts[0] for source in SOURCES if cited(source)}

    assert {"api", "sandbox"} <= rooms


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", document.read_text()):
        name, _, fragment = target.partition("#")
        file = document.parent / name if name else document
        if not file.exists() or (fragment and fragment not in map(anchor, headings(file))):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_named_in_a_document_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = document.read_text()
    commands = " ".join(re.findall(r"^```sh\n.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))

    assert set(re.findall(r"(?<![\w-])make ([a-z-]+)", commands)) <= targets


def test_names_in_the_contributing_guide_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    sources = "\n".join(file.read_text() for file in SOURCES if file.is_relative_to(ROOT / "api"))
    names = {*re.findall(r"`([A-Z]\w+[a-z])`", page), *re.findall(r"git grep '([^']+)'", page)}

    assert {"Event", "FlightPriceError", "Settings"} <= names
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", sources)] == []
    assert "def create_app(" in sources
