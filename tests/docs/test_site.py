"""The site that `make docs` built: every link leads somewhere, nothing comes from a network, no formula is left raw.

Run by `make docs`, after it built; pages are looked at in Debian's chromium, where there is one.
"""

import json
import re
import shutil
import subprocess
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = ROOT / "build" / "site"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.site
NARROW, WIDE = 420, 1200
ALSO_WIDE = ("index", "asymptotics", "statements", "reference/theory.logistic")
RAW = re.compile(r"\$|\\[(\[a-zA-Z]")


class Read(HTMLParser):
    """What a page has: addresses of links and of what it loads, ids, and text outside code."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.text: list[str] = []
        self.formulas = 0
        self._within: list[str] = []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        self.ids |= {have[name] for name in ("id", "name") if name in have}
        self.formulas += tag == "math"
        if tag == "a" and "href" in have:
            self.links.append(have["href"])
        elif tag in ("link", "script", "img", "iframe", "source"):
            self.loads += [have[name] for name in ("href", "src") if name in have]
        if tag in ("code", "pre", "script", "style"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.text.append(data)


@cache
def read(file: Path) -> Read:
    return Read(file)


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    """The pages of the site, and those of evidence beside it."""
    found = sorted(SITE.rglob("*.html"))
    assert found, "make docs builds the site"
    return found


def problem(page: Path, link: str) -> str | None:
    """Why a link within the site leads nowhere."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_file() or SITE not in target.parents:
        return f"{page.relative_to(SITE)}: no {link}"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).ids:
        return f"{page.relative_to(SITE)}: no place {link}"
    return None


def test_no_link_is_dead(pages: list[Path]) -> None:
    found = [problem(page, link) for page in pages for link in (*read(page).links, *read(page).loads)]
    assert len(found) > 1000
    assert [why for why in found if why] == []


def test_a_dead_link_would_be_found(pages: list[Path]) -> None:
    index = SITE / "index.html"
    assert problem(index, "tutorial.html") is None
    assert problem(index, "nowhere.html")
    assert problem(index, "tutorial.html#nowhere")


def test_nothing_is_loaded_from_elsewhere(pages: list[Path]) -> None:
    elsewhere = [(page.name, to) for page in pages for to in read(page).loads if re.match(r"(https?:)?//", to)]
    assert elsewhere == []
    for style in SITE.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style.read_text("utf-8")), style


def test_no_formula_is_left_as_it_was_written(pages: list[Path]) -> None:
    assert sum(read(page).formulas for page in pages if "evidence" not in page.parts) > 40
    for page in pages:
        raw = [text.strip() for text in read(page).text if RAW.search(text)]
        assert raw == [], page


def test_every_page_of_the_docs_is_in_the_site_and_in_its_contents(pages: list[Path]) -> None:
    contents = read(SITE / "index.html").links
    for source in (ROOT / "docs").glob("*.md"):
        if not source.name.endswith(".template.md") and source.stem != "index":
            assert f"{source.stem}.html" in contents


# ---------------------------------------------------------------- in a browser

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--virtual-time-budget=20000"]
LISTEN = """<script>const problems = [];
addEventListener("error", (e) => problems.push(e.message || e.target.src || e.target.href), true);</script>"""
PROBE = """<script>addEventListener("load", () => {
  const all = (s) => [...document.querySelectorAll(s)], prose = document.querySelector("article").cloneNode(true);
  prose.querySelectorAll("pre, code, script, math").forEach((e) => e.remove());
  const flat = all("math").filter((e) => { const b = e.getBoundingClientRect(); return b.width < 4 || b.height < 4; });
  parent.postMessage(JSON.stringify([location.hash, { problems, width: innerWidth, formulas: all("math").length,
    wide: document.documentElement.scrollWidth, flat: flat.length, broken: all("merror, .problematic").length,
    raw: prose.textContent.match(/[^\\n]*(\\$|\\\\[([a-zA-Z])[^\\n]*/g) || [] }]), "*"); });</script>"""
LOOKER = """<!doctype html><body><script>
addEventListener("message", (e) => { const said = document.createElement("pre");
  said.className = "probe"; said.textContent = e.data; document.body.append(said); });</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
def test_pages_are_whole_in_a_browser(pages: list[Path], tmp_path: Path) -> None:
    own = [page.relative_to(SITE) for page in pages if "evidence" not in page.parts and page.name != "search.html"]
    shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("evidence", "_sources"))
    views = [(page, NARROW) for page in own] + [(Path(f"{name}.html"), WIDE) for name in ALSO_WIDE]
    for page in own:
        file = tmp_path / "site" / page
        text = file.read_text("utf-8").replace("<head>", "<head>" + LISTEN, 1)
        file.write_text(text.replace("</body>", PROBE + "</body>", 1), "utf-8")
    frames = [f'<iframe src="{page}#{page}-{w}" style="width:{w}px;height:900px"></iframe>' for page, w in views]
    (tmp_path / "site" / "looker.htm").write_text(LOOKER + "".join(frames))
    address = (tmp_path / "site" / "looker.htm").as_uri()
    shown = subprocess.run([str(CHROMIUM), *FLAGS, "--dump-dom", address], capture_output=True, text=True, timeout=400)
    said = re.findall(r'<pre class="probe">(.*?)</pre>', shown.stdout, re.S)
    found = dict(json.loads(unescape(one)) for one in said)
    assert set(found) == {f"#{page}-{width}" for page, width in views}
    assert sum(seen["formulas"] for seen in found.values()) > 80
    for name, seen in found.items():
        assert seen["problems"] == seen["raw"] == [], name
        assert seen["flat"] == seen["broken"] == 0, name
        assert seen["wide"] <= seen["width"], name
