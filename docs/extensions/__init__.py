"""What the site needs beside Sphinx.

mathml      formulas as MathML
docstrings  docstrings as they are written here
reference   the pages of the reference, one for each room
found       what each paper says and what was found, from the papers' records
evidence    the pages of evidence, beside the site
"""
