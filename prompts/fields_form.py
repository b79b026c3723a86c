"""Renders what a reviewer reads above a form that asks for fields, in Markdown."""

from collections.abc import Mapping
from datetime import datetime

from domain.decision import Decision
from domain.explain import BECAUSE
from domain.extraction import Extraction, Found
from domain.fields_review import END, LEAVE_OUT, NOTHING, WRITE
from domain.intake import Gap
from domain.item import ClaimedItem
from policies.fields import TAKES
from policies.intake import Checked, asked_fields
from policies.model import Policy
from prompts.render import ENVIRONMENT
from prompts.review import code_block, on_one_line

CHOICES = {
    WRITE: "write it, with what is filled in",
    LEAVE_OUT: "write it without what is missing",
    END: "end it; nothing is written",
}

_AROUND = 30
"""Characters that are shown before and after the words that support a value."""


def fields_form(
    claimed: ClaimedItem,
    extraction: Extraction | None,
    checked: Checked,
    held: Decision,
    policy: Policy,
    due_at: datetime,
    notice: str,
) -> str:
    """The message, each field with the words that support it, and why a person is asked.

    All of it is a stranger's: it stands in code spans and blocks that nothing in it can close.
    """
    found = extraction.found if extraction else {}
    text = claimed.item.text
    return ENVIRONMENT.get_template("fields_form/form.jinja").render(
        notice=notice,
        message=code_block(text),
        blind=held.blind,
        rows=[
            {
                "field": name,
                "stands": on_one_line(checked.values.get(name, "")),
                "wrong": _wrong(name, claimed, checked, found),
                "how": _how(name, claimed, found),
                "words": _words(text, found.get(name)),
            }
            for name in asked_fields(policy)
            if not held.blind or name in claimed.item.fields
        ],
        why=[BECAUSE[reason] for reason in dict.fromkeys((held.reason, *held.holds))],
        nothing=NOTHING,
        item_id=claimed.item_id,
        source=on_one_line(claimed.item.source),
        external_id=on_one_line(claimed.item.external_id),
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def meaning(policy: Policy, name: str) -> str:
    """What a field is, and how it is written."""
    wanted = policy.extract.fields.get(name) if policy.extract else None
    takes = TAKES[policy.input.fields[name]]
    return f"{wanted.description}: {takes}" if wanted else takes


def unfit(policy: Policy, completed: Checked, gaps: Mapping[str, Gap]) -> str:
    """What is wrong with fields that have a gap, in words; empty if nothing is."""
    told = []
    for name, gap in gaps.items():
        match gap:
            case Gap.FAULTY:
                told.append(f"{name}: {completed.faults[name]}")
            case Gap.MALFORMED:
                told.append(f"{name}: this is not {TAKES[policy.input.fields[name]]}")
            case Gap.ABSENT | Gap.UNSURE:
                told.append(f"{name} is still missing: {TAKES[policy.input.fields[name]]}")
    return ". ".join(told)


def _wrong(name: str, claimed: ClaimedItem, checked: Checked, found: Mapping[str, Found]) -> str:
    """What speaks against a field, in words; empty if nothing does."""
    came_in = claimed.item.fields.get(name)
    if name in checked.faults:
        return on_one_line(checked.faults[name])
    if name in checked.values:
        return ""
    if came_in is not None:
        return f"malformed: `{on_one_line(came_in)}`"
    return f"too unsure: `{on_one_line(found[name].value)}`" if name in found else ""


def _how(name: str, claimed: ClaimedItem, found: Mapping[str, Found]) -> str:
    if name in claimed.item.fields:
        return "filled in"
    one = found.get(name)
    return f"by {one.by.value}, {one.ground.value.replace('_', ' ')}, {one.confidence:.0%}" if one else "not found"


def _words(text: str, found: Found | None) -> str:
    """The words that support a value, with some around them."""
    if found is None or found.start is None or found.end is None:
        return ""
    start, end = max(0, found.start - _AROUND), found.end + _AROUND
    return f"{'…' if start else ''}{on_one_line(text[start:end])}{'…' if end < len(text) else ''}"
