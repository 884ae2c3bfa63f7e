"""Dependencies are pinned, listed, licensed and audited."""

import json
import os
import re
import subprocess
from importlib.metadata import metadata
from pathlib import Path

import pytest

from tools.audit import FILES, NOT_AUDITED, VULNERABLE, verdict
from tools.licences import SPELLINGS, is_agreed, licence_of

ROOT = Path(__file__).resolve().parents[2]
FINE = {"name": "falcon", "version": "4.4.0", "vulns": []}
UNKNOWN = {"name": "redis", "skip_reason": "Dependency not found on PyPI"}
AFFECTED = {
    "name": "gevent",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}],
}
DIGEST = "sha256:" + "0123456789abcdef" * 4


def pinned(file: str) -> dict[str, str]:
    """The packages of a requirements file, each with the rest of its entry."""
    text = (ROOT / file).read_text()
    return {
        match[1]: match[2]
        for match in re.finditer(r"^([a-z0-9-]+)(==(?:.+\\\n)+.*)", text, re.MULTILINE)
    }


REQUIREMENTS = sorted(
    str(file.relative_to(ROOT))
    for pattern in ("requirements*.txt", "requirements/*.txt")
    for file in ROOT.glob(pattern)
)


def test_audit_covers_every_package() -> None:
    assert sorted(FILES) == REQUIREMENTS


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_requirements_pin_every_package_with_hashes(file: str) -> None:
    packages = pinned(file)

    assert packages
    assert len(packages) == len(re.findall("^[a-z]", (ROOT / file).read_text(), re.MULTILINE))
    assert [name for name, rest in packages.items() if "--hash=sha256:" not in rest] == []


@pytest.mark.parametrize("folder", ["tools", "tests/agents", "tests/contract"])
def test_packages_of_npm_are_pinned_with_hashes(folder: str) -> None:
    wanted = json.loads((ROOT / folder / "package.json").read_text())["devDependencies"]
    wanted = {name: version.rpartition("@")[2] for name, version in wanted.items()}
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    del packages[""]  # the project itself

    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [name for name, package in packages.items() if "integrity" not in package] == []


def test_image_installs_nothing_without_a_hash() -> None:
    installs = re.findall(r" install [^&]*", (ROOT / "Dockerfile").read_text())

    assert installs
    assert all("--require-hashes" in install for install in installs)
    assert "--no-build-isolation" in installs[-1]


def test_licence_of_each_package_is_listed() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    listed = {
        re.sub("[_.]", "-", row[1]): row[2]
        for row in re.finditer(r"^\| (\S+) \| (.+) \|$", page, re.MULTILINE)
    }
    everywhere = {
        name for name, rest in pinned("requirements.txt").items() if ";" not in rest.split("\\")[0]
    }

    assert everywhere - set(listed) == set()
    assert [name for name in everywhere if not is_agreed(listed[name])] == []


def test_tracing_packages_have_agreed_licences() -> None:
    for name in pinned("requirements/tracing.txt").keys() - pinned("requirements.txt").keys():
        stated = metadata(name).json
        licence = str(stated.get("license_expression") or stated["license"])

        assert is_agreed(SPELLINGS.get(licence, licence)), name


@pytest.mark.parametrize("licence", ["", "AGPL-3.0-only", "MIT AND GPL-2.0-only", "(MIT OR SSPL)"])
def test_licence_outside_the_agreed_list_is_refused(licence: str) -> None:
    assert not is_agreed(licence)
    assert is_agreed("MIT AND (Apache-2.0 OR BSD-3-Clause)")


def test_licence_is_found_in_each_form() -> None:
    stated = [
        {"expression": "MIT"},
        {"license": {"id": "MIT"}},
        {"license": {"name": "MIT License"}},
    ]

    assert {licence_of({"licenses": [form]}) for form in stated} == {"MIT"}
    assert licence_of({"licenses": [{"license": {"name": "Whatever"}}]}) == ""
    assert licence_of({}) == ""


def test_audit_without_findings_succeeds() -> None:
    assert verdict([FINE]) == ("1 packages audited, no known vulnerabilities.", 0)


def test_audit_fails_for_an_unknown_package() -> None:
    said, code = verdict([FINE, UNKNOWN])

    assert code == NOT_AUDITED
    assert "NOT AUDITED: 1 of 2 packages" in said
    assert "Dependency not found on PyPI" in said
    assert verdict([])[1] == NOT_AUDITED


def test_vulnerability_is_not_hidden_by_another_version_of_its_package() -> None:
    said, code = verdict([AFFECTED, AFFECTED, {**AFFECTED, "version": "2.0", "vulns": []}])

    assert code == VULNERABLE
    assert said.count("gevent 1.0") == 1


def test_vulnerability_is_named_with_the_versions_that_fix_it() -> None:
    said, code = verdict([FINE, AFFECTED, UNKNOWN])

    assert code == VULNERABLE
    assert "gevent 1.0: PYSEC-1, fixed in 1.1, 2.0" in said


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A copy of the files that name images, and of the script that pins them."""
    for file in ("Dockerfile", "docker-compose.yml", "tools/pin-images"):
        copy = tmp_path / file
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / file).read_bytes())
        copy.chmod(0o755)
    return tmp_path


def pin(folder: Path, answer: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with a `docker` command that prints this output."""
    docker = folder / "bin" / "docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text(f"#!/bin/sh\n{answer}\n")
    docker.chmod(0o755)
    return subprocess.run(
        [folder / "tools" / "pin-images"],
        env={"PATH": f"{docker.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_images_are_pinned_and_pins_renewed(images: Path) -> None:
    for digest in (DIGEST, DIGEST.replace("0", "f")):
        assert pin(images, f"echo {digest}").returncode == 0
        dockerfile = (images / "Dockerfile").read_text()
        assert (
            re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
            == [f"python:3.13-slim@{digest}"] * 2
        )
        assert f"image: redis:8-alpine@{digest}\n" in (images / "docker-compose.yml").read_text()


@pytest.mark.parametrize("answer", ["exit 1", "echo '<no value>'"])
def test_missing_digest_pins_no_image(images: Path, answer: str) -> None:
    before = (images / "Dockerfile").read_text()

    run = pin(images, answer)

    assert run.returncode == 1
    assert re.match(r"[a-z/]+:[\w.-]+", run.stderr), "it names the image"
    assert (images / "Dockerfile").read_text() == before
