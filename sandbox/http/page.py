"""The page at the root, for people who open the sandbox in a browser."""

from collections.abc import Callable

from protocol.page import PageResource, search_command
from sandbox.faults.magic_routes import MAGIC_ROUTES, ORIGIN

_ABOUT = """\
This server imitates the Amadeus flight search API with invented flights and prices. Nothing here
is real or can be booked, and it has nothing to do with Amadeus, the company. Point any client
written for Amadeus at this address. It accepts any client id and secret, unless it was started with
certain ones."""

_MORE = """<table>
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
"""

_ADMIN = """<tr><td><code>/admin/counters</code></td><td>counters of requests</td></tr>
<tr><td><code>/admin/faults</code></td><td>inject faults</td></tr>
<tr><td><code>/admin/settings</code></td><td>rate limit, quota, token life, latency</td></tr>
<tr><td><code>/admin/tokens/revoke</code></td><td>revoke all tokens issued so far</td></tr>
"""


def page(clock: Callable[[], float], *, admin: bool) -> PageResource:
    """Return the page, which names the admin URLs if there are any."""

    def more(url: str, date: str) -> str:
        magic = "".join(
            f"# {one.answer}\n{search_command(url, ORIGIN, destination, date)}\n\n"
            for destination, one in MAGIC_ROUTES.items()
        )
        return _MORE.format(admin=_ADMIN if admin else "", origin=ORIGIN, magic=magic)

    return PageResource("Flight search sandbox", _ABOUT, clock, more)
