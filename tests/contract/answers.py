"""Checks an answer of the sandbox against our schemas, and Amadeus's files if available."""

import httpx2

from tests.contract import official, schemas
from tests.contract.schemas import Operation


def violations(operation: Operation, answer: httpx2.Response) -> list[str]:
    """Every violation of the schemas for this operation and status."""
    status, content = answer.status_code, answer.json()
    found = schemas.violations(operation, status, content)
    if official.FOLDER:
        found += official.violations(operation, status, content)
    return found
