"""How Sphinx builds the site: `make docs`. Formulas become MathML here, so that a reader needs no network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paper_repro import __version__

project = "Sharpness-aware training under label noise"
version = release = __version__
language = "en"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "docs.extensions.mathml",
    "docs.extensions.docstrings",
    "docs.extensions.reference",
    "docs.extensions.found",
    "docs.extensions.evidence",
]
exclude_patterns = ["*.template.md", "extensions"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
nitpicky = False  # what stands in backticks may be any code, not only names that have an entry
html_theme = "furo"
html_title = "Sharpness-aware training under label noise"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
