"""gunicorn's worker, and what its master does at start and stop."""
