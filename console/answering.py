"""Gives an answer to a review, wherever it comes from, and lets the review's flow run go on.

The Prefect form, the page, the API and the command line settle by the same rules; the first valid
answer wins, the others are told whose it was.
"""

import asyncio
from dataclasses import dataclass

import httpx
from prefect.settings import get_current_settings

from domain.review import Answer
from tasks.forms import resume
from tasks.resources import Resources
from tasks.review import Settled, settle_answer

RESUME_S = 5.0
"""How long an answer waits for Prefect; what was decided stands, and `watch` resumes the run later."""


@dataclass(frozen=True)
class Outcome:
    """What an answer did, and whether a flow run that waited goes on because of it."""

    settled: Settled
    resumed: bool = False


async def give(here: Resources, review_id: str, answer: Answer) -> Outcome | None:
    """Let an answer decide; None if there is no such review.

    What was decided stands in the store. A flow run that waits with the form is resumed, and finds
    the review decided; one that cannot be reached now is resumed by `watch`.
    """
    try:
        settled = await asyncio.to_thread(settle_answer, here, review_id, answer)
    except LookupError:
        return None
    if settled.refusal or settled.missing:
        return Outcome(settled)
    flow_run = await asyncio.to_thread(_flow_run, here, review_id)
    return Outcome(settled, flow_run is not None and await _resumed(flow_run, answer))


async def _resumed(flow_run: str, answer: Answer) -> bool:
    if not get_current_settings().api.url:
        return False
    try:
        async with asyncio.timeout(RESUME_S):
            return await resume(flow_run, answer)
    except (httpx.HTTPError, TimeoutError):
        return False


def _flow_run(here: Resources, review_id: str) -> str | None:
    with here.store.reading() as tx:
        review = tx.reviews.get(review_id)
    return review.flow_run if review else None
