"""AKS: diagnostic records, as Event Hubs, storage accounts and Log Analytics hold them; one event inside each.

The event stands in ``properties.log``, as an object or as a string with a line end. Records of other categories carry
the text logs of the control plane in the same place; they are look-alikes.

Source: the resource log schema of Azure Monitor; categories of Microsoft.ContainerService/managedClusters.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources import kubernetes
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
    return (isinstance(properties, dict) and "log" in properties) or (
        "category" in value and ("properties" in value or "resourceId" in value)
    )


def read(raw: bytes, context: str) -> Row:
    """The row of a diagnostic record.

    Raises:
        RejectedRecord: the record or the event in it cannot be read.
        SkippedRecord: it holds no audit event.
    """
    value = parse_object(raw)
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
    category = value.get("category")
    properties = value.get("properties")
    log = properties.get("log") if isinstance(properties, dict) else None
    if category is not None and category not in _AUDIT:
        raise SkippedRecord(f"AKS log {category}" if str(category) in _OTHERS else "other Azure log")
    if isinstance(log, dict):
        if not is_event(log):
            raise SkippedRecord(look_alike(log) or "AKS log that is no event")
        text = member(member(raw, "properties") or b"", "log") or json.dumps(log).encode()
        return kubernetes.event_row_strictly(text, _origin(value, context), FORMAT, raw)
    if not isinstance(log, str) or not log.lstrip().startswith("{"):
        raise SkippedRecord("AKS log that is no event")
    return kubernetes.event_row_strictly(_encoded(log), _origin(value, context), FORMAT, raw)


def _encoded(log: str) -> bytes:
    try:
        return log.strip().encode()
    except UnicodeEncodeError:
        raise RejectedRecord("lone_surrogate") from None


def _origin(value: dict[str, Any], context: str) -> Origin:
    resource, time = value.get("resourceId"), value.get("time")
    named = resource if isinstance(resource, str) else ""
    cluster, subscription = _CLUSTER.search(named), _SUBSCRIPTION.match(named)
    labels = labelled(context)
    return Origin(
        cluster[1] if cluster else labels.cluster,
        subscription[1] if subscription else labels.account,
        "azure",
        time if isinstance(time, str) else None,
    )
