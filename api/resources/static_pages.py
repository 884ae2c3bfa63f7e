"""The pages /docs and /status, and the files that they and the page at / load."""

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import falcon

from api.access.audience import Audience
from api.http.cache_headers import set_etag

PAGES: Final = Path(__file__).with_name("pages")
FRONT: Final = PAGES / "front"
# Pages load scripts, styles and data from this service only, and use no inline ones.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class FileResource:
    """A file, which is read at the first request and kept in memory."""

    def __init__(self, path: Path, audience: Audience) -> None:
        self._path = path
        self.audience = audience

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_headers(
            {
                "Cache-Control": "no-cache",  # browsers keep it, and revalidate before each use
                "Content-Security-Policy": CONTENT_SECURITY_POLICY,
                "Referrer-Policy": "no-referrer",
            }
        )
        if not set_etag(req, resp, self._content):
            resp.content_type = _MEDIA_TYPES[self._path.suffix]
            resp.data = self._content

    on_head = on_get

    @cached_property
    def _content(self) -> bytes:
        return self._path.read_bytes()


def page_resources() -> dict[str, FileResource]:
    """Return /docs, /status and the files that all pages load, by path."""
    swagger_ui = _folder_of("offapi")
    files = {
        "/docs": PAGES / "docs.html",
        "/docs/page.css": PAGES / "docs.css",
        "/docs/page.js": PAGES / "docs.js",
        "/docs/swagger-ui.css": swagger_ui / "swagger_style.css",
        "/docs/swagger-ui.js": swagger_ui / "swagger_bundle.js",
        "/status": PAGES / "status.html",
        "/status/page.css": PAGES / "status.css",
        "/status/page.js": PAGES / "status.js",
        **{f"/page/{file.name}": file for file in FRONT.iterdir() if file.suffix != ".html"},
    }
    # Scripts and styles of /status are public; its figures come from /status.json.
    audiences = {"/status": Audience.OPERATORS}
    return {
        path: FileResource(file, audiences.get(path, Audience.ANYBODY))
        for path, file in files.items()
    }


def _folder_of(package: str) -> Path:
    """Return a package's folder without importing it, which would read all of its files."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing; install requirements.txt")
    return Path(spec.submodule_search_locations[0])
