"""The Falcon resources: each reads a request, calls a service and writes the response."""
