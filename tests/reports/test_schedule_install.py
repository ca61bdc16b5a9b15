"""The printed files: what reads them accepts them, and none says what should not be said."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubedossier.analytics.errors import UsageError
from kubedossier.reports.installing import Call, cron, kubernetes, systemd

HARD = '/srv/50% of $HOME\'s "back\\up"'


def call(**more: Any) -> Call:
    known: dict[str, Any] = {
        "program": ("/opt/kubedossier/bin/kubedossier",),
        "archive": Path("/srv/dossier"),
        "config": Path("/etc/kubedossier/kubedossier.toml"),
        "every_min": 5,
        "user": "root",
        "deliver": (Path("/srv/reports"),),
        "witness": Path("/home/auditor/.local/state/kubedossier/witness"),
    }
    return Call(**known | more)


@pytest.mark.parametrize("archive", ["/srv/dossier", "/srv/my dossier", HARD])
@pytest.mark.parametrize("every_min", [1, 5])
def test_systemd_accepts_its_units(tmp_path, archive, every_min):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    files = systemd(call(archive=Path(archive), every_min=every_min, program=(shutil.which("true") or "",)))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_unit_may_write_where_it_has_to_and_nowhere_else():
    service = systemd(call())["kubedossier-schedule.service"]
    assert "ProtectSystem=strict" in service
    assert "ReadWritePaths=/srv/dossier /srv/reports /home/auditor/.local/state/kubedossier/witness\n" in service


def test_in_a_unit_paths_mean_themselves():
    line = re.search(r"^ExecStart=(.*)$", systemd(call(archive=Path(HARD)))["kubedossier-schedule.service"], re.M)
    assert line is not None
    assert '"/srv/50%% of $$HOME\'s \\"back\\\\up\\""' in line[1]


def test_a_crontab_line_calls_due_with_the_paths_as_they_are():
    text = cron(call(archive=Path(HARD)))["kubedossier-schedule.crontab"]
    (line,) = [one for one in text.splitlines() if not one.startswith("#")]
    *fields, command = line.split(maxsplit=5)
    assert fields == ["*/5", "*", "*", "*", "*"]
    assert re.search(r"(?<!\\)%", command) is None
    words = shlex.split(command.replace(r"\%", "%"))  # as cron hands it to the shell
    assert words[1:] == ["--archive", HARD, "--config", "/etc/kubedossier/kubedossier.toml", "schedule", "due"]


@pytest.mark.parametrize("every_min", [1, 30])
def test_cron_accepts_its_crontab(tmp_path, every_min):
    path = tmp_path / "crontab"
    path.write_text(cron(call(every_min=every_min, archive=Path(HARD)))["kubedossier-schedule.crontab"])
    assert checked(path) == 0
    path.write_text(path.read_text().replace("* * * *", "* * *"))
    assert checked(path) != 0


def checked(path: Path) -> int:
    """What crontab says of a file that it only checks: -n in Debian's cron, -T in cronie."""
    if not shutil.which("crontab"):
        pytest.skip("no crontab")
    usage = subprocess.run(["crontab", "-?"], capture_output=True, text=True, check=False).stderr
    flag = re.search(r"-n\b.*(?=dry run)|-T\b", usage)
    if not flag:
        pytest.skip("this crontab cannot check")
    return subprocess.run(["crontab", flag[0][:2], str(path)], capture_output=True, check=False).returncode


@pytest.mark.parametrize("make", [systemd, cron])
def test_a_path_with_a_line_break_is_refused(make):
    with pytest.raises(UsageError):
        make(call(archive=Path("/srv/a\n* * * * * root rm -rf")))


def wrong(document: dict[str, Any]) -> list[str]:
    """What the API description of Kubernetes says against a document, whose fields it names all."""
    import jsonschema

    schema = json.loads((Path(__file__).parents[1] / "fixtures" / "kubernetes-1.37.json").read_text("utf-8"))
    name = {"CronJob": "batch.v1.CronJob", "PersistentVolumeClaim": "core.v1.PersistentVolumeClaim"}[document["kind"]]
    validator = jsonschema.Draft7Validator(schema | {"$ref": f"#/definitions/io.k8s.api.{name}"})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def documents(**more: Any) -> list[dict[str, Any]]:
    (text,) = kubernetes(call(**more), "registry.example/kubedossier:1").values()
    return list(yaml.safe_load_all(text))


def test_the_manifests_are_what_the_api_of_kubernetes_describes():
    found = documents(deliver=(Path("/srv/reports"), Path("/srv/other")))
    assert [one["kind"] for one in found] == ["PersistentVolumeClaim"] * 3 + ["CronJob"]
    for one in found:
        assert wrong(one) == []
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", one["metadata"]["name"])


def test_a_field_that_kubernetes_does_not_know_or_of_another_type_would_be_found():
    job = documents()[-1]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["securityContext"]["fsgroup"] = 1
    assert ["fsgroup" in one for one in wrong(job)] == [True]
    del pod["securityContext"]["fsgroup"]
    pod["securityContext"]["runAsUser"] = "10001"
    assert ["runAsUser" in one for one in wrong(job)] == [True]
    del job["spec"]["schedule"]
    assert len(wrong(job)) == 2


def test_every_mount_has_its_volume_and_every_claim_its_document():
    *claims, job = documents(deliver=(Path("/srv/reports"),))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert {one["name"] for one in pod["containers"][0]["volumeMounts"]} == set(volumes)
    claimed = {one["persistentVolumeClaim"]["claimName"] for one in volumes.values() if "persistentVolumeClaim" in one}
    assert claimed == {one["metadata"]["name"] for one in claims}
    assert volumes["secrets"]["secret"]["defaultMode"] == 0o440


def test_the_pod_may_do_no_more_than_it_must():
    pod = documents()[-1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [one for one in container["env"] if "PASSWORD" in one["name"] and not one["name"].endswith("_FILE")]


def test_a_folder_that_would_lie_beside_the_configuration_is_refused():
    with pytest.raises(UsageError, match="relative"):
        kubernetes(call(deliver=(Path("/etc/kubedossier/out"),)), "x")
