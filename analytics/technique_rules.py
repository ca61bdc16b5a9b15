"""The table of technique rules, as ``technique_rules.toml`` holds it: what it says, not what it means for an event.

Reading it loads nothing else, so that it can be listed by a command that opens no archive.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "head", "options", "post",
         "put", "proxy", "connect")  # fmt: skip
"""What ``*`` stands for among a rule's verbs."""


class Names:
    """Names as the table writes them: whole, or beginnings with a trailing ``*``."""

    __slots__ = ("_beginnings", "_whole", "written")

    def __init__(self, written: Sequence[str]) -> None:
        self.written = tuple(written)
        self._whole = frozenset(one for one in written if not one.endswith("*"))
        self._beginnings = tuple(one[:-1] for one in written if one.endswith("*"))

    def match(self, text: str) -> bool:
        """Whether a text is one of the names."""
        return text in self._whole or text.startswith(self._beginnings)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule of the table; see the file for what each field means. ``is_changed``: by a user, or a user's own."""

    id: str
    title: str
    techniques: tuple[str, ...]
    source: str
    on: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    when: str = ""
    actors: str = "non-system"
    not_actors: Names | None = None
    names: Names | None = None
    not_names: Names | None = None
    namespaces: tuple[str, ...] = ()
    all_namespaces: bool = False
    body: str = ""
    command: re.Pattern[str] | None = None
    paths: str = ""
    enabled: bool = True
    aggregate: bool = False
    is_changed: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether object, verb and not being the cluster's own user are all the rule asks."""
        further = (self.not_actors, self.names, self.not_names, self.namespaces, self.all_namespaces, self.body)
        return self.actors == "non-system" and not any((*further, self.command, self.paths))


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The whole table.

    Attributes:
        version: changes with every change of a rule; kept with each row that was judged.
        attack_release: whose ids and tactics ``attack_techniques.csv`` holds.
        rules: in order.
        no_fitting_rule: values that one event cannot show well enough.
        not_visible: values that no audit log can show.
    """

    version: str
    attack_release: str
    rules: tuple[Rule, ...]
    system_actors: Names
    privileged_identities: Names
    privileged_groups: tuple[str, ...]
    dangerous_capabilities: tuple[str, ...]
    no_fitting_rule: tuple[str, ...]
    not_visible: tuple[str, ...]


@cache
def rule_book() -> RuleBook:
    """The rules of this release."""
    text = resources.files("kubedossier.analytics").joinpath("technique_rules.toml").read_text("utf-8")
    table = tomllib.loads(text)
    rules = tuple(Rule(**{key: _frozen(key, value) for key, value in one.items()}) for one in table.pop("rule"))
    return RuleBook(rules=rules, **{key: _frozen(key, value) for key, value in table.items()})


def _frozen(key: str, value: Any) -> Any:
    if key == "command":
        return re.compile(value)
    if key in ("names", "not_names", "not_actors", "system_actors", "privileged_identities"):
        return Names(value)
    return tuple(value) if isinstance(value, list) else value
