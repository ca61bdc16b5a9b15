"""Whom a connection to the Console trusts.

Certificates are checked unless the user says otherwise, and the ledger records which it was.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import UsageError


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to take for the Console, and how to show who asks.

    Attributes:
        ca_bundle: PEM file of the only authorities (or certificates) to trust; None trusts the system's and
            the public ones.
        client_cert: PEM file with a certificate and its key, for mutual TLS.
        insecure: take any certificate.
    """

    ca_bundle: Path | None = None
    client_cert: Path | None = None
    insecure: bool = False


def tls_context(trust: Trust) -> ssl.SSLContext:
    """The TLS settings for a connection to the Console.

    Raises:
        UsageError: a file cannot be read or is no PEM file.
    """
    try:
        if trust.ca_bundle is not None and not trust.insecure:
            context = ssl.create_default_context(cafile=str(trust.ca_bundle))
            # The bundle may hold just the Console's own, often self-signed, certificate.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        else:
            import certifi

            context = ssl.create_default_context()
            context.load_verify_locations(cafile=certifi.where())
        if trust.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if trust.client_cert is not None:
            context.load_cert_chain(str(trust.client_cert))
    except (OSError, ssl.SSLError) as error:
        name = trust.client_cert if trust.client_cert and _readable_bundle(trust) else trust.ca_bundle
        raise UsageError(
            f"'{name}' cannot be used for TLS: {error.strerror or error}",
            hint="It must be a PEM file; --client-cert holds the certificate and its unencrypted key.",
        ) from None
    return context


def _readable_bundle(trust: Trust) -> bool:
    if trust.ca_bundle is None or trust.insecure:
        return True
    try:
        ssl.create_default_context(cafile=str(trust.ca_bundle))
    except (OSError, ssl.SSLError):
        return False
    return True
