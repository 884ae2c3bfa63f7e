"""The order of the tests, readable ids of parametrized ones, and threads that end quickly."""

import gc
from collections.abc import Generator

import pytest
from greenlet._greenlet import enable_optional_cleanup

# When a thread ends, greenlet searches all objects of the process for its remains. With all tests
# loaded, that takes some 30 ms of processor time for each thread.
enable_optional_cleanup(False)

MAX_ID_LENGTH = 80


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Switch the garbage collector off: what is imported and collected stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Let the garbage collector skip what was imported before the tests."""
    gc.freeze()
    try:
        return (yield)
    finally:
        gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest modules first, so that none is left to run at the end on its own."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a short collection after its content; pytest would number it."""
    text = ascii(val) if isinstance(val, dict | list | tuple) else ""
    return text if 0 < len(text) <= MAX_ID_LENGTH else None
