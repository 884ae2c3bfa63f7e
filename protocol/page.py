"""The page at the root of a server, for people who open it in a browser."""

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
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{about}</p>
<pre>
token=$(curl -s {url}/v1/security/oauth2/token \\
  -d grant_type=client_credentials -d client_id={client_id} -d client_secret={client_secret} |
  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')

{search}
</pre>
{more}</body>
</html>
"""
_SEARCH = """curl -s -H "Authorization: Bearer $token" \\
  '{url}/v2/shopping/flight-offers?originLocationCode={origin}&amp;destinationLocationCode={destination}&amp;adults=1&amp;max=2&amp;departureDate={date}'"""


def search_command(url: str, origin: str, destination: str, date: str) -> str:
    """Return the command that searches on a day, as HTML. url: of the server, as HTML."""
    return _SEARCH.format(url=url, origin=origin, destination=destination, date=date)


class PageResource:
    """`GET /`: what a server is, with commands to try.

    about: a text. more: returns the HTML that follows the commands, from the server's URL, which is
    HTML too, and the date of the example. credentials: the client id and secret in the commands.
    """

    def __init__(
        self,
        title: str,
        about: str,
        clock: Callable[[], float],
        more: Callable[[str, str], str] = lambda _url, _date: "",
        credentials: tuple[str, str] = ("me", "secret"),
    ) -> None:
        self._title = title
        self._about = html.escape(about)
        self._clock = clock
        self._more = more
        self._client_id, self._client_secret = map(html.escape, credentials)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the page."""
        resp.content_type = "text/html; charset=utf-8"
        date = time.strftime("%Y-%m-%d", time.gmtime(self._clock() + _SECONDS_AHEAD))
        url = html.escape(req.prefix)
        resp.text = _PAGE.format(
            title=self._title,
            about=self._about,
            url=url,
            client_id=self._client_id,
            client_secret=self._client_secret,
            search=search_command(url, "JFK", "LAX", date),
            more=self._more(url, date),
        )
