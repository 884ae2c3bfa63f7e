"""Encryption of the token that all workers share, so that Redis never holds it in plain text."""

import base64
from typing import Final

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Replicas with different versions of the format do not share a token.
FORMAT_VERSION: Final = 2


class TokenCipher:
    """Encrypts the token of an account with a key that its client secret determines.

    name: of the account and its secret. It reveals neither.
    """

    def __init__(self, account: str, client_secret: str) -> None:
        salt = f"{FORMAT_VERSION} {account}".encode()
        kdf = HKDF(hashes.SHA256(), length=48, salt=salt, info=b"flight-price-api token")
        derived = kdf.derive(client_secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived[:32]))
        self.name = derived[32:].hex()

    def encrypt(self, value: str, consecutive_rejections: int) -> bytes:
        """Encrypt a token and the number of consecutive rejected ones before it."""
        # "repairs" is the name in version 2 of the format.
        body = orjson.dumps({"access_token": value, "repairs": consecutive_rejections})
        return self._fernet.encrypt(body)

    def decrypt(self, body: bytes) -> tuple[str, int] | None:
        """Return what was encrypted; None if it was not encrypted with this key."""
        try:
            document = orjson.loads(self._fernet.decrypt(body))
        except InvalidToken:
            return None
        return document["access_token"], document["repairs"]
