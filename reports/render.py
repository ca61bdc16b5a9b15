"""Sets the report as PDF: the only module that knows the PDF renderer.

The renderer may read nothing: no file, no address, no font of the machine; whatever it asks for fails the job. The
same model gives the same bytes. It runs in the child of ``press``.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import shutil
import sys
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib import metadata, resources
from io import StringIO
from pathlib import Path
from typing import Any

from markupsafe import Markup

from kubedossier import __version__
from kubedossier.analytics.errors import KubedossierError
from kubedossier.reports.model import Report
from kubedossier.reports.pieces import Picture
from kubedossier.reports.press import CUT_BY, Paper
from kubedossier.reports.templating import asset, filled

LOGO_URL = "kubedossier:logo"
INSTALL_LINE = "sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


def pdf_bytes(report: Report, *, paper: Paper = "a4", own: tuple[str, ...] = ()) -> bytes:
    """The report as PDF/A-3a and PDF/UA-1 with the evidence attached; ``own`` is the markup of its own sections.

    Raises:
        KubedossierError: the native libraries are missing, or the document asks for something outside itself.
    """
    with _own_fonts():
        weasyprint = _weasyprint()
        rendering = ", ".join(f"{name} {version}" for name, version in versions())
        from weasyprint.urls import FatalURLFetchingError

        with _complaints() as complaints:
            try:
                result = _set(weasyprint, report, html(report, rendering=rendering, own=own), paper)
            except FatalURLFetchingError as error:
                raise _not_made(str(error)) from error
        if complaints:
            raise _not_made(complaints[0])
        return result


def _not_made(reason: str) -> KubedossierError:
    return KubedossierError(
        f"The report was not made: {reason}", hint="A report may not load anything from outside itself."
    )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the renderer logs as an error: it would leave a hole in the page and go on."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Keep(level=logging.ERROR)
    logger = logging.getLogger("weasyprint")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _set(weasyprint: Any, report: Report, markup: str, paper: Paper) -> bytes:
    from weasyprint.text.fonts import FontConfiguration

    from kubedossier.reports.pdfa import clear_ends

    fetcher, fonts = _fetcher(report.logo), FontConfiguration()
    sheets = [
        weasyprint.CSS(string=asset("styles", name), url_fetcher=fetcher, font_config=fonts, base_url=None)
        for name in ("report.css", f"{paper}.css")
    ]
    attachments = [
        weasyprint.Attachment(
            string=item.data,
            name=item.name,
            description=item.description,
            relationship=item.relationship,
            created=report.cover.issued,
            modified=report.cover.issued,
            url_fetcher=fetcher,
        )
        for item in report.attachments
    ]
    document = weasyprint.HTML(string=markup, url_fetcher=fetcher, base_url=None)
    with warnings.catch_warnings(), clear_ends():
        warnings.simplefilter("ignore", ResourceWarning)  # the renderer leaves its colour profile to the collector
        result: bytes = document.write_pdf(
            stylesheets=sheets,
            font_config=fonts,
            attachments=attachments,
            finisher=_finisher(report),
            pdf_variant="pdf/a-3a",
            pdf_identifier=report.cover.seal[:32].encode(),  # as text: a reader takes a bare CR for LF
            pdf_tags=True,
        )
    return result


def html(report: Report, *, rendering: str = "", own: tuple[str, ...] = ()) -> str:
    """The document that is set as PDF; ``rendering`` names what sets it, ``own`` is the markup of its own sections."""
    pieces = tuple(Markup(one) for one in own)  # noqa: S704 - escaped and checked where they were filled
    return filled("report.html.j2", report=report, version=__version__, rendering=rendering, own=pieces)


def versions() -> tuple[tuple[str, str], ...]:
    """The libraries that make the bytes of the file, with their versions; the last says what cuts the fonts.

    Raises:
        KubedossierError: the native libraries are missing.
    """
    weasyprint = _weasyprint()
    from weasyprint.text.ffi import harfbuzz_subset, pango

    number = pango.pango_version()
    pango_version = f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return (
        ("WeasyPrint", weasyprint.__version__),
        ("pydyf", metadata.version("pydyf")),
        ("Pango", pango_version),
        ("HarfBuzz", _harfbuzz_version()),
        ("zlib", zlib.ZLIB_RUNTIME_VERSION),
        (CUT_BY, "HarfBuzz" if harfbuzz_subset else f"fontTools {metadata.version('fonttools')}"),
    )


def _harfbuzz_version() -> str:
    for name in ("libharfbuzz.so.0", "libharfbuzz.0.dylib"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.hb_version_string.restype = ctypes.c_char_p
        return str(library.hb_version_string().decode())
    return "unknown"


def _finisher(report: Report) -> Any:
    from kubedossier.reports.pdfa import finisher

    targets: Mapping[str, str] = {
        **{section.id: f"Go to section {section.number}, {section.title}" for section in report.sections},
        **{one.mark.lower(): f"Go to evidence {one.mark}, {one.title}" for one in report.evidence},
    }
    return finisher(targets, [(item.packed, item.size_bytes) for item in report.attachments])


def _weasyprint() -> Any:
    try:
        with redirect_stdout(StringIO()):  # its complaint about missing libraries is no data
            import weasyprint
    except OSError as error:
        raise KubedossierError(
            f"The PDF needs libraries that are not on this machine: {error}".split("\n")[0],
            hint="brew install pango" if sys.platform == "darwin" else f"On Debian and Ubuntu: {INSTALL_LINE}",
        ) from error
    return weasyprint


def _fetcher(logo: Picture | None) -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class Deny(URLFetcher):  # type: ignore[misc]
        """Serves the logo and nothing else: stylesheets are handed over as text, fonts by the font configuration."""

        def fetch(self, url: str, headers: object = None) -> Any:
            if url == LOGO_URL and logo:
                return URLFetcherResponse(url, logo.data, {"Content-Type": logo.mime})
            raise ValueError(f"'{url[:60]}' is outside the report")

    return Deny(fail_on_errors=True)


@cache
def _font_folder() -> Path:
    """A folder with a font configuration that names the bundled fonts and no others; gone when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="kubedossier-fonts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for entry in resources.files("kubedossier.reports").joinpath("fonts").iterdir():
        if entry.name.endswith(".ttf"):
            (folder / entry.name).write_bytes(entry.read_bytes())
    (folder / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig>'
        f"<dir>{folder}</dir><cachedir>{folder / 'cache'}</cachedir></fontconfig>",
        "utf-8",
    )
    return folder


@contextmanager
def _own_fonts() -> Iterator[None]:
    """Let the font library see the bundled fonts alone, and give the subsetter a fixed clock."""
    own = {"FONTCONFIG_FILE": str(_font_folder() / "fonts.conf"), "SOURCE_DATE_EPOCH": "0"}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
