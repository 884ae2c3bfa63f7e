"""Handling common to all routes: request ids, spans, CORS, cache headers, problem documents."""
