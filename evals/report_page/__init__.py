"""The page that `evals run --html` writes.

What may live here: its Jinja templates, with their styles and drawings inline, so that the page
needs no network. What may not: scripts, and figures that `evals.metrics` does not know.
"""
