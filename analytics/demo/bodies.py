"""The objects that requests carry: pods, deployments, bindings, as clients send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

JSON = dict[str, Any]


def request_body(kind: str, *, app: str, namespace: str, name: str, subject: str) -> JSON:
    """The object of one request.

    Args:
        kind: as ``Action.body`` says.
        app: the application it belongs to.
        namespace: where it goes; empty for what belongs to the whole cluster.
        name: of the object.
        subject: the user who asks, whom bindings name.
    """
    metadata: JSON = {
        "name": name,
        "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/managed-by": "kubectl"},
    }
    if namespace:
        metadata["namespace"] = namespace
    return _MAKERS[kind](app, metadata, subject)


def _pod_spec(app: str, **more: Any) -> JSON:
    container: JSON = {
        "name": app,
        "image": f"registry.example.com/{app}:2.14.{len(app)}",
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "HTTP_PORT", "value": "8080"},
            {"name": "DATABASE_HOST", "value": f"{app}-db.example.com"},
            {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": f"{app}-db", "key": "password"}}},
        ],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "250m", "memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10},
        "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True},
    }
    container |= more.pop("container", {})
    return {"containers": [container], "serviceAccountName": app, "terminationGracePeriodSeconds": 30} | more


def _pod(app: str, metadata: JSON, subject: str) -> JSON:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": _pod_spec(app, restartPolicy="Never")}


def _privileged(app: str, metadata: JSON, subject: str) -> JSON:
    spec = _pod_spec(app, container={"securityContext": {"privileged": True}}, hostPID=True, restartPolicy="Never")
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def _host_path(app: str, metadata: JSON, subject: str) -> JSON:
    mount = {"volumeMounts": [{"name": "host", "mountPath": "/host"}]}
    volumes = [{"name": "host", "hostPath": {"path": "/var/lib/site-data", "type": "DirectoryOrCreate"}}]
    spec = _pod_spec(app, container=mount, volumes=volumes)
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def _deployment(app: str, metadata: JSON, subject: str) -> JSON:
    labels = {"app.kubernetes.io/name": app}
    template = {"metadata": {"labels": labels}, "spec": _pod_spec(app)}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    return {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata, "spec": spec}


def _cronjob(app: str, metadata: JSON, subject: str) -> JSON:
    job = {"spec": {"template": {"spec": _pod_spec(app, restartPolicy="OnFailure")}}}
    spec = {"schedule": "15 2 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": job}
    return {"kind": "CronJob", "apiVersion": "batch/v1", "metadata": metadata, "spec": spec}


def _ephemeral(app: str, metadata: JSON, subject: str) -> JSON:
    debugger = {"name": "debugger", "image": "registry.example.com/tools:1", "targetContainerName": app, "tty": True}
    return {"spec": {"ephemeralContainers": [debugger]}}


def _account(app: str, metadata: JSON, subject: str) -> JSON:
    return {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": metadata}


def _role(app: str, metadata: JSON, subject: str) -> JSON:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch"]}
    return {"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata, "rules": [rule]}


def _binding(app: str, metadata: JSON, subject: str, role: str = "edit", kind: str = "RoleBinding") -> JSON:
    group = "rbac.authorization.k8s.io"
    return {
        "kind": kind,
        "apiVersion": f"{group}/v1",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": group, "name": subject}],
    }


def _cluster_admin(app: str, metadata: JSON, subject: str) -> JSON:
    return _binding(app, metadata, subject, "cluster-admin", "ClusterRoleBinding")


def _token(app: str, metadata: JSON, subject: str) -> JSON:
    return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": 3600}}


def _review(app: str, metadata: JSON, subject: str) -> JSON:
    return {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"namespace": metadata.get("namespace", "default")},
    }


def _webhook(app: str, metadata: JSON, subject: str) -> JSON:
    return {"webhooks": [{"name": "inject.policy.example.com", "failurePolicy": "Ignore", "timeoutSeconds": 5}]}


def _dns(app: str, metadata: JSON, subject: str) -> JSON:
    corefile = ".:53 {\n    errors\n    health\n    forward . 10.0.0.2\n    cache 30\n}\n"
    return {"data": {"Corefile": corefile}}


_MAKERS: dict[str, Callable[[str, JSON, str], JSON]] = {
    "pod": _pod,
    "privileged": _privileged,
    "host path": _host_path,
    "deployment": _deployment,
    "cronjob": _cronjob,
    "ephemeral": _ephemeral,
    "account": _account,
    "role": _role,
    "binding": _binding,
    "cluster admin": _cluster_admin,
    "token": _token,
    "review": _review,
    "webhook": _webhook,
    "dns": _dns,
}
