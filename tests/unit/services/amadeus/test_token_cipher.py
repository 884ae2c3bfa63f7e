"""The encryption of the shared token."""

import pytest

from api.services.amadeus.token_cipher import TokenCipher

ACCOUNT, SECRET = "https://amadeus.example id office", "secret"


@pytest.fixture
def cipher() -> TokenCipher:
    return TokenCipher(ACCOUNT, SECRET)


def test_process_with_the_same_account_and_secret_reads_the_token(cipher: TokenCipher) -> None:
    encrypted = cipher.encrypt("the-token", 2)

    assert b"the-token" not in encrypted
    assert TokenCipher(ACCOUNT, SECRET).decrypt(encrypted) == ("the-token", 2)


@pytest.mark.parametrize(("account", "secret"), [(ACCOUNT, "other"), ("other", SECRET)])
def test_other_account_or_secret_has_another_name_and_reads_nothing(
    cipher: TokenCipher, account: str, secret: str
) -> None:
    other = TokenCipher(account, secret)

    assert other.name != cipher.name
    assert other.decrypt(cipher.encrypt("the-token", 0)) is None


def test_name_is_that_of_earlier_versions_which_share_the_token(cipher: TokenCipher) -> None:
    assert cipher.name == "1f70ca08f82068384c40dad937ff3a8c"
