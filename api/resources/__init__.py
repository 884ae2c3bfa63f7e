"""HTTP only: read the request, call a service, answer."""
