"""Who waited for a fetch of somebody else's is told so, whatever came of it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.errors import AmadeusUnavailable, UpstreamError
from api.services.deadline import Deadline
from api.services.entries import Entry
from api.services.questions import Fetched, Moment, Question
from api.services.read_through import ReadThrough
from api.services.stores import MemoryStore
from tests.processes import eventually

CALLERS = 8


@pytest.mark.parametrize("error", [None, AmadeusUnavailable("no")], ids=["answer", "failure"])
def test_all_but_one_waited_for_the_one_that_fetched(error: UpstreamError | None) -> None:
    seen: list[Moment] = []
    go_on = threading.Event()

    def fetch(_deadline: Deadline) -> Fetched:
        go_on.wait(5)
        if error:
            raise error
        return Fetched(b"250", 600)

    def observe(moment: Moment, _entry: Entry | None) -> None:
        seen.append(moment)

    reader = ReadThrough(MemoryStore(), patience=5)
    question = Question("key", fetch, observe)
    with ThreadPoolExecutor(CALLERS) as crowd:
        asked = [crowd.submit(reader.read, question, Deadline(5)) for _ in range(CALLERS)]
        eventually(lambda: seen.count(Moment.MISS) == CALLERS)
        go_on.set()

    assert {type(one.exception()) for one in asked} == {type(error)}
    assert seen.count(Moment.COALESCED) == CALLERS - 1
