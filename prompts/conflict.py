"""Renders what a reviewer reads of records that systems do not agree about, in Markdown."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.entity import Standing
from prompts.render import ENVIRONMENT
from prompts.review import on_one_line

LONGEST_SHOWN = 200
"""Characters of a value in a table."""


def conflict_form(
    object_name: str,
    entity: str,
    field: str,
    standing: Standing,
    held: Mapping[str, tuple[str, str]],
    known: Mapping[str, str],
    outcomes: Mapping[str, str],
    diffs: Mapping[str, str],
    due_at: datetime,
    notice: str,
) -> str:
    """What each system says, what was agreed on, and what each rule would make of it.

    Args:
        held: by system, what its record shows now and what it showed when it was heard last.
        known: other fields, so that a reader knows what it is about.
        outcomes: by rule, what that would make of the field.
        diffs: by system, what would change in the policy's file if it owned the field.
    """
    return ENVIRONMENT.get_template("conflict_form/form.jinja").render(
        notice=notice,
        object=object_name,
        entity=entity,
        field=field.replace("_", " "),
        rows=[(system, cell(now), cell(before)) for system, (now, before) in held.items()],
        agreed=cell(standing.agreed),
        known=[(name.replace("_", " "), cell(value)) for name, value in known.items()],
        outcomes=[(rule, cell(value)) for rule, value in outcomes.items()],
        diffs=[(system, f"```diff\n{diff}\n```") for system, diff in diffs.items() if diff],
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def link_form(
    object_name: str,
    system: str,
    names: Sequence[str],
    records: Sequence[tuple[str, Mapping[str, str]]],
    why: str,
    due_at: datetime,
    notice: str,
    evidence: Mapping[str, Sequence[str]],
    *,
    known: bool = False,
) -> str:
    """A record and those that it may be of the same thing as, side by side.

    Args:
        evidence: by what is known, what speaks for its being the same and against it.
        names: of the fields that are shown.
        records: what each is called, and its values; the one that is asked about first.
        known: whether that one is known already, as something of its own.
    """
    return ENVIRONMENT.get_template("link_form/form.jinja").render(
        notice=notice,
        object=object_name,
        system=system,
        known=known,
        names=[name.replace("_", " ") for name in names],
        rows=[[on_one_line(called), *(cell(values.get(name, "")) for name in names)] for called, values in records],
        why=on_one_line(why),
        evidence={on_one_line(name): [on_one_line(line) for line in lines] for name, lines in evidence.items()},
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def cell(value: str) -> str:
    """A value in a table; nothing for a blank."""
    text = on_one_line(value)
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return f"`{shown}`" if shown else "*nothing*"
