"""What holds for every route: ids, spans, CORS, cache headers, errors as problems."""
