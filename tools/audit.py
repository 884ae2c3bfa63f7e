"""Checks the pinned packages for known vulnerabilities with pip-audit.

pip-audit also succeeds if its database does not contain a package or cannot be reached. This
script reports such packages as NOT AUDITED.
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
    *("requirements.txt", "requirements/build.txt", "requirements/tracing.txt"),
    *("requirements/dev.txt", "requirements/bench.txt", "requirements/agents.txt"),
)
VULNERABLE, NOT_AUDITED = 1, 3


def main(arguments: list[str]) -> int:
    """Return the exit code.

    0: no known vulnerabilities; 1: some; 3: some packages were not audited.
    """
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--if-reachable", action="store_true", help="exit with 0 if the database cannot be reached"
    )
    if_reachable = options.parse_args(arguments).if_reachable
    message, code = verdict(chain.from_iterable(map(report_on, FILES)))
    print(message)
    return 0 if code == NOT_AUDITED and if_reachable else code


def report_on(file: str) -> list[dict[str, Any]]:
    """Return pip-audit's report on each package of a requirements file.

    If pip-audit fails, the report has one entry for the file.
    """
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
        reason = (run.stderr.strip().splitlines() or ["pip-audit printed no error"])[-1]
        return [{"name": file, "skip_reason": reason}]
    return packages


def verdict(packages: Iterable[dict[str, Any]]) -> tuple[str, int]:
    """Return the message and the exit code for reports. A package may occur twice."""
    packages = list({(each["name"], each.get("version")): each for each in packages}.values())
    vulnerabilities = [
        f"{package['name']} {package['version']}: {known['id']}, fixed in"
        f" {', '.join(known['fix_versions']) or 'no version'}"
        for package in packages
        for known in package.get("vulns", ())
    ]
    unknown = [package for package in packages if "skip_reason" in package]
    if vulnerabilities:
        advice = "`make lock` pins the newest versions."
        return "\n".join(["Known vulnerabilities:", *vulnerabilities, advice]), VULNERABLE
    if unknown or not packages:
        reason = f" The reason for the first: {unknown[0]['skip_reason']}" if unknown else ""
        return (
            f"NOT AUDITED: {len(unknown)} of {len(packages)} packages could not be looked up."
            f" Run `make audit` on a machine that reaches https://pypi.org.{reason}"
        ), NOT_AUDITED
    return f"{len(packages)} packages audited, no known vulnerabilities.", 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
