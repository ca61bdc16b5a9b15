"""The rules about people and rights: what somebody did that somebody else has to look at.

Each rule has its threshold in words beside its code. A rule proposes; the decision is the reviewer's.
"""

from __future__ import annotations

from kubedossier.reports.numbers import counted, listed
from kubedossier.reports.observed import Observed
from kubedossier.reports.pieces import Part, Phrase
from kubedossier.reports.rules import Rule, Verdict, rule
from kubedossier.reports.telling import kinds_counted, who_when

ELEVATED = ("impersonation", "privileged container", "kubelet access", "certificate approval")


@rule(
    "anonymous",
    section="denied",
    statement="Nobody is served without an identity.",
    method=lambda limits: (
        "Exception: a request of system:anonymous was not denied, but for those of "
        f"{listed(list(limits.anonymous.open_paths)) or 'no path'}."
    ),
)
def anonymous(seen: Observed) -> Verdict:
    """Exception where an anonymous caller was served."""
    number = seen.anonymous_served
    text = f"{counted(number, 'request')} of system:anonymous {'was' if number == 1 else 'were'} not denied."
    return Verdict(
        "exception" if number else "met",
        "Anonymous callers were served." if number else "No anonymous caller was served.",
        (text if number else "Paths that clusters open to everybody are left aside.",),
        (seen.marks["anonymous_access"],),
    )


@rule(
    "newcomers",
    section="first-seen",
    statement="Newcomers with elevated access are known.",
    method="Review: privileged actions, not denied, of an identity or from an address that the archive does not hold "
    "before the period; for workloads only addresses outside private ranges.",
)
def newcomer_actions(seen: Observed) -> Verdict | None:
    """Review where a new identity, or somebody from a new address, took a privileged action."""
    if not seen.previous_known:
        return None
    acts = seen.actions.of_newcomers()
    title = f"Newcomers took {counted(len(acts), 'privileged action')}."
    return Verdict(
        "review" if acts else "met",
        title if acts else "No newcomer took a privileged action.",
        who_when(acts) or ("All came from identities and addresses that the archive knew before.",),
        (seen.marks["first_seen_ips"], seen.marks["privileged_actions"]),
        acts=acts,
    )


def _reviewed(
    kinds: tuple[str, ...],
    name: str,
    words: tuple[str, str, str],
    statement: str,
    *,
    who: tuple[str, ...] = ("human",),
    by: str = "people",
) -> Rule:
    """A rule that asks for a review of what was done, and names who did most of it.

    ``words`` are one action, several, and none; ``who`` are the kinds of users it is about, and ``by`` names them.
    """
    noun, plural, none = words
    method = f"Review: actions of {by}, not denied, of the kind {listed(list(kinds))}."

    @rule(name, section="privileged", statement=statement, method=method)
    def judged(seen: Observed) -> Verdict:
        done = seen.actions.of_kind(kinds)
        acts = done.by(who)
        others = len(done) - len(acts)
        text: list[Part] = [*who_when(acts)]
        if others:
            verb = "was" if others == 1 else "were"
            text.append(f"{' Another ' if acts else ''}{others:,} {verb} of other identities.")
        elif not acts:
            text.append("Nor did any other identity.")
        return Verdict(
            "review" if acts else "met",
            f"{counted(len(acts), noun, plural)} by {by}." if acts else none,
            tuple(text),
            (seen.marks["privileged_actions"],),
            acts=acts,
            cites=False,
        )

    return judged


@rule(
    "elevated",
    section="privileged",
    statement="Use of elevated rights is known and approved.",
    method=f"Review: actions of any identity, not denied, of the kind {listed(list(ELEVATED))}.",
)
def elevated(seen: Observed) -> Verdict:
    """Review where anybody impersonated somebody, or started a privileged container."""
    acts = seen.actions.of_kind(ELEVATED)
    text: Phrase = (f"{kinds_counted(acts.kinds())}. ", *who_when(acts)) if acts else ("The record holds none.",)
    return Verdict(
        "review" if acts else "met",
        "Elevated rights were used." if acts else "No elevated rights were used.",
        text,
        (seen.marks["privileged_actions"],),
        acts=acts,
        cites=False,
    )


role_changes = _reviewed(
    ("rbac change",),
    "role-changes",
    ("change of roles or bindings", "changes of roles or bindings", "Nobody changed roles or bindings."),
    "Changes of access rights are known and approved.",
    who=("human", "service account", "anonymous"),
    by="people and workloads",
)
secret_access = _reviewed(
    ("secret access",),
    "secret-access",
    ("access to secrets", "accesses to secrets", "No person accessed secrets."),
    "Access to secrets by people is known and approved.",
)
interactive_access = _reviewed(
    ("exec", "debug container", "port forward"),
    "interactive-access",
    ("interactive session", "interactive sessions", "No person opened a session in a container."),
    "Interactive access to containers is known and approved.",
)
