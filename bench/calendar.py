"""Measures calendars of months that are not known."""

from statistics import median

from bench.contenders import WORKERS
from bench.report import circumstances, options, publish
from bench.stage import MONTHS, month_paths
from tests.support.clients.crowd import ask_at_once
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

RATE = 40
LATENCY_MS = 1000


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--months", type=int, default=MONTHS, help="how many are fetched")
    wanted = parser.parse_args()
    conditions = circumstances()
    with (
        RedisServer() as redis,
        SandboxServer() as sandbox,
        Service.on(
            sandbox, redis_url=redis.url, web_concurrency=WORKERS, amadeus_rate_limit=RATE
        ) as service,
    ):
        service.price()  # the sandbox's first answer is slow
        sandbox.settings(latency=LATENCY_MS)
        cold = [ask_at_once([service.url + path])[0] for path in month_paths(wanted.months)]
    if any(reply.body["data"]["missing"] for reply in cold):
        raise RuntimeError("a month is not complete")
    seconds = [reply.seconds for reply in cold]
    text = (
        f"{len(cold)} months of 31 days, one after the other, while Amadeus takes"
        f" {LATENCY_MS / 1000:g} s and allows {RATE} calls a second: {median(seconds):.1f} s in the"
        f" median, {max(seconds):.1f} s at most."
    )
    publish("calendar", f"{conditions}\n\n{text}", write=wanted.write)


if __name__ == "__main__":
    main()
