"""The composition root of the sandbox."""

from protocol.app import create_app as create_protocol_app
from protocol.tokens import Tokens
from sandbox.config import SandboxConfig
from sandbox.faults.fault_book import FaultBook
from sandbox.faults.injector import Injector
from sandbox.faults.magic_routes import MagicRoutes
from sandbox.http.admin import add_admin_routes
from sandbox.http.page import page
from sandbox.offers.search_results import Offers
from sandbox.state.controls import Controls
from sandbox.state.counters import Counters


def create_app(config: SandboxConfig = SandboxConfig()) -> Injector:  # noqa: B008 - it is frozen
    """Create a sandbox: a WSGI application. It loads the airports at the first search.

    Raises ValueError with a message for the user if one of `config.faults` is invalid.
    """
    counters = Counters()
    controls = Controls(config)
    faults = FaultBook(config.faults)
    tokens = Tokens(config.seed, config.clock)
    offers = Offers(config.seed, config.clock)

    app = create_protocol_app(controls, tokens, offers.airports, offers)
    app.add_route("/", page(config.clock, admin=config.admin))
    if config.admin:
        add_admin_routes(app, controls, counters, faults, tokens)
    magic = MagicRoutes(tokens, config.clock)
    return Injector(app, counters, faults, magic, controls.delay)
