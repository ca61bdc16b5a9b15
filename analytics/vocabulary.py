"""The words of the field: technique values of the API, their ATT&CK ids and tactics, providers, kinds of users.

The table stands in ``attack_techniques.csv`` as data. Values that are not in it are kept as they are and shown as
drift; they are never an error.

Source: the enum of the vendor's OpenAPI 33.01; MITRE ATT&CK (Enterprise); the vendor's Kubernetes threat matrix.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

PROVIDERS = ("aws", "azure", "gcp", "alibaba", "oci", "others")

TACTICS = (
    "Initial Access",
    "Execution",
    "Persistence",
    "Privilege Escalation",
    "Defense Evasion",
    "Credential Access",
    "Discovery",
    "Lateral Movement",
    "Collection",
    "Command and Control",
    "Exfiltration",
    "Impact",
)
"""The tactics of ATT&CK in the order of its matrix."""


@dataclass(frozen=True, slots=True)
class Technique:
    """One value of ``attackTechniques``.

    Attributes:
        value: as the API writes it, such as ``execIntoContainer``.
        attack_id: technique or tactic id of ATT&CK; empty where nothing equals it.
        attack_name: the name ATT&CK gives it.
        tactics: names of tactics, in the vendor's order.
        confidence: of the mapping: ``high``, ``medium`` or ``low``.
        note: what to know about the mapping.
    """

    value: str
    attack_id: str
    attack_name: str
    tactics: tuple[str, ...]
    confidence: str
    note: str


@cache
def techniques() -> dict[str, Technique]:
    """All known techniques by value, in the vendor's order."""
    text = resources.files("kubedossier.analytics").joinpath("attack_techniques.csv").read_text("utf-8")
    return {
        row["value"]: Technique(
            row["value"],
            row["attack_id"],
            row["attack_name"],
            tuple(part.strip() for part in row["tactics"].split(";") if part.strip()),
            row["confidence"],
            row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    }


def user_kind(user: str | None) -> str | None:
    """What kind of identity a username is: ``human``, ``service account``, ``node``, ``system`` or ``anonymous``.

    ``masterclient`` (the AKS administrator credential) and cloud roles are people's logins and count as ``human``.
    """
    if not user:
        return None
    if user == "system:anonymous":
        return "anonymous"
    if user.startswith("system:serviceaccount:") or user.endswith(".gserviceaccount.com"):
        return "service account"
    if user.startswith("system:node:"):
        return "node"
    if user == "system:admin":
        return "human"
    if user.startswith(("system:", "eks:", "aks:")) or user in ("aksService", "kube-apiserver-kubelet-client"):
        return "system"
    return "human"
