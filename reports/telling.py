"""Actions told in a sentence: who did what, when and from where; the rest is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubedossier.reports.actions import Actions, Place
from kubedossier.reports.numbers import NO_BREAK, counted, listed, short_day
from kubedossier.reports.observed import NAMES_SHOWN
from kubedossier.reports.pieces import Part, Phrase, Value

KINDS = {
    "certificate approval": ("certificate approval", "certificate approvals"),
    "cluster-admin bound": ("binding of cluster-admin", "bindings of cluster-admin"),
    "debug container": ("debug container", "debug containers"),
    "events deleted": ("deletion of events", "deletions of events"),
    "exec": ("exec", "execs"),
    "helm release read": ("read of a Helm release", "reads of Helm releases"),
    "impersonation": ("impersonation", "impersonations"),
    "kubelet access": ("access to a kubelet", "accesses to kubelets"),
    "port forward": ("port forward", "port forwards"),
    "privileged container": ("privileged container", "privileged containers"),
    "rbac change": ("RBAC change", "RBAC changes"),
    "rights for everybody": ("binding for everybody", "bindings for everybody"),
    "secret access": ("access to secrets", "accesses to secrets"),
    "service account token": ("service account token", "service account tokens"),
    "webhook deleted": ("deletion of a webhook or policy", "deletions of webhooks or policies"),
    "wildcard role": ("wildcard role", "wildcard roles"),
}
"""How one and several actions of a kind are counted in a sentence, by the names that the queries give kinds."""


def kinds_counted(kinds: Mapping[str, int]) -> str:
    """``2 execs and 1 access to secrets``: how many actions of each kind, in the order of their names."""
    words = [counted(number, *KINDS.get(kind, (kind, kind))) for kind, number in sorted(kinds.items())]
    return listed([one.replace(" ", NO_BREAK, 1) for one in words])


def who_when(acts: Actions) -> Phrase:
    """Who did it and when: ``By a (12), b (3) and 2 others, from 3 Oct to 22 Oct.``."""
    if not len(acts):
        return ()
    ranked = sorted(acts.users().items(), key=lambda item: (-item[1], item[0]))
    names: list[Part] = ["By "]
    for index, (user, number) in enumerate(ranked[:NAMES_SHOWN]):
        names += [", " if index else "", Value(user), f" ({number:,})"]
    others = len(ranked) - NAMES_SHOWN
    names.append(f" and {counted(others, 'other')}" if others > 0 else "")
    first, last = acts.span
    when = f"on {short_day(first)}" if first == last else f"from {short_day(first)} to {short_day(last)}"
    return (*(part for part in names if part), f", {when}.")


def where_when(acts: Actions) -> Phrase:
    """Who did what, when and from where: ``Sat 17 Oct 22:46 to 23:26 a from 203.0.113.7 on c, 4 execs; ...``."""
    places, number = acts.places(NAMES_SHOWN)
    text: list[Part] = []
    for one in sorted(places, key=lambda place: place.first):
        text += [f"{'; ' if text else ''}{_span(one)}: ", Value(one.user)]
        text += [" from ", *values_listed(one.addresses)] if one.addresses else []
        text += [" on ", Value(one.cluster)] if one.cluster else []
        text.append(f", {kinds_counted(one.kinds)}")
    others = number - len(places)
    if others > 0:
        rest = len(acts) - sum(one.number for one in places)
        text.append(f"; and {counted(rest, 'action')} from {counted(others, 'other place')}")
    return (*text, ".") if text else ()


def values_listed(names: Iterable[str]) -> list[Part]:
    """Audited values one after another, the rest counted."""
    shown = list(dict.fromkeys(names))
    parts: list[Part] = []
    for name in shown[:NAMES_SHOWN]:
        parts += [", " if parts else "", Value(name)]
    if len(shown) > NAMES_SHOWN:
        parts.append(f" and {len(shown) - NAMES_SHOWN} more")
    return [part for part in parts if part]


def _span(place: Place) -> str:
    first, last = place.first, place.last
    head = f"{first:%a} {short_day(first.date())} {first:%H:%M}"
    if first.date() != last.date():
        return f"{head} to {last:%a} {short_day(last.date())} {last:%H:%M}"
    return head if f"{first:%H:%M}" == f"{last:%H:%M}" else f"{head} to {last:%H:%M}"
