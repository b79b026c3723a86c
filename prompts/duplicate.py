"""Renders what a reviewer reads who is asked whether a record is there already, in Markdown."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.delivery import Operation
from domain.duplicates import agreeing
from domain.item import ClaimedItem
from domain.sameness import Identity
from prompts.render import ENVIRONMENT
from prompts.review import code_block, on_one_line

LONGEST_SHOWN = 120
"""Characters of a value in the table."""


def duplicate_form(
    claimed: ClaimedItem,
    write: Operation,
    identity: Identity,
    records: Sequence[tuple[str, Mapping[str, str], Identity]],
    why: str,
    due_at: datetime,
    notice: str,
) -> str:
    """The new record and those that it may be, side by side, value by value.

    Args:
        identity: of the new record.
        records: id, values and identity of each record of the target.
    """
    names = list(dict.fromkeys([*write.values, *(name for _, values, _ in records for name in values)]))
    return ENVIRONMENT.get_template("duplicate_form/form.jinja").render(
        notice=notice,
        system=write.system,
        message=code_block(claimed.item.text),
        ids=[on_one_line(record_id) for record_id, _, _ in records],
        rows=[
            [on_one_line(name), *(_cell(values, name) for values in (write.values, *(one for _, one, _ in records)))]
            for name in names
        ],
        agreeing=[", ".join(agreeing(identity, other)) or "nothing" for _, _, other in records],
        why=why,
        item_id=claimed.item_id,
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def _cell(values: Mapping[str, str], name: str) -> str:
    text = on_one_line(values.get(name, ""))
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return f"`{shown}`" if shown else ""
