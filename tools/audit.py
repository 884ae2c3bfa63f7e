"""Asks pip-audit whether the pinned packages have known holes, and takes no silence for a no.

pip-audit ends well as well where its database knows nothing of a package, or cannot be reached.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

FILES = (
    *("requirements.txt", "requirements-build.txt", "requirements-tracing.txt"),
    *("requirements-dev.txt", "bench/requirements.txt"),
)
HOLES, NOT_AUDITED = 1, 3


def main(arguments: list[str]) -> int:
    """Exit code 0: no known holes; 1: some; 3: it could not be found out."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--if-reachable", action="store_true", help="end with 0 where the database is out of reach"
    )
    if_reachable = options.parse_args(arguments).if_reachable
    said, code = verdict(chain.from_iterable(map(report_on, FILES)))
    print(said)
    return 0 if code == NOT_AUDITED and if_reachable else code


def report_on(file: str) -> list[dict[str, Any]]:
    """What pip-audit knows of each package of a requirements file; nothing if it failed."""
    auditor = Path(sys.executable).with_name("pip-audit")
    run = subprocess.run(
        [auditor, "--require-hashes", "--disable-pip", "--format", "json", "-r", file],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        packages: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [{"name": file, "skip_reason": reason}]
    return packages


def verdict(packages: Iterable[dict[str, Any]]) -> tuple[str, int]:
    """What to say of the reports, in which one package may stand twice, and the exit code."""
    packages = list({(each["name"], each.get("version")): each for each in packages}.values())
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in"
        f" {', '.join(hole['fix_versions']) or 'no version'}"
        for package in packages
        for hole in package.get("vulns", ())
    ]
    unknown = [package for package in packages if "skip_reason" in package]
    if holes:
        return "\n".join(["Known holes:", *holes, "`make lock` takes the newest versions."]), HOLES
    if unknown or not packages:
        reason = f" The first: {unknown[0]['skip_reason']}" if unknown else ""
        return (
            f"NOT AUDITED: {len(unknown)} of {len(packages)} packages could not be looked up, so"
            " nothing is known of them, good or bad. Run `make audit` where https://pypi.org"
            f" answers.{reason}"
        ), NOT_AUDITED
    return f"{len(packages)} packages audited, no known holes.", 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
