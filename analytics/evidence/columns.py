"""What the columns of a bundle's events mean, for whoever has only the bundle."""

from __future__ import annotations

import json

from kubedossier.analytics.evidence.cells import COLUMNS as CSV_COLUMNS
from kubedossier.analytics.schema import EVENT_SCHEMA, FORMAT_VERSION

MEANINGS = {
    "time": "when it happened, UTC; null where the record has no usable time",
    "date": "the day of time, UTC",
    "verb": "the action as the source wrote it",
    "user": "user name",
    "uid": "the user's id in the cluster",
    "groups": "the user's groups",
    "decision": "allow or forbid, from the authorization annotations",
    "authorization": "the authorization annotations",
    "message": "the Console's message",
    "source_ips": "addresses the request came from",
    "resources": "the resource as the source wrote it",
    "request_uri": "the request's address",
    "techniques_native": "attack techniques the Console named",
    "cluster": "cluster name",
    "account": "cloud account",
    "provider": "cloud provider",
    "collections": "the Console's collections, as of the first reading",
    "action": "derived: the Kubernetes verb, such as get or create",
    "api_group": "derived: API group of the resource",
    "api_version": "derived: API version of the resource",
    "resource": "derived: kind of resource, such as pods",
    "subresource": "derived: such as exec",
    "namespace": "derived: namespace of the resource",
    "name": "derived: name of the resource",
    "user_kind": "derived: what sort of account the user is",
    "status_code": "HTTP status of the answer",
    "impersonated_user": "the user that was impersonated",
    "user_agent": "the program, as it named itself",
    "audit_id": "the API server's id of the request",
    "audit_key": "SHA-256 that joins the stages of one request; null for Console records",
    "stage": "the request's stage; the last one of a request counts",
    "level": "the audit policy's level",
    "body_present": "whether the record holds the request's or the answer's body",
    "techniques_derived": "attack techniques found by this program's rules",
    "rules_version": "version of those rules",
    "console": "base URL of the Console it came from; null for files",
    "source_format": "how the record was written; console-... are the Console's own",
    "snapshot": "id of the ledger entry that brought it in",
    "flags": "what was odd about the record",
    "event_id": "SHA-256 that names the event; the same event is archived once",
    "context": "what is needed besides raw to derive the row again, as JSON",
    "raw": "the exact text as received",
}


def schema_json() -> bytes:
    """The columns with their types and meanings, as JSON."""
    content = {
        "format": FORMAT_VERSION,
        "time": "timestamps have no zone and mean UTC",
        "parquet": [{"name": one.name, "type": str(one.type), "meaning": MEANINGS[one.name]} for one in EVENT_SCHEMA],
        "csv": list(CSV_COLUMNS),
    }
    return (json.dumps(content, indent=1, ensure_ascii=True) + "\n").encode("ascii")
