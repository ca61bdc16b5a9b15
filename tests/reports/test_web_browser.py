"""The report as Chromium shows it: nothing is asked of anybody, and a keyboard, a small screen and paper will do."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from kubedossier.reports import web

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LISTEN = """
    window.refused = [];
    document.addEventListener("securitypolicyviolation", (one) => refused.push(one.violatedDirective));
"""
CONTRASTS = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((one) => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Map();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("svg, script, style")) continue;
    const [fore, back] = [getComputedStyle(element).color, behind(element)];
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    found.set(`${fore} on ${back}`, (a + 0.05) / (b + 0.05));
  }
  return [...found];
}"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *root])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def files(request, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name in ("busy", "quiet", "hostile"):
        made[name] = folder / f"{name}.html"
        made[name].write_bytes(web.html_bytes(request.getfixturevalue(f"{name}_report")))
    return made


@pytest.fixture
def context(chromium) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(LISTEN)
    yield context
    context.close()


@pytest.fixture
def busy_page(context, files) -> Page:
    page = context.new_page()
    page.goto(files["busy"].as_uri())
    return page


def column(page: Page, table: str, number: int) -> list[str]:
    cells = page.locator(f"table[aria-label='{table}'] tbody tr > :nth-child({number})")
    return [one.strip() for one in cells.all_inner_texts()]


@pytest.mark.parametrize("name", ["busy", "quiet", "hostile"])
def test_nothing_is_asked_of_anybody_and_nothing_goes_wrong(context, files, name):
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda one: asked.append(one.url))
    page.on("console", lambda one: said.append(one.text))
    page.on("pageerror", lambda one: said.append(str(one)))
    page.on("dialog", lambda one: said.append(one.message))
    page.goto(files[name].as_uri())
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.evaluate("document.fonts.ready.then(() => [...document.fonts].map((one) => one.load()))")
    assert page.evaluate("[...document.fonts].filter((one) => one.status === 'loaded').length") >= 4
    assert [one for one in asked if not one.startswith("data:")] == [files[name].as_uri()]
    assert said == []
    assert page.evaluate("refused") == []


def test_the_policy_keeps_out_what_it_should(busy_page):
    """The test above would be worth nothing if violations were not seen."""
    failed = []
    busy_page.on("requestfailed", lambda one: failed.append((one.url, one.failure)))
    busy_page.evaluate(
        """() => {
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/x.png";
            const script = document.createElement("script");
            script.append("window.ran = true");
            const style = document.createElement("p");
            style.setAttribute("style", "color: red");
            document.body.append(image, script, style);
        }"""
    )
    busy_page.wait_for_function("refused.length >= 3")
    refused = set(busy_page.evaluate("refused"))
    assert refused == {"img-src", "require-trusted-types-for", "style-src-attr"}
    assert busy_page.evaluate("window.ran") is None
    assert failed == [("http://127.0.0.1:9/x.png", "csp")]


def test_a_click_on_a_head_sorts_by_number_and_the_third_restores(busy_page):
    before = column(busy_page, "Techniques and tactics", 1)
    head = busy_page.locator("table[aria-label='Techniques and tactics'] thead th").nth(4)
    seen = []
    for _ in range(3):
        head.get_by_role("button").click()
        days = [int(one) for one in column(busy_page, "Techniques and tactics", 5)]
        seen.append((head.get_attribute("aria-sort"), days))
    down, up, back = seen
    assert down == ("descending", sorted(down[1], reverse=True))
    assert up == ("ascending", sorted(up[1]))
    assert back[0] == "none"
    assert column(busy_page, "Techniques and tactics", 1) == before
    assert len(set(down[1])) > 1


def test_the_keyboard_sorts_and_is_told_so(busy_page):
    head = busy_page.locator("table[aria-label='Techniques and tactics'] thead th").first
    head.get_by_role("button").focus()
    busy_page.keyboard.press("Enter")
    names = column(busy_page, "Techniques and tactics", 1)
    assert names == sorted(names, key=str.lower)
    assert head.get_attribute("aria-sort") == "ascending"
    assert busy_page.get_by_role("status").inner_text() == "Sorted by Technique, ascending"
    busy_page.keyboard.press("Space")
    assert column(busy_page, "Techniques and tactics", 1) == names[::-1]
    table = busy_page.locator("table[aria-label='Techniques and tactics']")
    assert table.locator("[aria-sort=none]").count() == table.locator("thead th").count() - 1


def test_thousands_shares_and_totals_keep_their_places(busy_page):
    table = busy_page.locator("table[aria-label='Most active identities']")
    total = table.locator("tfoot").inner_text()
    events = table.locator("thead th").nth(2)
    events.get_by_role("button").click()
    numbers = [int(one.replace(",", "")) for one in column(busy_page, "Most active identities", 3)]
    assert numbers == sorted(numbers, reverse=True)
    assert table.locator("tfoot").inner_text() == total
    assert table.locator("tbody tr").count() == len(numbers)


def test_a_keyboard_reaches_the_report_first_and_everything_in_order(busy_page):
    busy_page.keyboard.press("Tab")
    assert busy_page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert busy_page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    busy_page.keyboard.press("Enter")
    busy_page.keyboard.press("Tab")
    assert busy_page.evaluate("document.activeElement.closest('main') !== null")
    outline = busy_page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    positions = busy_page.evaluate("[...document.querySelectorAll('[tabindex]')].map((one) => one.tabIndex)")
    assert set(positions) <= {0, -1}


def test_the_contents_lead_to_each_section_and_show_where_one_is(busy_page):
    links = busy_page.locator("nav a")
    assert links.count() >= 10
    for number in range(links.count()):
        link = links.nth(number)
        link.click()
        target = link.get_attribute("href")
        assert busy_page.locator(target).is_visible()
        busy_page.wait_for_function(
            "(link) => document.querySelector(`nav a[href='${link}']`).getAttribute('aria-current') === 'true'"
            " || scrollY + innerHeight >= document.documentElement.scrollHeight - 2",
            arg=target,
        )
        assert busy_page.locator(target).evaluate("(one) => one.getBoundingClientRect().top") < 900


def test_everything_has_a_role_and_a_name(busy_page):
    session = busy_page.context.new_cdp_session(busy_page)
    nodes = [one for one in session.send("Accessibility.getFullAXTree")["nodes"] if not one["ignored"]]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("button", "link", "image", "table", "region", "navigation", "columnheader", "heading"):
        assert roles[role], role
        assert all(name.strip() for name in roles[role]), role
    for landmark in ("main", "banner", "contentinfo", "navigation"):
        assert len(roles[landmark]) == 1, landmark
    assert len(roles["rowheader"]) >= len(roles["table"])
    assert len(set(roles["region"])) == len(roles["region"])


@pytest.mark.parametrize("width", [1440, 1024, 768, 390, 360])
@pytest.mark.parametrize("name", ["busy", "hostile"])
def test_no_screen_is_too_narrow(context, files, width, name):
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(files[name].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1)
            .map((one) => [getComputedStyle(one).overflowX, one.tabIndex, one.getAttribute("role")])"""
    )
    assert [one for one in hidden if one != ["auto", 0, "group"]] == []
    assert bool(hidden) == (width < 768)
    outside = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, h3, p, dd, li, pre")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display === "block")
            .map((one) => one.textContent.slice(0, 60))"""
    )
    assert [one for one in outside if one.strip()] == []


def test_colours_can_be_told_from_what_is_behind_them(busy_page):
    found = dict(busy_page.evaluate(CONTRASTS))
    assert len(found) > 5
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


def test_without_scripts_all_of_it_is_there(chromium, files, busy_report):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files["busy"].as_uri())
    assert page.locator("button").count() == 0
    assert page.locator("main table").count() >= 8
    rows = page.locator("table[aria-label='Most active identities'] tbody tr").count()
    assert rows == len(busy_report.rankings[0].rows)
    context.close()


def test_the_manifest_can_be_saved_and_is_what_was_sealed(busy_page, busy_report):
    with busy_page.expect_download() as download:
        busy_page.locator("a[download='manifest.json']").click()
    data = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == "manifest.json"
    assert hashlib.sha256(data).hexdigest() == busy_report.cover.seal


@pytest.mark.parametrize("name", ["busy", "quiet", "hostile"])
def test_it_prints_whole_on_numbered_pages(context, files, name, tmp_path):
    page = context.new_page()
    page.goto(files[name].as_uri())
    path = tmp_path / "printed.pdf"
    page.pdf(path=path, format="A4")
    with pikepdf.open(path) as pdf:
        links = [note.A.URI for sheet in pdf.pages for note in sheet.get("/Annots", []) if "/URI" in note.get("/A", {})]
        pages = len(pdf.pages)
    assert links == []
    assert 6 <= pages <= 40
    assert page.evaluate("document.querySelector('a[download]').href").startswith("data:")
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True)
    sheets = done.stdout.decode().split("\f")[:-1]
    for number, text in enumerate(sheets[1:], start=2):
        assert f"Page {number} of {pages}" in text
        assert "Seal" in text
        assert len(re.sub(r"\s", "", text)) > 150


def test_no_table_is_wider_than_the_paper(context, files):
    page = context.new_page()
    page.set_viewport_size({"width": 673, "height": 960})  # A4 less its margins
    page.goto(files["busy"].as_uri())
    page.emulate_media(media="print")
    wide = page.evaluate(
        """() => [...document.querySelectorAll("table, td, th, svg.figure")]
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.scrollWidth > one.clientWidth)
            .map((one) => one.textContent.trim().slice(0, 40))"""
    )
    assert wide == []


def test_a_table_of_a_users_own_section_may_be_of_any_shape(context, files, tmp_path):
    own = "<table><tr><td>1</td></tr><tr><td>2</td></tr></table>"
    own += "<table><thead><tr><th scope=col>A</th><th scope=col>B</th></tr></thead>"
    own += "<tbody><tr><td>b</td></tr><tr></tr></tbody></table>"
    path = tmp_path / "own.html"
    path.write_text(files["quiet"].read_text("utf-8").replace("</main>", f"{own}</main>"), "utf-8")
    page = context.new_page()
    said = []
    page.on("pageerror", lambda one: said.append(str(one)))
    page.goto(path.as_uri())
    page.locator("main table").last.get_by_role("button").last.click()
    assert page.locator("main table").last.locator("[aria-sort=ascending]").count() == 1
    assert said == []


def test_nothing_moves_by_itself(chromium, files):
    context = chromium.new_context(reduced_motion="no-preference")
    page = context.new_page()
    page.goto(files["busy"].as_uri())
    page.locator("table[aria-label='Most active identities'] button").first.click()
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    context.close()


@pytest.mark.parametrize(("name", "drawn"), [("busy", '""'), ("quiet", "none")])
def test_the_cover_draws_its_rule_under_an_organisation_alone(context, files, name, drawn):
    page = context.new_page()
    page.goto(files[name].as_uri())
    rule = "getComputedStyle(document.querySelector('.cover .organisation'), '::after').content"
    assert page.evaluate(rule) == drawn
