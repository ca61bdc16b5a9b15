"""Events for benchmarks: seeded, of the Console's shape and size, one JSON line each.

One in a hundred cannot be read, one in ten is a repeat of a recent one, as measured archives show. The same arguments
give the same bytes. Run as a program: ``python events.py COUNT FILE``.
"""

from __future__ import annotations

import json
import random
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2025, 10, 1, tzinfo=UTC)
DAYS = 396
_KINDS = [
    ("io.k8s.core.v1.pods.exec.create", "pods/{app}-{bits}/exec", ["execIntoContainer"], "Exec into a pod", 101),
    ("io.k8s.core.v1.secrets.get", "secrets/{app}-token", ["kubernetesSecrets"], "Secret access", 200),
    ("io.k8s.core.v1.pods.create", "pods/{app}-{bits}", ["createContainer", "privilegedContainer"], "Pod created", 201),
    ("io.k8s.core.v1.serviceaccounts.create", "serviceaccounts/{app}", ["createAccount"], "Account created", 201),
    ("io.k8s.batch.v1.cronjobs.create", "cronjobs/{app}", ["scheduledTaskJob"], "CronJob created", 201),
    ("io.k8s.apps.v1.deployments.patch", "deployments/{app}", ["supplyChainCompromise"], "Image changed", 200),
]
_APPS = ["api", "web", "worker", "etl", "ledger", "cart", "indexer", "trainer", "grafana", "runner", "proxy", "cache"]
_SPACES = ["default", "kube-system", "payments", "checkout", "search", "ml-batch", "observability", "ingress", "ci"]


def lines(count: int, seed: int = 1, days: int = DAYS, *, own_addresses: bool = False) -> Iterator[bytes]:
    """So many lines over so many days, in about the order of their times.

    ``own_addresses`` gives each event an address that no other has, as where everybody comes over the internet.
    """
    random_ = random.Random(seed)
    users = [_user(random_, number) for number in range(5000)]
    clusters = [(f"prod-{random_.randrange(16**8):08x}", random_.choice(["aws", "gcp", "azure"])) for _ in range(30)]
    words = [f"{random_.randrange(16 ** random_.randrange(3, 12)):x}" for _ in range(4000)]
    recent: deque[bytes] = deque(maxlen=400)
    for number in range(count):
        chance = random_.random()
        if chance < 0.1 and recent:
            yield recent[random_.randrange(len(recent))]
            continue
        moment = START + timedelta(days=days) * (number / count)
        own = f"{20 + number // 2**24}.{number // 2**16 % 256}.{number // 256 % 256}.{number % 256}"
        line = _event(random_, moment, users, clusters, words, own if own_addresses else None)
        if chance < 0.11:
            yield line[: random_.randrange(20, len(line) - 5)]
        else:
            recent.append(line)
            yield line


def write(count: int, path: Path, *, days: int = DAYS, own_addresses: bool = False) -> None:
    """Write so many events to a file, unless it is there already."""
    if path.exists():
        return
    with path.with_suffix(".part").open("wb", buffering=1 << 20) as file:
        for line in lines(count, days=days, own_addresses=own_addresses):
            file.write(line + b"\n")
    path.with_suffix(".part").rename(path)


def _user(random_: random.Random, number: int) -> tuple[str, str, list[str]]:
    uid = f"{random_.randrange(16**32):032x}"
    if random_.random() < 0.6:
        return f"user{number:05d}@example.com", uid, ["system:authenticated", f"team-{random_.randrange(40)}"]
    space = random_.choice(_SPACES)
    name = f"system:serviceaccount:{space}:{random_.choice(_APPS)}-{number}"
    return name, uid, ["system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated"]


def _event(
    random_: random.Random,
    moment: datetime,
    users: list[tuple[str, str, list[str]]],
    clusters: list[tuple[str, str]],
    words: list[str],
    own: str | None,
) -> bytes:
    verb, resource, techniques, message, code = random_.choice(_KINDS)
    user, uid, groups = users[int(random_.paretovariate(0.4)) % len(users)]
    cluster, provider = clusters[int(random_.paretovariate(0.8)) % len(clusters)]
    space, app, bits = random_.choice(_SPACES), random_.choice(_APPS), f"{random_.randrange(16**10):010x}"
    path = resource.format(app=app, bits=bits)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    ips = ["private"] if random_.random() < 0.3 else [f"10.{random_.randrange(256)}.{random_.randrange(256)}.7"]
    ips = [own] if own else ips
    uri = f"/api/v1/namespaces/{space}/{path}"
    account = {"username": user, "uid": uid, "groups": groups}
    env = [{"name": f"{app.upper()}_{word[:4]}", "value": word} for word in random_.choices(words, k=12)]
    container = {"name": app, "image": f"registry.example/{app}:{bits}", "env": env}
    blob = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": f"{random_.randrange(16**32):032x}",
        "stage": "ResponseComplete",
        "requestURI": uri,
        "verb": verb.rpartition(".")[2],
        "user": account,
        "sourceIPs": ips,
        "userAgent": "kubectl/v1.31.1 (linux/amd64) kubernetes/948afe5",
        "objectRef": {"resource": path.split("/")[0], "namespace": space, "name": f"{app}-{bits}", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": code},
        "requestReceivedTimestamp": stamp,
        "annotations": {"authorization.k8s.io/decision": "allow"},
        "requestObject": {"spec": {"containers": [container]}},
    }
    event = {
        "time": stamp,
        "verb": verb,
        "user": account,
        "authorizationInfo": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "by a binding"},
        "message": f"{message} on {provider.upper()}",
        "sourceIPs": ips,
        "resources": f"core/v1/namespaces/{space}/{path}",
        "requestURI": uri,
        "attackTechniques": techniques,
        "cluster": cluster,
        "accountID": f"acct-{provider}",
        "provider": provider,
        "collections": ["All", f"team-{len(user) % 40}"],
        "eventBlob": json.dumps(blob, separators=(",", ":")),
    }
    return json.dumps(event, separators=(",", ":")).encode()


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
