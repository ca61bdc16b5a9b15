"""The importers on real audit logs, which stand beside the checkout and are never copied into it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.importer import import_files
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.store.ledger import Ledger

pytestmark = pytest.mark.recorded


@pytest.fixture
def read(recorded: Path, taken):
    return lambda name, **options: taken((recorded / name).read_bytes(), **options)


def test_the_stages_of_9937_records_are_9863_events_and_every_row_can_be_made_again(recorded, archive_path):
    file = recorded / "derived" / "hkerma_rewrapped_first60pct.jsonl"
    receipt = [one.receipt for one in import_files(archive_path, [str(file)]) if one.receipt].pop()
    assert (receipt.new, receipt.duplicate, receipt.rejected, receipt.skipped) == (9937, 0, 0, 0)
    archive = Archive(archive_path)
    assert archive.sql("select count(*) from records").item() == 9937
    assert archive.sql("select count(*) from events").item() == 9863
    ledger = Ledger.read(archive_path)
    assert list(recheck_events(ledger, ledger.live())) == []


def test_few_events_of_a_quiet_cluster_show_a_technique(read):
    rows = read("derived/hkerma_rewrapped_first60pct.jsonl").rows
    tagged = Counter(value for row in rows for value in row.techniques_derived or ())
    share = sum(row.techniques_derived is not None for row in rows) / len(rows)
    assert 0.001 < share < 0.05, tagged
    helm = [row for row in rows if row.resource == "secrets" and (row.name or "").startswith("sh.helm.release.v1.")]
    assert helm
    assert not any("kubernetesSecrets" in (row.techniques_derived or ()) for row in helm)


def test_falcos_captures_are_all_read(recorded, taken):
    expected = {
        "exec_pod": "execIntoContainer",
        "attach_pod": "execIntoContainer",
        "attach_cluster_admin_role": "accountManipulation",
        "create_clusterrolebinding": "accountManipulation",
        "create_cluster_role_pod_exec": "accountManipulation",
        "create_nginx_pod_privileged": None,  # its user is a controller of the cluster's own
        "create_serviceaccount": "createAccount",
        "delete_serviceaccount": "accountAccessRemoval",
        "delete_clusterrolebinding": "accountAccessRemoval",
        "create_deployment": "createContainer",
        "anonymous_creates_namespace_foo": "accessKubernetesAPIServer",
    }
    for name, technique in expected.items():
        row = taken((recorded / "falco_k8s_audit_traces" / f"{name}.json").read_bytes()).row
        assert technique in (row.techniques_derived or (None,)), (name, row)
    count = 0
    for file in sorted((recorded / "falco_k8s_audit_traces").glob("*.json")):
        outcome = taken(file.read_bytes())
        count += len(outcome.rows)
        assert all(row.time is not None for row in outcome.rows)
        assert len(outcome.rejected) == (file.stem == "fal_01_003")
    assert count == 51


def test_an_object_that_only_looks_like_an_event_is_refused(recorded, archive_path):
    with pytest.raises(KubedossierError, match="no audit log"):
        list(import_files(archive_path, [str(recorded / "falco_k8s_audit_traces" / "fal_01_003.json")]))


def test_eks_events_of_others_are_read_and_repeats_are_one(read):
    outcome = read("derived/panther_aws_eks_rules.eks_or_raw.jsonl")
    assert len(outcome.rows) == 20
    assert len({row.event_id for row in outcome.rows}) == 14
    assert outcome.rejected == []
    assert read("ocsf_eks/eks.raw").row.resource == "nodes"


def test_gke_test_data_is_read_and_other_services_are_counted(read):
    outcome = read("derived/panther_gcp_k8s_rules.gke.jsonl")
    assert (len(outcome.rows), outcome.skipped) == (18, {"other Google Cloud log": 5})
    seen = Counter(value for row in outcome.rows for value in row.techniques_derived or ())
    assert seen["privilegedContainer"] >= 4
    assert seen["writableVolumes"] == 3
    refused = [row for row in outcome.rows if row.status_code == 409]
    assert refused
    assert all("technique_attempt" in row.flags for row in refused if row.techniques_derived)
    assert read("derived/panther_gcp_k8s_rules.other.jsonl").rows == []


def test_genuine_gke_entries_are_read_to_the_last_column(read):
    outcome = read("elastic_gcp_excerpt/test-audit.k8s-excerpt.log")
    assert (len(outcome.rows), outcome.skipped) == (5, {"other Google Cloud log": 1})
    assert {(row.cluster, row.account) for row in outcome.rows} == {("analysis-cluster", "elastic-siem")}
    assert [row.resource for row in outcome.rows] == ["subjectaccessreviews", "nodes", "ingresses", None, None]
    assert {row.decision for row in outcome.rows} == {"allow"}
    assert all(row.flags is None for row in outcome.rows)
    assert read("elastic_gcp_excerpt/test-sdh-3695.log").skipped == {"other Google Cloud log": 1}


def test_aks_messages_and_records_are_read(read):
    outcome = read("sysdig_aks_audit_log/event.json")
    assert len(outcome.rows) == 22
    assert {(row.cluster, row.provider) for row in outcome.rows} == {("KUBETEST", "azure")}
    assert read("sysdig_aks_audit_log/sample_EventHubs_event.json").row.cluster == "KUBEAUDITLOGTESTCLUSTER"
    assert read("sysdig_aks_audit_log/sample_KubeAuditLog_event.json").row.source_format == "kubernetes-audit"
    assert read("sysdig_aks_audit_log/test-gh-event.json").rows == []


def test_openshifts_logs_are_read_in_every_wrapping(read):
    rows = read("openshift_clo/audit_in.log").rows
    assert len(rows) == 100
    assert max(len(row.raw) for row in rows) > 200_000
    assert {row.level for row in rows} <= {"Metadata", "Request", "RequestResponse"}
    for kind in ("kube", "openshift"):
        assert len(read(f"openshift_clo/otlp_audit_{kind}.json").rows) == 3
    for name in ("viaq_audit_kubernetes", "viaq_audit_openshift"):
        assert read(f"openshift_clo/{name}.json").row.level == "Metadata"
    assert read("afcollins_single/single-event.json").row.resource == "leases"


def test_a_table_without_header_is_refused(recorded, archive_path):
    with pytest.raises(KubedossierError, match="no audit log"):
        list(import_files(archive_path, [str(recorded / "hkerma_perfspec_csv" / "audit-logs.csv")]))


def test_a_blob_of_the_console_tells_what_the_real_event_told(read, taken):
    """A real event as the Console would hand it on: same facts from its blob as from the event itself."""
    for row in read("openshift_clo/audit.log").rows:
        wrapped = taken(json.dumps({"verb": row.verb, "eventBlob": row.raw.decode()}).encode()).row
        for name in ("status_code", "audit_id", "stage", "level", "resource", "namespace", "name", "user_agent"):
            assert getattr(wrapped, name) == getattr(row, name), name
