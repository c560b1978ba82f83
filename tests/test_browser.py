"""The pages in a real browser: no error, the filter works, nothing is cut off, headings in order, readable text.

Needs Debian's chromium (apt-get install chromium); without one these tests are skipped.
"""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from paper_repro import page, papers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--virtual-time-budget=3000"]
LISTEN = """<script>const problems = [];
addEventListener("error", (e) => problems.push(e.message || e.target.src), true);</script>"""
PROBE = """<script>addEventListener("load", () => {
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 :
    ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const back = (e) => { const c = getComputedStyle(e).backgroundColor;
    return c === "rgba(0, 0, 0, 0)" ? (e.parentElement ? back(e.parentElement) : "rgb(255, 255, 255)") : c; };
  const contrast = (e) => { const [a, b] = [light(getComputedStyle(e).color), light(back(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); };
  const all = (s) => [...document.querySelectorAll(s)];
  const found = { problems, width: innerWidth, wide: document.documentElement.scrollWidth,
    headings: all("h1, h2, h3").map((e) => Number(e.tagName[1])),
    dark: light(getComputedStyle(document.body).backgroundColor) < 0.1,
    contrast: Math.min(...all("p, td, th, a, code, .badge, .muted, .ok, .bad, summary").map(contrast)),
    unnamed: all("img:not([alt]), img[alt=''], th:not([scope])").length, shown: [] };
  for (const filter of all("[data-filter]")) for (const option of filter.options) {
    filter.value = option.value; filter.dispatchEvent(new Event("change"));
    const visible = all(".index tbody tr").filter((row) => row.offsetParent !== null).length;
    const said = Number(document.getElementById("count").textContent);
    found.shown.push([filter.dataset.filter, option.value, visible, said]);
    filter.value = ""; filter.dispatchEvent(new Event("change")); }
  parent.postMessage(JSON.stringify(found), "*"); });</script>"""
# The window of a browser without a screen is 500 pixels wide at least, a frame in it is as narrow as it should be.
FRAME = """<!doctype html><meta name="color-scheme" content="light dark"><body><script>
addEventListener("message", (e) => { const said = document.createElement("pre");
  said.id = "probe"; said.textContent = e.data; document.body.append(said); });</script>
<iframe src="NAME.html" style="width:WIDTHpx;height:1200px;border:0"></iframe>"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages from kept evidence alone, with what looks at them."""
    folder = tmp_path_factory.mktemp("pages")
    page.write(papers.PAPERS, folder)
    for file in folder.glob("*.html"):
        text = file.read_text().replace("<head>", "<head>" + LISTEN, 1).replace("</body>", PROBE + "</body>", 1)
        file.write_text(text)
    return folder


def look(out: Path, name: str, width: int, *flags: str) -> dict:
    """What a page says of itself at a width."""
    frame = out / f"frame_{name}_{width}.htm"
    frame.write_text(FRAME.replace("NAME", name).replace("WIDTH", str(width)))
    command = [str(CHROMIUM), *FLAGS, *flags, "--window-size=2000,1300", "--dump-dom", frame.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="probe">(.*?)</pre>', shown, re.S)
    assert found, shown[-500:]
    return dict(json.loads(unescape(found[1])))


@pytest.mark.parametrize(
    ("name", "width"), [("index", 420), ("xu2026", 420), ("index", 1000), ("baek2024", 1400), ("index", 1920)]
)
def test_a_page_is_whole_at_every_width(out: Path, name: str, width: int) -> None:
    seen = look(out, name, width)
    assert seen["problems"] == []
    assert seen["wide"] <= seen["width"] == width
    assert not seen["dark"]
    assert seen["headings"][0] == 1
    assert all(b <= a + 1 for a, b in zip(seen["headings"], seen["headings"][1:], strict=False))
    assert seen["unnamed"] == 0
    assert seen["contrast"] >= 4.5


def test_the_filters_show_what_they_name_and_dark_text_is_readable(out: Path) -> None:
    seen = look(out, "index", 1000, "--blink-settings=preferredColorScheme=0")
    assert seen["problems"] == []
    assert seen["dark"]
    assert seen["contrast"] >= 4.5
    total = sum(len(paper.statements) for paper in papers.PAPERS)
    counts = {name: {value: shown for n, value, shown, _ in seen["shown"] if n == name} for name, *_ in seen["shown"]}
    assert set(counts) == {"paper", "status", "evidence"}
    assert all(shown == said for _, _, shown, said in seen["shown"])
    assert all(values[""] == total and min(values.values()) > 0 for values in counts.values())
    assert all(counts["paper"][paper.key] == len(paper.statements) for paper in papers.PAPERS)
    assert sum(shown for status, shown in counts["status"].items() if status) == total
