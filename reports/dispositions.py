"""Decisions about findings: how a finding is named, and what the ledger says was decided about it.

A decision is an entry of the ledger, so it can be neither changed nor backdated unseen. It belongs to what the finding
rested on then: where that has changed since, or the decision has run out, it is printed and no longer counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal

from kubedossier.reports.judgements import Disposition, Finding
from kubedossier.reports.text import sentence

OUTCOMES = ("accepted", "false-positive", "remediated", "investigating", "withdrawn")
"""What can be decided; ``withdrawn`` takes an earlier decision back."""


def named(findings: Iterable[Finding], label: str) -> tuple[Finding, ...]:
    """The findings with their ids, of a period by its label, and with the digest of what they rest on."""
    return tuple(replace(one, id=f"{label}/{one.rule}", basis=_basis(one)) for one in findings)


def decided(findings: Iterable[Finding], entries: Iterable[Mapping[str, Any]], on: date) -> tuple[Finding, ...]:
    """The findings with what the ledger's newest note on each says; ``on`` is the day the report is issued."""
    notes = {entry["finding"]["id"]: entry for entry in entries if entry["type"] == "note" and "finding" in entry}
    return tuple(
        replace(one, disposition=_disposition(one, notes[one.id], on)) if one.id in notes else one for one in findings
    )


def facts(finding: Finding, *, outcome: str, reason: str, ticket: str, expires: date | None) -> dict[str, Any]:
    """What the ledger's entry of a decision says."""
    return {
        "finding": {
            "id": finding.id,
            "rule": finding.rule,
            "rating": finding.rating,
            "basis": finding.basis,
            "outcome": outcome,
            "reason": reason,
            "ticket": ticket,
            "expires": expires.isoformat() if expires else None,
        }
    }


def undecided(findings: Sequence[Finding], threshold: Literal["exception", "review"]) -> tuple[Finding, ...]:
    """The findings at or above a threshold that no current decision settles."""
    counted = ("exception",) if threshold == "exception" else ("exception", "review")
    return tuple(
        one
        for one in findings
        if one.rating in counted
        and not (one.disposition and one.disposition.is_current and one.disposition.outcome != "investigating")
    )


def _disposition(finding: Finding, entry: Mapping[str, Any], on: date) -> Disposition | None:
    note = entry["finding"]
    if note["outcome"] == "withdrawn":
        return None
    expires = date.fromisoformat(note["expires"]) if note["expires"] else None
    state: Literal["current", "expired", "changed since"] = "current"
    if note["basis"] != finding.basis:
        state = "changed since"
    elif expires and expires <= on:
        state = "expired"
    return Disposition(
        outcome=note["outcome"],
        reason=note["reason"],
        ticket=note["ticket"],
        expires=expires,
        by=entry["actor"] or "",
        entry=entry["seq"],
        at=datetime.fromisoformat(entry["at"]),
        state=state,
    )


def _basis(finding: Finding) -> str:
    """The events where the finding cites any; else what it says, which holds its numbers.

    SHA-256 of the compact JSON array of rule, rating and the array of these; never made as one text, for the events
    may be many.
    """
    said = f"{json.dumps(finding.title)},{json.dumps(sentence(finding.text))}"
    hasher = hashlib.sha256(f"[{json.dumps(finding.rule)},{json.dumps(finding.rating)},[".encode())
    for items in finding.events.as_items() if finding.events else (said,):
        hasher.update(items.encode())
    hasher.update(b"]]")
    return hasher.hexdigest()
