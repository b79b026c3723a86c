"""`interlock reviews`: what waits for a person, and the answer from a terminal."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from connectors.links import HOW_TO_HAVE_LINKS, link_secrets, login_link, review_link
from connectors.settings import Settings
from connectors.store.engine import Transaction
from connectors.store.tables import ReviewRow
from console.answering import give
from console.shared import ERR, OUT, explained, reading, shown
from domain.decision import Decision
from domain.errors import InputInvalid, PolicyInvalid
from domain.review import EXPLAIN, Answer, Form, Refusal, ReviewKind
from tasks.resources import Resources, opened
from tasks.review import show as show_form

LOCAL = "http://127.0.0.1:8710"
"""Where `interlock serve` is reached if nothing else is said."""

REVIEW = "The review's or the item's id, or the beginning of it."

SHOWN = 8
"""Characters that name what was shown: the first ones of its digest."""

app = typer.Typer(help="Questions that wait for a person.", no_args_is_help=True)


@app.command("list")
def list_waiting(policy: Annotated[str | None, typer.Option(help="Only this policy's.")] = None) -> None:
    """List what waits, the most urgent first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("review", "policy", "due (UTC)", "with", "proposed", "why", "message"):
        table.add_column(heading, no_wrap=heading in ("review", "policy"))
    with reading() as tx:
        waiting = tx.reviews.waiting(policy)
        for review in waiting:
            due = f"{review.due_at:%m-%d %H:%M}" + (" late" if review.due_at < datetime.now(UTC) else "")
            text = shown(" ".join(tx.inbox.get(review.item_id).item.text.split())[:60])
            table.add_row(review.review_id, review.policy, due, review.assignee or "-", *_asked(tx, review), text)
    if waiting:
        OUT.print(table)
    else:
        OUT.print("Nothing waits for a person.")


def _asked(tx: Transaction, review: ReviewRow) -> tuple[str, str]:
    """What is proposed, and why a person is asked."""
    stored = tx.inbox.decided(review.item_id)
    if review.kind not in (ReviewKind.ROUTE, ReviewKind.ACTION) or stored is None:
        return "-", _words(review.why or review.kind)
    held = stored[2]
    return "-" if held.blind else held.proposed or "-", _why(held)


@app.command()
def show(review: Annotated[str, typer.Argument(help=REVIEW)]) -> None:
    """Print what the form in Prefect's UI shows, with all that can be chosen."""
    with explained():
        form = asyncio.run(_form(review))
    OUT.print(shown(form.markdown, lines=True), highlight=False)
    asked = [
        f"{form.label}: one of {', '.join(form.choices)}",
        *[f"{name}: {what}" for name, what in form.inputs.items()],
        f"Shown: {form.binding[:SHOWN]}, which 'decide --shown' takes",
    ]
    OUT.print("\n" + shown("\n".join(asked), lines=True), highlight=False)


async def _form(name: str) -> Form:
    async with opened() as here:
        found = _find(here, name)
        form = await show_form.fn(found.review_id)
        if form is None:
            raise InputInvalid(f"{EXPLAIN[Refusal.ALREADY_DECIDED]} {found.outcome}")
        return form


@app.command()
def decide(
    review: Annotated[str, typer.Argument(help=REVIEW)],
    choice: Annotated[
        str, typer.Argument(help="What you choose, such as a route of the policy; 'show' says what there is.")
    ],
    reviewer: Annotated[str, typer.Option(help="Your name, for the ledger.")],
    note: Annotated[str, typer.Option(help="Why, if it is worth saying.")] = "",
    inputs: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=TEXT", help="A text that the form asks for.")
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="You know that the time for it is over.")] = False,
    seen: Annotated[
        str, typer.Option("--shown", help="What 'show' ends with, so that nothing else is decided; a must for actions.")
    ] = "",
) -> None:
    """Answer a review, as the form in Prefect's UI does; the first answer wins."""
    with explained():
        given = dict(_input(one) for one in inputs or ())
        OUT.print(asyncio.run(_decide(review, choice, given, reviewer, note, late, seen)), highlight=False)


def _input(given: str) -> tuple[str, str]:
    name, equals, text = given.partition("=")
    if not equals:
        raise InputInvalid(f"--input '{given}' is not NAME=TEXT")
    return name, text


async def _decide(
    name: str, choice: str, inputs: dict[str, str], reviewer: str, note: str, late: bool, seen: str
) -> str:
    async with opened() as here:
        review = _find(here, name)
        binding = await _binding(review, seen)
        given = {"choice": choice, "inputs": inputs, "reviewer": reviewer, "note": note}
        try:
            answer = Answer.model_validate(given | {"binding": binding, "aware_late": late})
        except ValidationError as exc:
            fault = exc.errors(include_url=False)[0]
            raise InputInvalid(f"{fault['loc'][0]}: {fault['msg']}") from exc
        given_to = await give(here, review.review_id, answer)
        if given_to is None:
            raise InputInvalid(f"there is no review {review.review_id} any more")
        settled = given_to.settled
        if settled.refusal:
            mend = " Add --late." if settled.refusal is Refusal.LATE else ""
            raise InputInvalid(settled.notice + mend)
        if settled.missing:
            return settled.notice
        if not settled.writes:
            return "Decided: nothing is written."
        if given_to.resumed:
            return f"Decided: {settled.choice}. Its flow run goes on and delivers."
        return f"Decided: {settled.choice}. The write goes out with the next run or 'interlock outbox drain'."


async def _binding(review: ReviewRow, seen: str) -> str:
    """The binding of what the reviewer was shown; that which stands where they need not say.

    Raises:
        InputInvalid: they must, and do not.
    """
    if not seen and review.kind == ReviewKind.ACTION:
        raise InputInvalid(
            f"an action is decided as it was shown: add --shown with what 'interlock reviews show {review.review_id}' "
            "ends with"
        )
    form = await show_form.fn(review.review_id) if seen else None
    if form is None:
        return review.binding
    return form.binding if seen == form.binding[:SHOWN] else seen


@app.command()
def link(
    person: Annotated[str, typer.Option("--for", help="Whom you send it to: a name or an e-mail address.")],
    review: Annotated[str, typer.Argument(help=f"{REVIEW} Without it, a link into the queue.")] = "",
) -> None:
    """Print a link by which one person sees a review and decides it, or comes into the queue.

    Whoever opens it is taken for that person: send it to them alone. It ends after INTERLOCK_LINK_HOURS,
    and decides once.
    """
    with explained():
        settings = Settings()
        if not link_secrets(settings):
            raise PolicyInvalid(HOW_TO_HAVE_LINKS)
        here = settings if settings.public_url else settings.model_copy(update={"public_url": LOCAL})
        if not settings.public_url:
            ERR.print(f"INTERLOCK_PUBLIC_URL is not set: this link is for this machine, {LOCAL}.", highlight=False)
        made = asyncio.run(_link(here, review, person)) if review else login_link(here, person, datetime.now(UTC))
        print(made)  # noqa: T201  for a script, as it stands


async def _link(settings: Settings, name: str, person: str) -> str | None:
    async with opened() as here:
        found = _find(here, name)
        if found.answered_at is not None:
            raise InputInvalid(f"{EXPLAIN[Refusal.ALREADY_DECIDED]} It was {found.reviewer}, who chose {found.answer}.")
        return review_link(settings, found.review_id, found.binding, person, here.now())


def _find(here: Resources, name: str) -> ReviewRow:
    """The review that waits under this name, or else the last that did."""
    with here.store.reading() as tx:
        items = tx.inbox.find(name)
        reviews = tx.reviews.of(items, name) if len(items) <= 1 else []
    waiting = [review for review in reviews if review.answered_at is None]
    if not reviews or len(waiting) > 1 or len({review.item_id for review in reviews}) > 1:
        raise InputInvalid(f"'{name}' is not one review that waits; see 'interlock reviews list'")
    return (waiting or reviews)[-1]


def _why(held: Decision) -> str:
    reasons = dict.fromkeys((held.reason, *held.holds))
    return ", ".join(_words(reason.value) for reason in reasons)


def _words(code: str) -> str:
    return code.replace("_", " ")
