"""What users change in the table of technique rules: rules switched off or on, and rules of their own.

A set of changes has a version of its own, so that what it found is never taken for what this release finds. A rule that
cannot mean what was written is a mistake here, found when the configuration is read and not by an event that is missed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal

from kubedossier.analytics.jobs import Mistake
from kubedossier.analytics.technique_rules import VERBS, Names, Rule, RuleBook, rule_book
from kubedossier.analytics.vocabulary import techniques

_ACTORS = ("non-system", "person", "any")
_BODIES = ("privileged", "host-path")
_HASH_CHARS = 12


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule of the user's own: one table ``[[techniques.rule]]``. ``technique_rules.toml`` says what each key means.

    Attributes:
        id: letters, digits, ``-`` and ``_``; none of the release's.
        title: the message of events that it is the first to hold for.
        on: resources, with their subresource where there is one.
    """

    id: str
    title: str
    techniques: tuple[str, ...]
    on: tuple[str, ...]
    verbs: tuple[str, ...]
    actors: str = "non-system"
    not_actors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    not_names: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    all_namespaces: bool = False
    body: str | None = None
    command: str | None = None
    source: str = "kubedossier.toml"


@dataclass(frozen=True, slots=True)
class OwnRules:
    """All that users change: one table ``[techniques]``.

    Attributes:
        off: ids of rules of this release that are not to be used.
        on: ids of rules of this release that are off by default and are to be used.
        rule: rules to add; they are asked before the release's.
    """

    off: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    rule: tuple[OwnRule, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.off or self.on or self.rule)

    @property
    def facts(self) -> dict[str, object]:
        """The changes as plain values: what the version is made of, and what the ledger keeps."""
        rules = [{key: _plain(value) for key, value in asdict(one).items() if value} for one in self.rule]
        return {"off": sorted(self.off), "on": sorted(self.on), "rule": rules}


def amended(own: OwnRules) -> RuleBook:
    """The table of this release with a user's changes.

    Its version is that of the release, and where something is changed ``+`` and 12 hex digits of the changes' SHA-256.
    """
    book = rule_book()
    if not own:
        return book
    rules = (
        replace(one, enabled=(one.enabled or one.id in own.on) and one.id not in own.off, is_changed=_names(own, one))
        for one in book.rules
    )
    text = json.dumps(own.facts, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]
    return replace(book, version=f"{book.version}+{digest}", rules=(*map(_rule, own.rule), *rules))


def mistake(own: OwnRules) -> tuple[tuple[str, ...], Mistake] | None:
    """The first mistake in a user's changes, and the table it stands in; None where there is none."""
    ids = [one.id for one in rule_book().rules]
    wanted: tuple[tuple[Literal["off", "on"], tuple[str, ...]], ...] = (("off", own.off), ("on", own.on))
    for key, named in wanted:
        if unknown := next((one for one in named if one not in ids), None):
            return (), Mistake(key, f"names no rule of this release: '{unknown}'", _nearest(unknown, ids))
    if both := sorted(set(own.off) & set(own.on)):
        return (), Mistake("on", f"names '{both[0]}', and so does 'off'")
    aggregates = {one.id for one in rule_book().rules if one.aggregate}
    if one := next((one for one in (*own.off, *own.on) if one in aggregates), None):
        where = "off" if one in own.off else "on"
        return (), Mistake(where, f"names '{one}', which takes many events: it is a query, and tags none")
    for number, rule in enumerate(own.rule):
        if found := _mistake_in(rule, [*ids, *(other.id for other in own.rule[:number])]):
            return ("rule", str(number)), found
    return None


def _mistake_in(rule: OwnRule, taken: Collection[str]) -> Mistake | None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", rule.id):
        return Mistake("id", "must be letters, digits, '-' and '_', at most 63")
    if rule.id in taken:
        return Mistake("id", f"is '{rule.id}', and so is that of another rule")
    for key in ("techniques", "on", "verbs"):
        if not getattr(rule, key):
            return Mistake(key, "is empty: the rule would never hold")
    choices: tuple[tuple[str, Iterable[str], Collection[str]], ...] = (
        ("techniques", rule.techniques, techniques()),
        ("verbs", () if rule.verbs == ("*",) else rule.verbs, VERBS),
        ("actors", (rule.actors,), _ACTORS),
        ("body", (rule.body,) if rule.body else (), _BODIES),
    )
    for key, values, known in choices:
        if unknown := next((one for one in values if one not in known), None):
            return Mistake(key, f"must be of those known here, not '{unknown}'", _nearest(unknown, known))
    if odd := next((one for one in rule.on if not re.fullmatch(r"[a-z0-9.-]+(?:/[a-z0-9.-]+)?", one)), None):
        return Mistake("on", f"must be resources such as 'pods' or 'pods/exec', not '{odd}'")
    if rule.all_namespaces and rule.namespaces:
        return Mistake("all_namespaces", "is for requests that name no namespace, and 'namespaces' asks for one")
    if rule.command is not None:
        if any(one != "pods/exec" for one in rule.on):
            return Mistake("command", "is about the command of an exec: 'on' must be ['pods/exec']")
        try:
            re.compile(rule.command)
        except re.error as error:
            return Mistake("command", f"is no pattern: {error}")
    return None


def _rule(own: OwnRule) -> Rule:
    return Rule(
        id=own.id,
        title=own.title,
        techniques=own.techniques,
        source=own.source,
        on=own.on,
        verbs=own.verbs,
        actors=own.actors,
        not_actors=Names(own.not_actors) if own.not_actors else None,
        names=Names(own.names) if own.names else None,
        not_names=Names(own.not_names) if own.not_names else None,
        namespaces=own.namespaces,
        all_namespaces=own.all_namespaces,
        body=own.body or "",
        command=re.compile(own.command) if own.command is not None else None,
        is_changed=True,
    )


def _names(own: OwnRules, rule: Rule) -> bool:
    return rule.id in own.on or rule.id in own.off


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _nearest(word: str, known: Iterable[str]) -> str:
    listed = list(known)
    near = difflib.get_close_matches(word, listed, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known here: {', '.join(listed)}." if len(listed) < 20 else "'kubedossier techniques' lists them."
