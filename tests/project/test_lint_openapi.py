"""`make lint-openapi` fails if one of its programs finds something. The programs here are ours."""

from pathlib import Path

import pytest

from tools import lint_openapi


@pytest.mark.parametrize(
    ("program", "status", "said", "passes"),
    [
        ("redocly", 0, "a notice about its version", True),
        ("redocly", 1, "", False),
        ("openapi-typescript", 0, "", True),
        ("openapi-typescript", 0, "a warning", False),
    ],
)
def test_check_passes_if_its_program_finds_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    status: int,
    said: str,
    passes: bool,
) -> None:
    ours = tmp_path / program
    ours.write_text(f"#!/bin/sh\nprintf '{said}' >&2\nexit {status}\n")
    ours.chmod(0o755)
    monkeypatch.setattr(lint_openapi, "PROGRAMS", tmp_path)

    assert lint_openapi.is_passed((program,), tmp_path) is passes
