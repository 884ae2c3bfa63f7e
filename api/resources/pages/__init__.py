"""HTML, scripts and styles of /docs, /status and the page at /."""
