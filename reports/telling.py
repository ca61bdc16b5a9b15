"""Actions told in a sentence: who did what, when and from where; the rest is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from kubedossier.reports.numbers import counted, listed, short_day
from kubedossier.reports.observed import NAMES_SHOWN, Action
from kubedossier.reports.pieces import Part, Phrase, Value


def who_when(acts: Sequence[Action]) -> Phrase:
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
    return (*(part for part in names if part), f", {when}.")


def where_when(acts: Iterable[Action]) -> Phrase:
    """Who did what, when and from where: ``Sat 17 Oct 22:46 to 23:26 a from 203.0.113.7 on c: 4 exec; ...``."""
    groups: dict[tuple[str, tuple[str, ...], str], list[Action]] = {}
    for one in acts:
        groups.setdefault((one.user or "", one.addresses, one.cluster or ""), []).append(one)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1][0].time, item[0]))
    text: list[Part] = []
    for (user, addresses, cluster), of_group in sorted(ranked[:NAMES_SHOWN], key=lambda item: item[1][0].time):
        kinds = Counter(one.kind for one in of_group)
        what = listed([f"{number:,}\u00a0{kind}" for kind, number in sorted(kinds.items())])
        text += [f"{'; ' if text else ''}{_span(of_group)}: ", Value(user)]
        text += [" from ", *values_listed(addresses)] if addresses else []
        text += [" on ", Value(cluster)] if cluster else []
        text.append(f", {what}")
    others = len(groups) - NAMES_SHOWN
    if others > 0:
        number = sum(len(of_group) for _, of_group in ranked[NAMES_SHOWN:])
        text.append(f"; and {counted(number, 'action')} from {counted(others, 'other place')}")
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


def _span(acts: Sequence[Action]) -> str:
    first, last = min(one.time for one in acts), max(one.time for one in acts)
    head = f"{first:%a} {short_day(first.date())} {first:%H:%M}"
    if first.date() != last.date():
        return f"{head} to {last:%a} {short_day(last.date())} {last:%H:%M}"
    return head if f"{first:%H:%M}" == f"{last:%H:%M}" else f"{head} to {last:%H:%M}"
