"""Whether reports can be made here, and what of this machine could make the same report have other bytes.

The renderer is asked in its child process, so that a machine without its native libraries is told what to install.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from kubedossier.analytics.checks import Check
from kubedossier.analytics.errors import KubedossierError
from kubedossier.reports.check import check_report
from kubedossier.reports.confinement import EndedError
from kubedossier.reports.evidence import tool_versions
from kubedossier.reports.press import CUT_BY, libraries
from kubedossier.reports.verapdf import find

FONTS = 8
"""Files of the bundled fonts that the PDF is set with."""
_SIGNATURES = (b"\x00\x01\x00\x00", b"OTTO", b"true")


def examine(archive: Path) -> Iterator[Check]:
    """Look at renderer, fonts, and the newest report that was made for an archive.

    Args:
        archive: its folder; there may be none.
    """
    try:
        found = libraries()
    except KubedossierError as error:
        yield Check("PDF renderer", "failed", error.message, error.hint)
        found = ()
    if found:
        names = ", ".join(f"{name} {version}" for name, version in found if name != CUT_BY)
        yield Check("PDF renderer", "ok", names)
        yield _subsetter(dict(found)[CUT_BY])
    yield _fonts()
    if found and (newest := _newest(archive)):
        yield _same_bytes(newest, found)
    yield _second_judge()


def _subsetter(cut_by: str) -> Check:
    if cut_by == "HarfBuzz":
        return Check("font subsets", "ok", "cut by HarfBuzz: the same report has the same bytes")
    found = f"cut by {cut_by}, for libharfbuzz-subset is missing: machines that have it give other bytes"
    return Check("font subsets", "warning", found, "On Debian and Ubuntu: sudo apt-get install -y libharfbuzz-subset0")


def _fonts() -> Check:
    """The bundled fonts, which a report is set with and no others."""
    folder = resources.files("kubedossier.reports").joinpath("fonts")
    try:
        files = [one for one in folder.iterdir() if one.name.endswith(".ttf")]
        broken = sorted(one.name for one in files if not one.read_bytes().startswith(_SIGNATURES))
    except OSError as error:
        files, broken = [], [str(error.filename)]
    if broken or len(files) != FONTS:
        what = f"'{broken[0]}' is no font" if broken else f"{len(files)} of {FONTS} bundled files are there"
        return Check("fonts", "failed", what, "Install kubedossier again.")
    return Check("fonts", "ok", f"{FONTS} bundled files; fonts of the machine are not used")


def _newest(archive: Path) -> Path | None:
    """The newest PDF in the archive's folder of reports."""
    try:
        found = [(one.stat().st_mtime, one) for one in (archive / "reports").glob("*/*.pdf")]
    except OSError:
        return None
    return max(found)[1] if found else None


def _same_bytes(path: Path, found: Sequence[tuple[str, str]]) -> Check:
    """The libraries that set a report against those that are here."""
    try:
        made_with = check_report(path).made_with
    except (KubedossierError, EndedError) as error:
        return Check("same bytes", "warning", f"'{path}' cannot be read: {error}", f"kubedossier verify '{path}'")
    if not any(one.startswith(f"{found[0][0]} ") for one in made_with):
        return Check("same bytes", "warning", f"'{path.name}' does not say what set its pages", _ELSEWHERE)
    other = [
        f"{before or f'no {name}'}, here {version}"
        for name, version in (*tool_versions(), *found)
        if (before := next((one for one in made_with if one.startswith(f"{name} ")), "")) != f"{name} {version}"
    ]
    if other:
        words = f"'{path.name}' was made with {'; '.join(other)}: made again here it has other bytes"
        return Check("same bytes", "warning", words, _ELSEWHERE)
    return Check("same bytes", "ok", f"'{path.name}' was made with the same versions of all that shapes its bytes")


_ELSEWHERE = "For the same bytes, make a report where the versions are the same."


def _second_judge() -> Check:
    program = find()
    found = f"'{program}' judges reports, too" if program else "not on the PATH: 'verify' judges by its own rules alone"
    return Check("veraPDF", "ok", found)
