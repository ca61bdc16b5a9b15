"""What the ledger says about the source of a snapshot: who asked whom for what, and how sure it was whom it asked.

Credentials have no place here: the login's name is recorded, its secret never.
"""

from __future__ import annotations

from typing import Any

from kubedossier.analytics.ingest.console import Console
from kubedossier.analytics.ingest.console_plan import Wanted
from kubedossier.analytics.ingest.console_survey import Survey
from kubedossier.analytics.store.ledger import time_text


def source_facts(console: Console, wanted: Wanted, found: Survey) -> dict[str, Any]:
    """The ``source`` of a ledger entry."""
    return {
        "url": console.address.base,
        "api_version": console.address.api_version,
        "console_version": found.version,
        "account": console.login.account,
        "auth": console.login.kind,
        "tls": {
            "verified": console.certificate_sha256 is not None and not console.trust.insecure,
            "sha256": console.certificate_sha256,
            "ca_bundle": console.trust.ca_bundle is not None,
        },
        "project": console.address.project,
        "parameters": {
            "from": time_text(wanted.start) if wanted.start else None,
            "to": time_text(wanted.end) if wanted.end else None,
            "user": list(wanted.filters.users),
            "attackTechniques": list(wanted.filters.techniques),
            "cluster": list(wanted.filters.clusters),
            "sort": "time",
            "limit": wanted.page_size,
        },
    }
