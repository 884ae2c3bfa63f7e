"""Loads settings from a given environment and nothing else."""

import resource
from pathlib import Path
from typing import Any

import pytest

from api.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variables of the developer, no `.env`, and the open-file limit that gunicorn sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8192, 8192))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(**environment: str) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


@pytest.fixture
def refusal(loaded: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """The error message for an invalid environment."""

    def refuse(**environment: str) -> str:
        with pytest.raises(SystemExit) as ended:
            loaded(**environment)
        assert ended.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err.strip()

    return refuse
