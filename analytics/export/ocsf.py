"""Events in the Open Cybersecurity Schema Framework, class API Activity, for a SIEM or a data lake.

Nothing is invented: an attribute that the record does not say is left out, and one that the schema requires says
"Unknown". Raw records stay in the archive, for bodies may hold secrets; ``metadata.uid`` names the event there.

Source: the OCSF schema 1.3.0, class API Activity (6003), profiles cloud and security_control.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.catalogue import Query, load
from kubedossier.analytics.export.navigator import ATTACK_VERSION
from kubedossier.analytics.ingest.paths import ApiPath, build_resources
from kubedossier.analytics.periods import Period
from kubedossier.analytics.views import is_native
from kubedossier.analytics.vocabulary import techniques

VERSION = "1.3.0"
CATEGORY, CLASS = 6, 6003
UNKNOWN = "Unknown"
_ACTIVITIES = {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"}
_ACTIVITY_OF = {
    "create": 1,
    "get": 2,
    "list": 2,
    "watch": 2,
    "update": 3,
    "patch": 3,
    "delete": 4,
    "deletecollection": 4,
}
_USER_TYPES = {
    "human": (1, "User"),
    "system": (3, "System"),
    "node": (3, "System"),
    "service account": (99, "Service account"),
}
_STEP = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def events(archive: Archive, **asked: Any) -> Iterator[dict[str, Any]]:
    """The events of a period as OCSF objects ready to be written as JSON, by time; times in milliseconds, UTC.

    Args:
        archive: where the events are.
        asked: what narrows the question (see ``Narrowing``).

    Raises:
        UsageError: there is no such period.
    """
    whole = archive.answer("activity_by_day", **asked)
    narrowed = {name: value for name, value in asked.items() if name not in ("period", "start", "end")}
    narrowed["source"] = whole.source
    start = whole.period.start
    while start < whole.period.end:
        end = min(start + _STEP, whole.period.end)
        answer = archive.ask(_query(), period=Period(start, end, whole.period.label), limit=0, **narrowed)
        names = answer.fetched.names
        for values in answer.fetched.values():
            yield event(dict(zip(names, values, strict=True)))
        start = end


@cache
def _query() -> Query:
    folder = resources.files("kubedossier.analytics.export").joinpath("queries")
    return load(folder, trusted=True)["ocsf_events"]


def event(row: Row) -> dict[str, Any]:
    """One event as an OCSF object."""
    activity = _ACTIVITY_OF.get(row["action"] or "", 99 if row["action"] else 0)
    status = _status(row)
    return _without_none(
        {
            "activity_id": activity,
            "activity_name": row["action"] if activity == 99 else _ACTIVITIES.get(activity, UNKNOWN),
            "category_uid": CATEGORY,
            "category_name": "Application Activity",
            "class_uid": CLASS,
            "class_name": "API Activity",
            "type_uid": CLASS * 100 + activity,
            "type_name": f"API Activity: {_ACTIVITIES.get(activity, UNKNOWN)}",
            "severity_id": 0,
            "severity": UNKNOWN,
            "time": (row["time"].replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1),
            "message": row["message"] or None,
            "status_id": status,
            "status": {1: "Success", 2: "Failure"}.get(status, UNKNOWN),
            "status_code": None if row["status_code"] is None else str(row["status_code"]),
            "action_id": {"allow": 1, "forbid": 2}.get(row["decision"] or "", 0),
            "attacks": _attacks(row["techniques"]),
            "actor": {"user": _user(row)},
            "api": _api(row),
            "src_endpoint": _source(row),
            "dst_endpoint": {"name": row["cluster"]} if row["cluster"] else None,
            "http_request": _request(row),
            "resources": _resources(row),
            "cloud": _cloud(row),
            "metadata": _metadata(row),
            "unmapped": _without_none(
                {
                    "impersonated_user": row["impersonated_user"],
                    "decision": row["decision"],
                    "collections": row["collections"] or None,
                    "techniques": row["techniques"] or None,
                    "rules_version": row["rules_version"],
                }
            )
            or None,
        }
    )


def _status(row: Row) -> int:
    """1 success, 2 failure, 0 unknown."""
    if row["status_code"] is not None:
        return 1 if row["status_code"] < 400 else 2
    return {"allow": 0, "forbid": 2}.get(row["decision"] or "", 0)


def _user(row: Row) -> dict[str, Any]:
    kind, word = _USER_TYPES.get(row["user_kind"] or "", (0, UNKNOWN))
    groups = [{"name": one} for one in row["groups"] or () if one]
    named = {"name": row["user"] or (None if row["uid"] else UNKNOWN), "uid": row["uid"] or None}
    return _without_none({**named, "type_id": kind, "type": word, "groups": groups or None})


def _api(row: Row) -> dict[str, Any]:
    code = row["status_code"]
    return _without_none(
        {
            "operation": row["verb"] or row["action"] or UNKNOWN,
            "version": row["api_version"],
            "group": {"name": row["api_group"]} if row["api_group"] else None,
            "service": {"name": "kube-apiserver"},
            "request": {"uid": row["audit_id"]} if row["audit_id"] else None,
            "response": None if code is None else {"code": code},
        }
    )


def _source(row: Row) -> dict[str, Any]:
    """The caller: the first address; words such as ``private``, which stand where one is hidden, are a name."""
    found = [one for one in row["source_ips"] or () if one]
    if not found:
        return {"name": UNKNOWN}
    further = [one for one in found[1:] if _is_address(one)]
    caller: dict[str, Any] = {"ip": found[0]} if _is_address(found[0]) else {"name": found[0]}
    return caller | ({"intermediate_ips": further} if further else {})


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _request(row: Row) -> dict[str, Any] | None:
    path, _, query = (row["request_uri"] or "").partition("?")
    url = _without_none({"path": path or None, "query_string": query or None})
    return _without_none({"user_agent": row["user_agent"] or None, "url": url or None}) or None


def _resources(row: Row) -> list[dict[str, Any]] | None:
    if not row["resource"]:
        return None
    kind = f"{row['resource']}/{row['subresource']}" if row["subresource"] else row["resource"]
    parts = (row["api_group"] or "core", row["api_version"], row["namespace"], row["resource"], row["name"])
    # A list or a creation names no object; the schema wants a name or an identifier.
    place = build_resources(ApiPath(*parts, row["subresource"]))
    return [_without_none({"type": kind, "name": row["name"], "namespace": row["namespace"], "uid": place})]


def _cloud(row: Row) -> dict[str, Any] | None:
    if not row["provider"]:
        return None
    return {"provider": row["provider"]} | ({"account": {"uid": row["account"]}} if row["account"] else {})


def _metadata(row: Row) -> dict[str, Any]:
    native = is_native(row["source_format"])
    product = (
        {"name": "Prisma Cloud Compute", "vendor_name": "Palo Alto Networks"}
        if native
        else {"name": "Kubernetes", "vendor_name": "Kubernetes"}
    )
    return _without_none(
        {
            "version": VERSION,
            "product": product,
            "profiles": ["security_control", *(["cloud"] if row["provider"] else [])],
            "uid": row["event_id"],
            "correlation_uid": row["audit_id"],
            "log_name": "kubernetes audit",
            "log_provider": "kubedossier",
        }
    )


def _attacks(values: list[str]) -> list[dict[str, Any]] | None:
    """What ATT&CK knows of the techniques, each id once."""
    found: dict[str, dict[str, Any]] = {}
    for value in values:
        known = techniques().get(value)
        if known is None or not known.attack_id:
            continue
        named = {"uid": known.attack_id, "name": known.attack_name}
        if known.attack_id.startswith("TA"):
            attack: dict[str, Any] = {"tactic": named}
        elif "." in known.attack_id:
            attack = {"technique": {"uid": known.attack_id.split(".")[0]}, "sub_technique": named}
        else:
            attack = {"technique": named}
        found.setdefault(known.attack_id, attack | {"version": ATTACK_VERSION})
    return list(found.values()) or None


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
