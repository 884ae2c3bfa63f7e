"""Lists the licences of a CycloneDX bill of materials, and fails if one is not in AGREED.

python tools/licences.py dist/sbom.cdx.json > docs/licences.md
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

# Licences that only require attribution, and MPL-2.0, which covers only its own files.
AGREED = frozenset(
    (
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "ISC", "MIT", "MIT-0"),
        *("MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "ZPL-2.1", "0BSD"),
    )
)
# Names of licences in older packages, and their SPDX identifiers.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
HEADING = """# Licences

The packages of the running service. You may use, change and redistribute all of them.

| package | licence |
|---|---|"""


def licence_of(component: dict[str, Any]) -> str:
    """Return the licence as an SPDX expression; empty if the component states none."""
    for choice in component.get("licenses", ()):
        stated = choice.get("expression") or choice["license"].get("id")
        if stated:
            return str(stated)
    names = (choice["license"].get("name", "") for choice in component.get("licenses", ()))
    return next((SPELLINGS[name] for name in names if name in SPELLINGS), "")


def is_agreed(licence: str) -> bool:
    """Return whether an SPDX expression names licences, all of them in AGREED."""
    names = [name for name in re.split(r"[()\s]+", licence) if name not in ("", "AND", "OR")]
    return bool(names) and AGREED.issuperset(names)


def main(file: str) -> int:
    """Print the table; return exit code 1 if a licence is missing or not in AGREED."""
    components = json.loads(Path(file).read_text())["components"]
    licences = {component["name"]: licence_of(component) for component in components}
    print(HEADING)
    for name, licence in sorted(licences.items(), key=lambda item: item[0].lower()):
        print(f"| {name} | {licence} |")
    rejected = [
        f"{name}: {found or 'none'}" for name, found in licences.items() if not is_agreed(found)
    ]
    if rejected:
        print("Licences that are not agreed to:", *rejected, sep="\n  ", file=sys.stderr)
    return bool(rejected)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
