"""Judges an answer of the sandbox by our schemas, and by Amadeus's files where there are any."""

import httpx2

from tests.contract import official, schemas
from tests.contract.schemas import Operation


def violations(operation: Operation, answer: httpx2.Response) -> list[str]:
    """Each way in which an answer breaks what is agreed for its operation and status."""
    status, content = answer.status_code, answer.json()
    found = schemas.violations(operation, status, content)
    if official.FOLDER:
        found += official.violations(operation, status, content)
    return found
