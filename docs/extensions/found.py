"""The page on what each paper says and what was found, from the records that the pages of evidence are made of."""

from pathlib import Path

from sphinx.application import Sphinx

from docs.extensions.docstrings import prose as in_rest
from paper_repro import evidence, prose, wording
from paper_repro.papers import PAPERS
from paper_repro.registry import STATUS_MEANS, Paper

HEAD = """What each paper says, and what we found
=======================================

Made from the papers' records; numbers in sentences are cells of kept tables. :doc:`statements` has every statement with
its formula, its claims and the whole finding; :doc:`evidence` has the numbers and figures behind them.

"""


def page() -> str:
    """The text of the page."""
    means = "\n".join(f"- **{status}**: {in_rest(meaning)}" for status, meaning in STATUS_MEANS.items())
    return HEAD + "A statement has one of these statuses:\n\n" + means + "\n\n" + "\n".join(map(_paper, PAPERS))


def _paper(paper: Paper) -> str:
    title = in_rest(paper.citation)
    said = wording.summary(paper).items()
    texts = [f"**{head}.** {in_rest(prose.rendered(text, paper.key))}" for head, text in said]
    source = f"`The source <{paper.url}>`__; `its page of evidence <evidence/{paper.key}.html>`__."
    return "\n\n".join([f"{title}\n{'-' * len(title)}", source, *texts, *_statuses(paper)]) + "\n"


def _statuses(paper: Paper) -> list[str]:
    """For every status its statements, each a link to its place among the evidence."""
    links: dict[str, list[str]] = {status: [] for status in evidence.counted(paper.statements)}
    for place, statement in enumerate(paper.statements, 1):
        says = in_rest(statement.says.replace("`", "")).replace("<", r"\<")
        links[statement.status].append(f"- `{says} <evidence/{paper.key}.html#statement-{place}>`__")
    return [f"*{status}* ({len(found)}):\n\n" + "\n".join(found) for status, found in links.items()]


def _write(app: Sphinx) -> None:
    file, text = Path(app.srcdir) / "found.rst", page()
    if not file.is_file() or file.read_text("utf-8") != text:
        file.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the page before Sphinx looks for it."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
