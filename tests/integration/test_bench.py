"""Each measurement runs, for as short as it can, so that none rots. No timing is asserted."""

import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent.parent
_PYTHON = _ROOT / ".venv-bench" / "bin" / "python"


def measured(module: str, *options: str) -> str:
    """What a measurement prints."""
    done = subprocess.run(
        [_PYTHON, "-m", f"bench.{module}", *options],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(180)
def test_hits_are_measured_beside_every_peer() -> None:
    report = measured("hits", "--seconds", "1", "--rounds", "1")
    for contender in ("bare Falcon", "this service", "Flask", "Django", "FastAPI", "nginx"):
        assert f"| {contender}" in report


@pytest.mark.timeout(180)
def test_counting_is_measured() -> None:
    assert "Counting costs" in measured("watching", "--seconds", "1", "--rounds", "1")
