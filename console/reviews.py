"""`interlock reviews`: what waits for a person, and the answer from a terminal."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import httpx
import typer
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from pydantic import ValidationError
from rich.table import Table

from console.shared import OUT, explained, reading, shown
from domain.decision import Decision
from domain.errors import InputInvalid
from domain.review import EXPLAIN, Answer, Refusal
from tasks.resources import opened
from tasks.review import settle_review

app = typer.Typer(help="Decisions that wait for a person.", no_args_is_help=True)


@app.command("list")
def list_waiting(policy: Annotated[str | None, typer.Option(help="Only this policy's.")] = None) -> None:
    """List what waits, the most urgent first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("item", "policy", "due (UTC)", "proposed", "why", "message"):
        table.add_column(heading, no_wrap=heading in ("item", "policy"))
    with reading() as tx:
        waiting = tx.reviews.waiting(policy)
        for review in waiting:
            stored = tx.inbox.decided(review.item_id)
            if stored is None:
                continue
            claimed, _, held = stored
            due = f"{review.due_at:%m-%d %H:%M}" + (" late" if review.due_at < datetime.now(UTC) else "")
            text = shown(" ".join(claimed.item.text.split())[:60])
            table.add_row(
                review.item_id, review.policy, due, ("-" if held.blind else held.proposed or "-"), _why(held), text
            )
    if waiting:
        OUT.print(table)
    else:
        OUT.print("Nothing waits for a person.")


@app.command()
def decide(
    item: Annotated[str, typer.Argument(help="The item's id, or the beginning of it.")],
    route: Annotated[str, typer.Argument(help="A route of the policy, or none_of_these.")],
    reviewer: Annotated[str, typer.Option(help="Your name, for the ledger.")],
    note: Annotated[str, typer.Option(help="Why, if it is worth saying.")] = "",
    late: Annotated[bool, typer.Option("--late", help="You know that the time for it is over.")] = False,
) -> None:
    """Answer a review, as the form in Prefect's UI does; the first answer wins."""
    with explained():
        OUT.print(asyncio.run(_decide(item, route, reviewer, note, late)), highlight=False)


async def _decide(item: str, route: str, reviewer: str, note: str, late: bool) -> str:
    async with opened() as here:
        with here.store.reading() as tx:
            found = tx.inbox.find(item)
            review = tx.reviews.get(found[0]) if len(found) == 1 else None
        if review is None:
            raise InputInvalid(f"'{item}' is not one item with a review; see 'interlock reviews list'")
        try:
            answer = Answer(
                route=route, reviewer=reviewer, note=note, proposal_hash=review.proposal_hash, aware_late=late
            )
        except ValidationError as exc:
            fault = exc.errors(include_url=False)[0]
            raise InputInvalid(f"{fault['loc'][0]}: {fault['msg']}") from exc
        settled = await settle_review.fn(review.item_id, answer)
        if settled.refusal:
            mend = " Add --late." if settled.refusal is Refusal.LATE else ""
            raise InputInvalid(EXPLAIN[settled.refusal] + mend)
        resumed = review.flow_run and await _resume(review.flow_run, answer)
        if settled.route is None:
            return "Decided: nothing is written."
        if resumed:
            return f"Decided: {settled.route}. Its flow run goes on and delivers."
        return f"Decided: {settled.route}. The write goes out with the next run or 'interlock outbox drain'."


async def _resume(flow_run: str, answer: Answer) -> bool:
    """Let the review's flow run, if Prefect is there and it waits, find its review decided and deliver."""
    if not get_current_settings().api.url:
        return False
    given = answer.model_dump(include={"route", "reviewer", "note"})
    try:
        async with get_client() as client:
            response = await client.resume_flow_run(UUID(flow_run), run_input=given)
    except (ObjectNotFound, httpx.HTTPError):
        return False
    return response.status is SetStateStatus.ACCEPT


def _why(held: Decision) -> str:
    reasons = dict.fromkeys((held.reason, *held.holds))
    return ", ".join(reason.value.replace("_", " ") for reason in reasons)
