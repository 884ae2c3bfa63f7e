"""The page at the root, for people who open the bridge in a browser."""

import html
import time
from collections.abc import Callable

import falcon

# Time in seconds from now to the departure date of the example.
_SECONDS_AHEAD = 30 * 24 * 3600

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Flight search bridge</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto }}
</style>
</head>
<body>
<h1>Flight search bridge</h1>
<p>This server speaks the protocol of the Amadeus flight search API, and gets its offers from
another provider: {provider}. It has nothing to do with Amadeus, the company, and books nothing.
Point any client written for Amadeus at this address. Each search is charged to the provider's
account. {notice}</p>
<pre>
token=$(curl -s {url}/v1/security/oauth2/token \\
  -d grant_type=client_credentials -d client_id=me -d client_secret=secret |
  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

curl -s -H "Authorization: Bearer $token" \\
  '{url}/v2/shopping/flight-offers?{query}'
</pre>
</body>
</html>
"""
_QUERY = "originLocationCode=JFK&destinationLocationCode=LAX&adults=1&max=2&departureDate={date}"


class PageResource:
    """`GET /`."""

    def __init__(self, provider: str, notice: str, clock: Callable[[], float]) -> None:
        self._provider = provider
        self._notice = notice
        self._clock = clock

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show what the bridge is, with commands to try."""
        resp.content_type = "text/html; charset=utf-8"
        date = time.strftime("%Y-%m-%d", time.gmtime(self._clock() + _SECONDS_AHEAD))
        resp.text = _PAGE.format(
            provider=html.escape(self._provider),
            notice=html.escape(self._notice),
            url=html.escape(req.prefix),
            query=html.escape(_QUERY.format(date=date)),
        )
