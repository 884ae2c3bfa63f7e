"""GitHub's workflows and Dependabot use make targets, Python versions and folders that exist."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# The file that each Dependabot ecosystem looks for in a folder.
FILES = {
    "pip": "*.txt",
    "npm": "package-lock.json",
    "docker": "Dockerfile",
    "github-actions": ".github/workflows/*",
}


def content(name: str) -> Any:
    return yaml.safe_load((GITHUB / name).read_text())


FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
JOBS: dict[str, Any] = content("workflows/ci.yml")["jobs"]


@pytest.mark.parametrize("job", sorted(JOBS))
def test_job_calls_make_targets_that_exist(job: str) -> None:
    commands = [step["run"] for step in JOBS[job]["steps"] if "run" in step]

    assert commands
    for command in commands:
        assert re.match(r"make ([a-z-]+)", command)
        assert command.split()[1] in TARGETS


def test_tests_run_on_each_supported_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least, beyond = map(int, re.findall(r"3\.(\d+)", project["requires-python"]))
    supported = [f"3.{minor}" for minor in range(least, beyond)]

    assert JOBS["test"]["strategy"]["matrix"]["python"] == supported


def test_dependabot_looks_in_folders_with_its_files() -> None:
    for update in content("dependabot.yml")["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            place = ROOT / folder.lstrip("/")

            assert list(place.glob(FILES[update["package-ecosystem"]])), folder


def test_dependabot_knows_every_folder_with_pinned_packages() -> None:
    folders = {
        f"/{file.parent.relative_to(ROOT)}".rstrip(".")
        for pattern in ("requirements*.txt", "*/requirements*.txt", "requirements/*.txt")
        for file in ROOT.glob(pattern)
        if file.parent.name != ".venv"
    }
    updates = {
        update["package-ecosystem"]: update for update in content("dependabot.yml")["updates"]
    }

    assert set(updates["pip"]["directories"]) == folders


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_issue_form_has_the_fields_that_github_requires(form: Path) -> None:
    fields = yaml.safe_load(form.read_text())

    assert {"name", "description", "body"} <= set(fields)
    for field in fields["body"]:
        assert field["type"] == "markdown" or {"id", "attributes"} <= set(field)
