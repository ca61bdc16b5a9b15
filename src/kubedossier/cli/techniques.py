"""``kubedossier techniques``: the technique values, what they are in ATT&CK, and the rules for raw audit logs."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedossier.analytics.errors import UsageError
from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say, warn
from kubedossier.cli.output import complete_file, counted, write_line, write_text
from kubedossier.cli.witnessed import warn_unless_witnessed

if TYPE_CHECKING:
    from kubedossier.analytics.technique_rules import Rule, RuleBook

VALUE_COLUMNS = ("value", "attack_id", "attack_name", "tactics", "seen", "rules")
RULE_COLUMNS = ("rule", "state", "techniques", "title", "objects", "verbs", "actors", "conditions", "source")
_EXAMPLES = """
kubedossier techniques
kubedossier techniques --rules
kubedossier techniques -f json -o techniques.json
kubedossier techniques --rederive --yes
"""


@click.command(epilog=example(_EXAMPLES))
@click.option("--rules", "by_rule", is_flag=True, help="List the rules instead of the values.")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    help="How to write it; json holds values and rules.  [default: table]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead.")
@click.option("--rederive", is_flag=True, help="Judge archived raw audit logs by the rules as they are now.")
@click.option("--yes", is_flag=True, help="With --rederive: do it; without it, only say what would be done.")
@click.option("--wait", is_flag=True, help="With --rederive: wait for another writer instead of failing.")
@click.pass_obj
def command(
    settings: Settings, by_rule: bool, form: str, output: Path | None, rederive: bool, yes: bool, wait: bool
) -> None:
    """List attack techniques and how they are recognised.

    The Console tags its events itself; raw audit logs are tagged by rules of this package and your own: [techniques]
    in kubedossier.toml switches rules off and on and adds some. The column seen says how a value comes about: by a
    rule, by many events together, not by default, or never, since no audit log can show it.

    Events keep what the rules of their day said. --rederive judges them anew after the rules changed: no event and no
    digest changes, which is checked from disk before anything is committed, and sealed files are left as they are.
    """
    from kubedossier.analytics.own_rules import amended

    if rederive:
        _rederive(settings, yes=yes, wait=wait)
        return
    if yes or wait:
        raise UsageError("--yes and --wait are for --rederive", hint="kubedossier techniques --rederive --yes")
    book = amended(settings.config.techniques)
    values, rules = _values(book), [_rule(one) for one in book.rules]
    if form == "json":
        whole = {"attack_release": book.attack_release, "rules_version": book.version, "techniques": values}
        text = json.dumps(whole | {"rules": rules}, indent=2, ensure_ascii=False) + "\n"
    else:
        rows, columns = (rules, RULE_COLUMNS) if by_rule else (values, VALUE_COLUMNS)
        text = _csv(rows, columns) if form == "csv" else _table(rows, columns, to_file=output is not None)
    if output is None:
        write_text(text)
    else:
        with complete_file(output) as file:
            file.write(text.encode("utf-8"))
    say(f"Ids and tactics: {book.attack_release}. Rules for raw audit logs: version {book.version}.")


def _rederive(settings: Settings, *, yes: bool, wait: bool) -> None:
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.ingest.rederive import outdated, rederive
    from kubedossier.analytics.ingest.techniques import rules_version

    settings.apply_rules()
    version, root = rules_version(), settings.archive_path()
    found = outdated(Archive(root).ledger)
    records = 0
    for one in rederive(root, wait=wait) if yes else [one for one in found if one.files]:
        what = f"{counted(one.events, 'record')} in {counted(len(one.files), 'file')}"
        write_line(f"{one.month}  {what}, rules {', '.join(one.versions)} -> {version}")
        records += one.events
    if sealed := sum(one.sealed for one in found):
        warn(f"{counted(sealed, 'sealed file')} with records that other rules judged: left as it was sealed")
    if not records:
        say(f"Nothing to do: rules version {version} judged all that may be judged again.")
    elif yes:
        warn_unless_witnessed(root)
        say(f"{counted(records, 'record')} judged again; 'kubedossier gc' deletes the files that were replaced.")
    else:
        say(f"{counted(records, 'record')} would be judged again; add --yes to do it.")


def _values(book: RuleBook) -> list[dict[str, Any]]:
    from kubedossier.analytics.vocabulary import techniques

    rules = book.rules
    return [
        {
            "value": one.value,
            "attack_id": one.attack_id,
            "attack_name": one.attack_name,
            "tactics": list(one.tactics),
            "seen": _seen(one.value, book),
            "rules": [rule.id for rule in rules if one.value in rule.techniques],
        }
        for one in techniques().values()
    ]


def _seen(value: str, book: RuleBook) -> str:
    rules = [rule for rule in book.rules if value in rule.techniques]
    if any(rule.enabled and not rule.aggregate for rule in rules):
        return "by a rule"
    if any(rule.aggregate for rule in rules):
        return "by many events"
    if rules:
        return "switched off" if any(rule.is_changed for rule in rules) else "not by default"
    return "never" if value in book.not_visible else "no fitting rule"


def _rule(rule: Rule) -> dict[str, Any]:
    state = "off" if not rule.enabled else "many events" if rule.aggregate else "on"
    state += " (yours)" if rule.is_changed else ""
    return {
        "rule": rule.id,
        "state": state,
        "techniques": list(rule.techniques),
        "title": rule.title,
        "objects": list(rule.on),
        "verbs": list(rule.verbs),
        "actors": rule.actors,
        "conditions": _conditions(rule),
        "source": rule.source,
    }


def _conditions(rule: Rule) -> list[str]:
    """What a rule asks besides object, verb and actor, each as ``key: value`` with the key of its table."""
    found = {
        "when": rule.when,
        "not_actors": rule.not_actors and ", ".join(rule.not_actors.written),
        "names": rule.names and ", ".join(rule.names.written),
        "not_names": rule.not_names and ", ".join(rule.not_names.written),
        "namespaces": ", ".join(rule.namespaces),
        "all_namespaces": "true" if rule.all_namespaces else "",
        "body": rule.body,
        "paths": rule.paths,
        "command": rule.command and rule.command.pattern,
    }
    return [f"{key}: {value}" for key, value in found.items() if value]


def _csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    from kubedossier.cli.formats import safe_cell

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe_cell(_joined(row[name])) for name in columns])
    return out.getvalue()


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, to_file: bool) -> str:
    from kubedossier.cli.tables import Heading, draw

    width = 240 if to_file else shutil.get_terminal_size((120, 40)).columns
    cells = [[_joined(row[name]) or None for name in columns] for row in rows]
    table = draw([Heading(name) for name in columns], cells, width)
    if table.hidden:
        say(f"Too wide for this terminal: {', '.join(table.hidden)}. A wider one, or -f csv, shows all.")
    return "\n".join(table.lines) + "\n"


def _joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "; ".join(value)
