"""What every run about records that are kept in step does: hear edits, write what differs, ask people."""

from tasks.assign import assign_reviews
from tasks.deliver import deliver_due
from tasks.escalate import climb
from tasks.forms import open_forms
from tasks.in_step import keep_in_step, note_written
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.review import escalate_late

MOST_ROUNDS = 5
"""Rounds in one run: what a write brings about, such as a conflict with an edit in between, is seen in the next."""


async def in_rounds(policy: str, wait_s: float) -> None:
    """Read what changed, merge and write, until nothing comes of it any more, or for `MOST_ROUNDS`."""
    for _ in range(MOST_ROUNDS):
        await note_changes(policy)
        await read_changed(policy)
        await recognise(policy)
        merged = await keep_in_step(policy)
        await deliver_due(wait_s)
        if not merged + await note_written(policy):
            break


async def ask_people(policy: str) -> None:
    """Show what waits for people, and tell of what is late."""
    await escalate_late(policy)
    await assign_reviews(policy)
    await climb(policy)
    await open_forms(policy)
