"""What the sandbox adds to the protocol's endpoints: the admin URLs, the page and the server."""
