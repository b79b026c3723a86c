"""For mkdocs: its navigation from the folders, and links to files that are no pages as plain text."""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?=(?:\.\./)+)([^)#\s]+)(?:#[\w-]+)?\)")


def on_config(config: Any) -> Any:
    """Kinds of pages by what a reader wants of them."""
    config.nav = [
        {"Home": "README.md"},
        {"Learn": ["tutorial.md"]},
        {"Do": _pages("how-to")},
        {"Look up": _pages("reference")},
        {"Understand": [*_pages("explanation"), "glossary.md", {"Decisions": _pages("decisions")}]},
    ]
    return config


def on_page_markdown(markdown: str, page: Any, **_others: Any) -> str:
    """The page, with what it links to outside of the documentation left as its name."""
    folder = (DOCS / page.file.src_path).parent
    return OUTSIDE.sub(lambda link: link[0] if (folder / link[2]).resolve().is_relative_to(DOCS) else link[1], markdown)


def _pages(folder: str) -> list[str]:
    return sorted(str(path.relative_to(DOCS)) for path in (DOCS / folder).glob("*.md"))
