"""Where answers, locks and marks are kept: in Redis, or in the process."""

from api.services.stores.memory import MemoryStore
from api.services.stores.outage import OutageProofStore
from api.services.stores.redis_store import RedisStore

__all__ = ["MemoryStore", "OutageProofStore", "RedisStore"]
