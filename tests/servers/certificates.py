"""Certificates made while a test runs: an authority, and what it signs, good or bad."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = ipaddress.ip_address("127.0.0.1")
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """PEM files: the certificate, its key, and both in one, key first."""

    certificate: Path
    key: Path
    both: Path


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Signs certificates into `folder`; `certificate` is what a client is to trust.

    They have the extensions that strict clients ask for (RFC 5280), as those of Python 3.13 do.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        unsigned = _builder(self._name, self._name, self._key, days=(-1, 30))
        unsigned = unsigned.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        unsigned = unsigned.add_extension(_SIGNS, critical=True)
        unsigned = unsigned.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(_pem(unsigned.sign(self._key, hashes.SHA256())))

    def issue(
        self, name: str, *, days: tuple[int, int] = (-1, 30), host: ipaddress.IPv4Address | ipaddress.IPv6Address = HOST
    ) -> Issued:
        """A server's certificate for `host`, valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        unsigned = _builder(subject, self._name, key, days)
        unsigned = unsigned.add_extension(x509.SubjectAlternativeName([x509.IPAddress(host)]), critical=False)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        unsigned = unsigned.add_extension(signer, critical=False)
        signed = _pem(unsigned.sign(self._key, hashes.SHA256()))
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        issued = Issued(*(self._folder / f"{name}.{kind}.pem" for kind in ("certificate", "key", "both")))
        for path, body in ((issued.certificate, signed), (issued.key, secret), (issued.both, secret + signed)):
            path.write_bytes(body)
        return issued


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
