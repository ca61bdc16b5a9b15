"""AKS: diagnostic records, as Event Hubs, storage accounts and Log Analytics hold them; one event inside each.

The event stands in ``properties.log``, as an object or as a string with a line end; in a row of the table
AzureDiagnostics in ``log_s``; a row of AKSAudit or AKSAuditAdmin is itself the event, and ``aks_tables`` puts it
together. Records of other categories carry the text logs of the control plane in the same place; they are look-alikes.

Source: the resource log schema of Azure Monitor; categories of Microsoft.ContainerService/managedClusters.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources import aks_tables, kubernetes
from kubedossier.analytics.ingest.sources.event_shape import is_event
from kubedossier.analytics.ingest.sources.framing import member, split_array_slowly
from kubedossier.analytics.ingest.sources.origin import Origin, labelled
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord, look_alike, parse_object

FORMAT = "aks-diagnostic"
_AUDIT = ("kube-audit", "kube-audit-admin")
_OTHERS = frozenset(
    (
        "cloud-controller-manager", "cluster-autoscaler", "csi-azuredisk-controller", "csi-azurefile-controller",
        "csi-snapshot-controller", "fleet-member-agent", "guard", "kube-apiserver", "kube-controller-manager",
        "kube-scheduler",
    )
)  # fmt: skip
_CLUSTER = re.compile(r"/managedclusters/([^/]+)", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"^/subscriptions/([^/]+)", re.IGNORECASE)


def list_items(raw: bytes) -> list[bytes] | None:
    """The records of an Event Hubs message with their exact bytes; None where the record is none."""
    records = member(raw, "records")
    if records is None:
        return None
    try:
        return split_array_slowly(records)
    except ValueError:
        return None


def is_record(value: dict[str, Any]) -> bool:
    """Whether an object is a diagnostic record of AKS: one with a log inside, or of one of its categories."""
    properties = value.get("properties")
    return (
        (isinstance(properties, dict) and "log" in properties)
        or ("category" in value and ("properties" in value or "resourceId" in value))
        or aks_tables.is_row(value)
    )


def read(raw: bytes, context: str) -> Row:
    """The row of a diagnostic record.

    Raises:
        RejectedRecord: the record or the event in it cannot be read.
        SkippedRecord: it holds no audit event.
    """
    value = aks_tables.row(raw, context) or parse_object(raw)
    if not is_record(value):
        if what := look_alike(value):
            raise SkippedRecord(what)
        raise RejectedRecord("no_known_field")
    return read_object(raw, value, context)


def read_object(raw: bytes, value: dict[str, Any], context: str) -> Row:
    """The row of a diagnostic record that was parsed.

    Raises:
        RejectedRecord: the event in it cannot be read.
        SkippedRecord: it holds no audit event.
    """
    category = value.get("category", value.get("Category"))
    if category is not None and category not in _AUDIT:
        raise SkippedRecord(f"AKS log {category}" if str(category) in _OTHERS else "other Azure log")
    origin = _origin(value, context)
    if aks_tables.is_audit_row(value):
        return kubernetes.event_row_strictly(aks_tables.event_of(value), origin, FORMAT, raw)
    log = _log(value)
    if isinstance(log, dict):
        if not is_event(log):
            raise SkippedRecord(look_alike(log) or "AKS log that is no event")
        text = member(member(raw, "properties") or b"", "log") or json.dumps(log).encode()
        return kubernetes.event_row_strictly(text, origin, FORMAT, raw)
    if not isinstance(log, str) or not log.lstrip().startswith("{"):
        raise SkippedRecord("AKS log that is no event")
    return kubernetes.event_row_strictly(_encoded(log), origin, FORMAT, raw)


def _log(value: dict[str, Any]) -> Any:
    """What stands where the event is expected: in the properties, which exports may hold as text, or in ``log_s``."""
    properties = value.get("properties")
    if isinstance(properties, str):
        properties = aks_tables.as_json(properties)
    return properties.get("log") if isinstance(properties, dict) else value.get("log_s")


def _encoded(log: str) -> bytes:
    try:
        return log.strip().encode()
    except UnicodeEncodeError:
        raise RejectedRecord("lone_surrogate") from None


def _origin(value: dict[str, Any], context: str) -> Origin:
    resource = value.get("resourceId") or value.get("_ResourceId") or value.get("ResourceId")
    time = value.get("time") or value.get("TimeGenerated")
    named = resource if isinstance(resource, str) else ""
    cluster, subscription = _CLUSTER.search(named), _SUBSCRIPTION.match(named)
    labels = labelled(context)
    return Origin(
        cluster[1] if cluster else labels.cluster,
        subscription[1] if subscription else labels.account,
        "azure",
        aks_tables.time_text(time) if isinstance(time, str) else None,
    )
