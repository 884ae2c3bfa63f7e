"""What `.ci/run` runs, and what it says at its end. The programs that it calls do nothing here."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / ".ci" / "run"
MARKERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["markers"]
# The make targets that run what `make test` leaves out.
RINGS = re.findall(r"use `make ([a-z-]+)`", "\n".join(MARKERS))


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """The environment in which every part succeeds at once."""
    python = tmp_path / "versions" / "3.12.0" / "bin" / "python"
    python.parent.mkdir(parents=True)
    for program in (*(tmp_path / name for name in ("apt-get", "docker", "git", "make")), python):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYENV_ROOT": str(tmp_path)}


@pytest.mark.parametrize(("seconds", "status"), [(0, 0), (39 * 60, 0), (40 * 60, 1)])
def test_ci_run_of_forty_minutes_fails(programs: dict[str, str], seconds: int, status: int) -> None:
    # bash counts SECONDS on from the value that it inherits.
    run = subprocess.run(
        [RUN],
        env={**programs, "SECONDS": str(seconds)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == status, run.stderr
    assert f"{seconds // 60:3}:0" in run.stdout.splitlines()[-1]
    assert ("It must stay below 40." in run.stderr) is (status == 1)


def test_ci_runs_every_ring() -> None:
    assert len(RINGS) >= 7
    parts = re.findall(r"^part .* make ([a-z-]+)", RUN.read_text(), re.MULTILINE)
    assert {*RINGS, "test"} <= set(parts)
