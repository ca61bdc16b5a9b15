"""Attack techniques of raw audit events: a table of rules, ``technique_rules.toml`` with what users change in it.

Nearly all events are settled by one look-up of (resource, subresource, verb). Bodies are parsed only for a rule that
needs one, and a body that was not logged gives ``technique_unknown``, never "no". Records of the Console are not
judged: they carry the Console's own techniques.

A row that could be an attempt only (refused, or failed) is flagged ``technique_attempt``; without that flag the request
was allowed and answered below 400.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.paths import ApiPath
from kubedossier.analytics.ingest.pod_bodies import exec_command, reaches_host, read_body, writes_host
from kubedossier.analytics.own_rules import OwnRules, amended
from kubedossier.analytics.technique_rules import VERBS, Rule, RuleBook, rule_book

ATTEMPT = "technique_attempt"
UNKNOWN = "technique_unknown"
FLAGS = frozenset((ATTEMPT, UNKNOWN))
"""Flags that speak of the event, not of the record: they are no drift."""

_ActKey = tuple[str | None, str | None, str | None]
_COMMAND_CHARS = 8192
_QUIET = re.compile(r"/proxy/(?:metrics|healthz|livez|readyz|stats/summary)(?:[/?]|$)", re.ASCII)
# Paths that anybody may ask: health, version, and the lists of API groups and versions.
_PUBLIC = re.compile(
    r"/(?:(?:healthz|livez|readyz)(?:/.*)?|version/?|api(?:/v\w+)?/?|apis(?:/[^/]+){0,2}/?|openapi(?:/.*)?"
    r"|swagger[\w.-]*|\.well-known/.*)?",
    re.ASCII,
)


class Verdict(NamedTuple):
    """What the rules say of one event.

    Attributes:
        techniques: values of the API, in the order of the rules; None where none was seen.
        flags: ``technique_attempt``, ``technique_unknown``.
        title: of the first rule that holds.
    """

    techniques: tuple[str, ...] | None = None
    flags: tuple[str, ...] = ()
    title: str | None = None


class _Act:
    """One event as the rules see it; what costs something is worked out when a rule first needs it."""

    __slots__ = ("_body", "_command", "_unread", "acting", "acting_groups", "is_system", "path", "uri", "user")

    def __init__(
        self,
        path: ApiPath,
        user: str | None,
        acting: str | None,
        acting_groups: Sequence[str] | None,
        uri: str | None,
        body: object,
    ) -> None:
        self.path = path
        self.user = user
        self.is_system = is_system(user)
        self.acting = acting
        self.acting_groups = acting_groups or ()
        self.uri = uri
        self._unread = body
        self._body: dict[str, Any] | _Unread | None = _UNREAD
        self._command: str | _Unread | None = _UNREAD

    @property
    def body(self) -> dict[str, Any] | None:
        """The request's body as an object; None where none was logged."""
        if isinstance(self._body, _Unread):
            self._body = read_body(self._unread)
        return self._body

    @property
    def command(self) -> str | None:
        """The command of an exec, its words joined by blanks; None where the record does not have it."""
        if isinstance(self._command, _Unread):
            self._command = self._read_command()
        return self._command

    def _read_command(self) -> str | None:
        if self.uri is not None:
            query = self.uri[:_COMMAND_CHARS].partition("?")[2]
            return " ".join(value for key, value in parse_qsl(query) if key == "command") if "command=" in query else ""
        return exec_command(self.body) if self.body is not None else None


class _Unread:
    """Stands for what was not worked out yet."""


_UNREAD = _Unread()


def judge(
    action: str | None,
    path: ApiPath,
    user: str | None,
    groups: Sequence[str] | None,
    acting: str | None,
    acting_groups: Sequence[str] | None,
    uri: str | None,
    decision: str | None,
    code: int | None,
    body: object,
) -> Verdict:
    """The techniques of one event.

    Args:
        action: the plain verb.
        path: what was asked for.
        user: who asked; ``groups`` are theirs.
        groups: of the user.
        acting: as whom they acted (impersonation); None where as themselves.
        acting_groups: of the identity they acted as.
        uri: the request's path and query; None where the record has none.
        decision: of the authorisation: ``allow``, ``forbid``, or None where not logged.
        code: HTTP status of the answer.
        body: of the request, unread or read.
    """
    in_force = _in_force
    rules = in_force.by_act.get((path.resource, path.subresource, action))
    anonymous = user == "system:anonymous" or (groups is not None and "system:unauthenticated" in groups)
    if rules is None and not anonymous and acting is None and not acting_groups:
        return _NOTHING
    done = code is not None and code < 400 and decision in (None, "allow")
    act = _Act(path, user, acting, acting_groups, uri, body)
    found: list[Rule] = []
    unknown = False
    for rule, is_plain in rules or ():
        holds = not act.is_system if is_plain else _fits(rule, act) and _shows(rule, act)
        if holds:
            found.append(rule)
        unknown = unknown or holds is None
    if anonymous and (decision == "allow" or (decision is None and done)) and not _is_public(act):
        found += in_force.called["anonymous"]
    if (acting is not None or acting_groups) and _is_privileged(act):
        found += (rule for rule in in_force.called["impersonation"] if _fits(rule, act))
    if not found:
        return _ONLY_UNKNOWN if unknown else _NOTHING
    return _verdict(tuple(found), done, unknown)


@lru_cache(maxsize=65536)
def is_system(user: str | None) -> bool:
    """Whether a user is a component of the cluster itself."""
    return user is not None and rule_book().system_actors.match(user)


@lru_cache(maxsize=4096)
def _verdict(found: tuple[Rule, ...], done: bool, unknown: bool) -> Verdict:
    techniques = tuple(dict.fromkeys(value for rule in found for value in rule.techniques))
    flags = (() if done else (ATTEMPT,)) + ((UNKNOWN,) if unknown else ())
    return Verdict(techniques, flags, found[0].title)


def _fits(rule: Rule, act: _Act) -> bool:
    """Whether user, name and place are the rule's."""
    if rule.actors == "non-system" and act.is_system:
        return False
    if rule.actors == "person" and vocabulary.user_kind(act.user) != "human":
        return False
    if rule.not_actors and act.user is not None and rule.not_actors.match(act.user):
        return False
    path = act.path
    if rule.names and (path.name is None or not rule.names.match(path.name)):
        return False
    if rule.not_names and path.name is not None and rule.not_names.match(path.name):
        return False
    if rule.namespaces and path.namespace not in rule.namespaces:
        return False
    return not (rule.all_namespaces and path.namespace is not None)


def _shows(rule: Rule, act: _Act) -> bool | None:
    """Whether path, command and body are the rule's; None where they were not logged."""
    if rule.paths == "quiet" and act.uri is not None and _QUIET.search(act.uri):
        return False
    if rule.command is not None:
        return None if act.command is None else rule.command.search(act.command) is not None
    if rule.body:
        if act.body is None:
            return None
        return reaches_host(act.body, _CAPABILITIES) if rule.body == "privileged" else writes_host(act.body)
    return True


def _is_public(act: _Act) -> bool:
    if act.path.resource is not None:
        return False
    return act.uri is not None and _PUBLIC.fullmatch(act.uri.partition("?")[0]) is not None


def _is_privileged(act: _Act) -> bool:
    book = rule_book()
    by_name = act.acting is not None and book.privileged_identities.match(act.acting)
    return by_name or any(one in book.privileged_groups for one in act.acting_groups)


class _InForce:
    """The rules that events are judged by, ready for looking up."""

    def __init__(self, own: OwnRules) -> None:
        book = amended(own)
        self.own = own
        self.version = book.version
        self.by_act = _by_act(book)
        self.called = {
            when: tuple(rule for rule in book.rules if rule.when == when and rule.enabled)
            for when in ("anonymous", "impersonation")
        }


def _by_act(book: RuleBook) -> dict[_ActKey, tuple[tuple[Rule, bool], ...]]:
    """The enabled rules by what they are on, each with whether nothing else is asked of an event."""
    table: dict[_ActKey, tuple[tuple[Rule, bool], ...]] = {}
    for rule in book.rules:
        for one in rule.on if rule.enabled else ():
            resource, _, subresource = one.partition("/")
            for verb in VERBS if rule.verbs == ("*",) else rule.verbs:
                key = (resource, subresource or None, verb)
                table[key] = (*table.get(key, ()), (rule, rule.is_plain))
    return table


def put_in_force(own: OwnRules) -> None:
    """Judge by a user's rules from now on, in this process and in the workers it starts.

    To be called before anything is read: whoever starts a command does so with what the configuration says.
    """
    global _in_force
    if own != _in_force.own:
        _in_force = _InForce(own)


def own_rules() -> OwnRules:
    """The user's rules that are in force."""
    return _in_force.own


def rules_version() -> str:
    """The version of the rules in force; kept with each row that was judged."""
    return _in_force.version


_NOTHING = Verdict()
_ONLY_UNKNOWN = Verdict(None, (UNKNOWN,))
_CAPABILITIES = frozenset(rule_book().dangerous_capabilities)
_in_force = _InForce(OwnRules())
