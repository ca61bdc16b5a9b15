"""What people and machines do to a cluster: the kinds of events that the Console's rules matched, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of matched event.

    Attributes:
        verb: of Kubernetes; GKE's long form is made from it.
        path: ``group/version/resource[/subresource]``, the core group called ``core``.
        name: of the object: ``{pod}``, ``{app}``, ``{secret}``, ``{node}`` stand for names of the cluster.
        message: the text of the rule that matched.
        techniques: as the Console tags it.
        code: HTTP status where it is allowed.
        query: of the request URI.
        body: which kind of object it carries, see ``bodies``.
        wide: whether it belongs to the whole cluster.
    """

    verb: str
    path: str
    name: str
    message: str
    techniques: tuple[str, ...] = ()
    code: int = 200
    query: str = ""
    body: str = ""
    wide: bool = False

    @property
    def names_object(self) -> bool:
        """Whether the URI ends in the object's name: a create of the object itself or a list does not."""
        return self.verb != "list" and (self.verb != "create" or self.path.count("/") == 3)


_RBAC = "rbac.authorization.k8s.io/v1"
_EXEC = ("create", "core/v1/pods/exec", "{pod}", "Exec or attach to a pod detected")
_SHELL = "container={app}&stdin=true&stdout=true&tty=true"

ACTIONS: dict[str, Action] = {
    "exec": Action(*_EXEC, ("execIntoContainer",), 101, f"command=sh&{_SHELL}"),
    "exec psql": Action(*_EXEC, ("execIntoContainer",), 101, f"command=psql&command=-U&command=app&{_SHELL}"),
    "exec curl": Action(
        *_EXEC,
        ("execIntoContainer", "ingressToolTransfer"),
        101,
        f"command=curl&command=-sSO&command=https%3A%2F%2Fdownloads.example.com%2Fdebug-tools.tgz&{_SHELL}",
    ),
    "copy out": Action(
        *_EXEC,
        ("execIntoContainer", "exfiltrationGeneral"),
        101,
        "command=tar&command=cf&command=-&command=%2Fvar%2Flog%2Fapp&container={app}&stdout=true",
    ),
    "exec token": Action(
        *_EXEC,
        ("execIntoContainer", "unsecuredCredentials"),
        101,
        "command=cat&command=%2Fvar%2Frun%2Fsecrets%2Fkubernetes.io%2Fserviceaccount%2Ftoken&container={app}&stdout=true",
    ),
    "exec metadata": Action(
        *_EXEC,
        ("execIntoContainer", "cloudInstanceMetadataAPI"),
        101,
        "command=curl&command=-s&command=http%3A%2F%2F169.254.169.254%2Flatest%2Fmeta-data%2Fiam%2F&container=shell&stdout=true",
    ),
    "debug": Action(
        "patch", "core/v1/pods/ephemeralcontainers", "{pod}", "Debug container added to a pod",
        ("execIntoContainer", "createContainer"), body="ephemeral",
    ),
    "port forward": Action(
        "create", "core/v1/pods/portforward", "{pod}", "Port-forward to a pod detected", (), 101, "ports=8080"
    ),
    "read secret": Action("get", "core/v1/secrets", "{secret}", "Secret read", ("kubernetesSecrets",)),
    "list secrets": Action("list", "core/v1/secrets", "", "Secrets listed", ("kubernetesSecrets",), query="limit=500"),
    "workload": Action(
        "patch", "apps/v1/deployments", "{app}", "Workload created or changed", ("createContainer",),
        query="fieldManager=kubectl-client-side-apply", body="deployment",
    ),
    "run pod": Action(
        "create", "core/v1/pods", "{app}-job", "Pod created by hand", ("createContainer",), 201, body="pod"
    ),
    "privileged pod": Action(
        "create", "core/v1/pods", "{app}-maintenance", "Privileged pod created",
        ("privilegedContainer", "createContainer"), 201, body="privileged",
    ),
    "host path": Action(
        "create", "core/v1/pods", "{app}-volume", "Pod with a writable host path created",
        ("writableVolumes", "createContainer"), 201, body="host path",
    ),
    "cronjob": Action(
        "patch", "batch/v1/cronjobs", "{app}-nightly", "Scheduled job created or changed", ("scheduledTaskJob",),
        query="fieldManager=kubectl-client-side-apply", body="cronjob",
    ),
    "service account": Action(
        "create", "core/v1/serviceaccounts", "{app}", "Service account created", ("createAccount",), 201, body="account"
    ),
    "bind role": Action(
        "create", f"{_RBAC}/rolebindings", "{app}-editors", "Access rights changed", ("accountManipulation",), 201,
        body="binding",
    ),
    "unbind role": Action(
        "delete", f"{_RBAC}/rolebindings", "{app}-editors", "Access rights removed", ("accountAccessRemoval",)
    ),
    "change cluster role": Action(
        "patch", f"{_RBAC}/clusterroles", "{app}-operator", "Access rights changed", ("accountManipulation",),
        body="role", wide=True,
    ),
    "bind cluster admin": Action(
        "create", f"{_RBAC}/clusterrolebindings", "{app}-admin", "Access to the whole cluster granted",
        ("accountManipulation", "abuseElevationControlMechanisms"), 201, body="cluster admin", wide=True,
    ),
    "token": Action(
        "create", "core/v1/serviceaccounts/token", "{app}", "Service account token requested",
        ("unsecuredCredentials", "accountManipulation"), 201, body="token",
    ),
    "review rights": Action(
        "create", "authorization.k8s.io/v1/selfsubjectrulesreviews", "", "Own access rights listed",
        ("accountDiscovery",), 201, body="review", wide=True,
    ),
    "list pods": Action(
        "list", "core/v1/pods", "", "Pods listed by a person", ("systemInformationDiscovery",), query="limit=500"
    ),
    "webhook": Action(
        "patch", "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "policy-injector",
        "Admission webhook changed", ("eventTriggeredExecution",), body="webhook", wide=True,
    ),
    "drop network policy": Action(
        "delete", "networking.k8s.io/v1/networkpolicies", "{app}-deny", "Network policy removed", ("impairDefences",)
    ),
    "delete events": Action("delete", "core/v1/events", "{pod}.17f3", "Events deleted", ("impairDefences",)),
    "kubelet": Action(
        "get", "core/v1/nodes/proxy", "{node}", "Kubelet reached through the node proxy", ("accessKubeletMainAPI",),
        wide=True,
    ),
    "dns": Action(
        "patch", "core/v1/configmaps", "coredns", "Cluster DNS changed", ("manInTheMiddle",), body="dns"
    ),
}  # fmt: skip

ROLES: dict[str, dict[str, float]] = {
    "platform": {
        "exec": 20, "read secret": 15, "list secrets": 6, "workload": 26, "cronjob": 5, "port forward": 8, "debug": 4,
        "bind role": 3, "unbind role": 1, "change cluster role": 1.5, "service account": 2, "privileged pod": 1.2,
        "host path": 0.8, "kubelet": 1, "token": 1, "webhook": 0.3, "drop network policy": 0.4, "review rights": 2,
        "list pods": 3, "bind cluster admin": 0.08, "dns": 0.15,
    },
    "developer": {
        "exec": 38, "port forward": 22, "workload": 15, "read secret": 5, "review rights": 3, "copy out": 2,
        "exec curl": 1.5, "cronjob": 2, "debug": 4, "list pods": 6, "run pod": 4,
    },
    "data": {
        "exec": 22, "port forward": 20, "run pod": 18, "cronjob": 14, "read secret": 8, "copy out": 4, "list pods": 4,
    },
    "database": {"exec psql": 40, "port forward": 35, "read secret": 14, "copy out": 3, "cronjob": 3},
    "security": {"list secrets": 12, "review rights": 14, "list pods": 10, "change cluster role": 3, "unbind role": 3},
    "contractor": {"port forward": 20, "exec": 14, "workload": 8, "review rights": 1, "list pods": 4},
    "break glass": {"exec": 5, "workload": 3, "read secret": 3, "debug": 2},
    "on call": {"exec": 8, "workload": 5, "debug": 3, "port forward": 2, "read secret": 2},
}  # fmt: skip
"""What each role does, and how often, relative to the rest."""

DENIED: dict[str, float] = {
    "developer": 0.05, "contractor": 0.08, "data": 0.02, "platform": 0.004, "security": 0.01,
}  # fmt: skip
"""Which part of a role's requests the API server refuses."""
