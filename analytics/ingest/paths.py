"""What an API path names: group, version, namespace, resource, name and subresource.

Reads the Console's and GKE's ``resources`` text (``core/v1/namespaces/default/pods/x/exec``) and a request URI
(``/apis/apps/v1/namespaces/default/deployments/x``). The core group is called ``core``.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class ApiPath(NamedTuple):
    """The parts of an API path; each is None where the path does not name it."""

    api_group: str | None = None
    api_version: str | None = None
    namespace: str | None = None
    resource: str | None = None
    name: str | None = None
    subresource: str | None = None


NOTHING = ApiPath()
_new = tuple.__new__  # quicker than calling the class, which would parse six arguments by name first
_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d+)?", re.ASCII)
# Groups that GKE's method names call by one word; rbac is written in two ways (io.k8s.rbac, io.k8s.authorization.rbac).
_SHORT_GROUPS = {one: one for one in ("core", "apps", "autoscaling", "batch", "extensions", "policy")} | {
    "rbac": "rbac.authorization.k8s.io"
}


def parse_resources(text: str | None) -> ApiPath:
    """Read ``group/version[/namespaces/NS]/resource[/name[/subresource]]``; anything else names nothing."""
    if not text:
        return NOTHING
    parts = text.split("/")
    if len(parts) < 3 or not _is_version(parts[1]):
        return NOTHING
    return _from_parts(parts[0] or "core", parts[1], parts[2:])


def parse_request_uri(text: str | None) -> ApiPath:
    """Read ``/api/v1/...`` or ``/apis/GROUP/VERSION/...``; a non-resource URL names nothing."""
    if not text:
        return NOTHING
    parts = text.partition("?")[0].strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "core", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return NOTHING
    if rest[0] in ("watch", "proxy") and len(rest) > 1:
        rest = rest[1:]
    return _from_parts(group, version, rest)


def parse_method_name(text: str | None) -> ApiPath:
    """Read GKE's ``io.k8s.GROUP.VERSION.RESOURCE[.SUBRESOURCE].VERB``, the group's parts reversed.

    It names neither namespace nor object; ``parse_resources`` on the resource name says more, where there is one.
    """
    if not text or not text.startswith("io.k8s."):
        return NOTHING
    parts = text.split(".")[2:-1]
    at = next((index for index, part in enumerate(parts) if _VERSION.fullmatch(part)), None)
    if not at or at + 1 >= len(parts):
        return NOTHING
    group = ".".join(reversed(parts[:at]))
    group = _SHORT_GROUPS.get(group) or f"{group}.k8s.io"
    return ApiPath(group, parts[at], None, parts[at + 1], None, parts[at + 2] if at + 2 < len(parts) else None)


def build_resources(path: ApiPath) -> str | None:
    """Write the ``resources`` text of a path, as the Console and GKE do."""
    if path.resource is None:
        return None
    parts = [path.api_group or "core", path.api_version or "v1"]
    if path.namespace is not None and path.resource != "namespaces":
        parts += ["namespaces", path.namespace]
    parts.append(path.resource)
    if path.name is not None:
        parts.append(path.name)
    if path.subresource is not None:
        # A subresource without a name (a create that the log cut short) must not read as a name.
        parts += [path.subresource] if path.name is not None else ["", path.subresource]
    return "/".join(parts)


def _from_parts(group: str, version: str, rest: list[str]) -> ApiPath:
    namespace = None
    if rest[0] == "namespaces":
        if len(rest) > 2 and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
            namespace, rest = rest[1], rest[2:]
        elif len(rest) > 1:
            namespace = rest[1]
    name = rest[1] if len(rest) > 1 and rest[1] else None
    subresource = rest[2] or None if len(rest) > 2 else None
    return _new(ApiPath, (group, version, namespace or None, rest[0] or None, name, subresource))


def _is_version(text: str) -> bool:
    return len(text) > 1 and text[0] == "v" and text[1].isdigit()
