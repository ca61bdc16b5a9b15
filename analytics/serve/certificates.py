"""A certificate of one's own, so that even a trial on one machine speaks TLS.

A private authority signs one certificate for this machine and is then thrown away: its key is never written,
so it can vouch for nothing else. Clients trust it by ``--ca-bundle``.

Source: RFC 5280.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubedossier.analytics.errors import StorageError

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_LIFE = timedelta(days=397)
_LEFT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """The files a TLS server needs.

    Attributes:
        cert: PEM, the server's certificate and what leads to its authority.
        key: PEM, its private key.
        ca: PEM, the authority a client has to trust; None for certificates of the user's own.
    """

    cert: Path
    key: Path
    ca: Path | None = None


def state_folder(environ: dict[str, str] | os._Environ[str] = os.environ) -> Path:
    """Where certificates of one's own are kept: beside the user's other state, never in the archive."""
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local" / "state")
    return Path(base) / "kubedossier" / "tls"


def own_certificate(folder: Path, *, names: tuple[str, ...] = LOCAL_NAMES, now: datetime | None = None) -> ServerTls:
    """The certificate kept in a folder, made anew when there is none, it ends soon, or a name is not on it.

    Args:
        folder: made when absent, for the user alone.
        names: host names and addresses it must hold for.
        now: aware UTC.

    Raises:
        StorageError: the folder cannot be written.
    """
    now = now or datetime.now(UTC)
    ca = folder / "ca.pem"
    tls = ServerTls(folder / "server.pem", folder / "server-key.pem", ca)
    if _still_good(tls, ca, names, now):
        return tls
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(tls, ca, names, now)
    except OSError as error:
        raise StorageError(
            f"Cannot keep a certificate in '{folder}': {error.strerror}", hint="Give --tls-cert and --tls-key."
        ) from error
    return tls


def _still_good(tls: ServerTls, ca: Path, names: tuple[str, ...], now: datetime) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(tls.cert.read_bytes())
        key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
        authority = x509.load_pem_x509_certificate(ca.read_bytes())
        leaf.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False  # whatever is wrong with it: a new one is made
    held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        leaf.public_key() == key.public_key()
        and leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc - _LEFT
        and all(_general_name(name) in held for name in names)
    )


def _write(tls: ServerTls, ca: Path, names: tuple[str, ...], now: datetime) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubedossier private authority")])
    authority = (
        _builder(authority_name, authority_name, authority_key, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = (
        _builder(leaf_name, authority_name, leaf_key, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _replace(tls.key, key, 0o600)
    _replace(tls.cert, leaf.public_bytes(pem), 0o644)
    _replace(ca, authority.public_bytes(pem), 0o644)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _replace(path: Path, data: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    new.replace(path)
