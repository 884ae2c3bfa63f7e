"""An Amadeus-compatible flight search simulator: invented prices, the real protocol.

    from sandbox import SandboxConfig, create_app
    application = create_app(SandboxConfig(rate_limit="test"))

`create_app` returns a WSGI application; `python -m sandbox` serves it.
"""

from sandbox.app import create_app
from sandbox.config import Latency, SandboxConfig

__all__ = ["Latency", "SandboxConfig", "create_app"]
