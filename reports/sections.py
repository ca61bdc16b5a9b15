"""The sections of a report: their ids, which controls and findings name, their numbers and their titles."""

from __future__ import annotations

from collections.abc import Sequence

from kubedossier.reports.model import Section

SECTIONS = (
    Section("summary", "1", "Executive summary"),
    Section("completeness", "2", "Completeness of the record"),
    Section("activity", "3", "Activity over time"),
    Section("people", "4", "People, clusters, providers, accounts"),
    Section("first-seen", "5", "First seen in the period"),
    Section("privileged", "6", "Privileged actions"),
    Section("denied", "7", "Denied and anonymous requests"),
    Section("controls", "8", "Control mapping"),
    Section("manifest", "A1", "Evidence manifest"),
    Section("queries", "A2", "Queries"),
    Section("method", "A3", "Method and limits"),
    Section("sign-off", "A4", "Review and sign-off"),
)


def contents(own: Sequence[tuple[str, str]], *, controls: bool) -> tuple[Section, ...]:
    """The sections of one report: users' own, by name and title, stand after the built-in ones of the body."""
    at = next(index for index, one in enumerate(SECTIONS) if one.id == "controls")
    before, mapping, annex = SECTIONS[:at], SECTIONS[at : at + 1] if controls else (), SECTIONS[at + 1 :]
    body = [*((one.id, one.title) for one in before), *own, *((one.id, one.title) for one in mapping)]
    return (*(Section(name, str(number), title) for number, (name, title) in enumerate(body, 1)), *annex)
