"""Formulas as MathML, made while the site is built; a formula that cannot be typeset is a warning, and so an error."""

import re

from docutils import nodes
from latex2mathml import converter
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)


def typeset(latex: str, display: str) -> str:
    """MathML of a formula. Raises ValueError where a command is left over, which a reader would see as such."""
    mathml = converter.convert(latex, display=display)
    if left := re.search(r"\\\w+", re.sub(r"<annotation.*?</annotation>", "", mathml)):
        raise ValueError(f"{left[0]} cannot be typeset")
    return mathml


def _write(translator: HTML5Translator, node: nodes.Element, display: str) -> None:
    try:
        translator.body.append(typeset(node.astext(), display))
    except Exception as error:  # whatever the converter makes of a formula it cannot read
        LOGGER.warning("formula %r: %s", node.astext(), error, location=node)
    raise nodes.SkipNode


def inline(translator: HTML5Translator, node: nodes.Element) -> None:
    """A formula within a line."""
    _write(translator, node, "inline")


def block(translator: HTML5Translator, node: nodes.Element) -> None:
    """A displayed formula; a wide one scrolls."""
    translator.body.append('<div class="formula" tabindex="0">')
    try:
        _write(translator, node, "block")
    finally:
        translator.body.append("</div>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
