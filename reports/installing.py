"""Files that have a system call ``kubedossier schedule due``: systemd units, a crontab, Kubernetes manifests.

They are printed for somebody to read and install; nothing is installed here. None of them holds a secret: each names
the place where the administrator puts it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import UsageError

NAME = "kubedossier-schedule"
SECRET_FILE = "/etc/kubedossier/secrets"  # noqa: S105 - a path, not a secret
_ID = 10001
_HOME = "/var/lib/kubedossier"
_SETTINGS = "/etc/kubedossier"


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be called, and how often.

    Attributes:
        program: the words that start kubedossier; the first is an absolute path.
        archive: absolute.
        config: the configuration file, absolute.
        every_min: minutes between two calls.
        user: whose process it is.
        deliver: folders that reports are delivered to, absolute.
        witness: the folder of the witness file, absolute.
    """

    program: tuple[str, ...]
    archive: Path
    config: Path
    every_min: int
    user: str
    deliver: tuple[Path, ...] = ()
    witness: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command."""
        return (*self.program, "--archive", str(self.archive), "--config", str(self.config), "schedule", "due")


def writable(call: Call) -> tuple[Path, ...]:
    """The folders that a call writes to; systemd and the reports want them to be there."""
    return tuple(dict.fromkeys((call.archive, *call.deliver, *filter(None, (call.witness,)))))


def systemd(call: Call) -> dict[str, str]:
    """A service and the timer that starts it, by file name.

    Raises:
        UsageError: a path cannot stand in a unit.
    """
    paths = " ".join(_unit_word(f"{one}") for one in writable(call))
    service = f"""\
# Secrets: KUBEDOSSIER_USERNAME=, KUBEDOSSIER_PASSWORD= or KUBEDOSSIER_TOKEN= in {SECRET_FILE} (mode 0600).
[Unit]
Description=Snapshots and reports that are due (kubedossier)
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={_unit_word(call.user)}
ExecStart={" ".join(_unit_word(one) for one in call.words)}
EnvironmentFile=-{SECRET_FILE}
WorkingDirectory={_escaped(str(call.config.parent))}
UMask=0027
TimeoutStopSec=120
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
ReadWritePaths={paths}
"""
    timer = f"""\
[Unit]
Description=Look every {_minutes(call.every_min)} whether a snapshot or a report is due (kubedossier)

[Timer]
OnCalendar={_calendar(call.every_min)}
AccuracySec=10s
Persistent=yes

[Install]
WantedBy=timers.target
"""
    return {f"{NAME}.service": service, f"{NAME}.timer": timer}


def cron(call: Call) -> dict[str, str]:
    """A crontab, by file name; what a run prints, cron mails to the owner.

    Raises:
        UsageError: a path cannot stand in a crontab.
    """
    command = " ".join(shlex.quote(_printable(one)) for one in call.words).replace("%", r"\%")
    fields = "* * * * *" if call.every_min == 1 else f"*/{call.every_min} * * * *"
    text = f"""\
# kubedossier: every {_minutes(call.every_min)}, do the snapshots and reports that are due. Silent where none is.
# Secrets: name password_file in the configuration; a crontab is no place for them.
{fields} {command}
"""
    return {f"{NAME}.crontab": text}


def kubernetes(call: Call, image: str) -> dict[str, str]:
    """A CronJob with its volumes, by file name; paths of this machine do not matter but for ``deliver``.

    Raises:
        UsageError: a folder of ``deliver`` is below the configuration's, which is read-only in a pod.
    """
    for one in call.deliver:
        if one.is_relative_to(call.config.parent):
            raise UsageError(
                f"'{one}' would be relative to the configuration, which is read-only in a pod",
                hint="Name the folders of 'deliver' by paths that mean something there, such as /srv/reports.",
            )
    claims = [("data", NAME, _HOME), *((f"deliver-{n}", f"{NAME}-{n}", str(p)) for n, p in enumerate(call.deliver, 1))]
    documents = [_claim(claim) for _, claim, _ in claims]
    documents.append(_cron_job(call, image, claims))
    return {f"{NAME}.yaml": _HEAD + "---\n".join(documents)}


_HEAD = f"""\
# Before: kubectl create configmap kubedossier --from-file=kubedossier.toml
#         kubectl create secret generic kubedossier --from-file=username --from-file=password
# The configuration's 'archive', if any, is overruled; other relative paths in it are below {_SETTINGS}.
"""


def _claim(name: str) -> str:
    return f"""\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}
  labels: {{app.kubernetes.io/name: kubedossier}}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Gi
"""


def _cron_job(call: Call, image: str, claims: Sequence[tuple[str, str, str]]) -> str:
    mounts = "".join(f"\n                - {{name: {name}, mountPath: {json.dumps(path)}}}" for name, _, path in claims)
    volumes = "".join(
        f"\n            - {{name: {name}, persistentVolumeClaim: {{claimName: {claim}}}}}" for name, claim, _ in claims
    )
    fields = "* * * * *" if call.every_min == 1 else f"*/{call.every_min} * * * *"
    return f"""\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {NAME}
  labels: {{app.kubernetes.io/name: kubedossier}}
spec:
  schedule: "{fields}"
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 300
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0  # the next call tries again
      activeDeadlineSeconds: 43200
      template:
        metadata:
          labels: {{app.kubernetes.io/name: kubedossier}}
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          terminationGracePeriodSeconds: 120
          securityContext:
            runAsNonRoot: true
            runAsUser: {_ID}
            runAsGroup: {_ID}
            fsGroup: {_ID}
            fsGroupChangePolicy: OnRootMismatch
            seccompProfile: {{type: RuntimeDefault}}
          containers:
            - name: kubedossier
              image: {json.dumps(image)}
              command: [kubedossier]
              args: [--archive, {_HOME}/dossier, --config, {_SETTINGS}/kubedossier.toml, schedule, due]
              env:
                - {{name: HOME, value: /tmp}}
                - {{name: KUBEDOSSIER_WITNESS, value: {_HOME}/witness.jsonl}}  # better on a volume of its own
                - name: KUBEDOSSIER_USERNAME
                  valueFrom: {{secretKeyRef: {{name: kubedossier, key: username}}}}
                - {{name: KUBEDOSSIER_PASSWORD_FILE, value: /run/secrets/kubedossier/password}}
              resources:
                requests: {{cpu: 100m, memory: 512Mi}}
                limits: {{memory: 2Gi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              volumeMounts:
                - {{name: settings, mountPath: {_SETTINGS}, readOnly: true}}
                - {{name: secrets, mountPath: /run/secrets/kubedossier, readOnly: true}}
                - {{name: tmp, mountPath: /tmp}}{mounts}
          volumes:
            - {{name: settings, configMap: {{name: kubedossier}}}}
            - {{name: secrets, secret: {{secretName: kubedossier, defaultMode: 0440}}}}
            - {{name: tmp, emptyDir: {{}}}}{volumes}
"""


def _minutes(count: int) -> str:
    return "minute" if count == 1 else f"{count} minutes"


def _calendar(every_min: int) -> str:
    return "*:0/1" if every_min == 1 else f"*:0/{every_min}"


def _unit_word(word: str) -> str:
    """A word as systemd takes it: specifiers, variables and quotes mean themselves."""
    plain = _escaped(word).replace("$", "$$")
    return (
        plain
        if plain and not set(plain) & set(" \"'\\;")
        else '"' + plain.replace("\\", r"\\").replace('"', r"\"") + '"'
    )


def _escaped(text: str) -> str:
    return _printable(text).replace("%", "%%")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise UsageError(f"{text!r} holds characters that no file for a scheduler can", hint="Rename it.")
    return text
