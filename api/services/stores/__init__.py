"""Where answers, locks and marks are kept: in Redis, or in the process."""

from api.services.stores.layered import LayeredStore
from api.services.stores.memory import MemoryStore
from api.services.stores.redis_store import RedisStore

__all__ = ["LayeredStore", "MemoryStore", "RedisStore"]
