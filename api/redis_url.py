"""What REDIS_URL takes."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

SCHEMES: Final = ("memory", "redis", "rediss", "unix")
TAKES: Final = "takes a URL that starts with memory://, redis://, rediss:// or unix://"
# Any other option, or another value, would make redis-py fail at the first connection.
OPTIONS: Final = {
    "db": "[0-9]{1,5}",
    "username": ".+",
    "password": ".+",
    "ssl_ca_certs": ".+",
    "ssl_certfile": ".+",
    "ssl_keyfile": ".+",
    "ssl_cert_reqs": "none|optional|required",
}


def check(url: str) -> None:
    """Raises ValueError with what is taken; it repeats no part of the URL, which holds secrets."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(TAKES) from None  # urllib's own words quote the URL
    if "://" not in url or parts.scheme not in SCHEMES:
        raise ValueError(TAKES)
    if parts.scheme in ("redis", "rediss") and not re.fullmatch("/?|/[0-9]{1,5}", parts.path):
        raise ValueError("takes the number of a database as its path, like redis://host:6379/0")
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("takes the path of a socket, like unix:///run/redis/redis.sock")
    if not all(re.fullmatch(OPTIONS.get(name, "(?!)"), value) for name, value in options):
        raise ValueError(
            f"takes as options after its ? only {', '.join(OPTIONS)}, with their values"
        )
