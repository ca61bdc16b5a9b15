"""Fills the templates of the report: the module that knows the template engine.

Templates get the frozen model and nothing else. Everything they print is escaped, an undefined name is an error, and
an audited string reaches the page through ``text`` alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from kubedossier.reports import charts, controls, numbers, statements, text
from kubedossier.reports.own_templates import written
from kubedossier.reports.rosette import rosette


def filled(name: str, **values: Any) -> str:
    """The template of that name, filled with the report and what else is given."""
    return str(_environment().get_template(name).render(values))


@cache
def asset(folder: str, name: str) -> str:
    """The text of a file that the package ships; only plain names are let through."""
    if "/" in name or name.startswith("."):
        raise ValueError(name)
    return resources.files("kubedossier.reports").joinpath(folder, name).read_text("utf-8")


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: asset("templates", name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "audited": text.markup,
        "seen": text.plain,
        "prose": text.prose,
        "drawn": charts.svg,
        "sparkline": charts.sparkline,
        "bar": charts.bar,
        "rosette": rosette,
        "grouped": _grouped,
        "controls": controls.controls_listed,
        "count": numbers.count,
        "moment": numbers.moment,
        "w3c": _w3c,
        "written": written,
        "dense": statements.dense,
        "told_once": statements.told_once,
        "usual": statements.usual,
        "unusual": statements.unusual,
    }
    return environment


def _grouped(digest: str) -> str:
    parts = [digest[start : start + 8] for start in range(0, len(digest), 8)]
    return " ".join(parts[:4]) + "\n" + " ".join(parts[4:])


def _w3c(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
