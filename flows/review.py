"""A person answers one question about an item, in Prefect's UI."""

from prefect import flow

from flows.deliver import WAIT_S
from flows.suspension import ask
from tasks.artifact import leave
from tasks.deliver import deliver_due
from tasks.forms import ASKED
from tasks.resources import opened
from tasks.review import Settled, settle_review, show

MOST_ASKED = 20
"""Forms that one flow run shows; a review that got as many bad answers goes on waiting."""


@flow(name="review", flow_run_name="review-{review_id}", persist_result=True)
async def review(review_id: str) -> Settled | None:
    """Suspend until a person has answered, then do what the answer says.

    Runs from the top again on resume; what was shown and what was settled are persisted
    results, so that nothing is asked or done twice. A bad or late answer brings the form
    back with the reason, and so does one that somebody else must give too. Returns None when
    somebody else has decided first.
    """
    async with opened():
        settled: Settled | None = None
        for asking in range(1, MOST_ASKED + 1):
            form = await show(review_id, settled.notice if settled else "", asking)
            if form is None:
                break
            settled = await settle_review(review_id, await ask(form, key=f"{ASKED}{asking}"), asking)
            if settled.refusal is None and not settled.missing:
                break
        await deliver_due(WAIT_S)
        await leave("answers", f"**{review_id}**: {_told(settled)}\n")
        return settled


def _told(settled: Settled | None) -> str:
    match settled:
        case None:
            return "somebody else decided first"
        case Settled(refusal=None, missing=0):
            return f"`{settled.choice}`, decided by {settled.by}{', to be written' if settled.writes else ''}"
        case Settled(refusal=None):
            return f"`{settled.choice}`, until so many more say so: {settled.missing}"
        case _:
            return f"not decided: {settled.refusal}"
