"""Who is in the made-up company: its clusters, its people with their habits, and its machines.

All of it is data. Addresses are those reserved for documentation and for private networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as the Console names it; ``namespaces`` maps a namespace to the applications in it."""

    name: str
    provider: str
    account: str
    collections: tuple[str, ...]
    namespaces: dict[str, tuple[str, ...]] = field(hash=False)
    node: str = "node-%d"

    @property
    def is_gke(self) -> bool:
        """Whether its events come as GKE log entries, with verbs such as ``io.k8s.core.v1.pods.exec.create``."""
        return self.provider == "gcp"


PAY = Cluster(
    "pay-prod-eks",
    "aws",
    "482910375516",
    ("All", "Production", "Payments"),
    {
        "payments": ("ledger-api", "card-gateway", "settlement", "fraud-score"),
        "checkout": ("checkout-api", "basket"),
        "external-secrets": ("external-secrets",),
        "argocd": ("argocd-server",),
    },
    "ip-10-40-%d-17.eu-central-1.compute.internal",
)
DATA = Cluster(
    "data-prod-eks",
    "aws",
    "731044268809",
    ("All", "Production", "Data platform"),
    {
        "airflow": ("scheduler", "worker", "webserver"),
        "warehouse": ("loader", "dbt-runner", "postgres"),
        "ml": ("feature-store", "trainer"),
    },
    "ip-10-52-%d-9.eu-central-1.compute.internal",
)
SHOP = Cluster(
    "shop-prod-gke",
    "gcp",
    "example-shop-prod",
    ("All", "Production", "Storefront"),
    {
        "storefront": ("web", "search", "recommender"),
        "catalogue": ("catalogue-api", "indexer"),
        "messaging": ("mailer", "push"),
    },
    "gke-shop-prod-pool-1-%d",
)
STAGE = Cluster(
    "shop-stage-gke",
    "gcp",
    "example-shop-stage",
    ("All", "Staging"),
    {
        "storefront": ("web", "search", "recommender"),
        "checkout": ("checkout-api", "basket"),
        "preview": ("preview-api", "preview-web"),
    },
    "gke-shop-stage-pool-1-%d",
)
CRM = Cluster(
    "crm-prod-aks",
    "azure",
    "6f0e3a52-1c1b-4b0e-9d0a-3f6f1f7b2c11",
    ("All", "Production", "Customer service"),
    {"crm": ("crm-web", "crm-worker"), "telephony": ("call-router", "voicemail"), "reporting": ("report-builder",)},
    "aks-nodepool1-31415926-vmss%06d",
)
EDGE = Cluster(
    "warehouse-edge",
    "others",
    "",
    ("All", "Sites"),
    {"scanners": ("scanner-hub",), "sorting": ("belt-control", "label-printer")},
    "edge-%d",
)
CLUSTERS = (PAY, DATA, SHOP, STAGE, CRM, EDGE)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a login: where they work, when, how much, and on what.

    Attributes:
        hours: the working day in UTC, first and last hour.
        a_day: how many events on an ordinary working day.
        weekend: part of that on a Saturday or Sunday.
        addresses: where they usually come from; the first is the usual one.
    """

    user: str
    role: str
    clusters: tuple[Cluster, ...]
    hours: tuple[int, int]
    a_day: float
    addresses: tuple[str, ...]
    weekend: float = 0.0
    namespaces: tuple[str, ...] = ()
    agent: str = "kubectl/v1.33.4 (darwin/arm64) kubernetes/a1b2c3d"


_LINUX = "kubectl/v1.32.8 (linux/amd64) kubernetes/9d0c1e2"
_K9S = "k9s/v0.50.9 (darwin/arm64) kubernetes/$Format"
_LENS = "node-fetch"

PEOPLE = (
    Person("priya.natarajan@example.com", "platform", CLUSTERS, (7, 17), 15, ("198.51.100.21",), 0.12),
    Person("jonas.weber@example.com", "platform", CLUSTERS, (6, 15), 13, ("198.51.100.34",), 0.1, agent=_LINUX),
    Person("meilin.chen@example.com", "platform", (SHOP, STAGE, CRM), (8, 18), 11, ("198.51.100.58",), agent=_K9S),
    Person("tomasz.kowalski@example.com", "platform", (PAY, DATA, EDGE), (6, 15), 10, ("198.51.100.62",), 0.1),
    Person("ana.lima@example.com", "developer", (PAY, STAGE), (9, 18), 9, ("198.51.100.77", "192.0.2.45")),
    Person("sam.okafor@example.com", "developer", (SHOP, STAGE), (8, 17), 9, ("198.51.100.80",), agent=_K9S),
    Person("lucia.rossi@example.com", "developer", (SHOP, STAGE), (7, 16), 8, ("198.51.100.91",)),
    Person("henrik.dahl@example.com", "developer", (CRM,), (7, 16), 8, ("198.51.100.102",), agent=_LENS),
    Person("fatima.zahra@example.com", "developer", (PAY, STAGE), (8, 17), 8, ("198.51.100.110",), agent=_LINUX),
    Person("noah.miller@example.com", "developer", (SHOP, STAGE), (13, 22), 9, ("192.0.2.140", "192.0.2.141"), 0.05),
    Person("yuki.tanaka@example.com", "developer", (STAGE, CRM), (0, 9), 7, ("192.0.2.201",), agent=_LINUX),
    Person("omar.haddad@example.com", "data", (DATA,), (7, 17), 10, ("198.51.100.133",), 0.1),
    Person("ingrid.olsen@example.com", "data", (DATA,), (6, 15), 8, ("198.51.100.139",), agent=_K9S),
    Person("zoë.lindström@example.com", "data", (DATA, EDGE), (7, 16), 5, ("198.51.100.144",), agent=_LINUX),
    Person("greta.novak@example.com", "database", (PAY, DATA, CRM), (6, 15), 7, ("198.51.100.150",), 0.08),
    Person("david.cohen@example.com", "security", CLUSTERS, (7, 16), 5, ("198.51.100.12",), agent=_LINUX),
    Person("r.voss.ext@example.com", "contractor", (STAGE, PAY), (8, 16), 3, ("198.51.100.230",), agent=_LINUX,
           namespaces=("checkout", "preview")),
    Person("masterclient", "break glass", (CRM,), (10, 14), 0.12, ("198.51.100.34",)),
    Person("arn:aws:sts::482910375516:assumed-role/OnCall/priya.natarajan", "on call", (PAY,), (0, 23), 0.5,
           ("198.51.100.21",), 1.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine's account: what it does, in which namespace, and how many times a day.

    Attributes:
        deeds: keys of ``actions.ACTIONS`` and how often each comes, relative to the others.
        busy: hours in UTC in which it works; the whole day where it is (0, 24).
        weekend: part of a working day's events on a Saturday or Sunday.
    """

    user: str
    cluster: Cluster
    namespaces: tuple[str, ...]
    deeds: dict[str, float] = field(hash=False)
    a_day: float
    address: str
    agent: str
    busy: tuple[int, int] = (0, 24)
    weekend: float = 1.0
    denied: float = 0.0


_SECRETS = "external-secrets/v0.19.2"
_ARGO = "argocd-application-controller/v3.1.0 (linux/amd64) kubernetes/$Format"
_CI_STAGE = "deployer@example-shop-stage.iam.gserviceaccount.com"
_CI_SHOP = "deployer@example-shop-prod.iam.gserviceaccount.com"
_AIRFLOW = "system:serviceaccount:airflow:airflow-worker"
_ROLLOUT = {"workload": 6.0, "cronjob": 0.6, "service account": 0.2}

MACHINES = (
    Machine("system:serviceaccount:external-secrets:external-secrets", PAY, ("payments", "checkout"),
            {"read secret": 1}, 20, "10.40.3.12", _SECRETS),
    Machine("system:serviceaccount:external-secrets:external-secrets", SHOP, ("storefront", "messaging"),
            {"read secret": 1}, 14, "10.44.1.8", _SECRETS),
    Machine("system:serviceaccount:argocd:argocd-application-controller", PAY, ("payments", "checkout"),
            _ROLLOUT, 16, "10.40.7.31", _ARGO, (7, 19), 0.1),
    Machine(_CI_STAGE, STAGE, ("storefront", "checkout", "preview"), _ROLLOUT, 31, "private", "helm/3.19.0",
            (6, 22), 0.1, 0.02),
    Machine(_CI_SHOP, SHOP, ("storefront", "catalogue"), _ROLLOUT, 12, "private", "helm/3.19.0", (8, 17), 0.0),
    Machine(_AIRFLOW, DATA, ("airflow", "warehouse"), {"run pod": 1}, 25, "10.52.2.20",
            "OpenAPI-Generator/33.1.0/python"),
    Machine("system:serviceaccount:airflow:airflow-worker", DATA, ("warehouse",), {"exec": 1, "read secret": 1}, 6,
            "10.52.2.20", "OpenAPI-Generator/33.1.0/python"),
    Machine("system:serviceaccount:velero:velero", CRM, ("crm", "reporting"), {"list secrets": 1}, 4, "10.61.0.5",
            "velero-server/v1.16.2", (2, 3)),
    Machine("system:serviceaccount:monitoring:node-probe", EDGE, ("sorting",), {"kubelet": 1}, 9, "10.9.0.4",
            "curl/8.14.1"),
    Machine("system:node:ip-10-52-3-9.eu-central-1.compute.internal", DATA, ("ml",), {"read secret": 1}, 1.2,
            "10.52.3.9", "kubelet/v1.33.3 (linux/amd64) kubernetes/4f2a1bd", denied=1.0),
    Machine("system:serviceaccount:reporting:report-builder", CRM, ("reporting",), {"cronjob": 1, "run pod": 2}, 7,
            "10.61.0.44", "python-requests/2.32.5"),
    Machine("system:serviceaccount:scanners:updater", EDGE, ("scanners",), {"host path": 1}, 1.5, "10.9.0.12",
            "Go-http-client/2.0"),
)  # fmt: skip
