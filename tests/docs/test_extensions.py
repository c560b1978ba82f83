"""What the site makes of formulas, docstrings and the tree, without building it."""

import pytest

from docs.extensions import docstrings, found, mathml, reference
from paper_repro.papers import PAPERS
from paper_repro.source import ROOT


def test_a_formula_becomes_mathml() -> None:
    made = mathml.typeset(r"\frac{1}{n}\sum_i s_i \|x_i\|", "block")
    assert made.startswith("<math")
    assert "<mfrac>" in made
    assert "\\" not in made


def test_a_command_that_nothing_typesets_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\\nosuchthing cannot be typeset"):
        mathml.typeset(r"x + \nosuchthing y", "inline")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("w* |x_i| a:", r"w\* \|x\_i\| a\:"),
        ("- a: one\n- b_c", "- a\\: one\n- b\\_c"),
        ("1. first", r"\1. first"),
        ("of `x + 1` here", r"of \ ``x + 1``\  here"),
        ("see sims.layers.", r"see \ :py:obj:`sims.layers`\ ."),
        ("by `p.one`", r"by \ `p.one <../evidence/p.html#claim-p.one>`__\ "),
        (">>> 1 + 1\n2", ">>> 1 + 1\n2"),
        ("    a = b_c\n      + d", ".. code-block:: text\n   :class: set\n\n   a = b_c\n     + d"),
        ("one   first\nthree  third", ".. code-block:: text\n   :class: set\n\n   one   first\n   three  third"),
        ("one,  two\nand three\nand four", "one,  two and three and four"),
        ("First.\n\nSecond.", "First.\n\nSecond."),
    ],
)
def test_a_docstring_is_set_as_it_is_written(written: str, expected: str) -> None:
    assert docstrings.in_rest(written, frozenset({"p.one"})) == expected


def test_arrays_in_signatures_are_short() -> None:
    long = "(x: ~numpy.ndarray[tuple[~typing.Any, ...], ~numpy.dtype[~numpy.float64]]) -> ndarray[Any, dtype[bool]]"
    assert docstrings.short(long) == "(x: Array[float64]) -> Array[bool]"


def test_every_module_of_theory_spec_and_sims_has_its_section() -> None:
    pages = reference.pages()
    for file in (file for room in ("spec", "theory", "sims") for file in (ROOT / room).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        assert sum(f".. automodule:: {module}\n" in page for page in pages.values()) == 1, module
    assert all(f"   {name}\n" in pages["index"] for name in pages if name != "index")


def test_every_statement_is_on_the_page_of_what_was_found() -> None:
    text = found.page()
    for paper in PAPERS:
        assert text.count(f"evidence/{paper.key}.html#statement-") == len(paper.statements)
        assert text.count(f"evidence/{paper.key}.html>") == 1
