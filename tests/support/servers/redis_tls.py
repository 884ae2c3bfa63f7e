"""Certificates and options for Redis over TLS."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.support.servers.certificate import Authority


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS files (PEM) for servers that require client certificates.

    authority: the authority that clients trust. server, client: certificates with their keys.
    """

    authority: Path
    server: Path
    client: Path

    @classmethod
    def made_in(cls, folder: Path, server: str = "127.0.0.1") -> Self:
        """Create new files; the server's certificate is for that address or name."""
        authority = Authority(folder)
        return cls(authority.path, authority.certificate(server), authority.certificate("client"))

    @property
    def query(self) -> str:
        """The query string of a Redis URL."""
        mine = {"ssl_certfile": self.client, "ssl_keyfile": self.client}
        return urlencode({"ssl_ca_certs": self.authority, **mine})

    def of_server(self, port: int) -> list[str]:
        """Options of redis-server, which is a client too in a cluster or with Sentinels."""
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
        """Options of the test's own client, which does not check host names."""
        mine = {"ssl_certfile": self.client, "ssl_keyfile": self.client}
        trusted = {"ssl_ca_certs": self.authority, "ssl_check_hostname": False}
        # Without a first command, redis-py takes a TLS session ticket for an unexpected reply.
        return {"ssl": True, "client_name": "tests", **trusted, **mine}
