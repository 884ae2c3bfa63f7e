"""The tests in tests/system know only the address of the service."""

import ast
from pathlib import Path

import pytest

SYSTEM = sorted((Path(__file__).resolve().parents[1] / "system").glob("*.py"))


@pytest.mark.parametrize("source", SYSTEM, ids=lambda path: path.name)
def test_system_tests_import_nothing_of_the_product(source: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }

    assert imported.isdisjoint({"api", "bridge", "protocol", "sandbox"})


def test_system_tests_exist() -> None:
    assert SYSTEM
