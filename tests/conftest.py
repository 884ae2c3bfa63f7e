"""Readable ids of parametrized tests."""

MAX_ID_LENGTH = 80


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a short collection after its content; pytest would number it."""
    text = ascii(val) if isinstance(val, dict | list | tuple) else ""
    return text if 0 < len(text) <= MAX_ID_LENGTH else None
