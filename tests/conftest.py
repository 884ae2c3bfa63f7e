"""The order of the tests, and readable ids of parametrized ones."""

import pytest

MAX_ID_LENGTH = 80


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest modules first, so that none is left to run at the end on its own."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a short collection after its content; pytest would number it."""
    text = ascii(val) if isinstance(val, dict | list | tuple) else ""
    return text if 0 < len(text) <= MAX_ID_LENGTH else None
