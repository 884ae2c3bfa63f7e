"""The service without the copy in each worker: every hit is one GET of Redis."""

from api.app import create_app
from api.services.cache.redis.connections import connections_to
from api.services.cache.redis.redis_store import RedisStore
from api.settings import current_settings
from api.telemetry.metrics import Metrics


class UncopiedStore(RedisStore):
    """Implements `CheckedStore` without a fallback: if Redis fails, requests fail."""

    is_up = True
    checked_ago = 0.0

    def start(self) -> None:
        """Connect."""
        self.check()


_settings = current_settings()
_connections = connections_to(_settings.redis_url.get_secret_value())
application = create_app(_settings, store=UncopiedStore(_connections, Metrics()))
