"""The version is the same everywhere, and the changelog begins with it."""

import re
from pathlib import Path

from api import __version__

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)


def test_changelog_begins_with_the_version_of_the_code() -> None:
    assert RELEASES[0].split(" - ")[0] == __version__


def test_changelog_releases_have_a_version_and_a_date() -> None:
    form = re.compile(r"\d+\.\d+\.\d+ - (\d{4}-\d\d-\d\d|unreleased)")

    assert [release for release in RELEASES if not form.fullmatch(release)] == []
    assert [release for release in RELEASES[1:] if release.endswith("unreleased")] == []


def test_changelog_releases_list_kinds_of_change_once_and_in_order() -> None:
    for section in re.split(r"^## .+$", CHANGELOG, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)

        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_kubernetes_deploys_the_version_of_the_code() -> None:
    kustomization = (ROOT / "deploy" / "kubernetes" / "kustomization.yaml").read_text()

    assert re.findall(r'newTag: "(.+)"', kustomization) == [__version__]
