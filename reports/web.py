"""Sets the report as one HTML file, the twin of the PDF: the same numbers, words and seal, for a browser.

It works from a disk and without a network: styles, script, fonts, figures and the attached data lie in it. Its policy
lets the browser run the one script and the one style sheet that it was made with, and load nothing. The same model
gives the same bytes.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from importlib import resources

from markupsafe import Markup

from kubedossier import __version__
from kubedossier.reports.composing import filled_sections
from kubedossier.reports.model import Report
from kubedossier.reports.templating import asset, filled

ATTACHED_BYTES = 2_000_000
"""Size of an attached file beyond which it is left to the PDF, so that a browser opens the page at once."""

_LATIN = (
    "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,U+2000-206F,U+20AC,U+2122,"
    "U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD"
)
_LATIN_EXT = (
    "U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+0304,U+0308,U+0329,U+1D00-1DBF,U+1E00-1E9F,"
    "U+1EF2-1EFF,U+2020,U+20A0-20AB,U+20AD-20C4,U+2113,U+2C60-2C7F,U+A720-A7FF"
)
_FACES = (("Inter", 400), ("Inter", 600), ("Source Serif 4", 600), ("IBM Plex Mono", 400))
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#16233B"/>'
    '<circle cx="16" cy="16" r="9" fill="none" stroke="#FFFFFF" stroke-width="2.5"/>'
    '<circle cx="16" cy="16" r="3.2" fill="#ADC6E0"/></svg>'
)


def html_bytes(report: Report) -> bytes:
    """The report as one HTML file, with the attached data as downloads of it.

    Raises:
        UsageError: a template of the user's fails or takes too much.
    """
    style = _style() + _running(report)
    script = asset("scripts", "web.js")
    logo = report.logo
    own = filled_sections(report, "web") if report.own else ()
    page = filled(
        "web.html.j2",
        report=report,
        version=__version__,
        rendering="",
        style=Markup(style),  # noqa: S704 - a file of the package and checked names
        script=Markup(script),  # noqa: S704 - a file of the package
        policy=_policy(style, script),
        icon=_data_url("image/svg+xml", _ICON.encode()),
        logo=_data_url(logo.mime, logo.data) if logo else "",
        own=tuple(Markup(one) for one in own),  # noqa: S704 - escaped and checked where they were filled
        files={
            one.name: _data_url(_mime(one.name), one.data)
            for one in report.attachments
            if one.size_bytes <= ATTACHED_BYTES
        },
    )
    return (page + "\n").encode()


def _policy(style: str, script: str) -> str:
    """What the browser may do with the page: its own style and script, pictures and fonts inside it, nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_sha256(style)}'",
            f"script-src 'sha256-{_sha256(script)}'",
            "font-src data:",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _sha256(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data_url(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{b64encode(data).decode()}"


def _mime(name: str) -> str:
    return "application/json" if name.endswith(".json") else "text/csv"


@cache
def _style() -> str:
    widths = "".join(f".w{percent}{{width:{percent}%}}" for percent in range(1, 101))
    return "".join(_faces()) + widths + "\n" + asset("styles", "web.css")


def _faces() -> Iterable[str]:
    for family, weight in _FACES:
        for part, covers in (("latin", _LATIN), ("latin-ext", _LATIN_EXT)):
            name = f"{family.lower().replace(' ', '-')}-{part}-{weight}.woff2"
            data = resources.files("kubedossier.reports").joinpath("fonts", name).read_bytes()
            yield (
                f'@font-face{{font-family:"{family}";font-weight:{weight};font-display:block;'
                f"src:url({_data_url('font/woff2', data)}) format('woff2');unicode-range:{covers}}}\n"
            )


def _running(report: Report) -> str:
    """The foot of printed pages: report number and seal, which hold letters, digits and signs of ours alone."""
    words = f"{report.cover.number} \u00b7 Seal {report.cover.seal[:8]}"
    if any(char in words for char in '"\\<>\n'):
        raise ValueError(words)
    return f'@page{{@bottom-left{{content:"{words}"}}}}\n@page cover{{@bottom-left{{content:none}}}}\n'
