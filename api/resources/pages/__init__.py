"""HTML, scripts and styles of /docs and /status."""
