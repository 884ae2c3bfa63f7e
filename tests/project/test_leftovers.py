"""Files that tools and tests create are ignored, removed by `make clean` and not committed."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_make_clean_removes_everything_that_git_ignores() -> None:
    ignored = {name.rstrip("/") for name in (ROOT / ".gitignore").read_text().split()}
    recipe = (ROOT / "Makefile").read_text().partition("\nclean:")[2].partition("\n\n")[0]
    settings_of_the_user = {".env"}

    assert ".schemathesis" in ignored
    assert ignored - settings_of_the_user <= set(re.findall(r"[\w.-]+", recipe))


def test_replica_list_exists_in_the_balancer_folder_only() -> None:
    # The Caddyfile reads the file beside it; a file elsewhere is a leftover of a manual run.
    found = [*ROOT.glob("*.caddy"), *ROOT.glob("[a-z]*/**/*.caddy")]

    assert found == [ROOT / "deploy" / "balancer" / "replicas.caddy"]
