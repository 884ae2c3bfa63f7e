"""Packages of the npm registry for tests."""

import json
import subprocess
from pathlib import Path

import pytest


def installed(config: pytest.Config, name: str, version: str) -> Path:
    """The folder `node_modules` with this package, which is kept between runs."""
    assert config.cache is not None
    folder = config.cache.mkdir(f"node-{name}-{version}")
    package = folder / "node_modules" / name / "package.json"
    if not package.exists():
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
             "--prefix", folder, f"{name}@{version}"],
            check=True, capture_output=True, timeout=50,
        )  # fmt: skip
    assert json.loads(package.read_text())["version"] == version
    return folder / "node_modules"
