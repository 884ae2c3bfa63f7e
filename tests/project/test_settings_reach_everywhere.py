"""Every setting is present in the files in which people set it."""

import re
from pathlib import Path

import pytest

from api.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = [name.upper() for name in Settings.model_fields]
PAGE = (ROOT / "docs" / "observability.md").read_text()
OF_OPENTELEMETRY = set(re.findall(r"`(OTEL_[A-Z_]+)", PAGE))


@pytest.mark.parametrize("variable", sorted({*VARIABLES, *OF_OPENTELEMETRY}))
def test_compose_passes_each_setting_on(variable: str) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()

    assert re.search(rf"^      {variable}:", compose, re.MULTILINE)


@pytest.mark.parametrize("variable", VARIABLES)
def test_example_env_file_names_each_setting(variable: str) -> None:
    example = (ROOT / ".env.example").read_text()

    assert re.search(rf"^#?{variable}=", example, re.MULTILINE)
