"""The endpoints, the admin URLs, the page and the server."""
