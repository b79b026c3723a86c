"""What holds of the documentation: its links lead somewhere, and the reference tells all that the code has."""

import re
from pathlib import Path

import pytest

from connectors.registry import KEPT, SOURCES, SYSTEMS
from console.main import Interlock
from console.reference import PAGES, described, members
from domain.escalation import Cause
from domain.ledger import Event

ROOT = Path(__file__).parents[2]
KEPT_PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts)
READ = [ROOT / "README.md", ROOT / "CHANGELOG.md", *KEPT_PAGES]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path):
    """The anchors that a page's headings have, by GitHub's and mkdocs' rule."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_index_leads_to_every_page_but_single_decisions():
    linked = set(LINK.findall((ROOT / "docs/README.md").read_text(encoding="utf-8")))
    pages = {str(path.relative_to(ROOT / "docs")) for path in KEPT_PAGES}
    assert {page for page in pages if not page.startswith("decisions/0")} - {"README.md"} == linked - {"decisions"}


def test_every_event_of_the_ledger_says_what_happened():
    assert [event for event, said in members(Event).items() if not said] == []


def test_the_reference_tells_every_command_system_source_and_event():
    text = {name: make() for name, make in PAGES.items()}
    for command in Interlock.places:
        assert f"# interlock {command}" in text["command-line.md"], command
    for title, names in (("System", SYSTEMS), ("Source", SOURCES), ("Kept in step:", KEPT)):
        for name in names:
            assert f"## {title} {name}\n" in text["systems.md"], name
    for event in Event:
        assert f"`{event.value}`" in text["ledger.md"], event
    for cause in Cause:
        assert f"`interlock.{cause.value}`" in text["prefect-events.md"], cause
    assert "`interlock.sla.warned`" in text["prefect-events.md"], "told without a ladder"


def test_a_docstrings_attributes_are_read_with_their_further_lines():
    text, meanings = described(
        "What it is.\n\n    Attributes:\n        one: the first\n            of two.\n        two: the last.\n"
    )
    assert text == "What it is."
    assert meanings == {"one": "the first of two.", "two": "the last."}
