"""What a Redis and its clients show each other over TLS, and whom they trust."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.support.servers.certificate import Authority


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS for servers that let in only clients with a certificate (PEM files).

    authority: whose certificates the clients trust. server, client: certificates with their keys.
    """

    authority: Path
    server: Path
    client: Path

    @classmethod
    def made_in(cls, folder: Path, server: str = "127.0.0.1") -> Self:
        """New ones of one authority; the server's is for that address or name."""
        authority = Authority(folder)
        return cls(authority.path, authority.certificate(server), authority.certificate("client"))

    @property
    def query(self) -> str:
        """What a URL has after its question mark."""
        mine = {"ssl_certfile": self.client, "ssl_keyfile": self.client}
        return urlencode({"ssl_ca_certs": self.authority, **mine})

    def of_server(self, port: int) -> list[str]:
        """Options of redis-server; as part of a cluster or with Sentinels it is a client too."""
        return [
            *("--port", "0", "--tls-port", str(port)),
            *("--tls-cluster", "yes", "--tls-replication", "yes"),
            *("--tls-ca-cert-file", str(self.authority)),
            *("--tls-cert-file", str(self.server), "--tls-key-file", str(self.server)),
        ]

    def of_command_line(self) -> list[str]:
        """Options of redis-cli."""
        mine = str(self.client)
        return ["--tls", "--cacert", str(self.authority), "--cert", mine, "--key", mine]

    def of_client(self) -> dict[str, Any]:
        """Options of a client of the test's own, which takes any name."""
        mine = {"ssl_certfile": self.client, "ssl_keyfile": self.client}
        trusted = {"ssl_ca_certs": self.authority, "ssl_check_hostname": False}
        # Without a first command, redis-py takes a TLS ticket for an answer that nobody asked for.
        return {"ssl": True, "client_name": "tests", **trusted, **mine}
