"""The HTTP interface: the endpoints, the admin URLs, the page and the server."""
