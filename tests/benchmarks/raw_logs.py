"""Raw audit logs for benchmarks: seeded, of the shape and sizes of an API server's, one JSON line each.

Most events are of the level Metadata and some 900 bytes long, as recorded ones are; one in seven has a body, one in two
thousand is very long. One in twenty comes with its earlier stage. The same arguments give the same bytes. Run as a
program: ``python raw_logs.py COUNT FILE``.
"""

from __future__ import annotations

import json
import random
import resource
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import events

_SPACES = ["default", "kube-system", "payments", "checkout", "search", "observability", "ci"]
_APPS = ["api", "web", "worker", "etl", "ledger", "cart", "indexer", "grafana", "runner", "proxy"]
_KINDS = [
    ("", "v1", "pods", "", 24), ("", "v1", "configmaps", "", 20), ("", "v1", "secrets", "", 6),
    ("", "v1", "events", "", 12), ("coordination.k8s.io", "v1", "leases", "", 20), ("", "v1", "pods", "exec", 1),
    ("apps", "v1", "deployments", "", 8), ("apps", "v1", "replicasets", "", 4), ("", "v1", "nodes", "status", 5),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "", 1), ("batch", "v1", "cronjobs", "", 1),
]  # fmt: skip
_VERBS = {"get": 50, "list": 10, "watch": 10, "update": 16, "patch": 10, "create": 6, "delete": 2}
_CODES = {"create": 201, "watch": 200}
_Result = TypeVar("_Result")


def lines(count: int, seed: int = 1) -> Iterator[bytes]:
    """So many lines, in about the order of their times."""
    random_ = random.Random(seed)
    users = [_user(random_, number) for number in range(2000)]
    number = 0
    while number < count:
        event = _event(random_, events.START + timedelta(days=events.DAYS) * (number / count), users)
        if random_.random() < 0.05 and number + 1 < count:
            started = {**event, "stage": "ResponseStarted", "stageTimestamp": event["requestReceivedTimestamp"]}
            yield _line(started)
            number += 1
        yield _line(event)
        number += 1


def write(count: int, path: Path) -> None:
    """Write so many events to a file, unless it is there already."""
    if path.exists():
        return
    with path.with_suffix(".part").open("wb", buffering=1 << 20) as file:
        for line in lines(count):
            file.write(line + b"\n")
    path.with_suffix(".part").rename(path)


def with_cpu(task: Callable[[], _Result]) -> tuple[float, _Result]:
    """Processor seconds of the processes that a task starts and waits for, and what it gives."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = task()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, result


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _user(random_: random.Random, number: int) -> dict[str, Any]:
    if number % 5 == 0:
        name, groups = f"user{number:05d}@example.com", [f"team-{random_.randrange(40)}", "system:authenticated"]
        return {"username": name, "uid": f"aws-iam-authenticator:123456789012:{number}", "groups": groups}
    space = random_.choice(_SPACES)
    uid = f"{random_.randrange(16**8):08x}-0000-4000-8000-{random_.randrange(16**12):012x}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated"]
    pod = {"authentication.kubernetes.io/pod-name": [f"{random_.choice(_APPS)}-{number}"]}
    name = f"system:serviceaccount:{space}:{random_.choice(_APPS)}-{number % 40}"
    return {"username": name, "uid": uid, "groups": groups, "extra": pod}


def _event(random_: random.Random, moment: Any, users: list[dict[str, Any]]) -> dict[str, Any]:
    group, version, resource_, subresource, _ = random_.choices(_KINDS, [one[4] for one in _KINDS])[0]
    verb = random_.choices(list(_VERBS), list(_VERBS.values()))[0] if not subresource else "create"
    user = users[int(random_.paretovariate(0.5)) % len(users)]
    space, name = random_.choice(_SPACES), f"{random_.choice(_APPS)}-{random_.randrange(16**10):010x}"
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    uri = f"{base}/namespaces/{space}/{resource_}/{name}" + (f"/{subresource}" if subresource else "")
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    refused = random_.random() < 0.02
    ref = {"resource": resource_, "namespace": space, "name": name, "apiGroup": group, "apiVersion": version}
    ids = [random_.randrange(16**digits) for digits in (8, 4, 12)]
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"{ids[0]:08x}-{ids[1]:04x}-4000-8000-{ids[2]:012x}",
        "stage": "ResponseComplete",
        "requestURI": uri,
        "verb": verb,
        "user": user,
        "sourceIPs": [f"10.{random_.randrange(4)}.{random_.randrange(256)}.7"],
        "userAgent": f"{random_.choice(_APPS)}/v1.31.1 (linux/amd64) kubernetes/948afe5",
        "objectRef": {key: value for key, value in ref.items() if value} | {"subresource": subresource or None},
        "responseStatus": {"metadata": {}, "code": 403 if refused else _CODES.get(verb, 200)},
        "requestReceivedTimestamp": stamp,
        "stageTimestamp": stamp,
        "annotations": {
            "authorization.k8s.io/decision": "forbid" if refused else "allow",
            "authorization.k8s.io/reason": f'RBAC: allowed by RoleBinding "{space}/{user["username"][-12:]}"',
        },
    }
    if not subresource:
        del event["objectRef"]["subresource"]
    if random_.random() < 0.14:
        event["level"] = "RequestResponse"
        words = 2500 if random_.random() < 0.003 else random_.randrange(10, 60)
        env = [{"name": f"V{at}", "value": f"{random_.randrange(16**8):08x}"} for at in range(words)]
        container = {"name": name, "image": f"registry.example/{name}", "env": env}
        event["requestObject"] = {"kind": "Pod", "spec": {"containers": [container], "hostNetwork": False}}
    return event


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
