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

from paper_repro import explorer, page, papers, wording

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
  found.panels = all(".explorer").map((section) => {
    const drawn = () => all(`#${section.id} path`).map((line) => line.getAttribute("d")).join();
    const knobs = [...section.querySelectorAll("[data-knob]")];
    const moved = knobs.map((knob) => { const before = drawn();
      const last = knob.options ? knob.options.length - 1 : knob.max;
      knob.value = knob.value === String(last) ? 0 : last; knob.dispatchEvent(new Event("input"));
      return drawn() !== before; });
    const said = section.querySelector(".read").textContent;
    return { id: section.id, moved, broken: /NaN|undefined/.test(drawn() + said), said,
      reached: knobs.every((knob) => knob.tabIndex === 0 && knob.labels.length === 1) }; });
  const boxes = all("math").map((e) => e.getBoundingClientRect());
  found.formulas = boxes.filter((box) => box.width > 20 && box.height > 10).length;
  parent.postMessage(JSON.stringify([location.hash, found]), "*"); });</script>"""
# The window of a browser without a screen is 500 pixels wide at least, a frame in it is as narrow as it should be.
LOOKER = """<!doctype html><meta name="color-scheme" content="light dark"><body><script>
addEventListener("message", (e) => { const said = document.createElement("pre");
  said.className = "probe"; said.textContent = e.data; document.body.append(said); });</script>"""
FRAME = '<iframe src="{0}.html#{0}-{1}" style="width:{1}px;height:1200px;border:0"></iframe>'
LIGHT = [("index", 420), ("xu2026", 420), ("explorer", 420), ("index", 1000), ("explorer", 1000), ("baek2024", 1400),
         ("xu2026.bound", 1400), ("index", 1920)]  # fmt: skip
DARK = [("index", 1000), ("explorer", 1000), ("zhang2025", 1400)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages from kept evidence alone, with what looks at them."""
    folder = tmp_path_factory.mktemp("pages")
    page.write(papers.PAPERS, folder)
    for name in {name for name, _ in (*LIGHT, *DARK)}:
        file = folder / f"{name}.html"
        text = file.read_text().replace("<head>", "<head>" + LISTEN, 1).replace("</body>", PROBE + "</body>", 1)
        file.write_text(text)
    return folder


def look(out: Path, pages: list[tuple[str, int]], *flags: str) -> dict[tuple[str, int], dict]:
    """What pages say of themselves at widths, all in one browser."""
    (out / "looker.htm").write_text(LOOKER + "".join(FRAME.format(*page) for page in pages))
    command = [str(CHROMIUM), *FLAGS, *flags, "--window-size=2000,1300", "--dump-dom", (out / "looker.htm").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    found = dict(json.loads(unescape(said)) for said in re.findall(r'<pre class="probe">(.*?)</pre>', shown, re.S))
    assert set(found) == {f"#{name}-{width}" for name, width in pages}, shown[-500:]
    return {(name, width): found[f"#{name}-{width}"] for name, width in pages}


@pytest.fixture(scope="module")
def light(out: Path) -> dict[tuple[str, int], dict]:
    return look(out, LIGHT)


@pytest.fixture(scope="module")
def dark(out: Path) -> dict[tuple[str, int], dict]:
    return look(out, DARK, "--blink-settings=preferredColorScheme=0")


@pytest.mark.parametrize("page", LIGHT, ids=str)
def test_a_page_is_whole_at_every_width(light, page: tuple[str, int]) -> None:
    seen = light[page]
    assert seen["problems"] == []
    assert seen["wide"] <= seen["width"] == page[1]
    assert not seen["dark"]
    assert seen["headings"][0] == 1
    assert all(b <= a + 1 for a, b in zip(seen["headings"], seen["headings"][1:], strict=False))
    assert seen["unnamed"] == 0
    assert seen["contrast"] >= 4.5


@pytest.mark.parametrize("page", DARK, ids=str)
def test_dark_text_is_readable(dark, page: tuple[str, int]) -> None:
    assert dark[page]["problems"] == []
    assert dark[page]["dark"]
    assert dark[page]["contrast"] >= 4.5


def test_the_filters_show_what_they_name(dark) -> None:
    shown = dark["index", 1000]["shown"]
    total = sum(len(paper.statements) for paper in papers.PAPERS)
    counts = {name: {value: n for other, value, n, _ in shown if other == name} for name, *_ in shown}
    assert set(counts) == {"paper", "status", "evidence"}
    assert all(n == said for _, _, n, said in shown)
    assert all(values[""] == total and min(values.values()) > 0 for values in counts.values())
    assert all(counts["paper"][paper.key] == len(paper.statements) for paper in papers.PAPERS)
    assert sum(n for status, n in counts["status"].items() if status) == total


def test_every_slider_moves_its_lines_and_is_reached_by_the_keyboard(light, dark) -> None:
    for seen in (light["explorer", 420], light["explorer", 1000], dark["explorer", 1000]):
        assert [panel["id"] for panel in seen["panels"]] == [panel.id for panel in explorer.PANELS]
        assert all(all(panel["moved"]) and panel["reached"] and not panel["broken"] for panel in seen["panels"])
        assert all(panel["said"].startswith("At ") for panel in seen["panels"])


def test_formulas_are_typeset(light) -> None:
    assert light["baek2024", 1400]["formulas"] >= len(wording.formulas("baek2024")) > 0
