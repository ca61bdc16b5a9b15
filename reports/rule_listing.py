"""The rules with their thresholds as a TOML table: to be read, and to be put into a configuration.

Made from the rules themselves, so that it cannot say anything else than they do.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from kubedossier.analytics.thresholds import ABOUT_ACTIONS, ABOUT_THE_RECORD, TABLES, Thresholds, settings
from kubedossier.reports.findings import RULES
from kubedossier.reports.numbers import NO_BREAK
from kubedossier.reports.rules import Rule

WIDTH = 79
"""Of a line, so that it fits a terminal of 80 columns."""


def listing(limits: Thresholds) -> Iterator[str]:
    """The lines of the table ``[findings]`` that gives these thresholds, with every rule explained."""
    about = [one for one in RULES if one.name in ABOUT_THE_RECORD]
    yield from _comment("A rule that finds none of what it names is met. Those about the record itself are fixed:")
    for one in about:
        yield from _comment(f"{one.name}: {one.statement} {one.method(limits)}", "  ")
    yield ""
    yield from _comment(
        'Each rule below takes a severity, too: "exception" or "review" instead of its own rating where it applies, or '
        '"off". Reports print it.'
    )
    yield ""
    yield from _comment("When people work, for the rules whose names begin with off-hours.")
    yield from _table("office-hours", limits)
    for one in RULES:
        if one not in about:
            yield from _rule(one, limits)
    yield ""
    yield from _comment(
        "Identities that some rules leave aside, such as one for emergencies: the whole name, the reason, and the "
        f"rules, of {', '.join(ABOUT_ACTIONS)}. Reports print each with what was left aside."
    )
    for known in limits.known:
        yield "[[findings.known]]"
        yield f"identity = {_toml(known.identity)}"
        yield f"reason = {_toml(known.reason)}"
        yield f"rules = {_toml(known.rules)}"
    if not limits.known:
        yield from ("# [[findings.known]]", '# identity = "break-glass@example.com"')
        yield from ('# reason = "Emergencies, reviewed each week"', '# rules = ["off-hours-newcomers"]')


def _rule(rule: Rule, limits: Thresholds) -> Iterator[str]:
    yield ""
    yield from _comment(f"{rule.statement} {rule.method(limits)}")
    yield from _table(rule.name, limits)
    severity = limits.severity_of(rule.name)
    if severity:
        yield f"severity = {_toml(severity)}"


def _table(table: str, limits: Thresholds) -> Iterator[str]:
    yield f"[findings.{table}]"
    if table in TABLES:
        for one in settings(limits, table):
            default = "" if one.value == one.default else f"  [default: {_toml(one.default)}]"
            line = f"{one.key} = {_toml(one.value)}  # {one.text}{default}"
            if len(line) <= WIDTH:
                yield line
            else:
                yield from _comment(f"{one.text}{default}")
                yield f"{one.key} = {_toml(one.value)}"


def _comment(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text.replace(NO_BREAK, " "),
        WIDTH,
        initial_indent=f"# {indent}",
        subsequent_indent=f"# {indent * 2}",
        break_on_hyphens=False,
    )


def _toml(value: Any) -> str:
    """A value as TOML writes it; its texts are those of JSON."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=True).replace("\x7f", "\\u007f")
