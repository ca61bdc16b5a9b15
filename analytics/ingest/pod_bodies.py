"""What a request body asks of a pod: reach into the host, and paths of the host it may write to.

A body may be an object, a part of one (merge patch), a JSON patch, or anything else a client sent: every step looks at
the type first, and a body that says nothing is an answer of its own.

Source: the types ``PodSpec``, ``SecurityContext`` and ``Volume`` of the Kubernetes API; RFC 6902.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_DEPTH = 24


def read_body(body: object) -> dict[str, Any] | None:
    """The object a body holds; None where none was logged (also the stand-in for a too big one)."""
    if isinstance(body, msgspec.Raw | bytes):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
    if isinstance(body, list):
        return _from_json_patch(body)
    return body if isinstance(body, dict) else None


def reaches_host(body: dict[str, Any], capabilities: frozenset[str]) -> bool:
    """Whether a container is privileged or gets one of the capabilities, or the pod shares a namespace of its host."""
    for spec in _pod_specs(body):
        if any(spec.get(key) is True for key in ("hostPID", "hostIPC", "hostNetwork")):
            return True
        for container in _containers(spec):
            context = _object(container, "securityContext")
            if context.get("privileged") is True:
                return True
            added = _object(context, "capabilities").get("add")
            if isinstance(added, list) and any(
                isinstance(one, str) and one.upper().removeprefix("CAP_") in capabilities for one in added
            ):
                return True
    return False


def writes_host(body: dict[str, Any]) -> bool:
    """Whether a container mounts a ``hostPath`` volume and not for reading only."""
    for spec in _pod_specs(body):
        on_host = [one.get("name") for one in _objects(spec, "volumes") if isinstance(one.get("hostPath"), dict)]
        named = {name for name in on_host if isinstance(name, str)}
        for container in _containers(spec) if named else ():
            for mount in _objects(container, "volumeMounts"):
                name = mount.get("name")
                if isinstance(name, str) and name in named and mount.get("readOnly") is not True:
                    return True
    return False


def exec_command(body: dict[str, Any]) -> str | None:
    """The command of a ``PodExecOptions`` body, its words joined by blanks; None where it has none."""
    command = body.get("command")
    if isinstance(command, list):
        return " ".join(one for one in command if isinstance(one, str)) or None
    return command if isinstance(command, str) else None


def _pod_specs(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Wherever a pod's spec may be: in a pod, a template, a job's template, and an old body of debug containers."""
    if spec := _object(body, "spec"):
        yield spec
        if template := _object(spec, "template"):
            yield _object(template, "spec")
        if job := _object(spec, "jobTemplate"):
            yield _object(_object(_object(job, "spec"), "template"), "spec")
    if template := _object(body, "template"):
        yield _object(template, "spec")
    if "ephemeralContainers" in body:
        yield body


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("containers", "initContainers", "ephemeralContainers"):
        yield from _objects(spec, key)


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _from_json_patch(steps: list[Any]) -> dict[str, Any]:
    """What a JSON patch adds or replaces, laid out as the part of the object that it changes."""
    whole: dict[str, Any] = {}
    for step in steps:
        if isinstance(step, dict) and step.get("op") in ("add", "replace") and isinstance(step.get("path"), str):
            parts = [one.replace("~1", "/").replace("~0", "~") for one in step["path"].split("/")[1:]]
            if len(parts) <= _DEPTH:
                part = _nested(parts, step.get("value"))
                whole = _merged(whole, part) if isinstance(part, dict) else whole
    return whole


def _nested(parts: list[str], value: Any) -> Any:
    for part in reversed(parts):
        value = [value] if part == "-" or part.isdigit() else {part: value}
    return value


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    both = dict(left)
    for key, value in right.items():
        old = both.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            both[key] = _merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            both[key] = [*old, *value]
        else:
            both[key] = value
    return both
