"""The page at the root, for people who open the sandbox in a browser."""

import html
import time
from collections.abc import Callable

import falcon

from sandbox.faults.magic_routes import MAGIC_ROUTES, ORIGIN

# Time in seconds from now to the departure date of the example.
_SECONDS_AHEAD = 30 * 24 * 3600

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Flight search sandbox</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto }}
</style>
</head>
<body>
<h1>Flight search sandbox</h1>
<p>This server imitates the Amadeus flight search API with invented flights and prices. Nothing here
is real or can be booked, and it has nothing to do with Amadeus, the company. Point any client
written for Amadeus at this address. It accepts any client id and secret, unless it was started with
certain ones.</p>
<pre>
token=$(curl -s {url}/v1/security/oauth2/token \\
  -d grant_type=client_credentials -d client_id=me -d client_secret=secret |
  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

curl -s -H "Authorization: Bearer $token" \\
  '{url}/v2/shopping/flight-offers?{query}'
</pre>
<table>
<tr><td><code>POST /v1/security/oauth2/token</code></td><td>an access token</td></tr>
<tr><td><code>GET /v1/security/oauth2/token/{{token}}</code></td><td>details of a token</td></tr>
<tr><td><code>GET /v2/shopping/flight-offers</code></td><td>search</td></tr>
<tr><td><code>POST /v2/shopping/flight-offers</code></td><td>search with a JSON body</td></tr>
{admin}</table>
<h2>Magic routes</h2>
<p>A search from {origin} to one of these places always goes wrong in one way. The comment says what
the answer is.</p>
<pre>
{magic}</pre>
</body>
</html>
"""

_QUERY = "originLocationCode={}&destinationLocationCode={}&adults=1&max=2&departureDate={}"

_MAGIC = """# {answer}
curl -s -H "Authorization: Bearer $token" \\
  '{url}/v2/shopping/flight-offers?{query}'

"""

_ADMIN = """<tr><td><code>/admin/counters</code></td><td>counters of requests</td></tr>
<tr><td><code>/admin/faults</code></td><td>inject faults</td></tr>
<tr><td><code>/admin/settings</code></td><td>rate limit, quota, token life, latency</td></tr>
<tr><td><code>/admin/tokens/revoke</code></td><td>revoke all tokens issued so far</td></tr>
"""


class PageResource:
    """`GET /`."""

    def __init__(self, clock: Callable[[], float], *, admin: bool) -> None:
        self._clock = clock
        self._admin = _ADMIN if admin else ""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show what the sandbox is, with commands to try."""
        resp.content_type = "text/html; charset=utf-8"
        date = time.strftime("%Y-%m-%d", time.gmtime(self._clock() + _SECONDS_AHEAD))
        url = html.escape(req.prefix)
        resp.text = _PAGE.format(
            url=url,
            query=html.escape(_QUERY.format("JFK", "LAX", date)),
            admin=self._admin,
            origin=ORIGIN,
            magic="".join(
                _MAGIC.format(
                    answer=magic.answer,
                    url=url,
                    query=html.escape(_QUERY.format(ORIGIN, destination, date)),
                )
                for destination, magic in MAGIC_ROUTES.items()
            ),
        )
