"""The pages of evidence, as `repro report` writes them from kept results, in the site's folder `evidence`."""

from pathlib import Path

from sphinx.application import Sphinx


def _write(app: Sphinx, failed: Exception | None) -> None:
    if failed is None:
        from paper_repro import page, papers

        page.write(papers.PAPERS, Path(app.outdir) / "evidence")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write them when the site is there."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
