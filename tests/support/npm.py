"""Packages of the npm registry for tests."""

import json
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest


def installed(config: pytest.Config, name: str, version: str) -> Path:
    """The folder `node_modules` with this package, which is kept between runs."""
    assert config.cache is not None
    folder = config.cache.mkdir(f"node-{name}-{version}")
    modules = folder / "node_modules"
    if not modules.exists():
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
                 "--prefix", fresh, f"{name}@{version}"],
                check=True, capture_output=True, timeout=50,
            )  # fmt: skip
            with suppress(OSError):  # another test process was faster
                Path(fresh, "node_modules").rename(modules)
    assert json.loads((modules / name / "package.json").read_text())["version"] == version
    return modules
