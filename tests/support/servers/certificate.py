"""Creates certificates for TLS tests."""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM: Final = serialization.Encoding.PEM
SIGNS_CERTIFICATES: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """A certificate authority; its certificates are valid for a day.

    path: its own certificate (PEM).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority for a day")
        made = (
            self._unsigned(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(SIGNS_CERTIFICATES, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / f"authority-{made.serial_number}.pem"
        self.path.write_bytes(made.public_bytes(PEM))

    def certificate(self, of: str = "127.0.0.1") -> Path:
        """A new certificate for that address or name, with its key in the same file (PEM)."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            self._unsigned(_name(of), key.public_key())
            .add_extension(x509.SubjectAlternativeName([_alternative(of)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = serialization.PrivateFormat.PKCS8
        path = self._folder / f"{made.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(PEM, private, serialization.NoEncryption()) + made.public_bytes(PEM)
        )
        return path

    def _unsigned(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        mine = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(mine, critical=False)
        )


def _name(of: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, of)])


def _alternative(of: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(of))
    except ValueError:
        return x509.DNSName(of)
