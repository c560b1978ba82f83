"""The pages of the reference: one for each room, made from the tree, so that a new module has its entry by itself."""

from pathlib import Path

from sphinx.application import Sphinx

from paper_repro.source import ROOT

TITLES = {
    "spec": "What is studied: spec",
    "theory": "What theory predicts: theory",
    "sims": "What simulation measures: sims",
    "paper_repro": "Where they meet: the public part of paper_repro",
}
PUBLIC = ("explore", "registry", "checking", "statistics", "settings", "prose", "drawing")  # of paper_repro
MEMBERS = "   :members:\n   :ignore-module-all:\n"


def pages() -> dict[str, str]:
    """The texts of all pages by their names."""
    rooms = {room: _rooms(room) for room in ("spec", "theory", "sims")} | {"paper_repro": ["paper_repro"]}
    written = {package: _page(package) for packages in rooms.values() for package in packages}
    parts = [f"{title}\n{'-' * len(title)}\n\n{_contents(rooms[room])}" for room, title in TITLES.items()]
    head = "Reference\n=========\n\nMade from docstrings. One page for each room, one section for each module.\n\n"
    return written | {"index": head + "\n".join(parts)}


def _rooms(top: str) -> list[str]:
    folders = sorted(file.parent.relative_to(ROOT) for file in (ROOT / top).rglob("__init__.py"))
    return [".".join(folder.parts) for folder in folders]


def _contents(packages: list[str]) -> str:
    return ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {package}\n" for package in packages)


def _page(package: str) -> str:
    files = sorted(ROOT.joinpath(*package.split(".")).glob("*.py"))
    names = [file.stem for file in files if file.stem != "__init__"]
    kept = [name for name in names if package != "paper_repro" or name in PUBLIC]
    sections = "\n".join(_section(f"{package}.{name}") for name in kept)
    return f"{package}\n{'=' * len(package)}\n\n.. automodule:: {package}\n{MEMBERS}\n{sections}"


def _section(module: str) -> str:
    return f"{module}\n{'-' * len(module)}\n\n.. automodule:: {module}\n{MEMBERS}"


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    texts = {folder / f"{name}.rst": text for name, text in pages().items()}
    for old in set(folder.glob("*.rst")) - set(texts):
        old.unlink()
    for file, text in texts.items():
        if not file.is_file() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
