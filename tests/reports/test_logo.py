"""A logo: what is harmless is printed, all else is refused with a reason."""

from __future__ import annotations

import dataclasses
import io

import pytest
from PIL import Image

from kubedossier.analytics.errors import UsageError
from kubedossier.reports.check import check_report
from kubedossier.reports.logo import LARGEST_BYTES, read_logo
from kubedossier.reports.press import pdf_bytes

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{}</svg>'


def png(side=8, **info):
    held = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(held, "PNG", **info)
    return held.getvalue()


@pytest.fixture
def read(tmp_path):
    def call(data: bytes | str):
        path = tmp_path / "logo"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return read_logo(path)

    return call


def test_a_png_keeps_its_pixels_and_loses_all_else(read):
    picture = read(png(dpi=(300, 300)))
    with Image.open(io.BytesIO(picture.data)) as found:
        assert found.getpixel((1, 1)) == (255, 0, 0, 255)
        assert found.info == {}
    assert picture == read(png())


def test_an_svg_of_shapes_is_taken(read):
    assert read(SVG.format('<rect width="4" height="4" fill="#123"/>')).mime == "image/svg+xml"


@pytest.mark.parametrize(
    "inner",
    [
        "<script>1</script>",
        '<image href="file:///etc/passwd"/>',
        '<rect onload="x()" width="1" height="1"/>',
        '<rect style="fill:url(http://198.51.100.1/)" width="1" height="1"/>',
        "<style>@import 'x'</style>",
        '<use href="#a"/>',
        "<text>words</text>",
        "<foreignObject/>",
        '<other xmlns="http://example.com"/>',
    ],
)
def test_an_svg_that_loads_runs_or_writes_is_refused(read, inner):
    with pytest.raises(UsageError, match="may not hold"):
        read(SVG.format(inner))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        png()[:40],
        b"\x89PNG\r\n\x1a\n" + b"0" * 50,
        "<html/>",
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("&a;"),
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        png(3001),
        b"0" * (LARGEST_BYTES + 1),
    ],
)
def test_what_is_no_logo_is_refused(read, data):
    with pytest.raises(UsageError, match="logo"):
        read(data)


def test_a_logo_that_is_not_there_is_a_plain_error(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_logo(tmp_path / "none.png")


@pytest.mark.parametrize("data", [png(), SVG.format('<circle cx="5" cy="5" r="4"/>')])
def test_a_report_with_a_logo_is_the_same_bytes_twice_and_holds_every_rule(
    read, quiet_report, quiet_pdf, data, tmp_path
):
    report = dataclasses.replace(quiet_report, logo=read(data))
    made = pdf_bytes(report)
    assert made == pdf_bytes(report) != quiet_pdf
    path = tmp_path / "report.pdf"
    path.write_bytes(made)
    assert check_report(path).findings == ()
