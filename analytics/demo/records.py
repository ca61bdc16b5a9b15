"""From a deed to the texts that sources send: an audit.k8s.io Event, a GKE log entry, a Console record.

The Console's record holds the original event as a string in ``eventBlob``; both say the same.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from kubedossier.analytics.demo.actions import Action
from kubedossier.analytics.demo.bodies import request_body
from kubedossier.analytics.demo.cast import Cluster

JSON = dict[str, Any]


@dataclass(frozen=True)
class Deed:
    """One request that somebody made: everything else follows from it.

    Attributes:
        time: aware UTC.
        address: where it came from; ``private`` is what GKE writes for its own machines.
        granted_by: the binding that allowed it.
        subject: whom a binding that is created names; the user where it is empty.
    """

    time: datetime
    cluster: Cluster
    user: str
    groups: tuple[str, ...]
    address: str
    agent: str
    action: Action
    namespace: str
    app: str
    allowed: bool = True
    granted_by: str = "engineers"
    subject: str = ""

    @cached_property
    def id(self) -> str:
        """The audit id: the same for the same deed on every machine."""
        text = f"{self.time.isoformat()} {self.cluster.name} {self.user} {self.resources} {self.action.message}"
        return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))

    @cached_property
    def parts(self) -> tuple[str, str, str, str]:
        """Group, version, resource, subresource; the last may be empty."""
        group, version, resource, *subresource = self.action.path.split("/")
        return group, version, resource, subresource[0] if subresource else ""

    @cached_property
    def name(self) -> str:
        """Of the object; empty where the request names none."""
        week = f"{self.cluster.name} {self.namespace} {self.app} {self.time:%G-%V}"
        digest = hashlib.sha256(week.encode()).hexdigest()
        replica = digest[10 + self.time.minute % 3 :]
        return self.action.name.format(
            app=self.app,
            pod=f"{self.app}-{digest[:9]}-{replica[:5]}",
            secret=f"{self.app}-{('db', 'tls', 'api-key', 'queue')[self.time.hour % 4]}",
            node=self.cluster.node % (1 + self.time.hour % 5),
        )

    @cached_property
    def resources(self) -> str:
        """As the Console writes it: ``core/v1/namespaces/default/pods/x/exec``."""
        group, version, resource, subresource = self.parts
        place = ["namespaces", self.namespace] if self.in_namespace else []
        return "/".join(filter(None, [group, version, *place, resource, self.name, subresource]))

    @cached_property
    def uri(self) -> str:
        """The request URI, which names the object only where the client does."""
        group, version, resource, subresource = self.parts
        place = ["namespaces", self.namespace] if self.in_namespace else []
        root = ["api"] if group == "core" else ["apis", group]
        tail = [self.name, subresource] if self.action.names_object else []
        path = "/" + "/".join(filter(None, [*root, version, *place, resource, *tail]))
        return path + (f"?{self.action.query.format(app=self.app)}" if self.action.query else "")

    @cached_property
    def verb(self) -> str:
        """As the cluster's provider writes it: ``create``, or GKE's ``io.k8s.core.v1.pods.exec.create``."""
        if not self.cluster.is_gke:
            return self.action.verb
        group, version, resource, subresource = self.parts
        labels = [label for label in reversed(group.split(".")) if label not in ("io", "k8s")]
        return ".".join(filter(None, ["io.k8s", *labels, version, resource, subresource, self.action.verb]))

    @property
    def code(self) -> int:
        """HTTP status of the answer."""
        return self.action.code if self.allowed else 403

    @property
    def body(self) -> JSON | None:
        """The object that was sent, or None."""
        if not self.action.body:
            return None
        place = self.namespace if self.in_namespace else ""
        subject = self.subject or self.user
        return request_body(self.action.body, app=self.app, namespace=place, name=self.name, subject=subject)

    @property
    def authorization(self) -> dict[str, str]:
        """What the authorizer said, as ``authorizationInfo`` holds it."""
        key = "authorization.k8s.io/"
        if not self.allowed:
            return {f"{key}decision": "forbid", f"{key}reason": ""}
        reason = f'RBAC: allowed by ClusterRoleBinding "{self.granted_by}" of ClusterRole "{self.granted_by}"'
        if self.cluster.is_gke:
            reason = "access granted by IAM permissions."
        return {f"{key}decision": "allow", f"{key}reason": reason}

    @property
    def in_namespace(self) -> bool:
        """Whether the request is about one namespace, not the whole cluster."""
        return not self.action.wide and bool(self.namespace)


def stamp(time: datetime, digits: int = 3) -> str:
    """The time as the Console (3 digits) or an API server (6) writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond:06d}"[:digits] + "Z"


def audit_event(deed: Deed, stage: str = "ResponseComplete") -> JSON:
    """The event as an API server logs it."""
    group, version, resource, subresource = deed.parts
    reference = {"resource": resource, "namespace": deed.namespace if deed.in_namespace else "", "name": deed.name}
    reference |= {"apiGroup": "" if group == "core" else group, "apiVersion": version, "subresource": subresource}
    event: JSON = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse" if deed.body else "Metadata",
        "auditID": deed.id,
        "stage": stage,
        "requestURI": deed.uri,
        "verb": deed.action.verb,
        "user": _user(deed),
        "sourceIPs": [deed.address],
        "userAgent": deed.agent,
        "objectRef": {key: value for key, value in reference.items() if value},
        "requestReceivedTimestamp": stamp(deed.time, 6),
        "stageTimestamp": stamp(deed.time + timedelta(milliseconds=7), 6),
    }
    if stage == "RequestReceived":
        return event
    event["responseStatus"] = {"metadata": {}, "code": deed.code}
    if not deed.allowed:
        event["responseStatus"] |= {"status": "Failure", "reason": "Forbidden", "message": _refusal(deed)}
    if deed.body:
        event["requestObject"] = deed.body
    event["annotations"] = deed.authorization
    return event


def log_entry(deed: Deed) -> JSON:
    """The event as GKE logs it."""
    payload: JSON = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "authenticationInfo": {"principalEmail": deed.user},
        "authorizationInfo": [{"granted": deed.allowed, "permission": deed.verb, "resource": deed.resources}],
        "methodName": deed.verb,
        "requestMetadata": {"callerIp": deed.address, "callerSuppliedUserAgent": deed.agent},
        "resourceName": deed.resources,
        "serviceName": "k8s.io",
        "status": {"code": 0} if deed.allowed else {"code": 7, "message": _refusal(deed)},
    }
    if deed.body:
        kind = "k8s.io/Patch" if deed.action.verb == "patch" else deed.body.get("apiVersion", "v1")
        payload["request"] = {"@type": kind} | deed.body
    access = "data_access" if deed.action.verb in ("get", "list") else "activity"
    return {
        "protoPayload": payload,
        "insertId": deed.id,
        "resource": {
            "type": "k8s_cluster",
            "labels": {
                "project_id": deed.cluster.account,
                "location": "europe-west1",
                "cluster_name": deed.cluster.name,
            },
        },
        "timestamp": stamp(deed.time, 6),
        "labels": deed.authorization,
        "logName": f"projects/{deed.cluster.account}/logs/cloudaudit.googleapis.com%2F{access}",
        "operation": {"id": deed.id, "producer": "k8s.io", "first": True, "last": True},
        "receiveTimestamp": stamp(deed.time + timedelta(milliseconds=812), 6),
    }


def console_record(deed: Deed) -> JSON:
    """The event as the Console answers it: up to 14 fields, what is empty left out."""
    gke = deed.cluster.is_gke
    record: JSON = {
        "time": stamp(deed.time),
        "verb": deed.verb,
        "user": {"username": deed.user} if gke else _user(deed),
        "authorizationInfo": deed.authorization,
        "message": deed.action.message,
        "sourceIPs": [deed.address],
        "resources": deed.resources,
        "requestURI": "" if gke else deed.uri,
        "attackTechniques": list(deed.action.techniques),
        "cluster": deed.cluster.name,
        "accountID": deed.cluster.account,
        "provider": deed.cluster.provider,
        "collections": list(deed.cluster.collections),
        "eventBlob": encode(log_entry(deed) if gke else audit_event(deed)).decode(),
    }
    return {key: value for key, value in record.items() if value not in ("", [], {})}


def encode(value: JSON) -> bytes:
    """Compact JSON as Go's encoder writes it: UTF-8, with ``<``, ``>`` and ``&`` as escapes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode("utf-8")


def _user(deed: Deed) -> JSON:
    if deed.user == "system:anonymous":
        return {"username": deed.user, "groups": ["system:unauthenticated"]}
    uid = str(uuid.UUID(bytes=hashlib.sha256(deed.user.encode()).digest()[:16], version=4))
    return {"username": deed.user, "uid": uid, "groups": [*deed.groups, "system:authenticated"]}


def _refusal(deed: Deed) -> str:
    resource = deed.parts[2] + (f"/{deed.parts[3]}" if deed.parts[3] else "")
    where = f' in the namespace "{deed.namespace}"' if deed.in_namespace else " at the cluster scope"
    return f'{resource} is forbidden: User "{deed.user}" cannot {deed.action.verb} resource "{resource}"{where}'
