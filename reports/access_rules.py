"""The rules about people and rights: what somebody did that somebody else has to look at.

Each rule has its threshold in words beside its code. A rule proposes; the decision is the reviewer's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.model import Finding, Part, Phrase, Value
from kubedossier.reports.numbers import counted, listed, short_day
from kubedossier.reports.observed import NAMES_SHOWN, Action, Observed, finding

ELEVATED = ("impersonation", "privileged container", "kubelet access", "certificate approval")


def anonymous(seen: Observed) -> Finding:
    """Exception where an anonymous caller was served."""
    number = seen.anonymous_allowed
    text = f"{counted(number, 'request')} of system:anonymous {'was' if number == 1 else 'were'} not denied."
    return finding(
        "anonymous", "exception" if number else "met",
        "Anonymous callers were served." if number else "No anonymous caller was served.",
        (text if number else "Health and version paths, which clusters open to everybody, are left aside.",),
        "privileged", (seen.marks["anonymous_requests"],),
        statement="Nobody is served without an identity.",
        method="Exception: a request of system:anonymous was not denied, but for health and version paths. Met "
        "otherwise.",
    )  # fmt: skip


def _by_people(
    kinds: tuple[str, ...], rule: str, noun: str, plural: str, none: str, statement: str
) -> Callable[[Observed], Finding]:
    """A rule that asks for a review of what people did, and names who did most of it."""

    def judged(seen: Observed) -> Finding:
        acts = [one for one in seen.actions if one.kind in kinds and user_kind(one.user) == "human"]
        machines = sum(one.kind in kinds for one in seen.actions) - len(acts)
        text: list[Part] = [*_who_when(acts)]
        if machines:
            verb = "was" if machines == 1 else "were"
            text.append(f"{' Another ' if acts else ''}{machines:,} {verb} of service accounts and nodes.")
        elif not acts:
            text.append("Nor did any service account.")
        return finding(
            rule, "review" if acts else "met",
            f"{counted(len(acts), noun, plural)} by people." if acts else none,
            tuple(text), "privileged", (seen.marks["privileged"],),
            statement=statement,
            method=f"Review: people\u2019s actions of the kind {listed(list(kinds))}. Met: none in the record.",
        )  # fmt: skip

    return judged


def elevated(seen: Observed) -> Finding:
    """Review where anybody impersonated somebody, or started a privileged container."""
    kinds = Counter(one.kind for one in seen.actions if one.kind in ELEVATED)
    acts = [one for one in seen.actions if one.kind in kinds]
    words = listed([f"{number:,} of the kind {kind}" for kind, number in sorted(kinds.items())])
    text: Phrase = (f"{words}. ", *_who_when(acts)) if acts else ("The record holds none.",)
    return finding(
        "elevated", "review" if acts else "met",
        "Elevated rights were used." if acts else "No elevated rights were used.",
        text, "privileged", (seen.marks["privileged"],),
        statement="Use of elevated rights is known and approved.",
        method=f"Review: actions of the kind {listed(list(ELEVATED))}, of any identity. Met: none in the record.",
    )  # fmt: skip


role_changes = _by_people(
        ("rbac change",), "role-changes", "change of roles or bindings", "changes of roles or bindings",
        "No person changed roles or bindings.",
        "Changes of access rights are known and approved.",
    )  # fmt: skip
secret_access = _by_people(
        ("secret access",), "secret-access", "access to secrets", "accesses to secrets",
        "No person accessed secrets.",
        "Access to secrets by people is known and approved.",
    )  # fmt: skip
interactive_access = _by_people(
        ("exec", "debug container", "port forward"), "interactive-access", "interactive session",
        "interactive sessions", "No person opened a session in a container.",
        "Interactive access to containers is known and approved.",
    )  # fmt: skip


def _who_when(acts: Sequence[Action]) -> Phrase:
    """Who did it and when: ``By a (12), b (3) and 2 others, from 3 Oct to 22 Oct.``."""
    if not acts:
        return ()
    users = Counter(one.user or "" for one in acts)
    ranked = sorted(users.items(), key=lambda item: (-item[1], item[0]))
    names: list[Part] = ["By "]
    for index, (user, number) in enumerate(ranked[:NAMES_SHOWN]):
        names += [", " if index else "", Value(user), f" ({number:,})"]
    others = len(ranked) - NAMES_SHOWN
    names.append(f" and {counted(others, 'other')}" if others > 0 else "")
    first, last = min(one.time for one in acts).date(), max(one.time for one in acts).date()
    when = f"on {short_day(first)}" if first == last else f"from {short_day(first)} to {short_day(last)}"
    return (*names, f", {when}.")
