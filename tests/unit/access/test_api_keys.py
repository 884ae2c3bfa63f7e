"""API keys: how they are parsed, matched and kept in memory."""

import gc
import secrets

import pytest

from api.access.api_keys import Keys

OLD, NEW = "the-old-key-of-the-client", "the-new-key-of-the-client"


def test_several_keys_are_accepted_and_distinguished() -> None:
    keys = Keys.parse(f"{OLD},{NEW}")

    assert keys.holder(OLD)
    assert keys.holder(NEW)
    assert keys.holder(OLD) != keys.holder(NEW)


@pytest.mark.parametrize("key", ["", OLD[:-1], f"{OLD} ", OLD.upper(), "ключ-ключ-ключ-ключ"])
def test_unknown_keys_are_refused(key: str) -> None:
    assert Keys.parse(OLD).holder(key) is None


def test_empty_key_set_accepts_no_key() -> None:
    assert Keys().holder(OLD) is None


@pytest.mark.parametrize("text", [f"{OLD},{NEW}", f"{OLD}\n{NEW}\n", f" {OLD} , {NEW},"])
def test_keys_may_be_separated_by_commas_or_lines(text: str) -> None:
    assert Keys.parse(text) == Keys.parse(f"{NEW},{OLD}")


@pytest.mark.parametrize(
    "text", ["short", f"{OLD},short", f"{OLD};{NEW}", "quoted-'key'-of-a-client", "k" * 257, ","]
)
def test_malformed_key_is_refused_and_not_echoed(text: str) -> None:
    with pytest.raises(ValueError, match="16 to 256 letters") as refusal:
        Keys.parse(text)

    assert "short" not in str(refusal.value)
    assert "quoted" not in str(refusal.value)


def test_memory_holds_no_key_in_plain_text() -> None:
    keys = Keys.parse(secrets.token_urlsafe(32))

    held = {type(thing) for thing in (keys.digests, *keys.digests)}
    assert held == {frozenset, bytes}
    assert not any(isinstance(thing, str) for thing in gc.get_referents(keys))
    assert all(len(digest) == 32 for digest in keys.digests)
