"""Checks /openapi.json with linters, and generates the types of a TypeScript client from it."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from falcon.testing import TestClient

from api.app import create_app
from api.settings import Settings

PROGRAMS = Path(__file__).resolve().with_name("node_modules") / ".bin"
DOCUMENT = "openapi.json"
CHECKS = (
    ("redocly", "lint", "--extends=recommended-strict", DOCUMENT),
    ("spectral", "lint", "--fail-severity=hint", DOCUMENT),
    ("openapi-typescript", DOCUMENT, "--output=openapi.d.ts"),
)
# The generator ends with 0 even if it has warned.
MUST_BE_SILENT = "openapi-typescript"
# redocly would otherwise call other servers.
OFFLINE = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def main() -> int:
    """Return the exit code. 0: no program found anything; 1: some did."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        answer = TestClient(create_app(Settings())).simulate_get("/openapi.json")
        (folder / DOCUMENT).write_text(answer.text)
        (folder / ".spectral.json").write_text('{"extends": "spectral:oas"}')
        failed = [check[0] for check in CHECKS if not is_passed(check, folder)]
    print("== Failed:", *failed) if failed else print("== Nothing found.")
    return 1 if failed else 0


def is_passed(check: tuple[str, ...], folder: Path) -> bool:
    """Run a program in this folder, and return whether it has found nothing."""
    program, *arguments = check
    print("==", *check, flush=True)
    run = subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=folder,
        env={**os.environ, **OFFLINE},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(run.stderr, end="", flush=True)
    return run.returncode == 0 and not (program == MUST_BE_SILENT and run.stderr)


if __name__ == "__main__":
    sys.exit(main())
