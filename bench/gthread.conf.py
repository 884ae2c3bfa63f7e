"""The service's gunicorn configuration with threads in place of gevent, for comparison."""

import os
from pathlib import Path
from typing import Any

_OURS = Path("gunicorn.conf.py")
_text = _OURS.read_text().replace("monkey.patch_all()", "monkey")
exec(compile(_text, _OURS, "exec"))  # noqa: S102 - our own file

worker_class = "gthread"
threads = int(os.environ["THREADS"])


def pre_request(_worker: Any, _request: Any) -> None:
    """Do nothing: threads need not yield."""
