"""The techniques of a period as a layer for ATT&CK Navigator: the score is the number of events.

Source: the Navigator's layer format 4.5.
"""

from __future__ import annotations

from typing import Any

from kubedossier import __version__
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.palette import RAMP

ATTACK_VERSION = "18"
"""The release of ATT&CK that the ids of the reference table are from."""
_LAYER, _NAVIGATOR = "4.5", "5.1.0"


def layer(archive: Archive, **asked: Any) -> dict[str, Any]:
    """The layer of a period, ready to be written as JSON.

    Args:
        archive: where the events are.
        asked: what narrows the question (see ``Narrowing``).

    Raises:
        UsageError: there is no such period.
    """
    answer = archive.answer("attack_ids", limit=0, **asked)
    rows = answer.frame.to_dicts()
    title = answer.period.title()
    number, digest = archive.head
    about = {"period": title, "source": answer.source, "ledger": f"{number}:{digest}", "answer": answer.digest}
    if answer.rules:
        about["rules for raw audit logs"] = ", ".join(answer.rules)
    return {
        "name": f"Kubernetes audit events, {title}",
        "versions": {"attack": ATTACK_VERSION, "navigator": _NAVIGATOR, "layer": _LAYER},
        "domain": "enterprise-attack",
        "description": (
            f"Events that a rule of the Console or of kubedossier matched, {title} (UTC). The score of a technique is "
            "its number of events; a technique without a score was not matched, which does not mean that it was not "
            f"used. Made by kubedossier {__version__}."
        ),
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "showName": True, "expandedSubtechniques": "annotated"},
        "hideDisabled": False,
        "techniques": [_technique(row) for row in rows],
        "gradient": {
            "colors": list(RAMP[1:]),
            "minValue": 0,
            "maxValue": max((row["events"] for row in rows), default=1),
        },
        "metadata": [{"name": name, "value": value} for name, value in (about | _filters(answer.filters)).items()],
    }


def _technique(row: dict[str, Any]) -> dict[str, Any]:
    counted = f"{row['events']:,} event{'' if row['events'] == 1 else 's'}"
    if row["attempts"]:
        counted += f" ({row['attempts']:,} refused or failed)"
    users = f"{row['users']:,} user{'' if row['users'] == 1 else 's'}"
    return {
        "techniqueID": row["attack_id"],
        "score": row["events"],
        "comment": f"{counted} of {users}, from {row['first_time']:%Y-%m-%d} to {row['last_time']:%Y-%m-%d}",
        "enabled": True,
        "metadata": [{"name": "values", "value": ", ".join(row["techniques"])}],
    }


def _filters(filters: Any) -> dict[str, str]:
    return {name: ", ".join(values) for name, values in filters.items()}
