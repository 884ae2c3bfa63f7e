"""The service's gunicorn configuration with the application of another module, for comparison."""

import os
from pathlib import Path

_OURS = Path("gunicorn.conf.py")
_text = _OURS.read_text().replace("api.wsgi", os.environ["WSGI_MODULE"])
exec(compile(_text, _OURS, "exec"))  # noqa: S102 - our own file
