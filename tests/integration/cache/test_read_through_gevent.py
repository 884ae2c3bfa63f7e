"""The read-through's rule holds with greenlets, as the workers run it."""

import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_UNDER_GEVENT = """
from gevent import monkey
from api.serving.polling import install_nonblocking_poll
install_nonblocking_poll()
monkey.patch_all()
import sys, pytest
rule = "tests/unit/services/cache/test_read_through_rule.py"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", rule]))
"""


def test_read_through_rule_holds_with_greenlets() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _UNDER_GEVENT],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^\d+ passed in", run.stdout, re.MULTILINE)
