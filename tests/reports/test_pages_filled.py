"""Pages are filled: what is kept together never leaves a third of a page blank, on neither paper."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from kubedossier.reports.press import pdf_bytes

MM = 72 / 25.4
MARGINS = {"a4": (25, 21), "letter": (23, 19)}
FILLED = 0.66
"""Part of the height between the margins at which the last line of a page stands at least."""


def filled(path, paper: str) -> list[float]:
    """How far down the text of each page reaches, of the height between the margins; without cover and last page."""
    told = subprocess.run(["pdftotext", "-bbox", path, "-"], capture_output=True, text=True, check=True).stdout
    shares = []
    for height, words in re.findall(r'<page width="[\d.]+" height="([\d.]+)">(.*?)</page>', told, re.DOTALL):
        top, bottom = (margin * MM for margin in MARGINS[paper])
        end = float(height) - bottom
        lowest = max(low for low in map(float, re.findall(r'yMax="([\d.]+)"', words)) if low <= end)
        shares.append((lowest - top) / (end - top))
    return shares[1:-1]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
@pytest.mark.parametrize(
    ("made", "paper"), [("busy_pdf", "a4"), ("busy_report", "letter"), ("quiet_pdf", "a4"), ("hostile_pdf", "letter")]
)
def test_no_page_but_the_last_is_left_blank_for_a_third(made, paper, request, tmp_path):
    path, given = tmp_path / "report.pdf", request.getfixturevalue(made)
    path.write_bytes(given if isinstance(given, bytes) else pdf_bytes(given, paper=paper))
    shares = filled(path, paper)
    assert len(shares) > 10
    thin = {number: round(share, 2) for number, share in enumerate(shares, 2) if share < FILLED}
    assert thin == {}
