"""Renders what a reviewer reads above the form, in Markdown."""

from datetime import datetime

from domain.decision import Decision
from domain.explain import BECAUSE
from domain.item import ClaimedItem
from domain.proposal import AskOutcome, Proposal
from prompts.render import ENVIRONMENT

NO_ROUTE = "no route fits; nothing is written"
"""What `none_of_these` means."""


def review_form(claimed: ClaimedItem, proposal: Proposal, held: Decision, due_at: datetime, notice: str) -> str:
    """The message, what model, examples and rules say of it, and why a person is asked.

    The message is a stranger's: it stands in a code block that nothing in it can close.
    """
    opinion = proposal.opinion
    return ENVIRONMENT.get_template("review_form/form.jinja").render(
        notice=notice,
        message=code_block(claimed.item.text),
        blind=held.blind,
        model_says=_model_says(proposal),
        examples_say=f"`{opinion.label}`, {opinion.probability:.0%}" if opinion else "nothing",
        together=_together(held),
        rule_says=f"`{held.rule}`" if held.rule else "none matches",
        missing=held.missing,
        why=[BECAUSE[reason] for reason in dict.fromkeys((held.reason, *held.holds))],
        item_id=claimed.item_id,
        source=on_one_line(claimed.item.source),
        external_id=on_one_line(claimed.item.external_id),
        due_at=f"{due_at:%Y-%m-%d %H:%M} UTC",
    )


def _model_says(proposal: Proposal) -> str:
    if proposal.outcome is not AskOutcome.ANSWERED:
        return f"no usable answer: `{on_one_line(proposal.detail)}`" if proposal.detail else "no usable answer"
    share = proposal.scores.get(proposal.label or "")
    sure = "" if share is None else f", {share:.0%}"
    return f"`{proposal.label}`{sure} (`{on_one_line(proposal.model)}`)"


def _together(held: Decision) -> str:
    return "" if held.confidence is None else f"`{held.proposed}`, {held.confidence:.0%} sure"


def on_one_line(text: str) -> str:
    """`text` on one line, without what could close a code span or a table's cell."""
    return " ".join(text.split()).replace("`", "'").replace("|", "¦")


def code_block(text: str) -> str:
    """A stranger's text in a code block that nothing in it can close."""
    runs = "".join(char if char == "`" else " " for char in text).split()
    fence = "`" * (1 + max([2, *map(len, runs)]))
    return f"{fence}text\n{text}\n{fence}"
