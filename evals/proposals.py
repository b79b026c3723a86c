"""Asks for the proposals on labelled items, by the same code as the flows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from connectors.llm.agent import AgentModel
from domain.errors import InterlockError
from domain.proposal import Proposal
from evals.actions import situation_of
from evals.items import Data, Item
from evals.recorded import Row, Run
from evals.ruled import rule_match
from policies.cases import CasePolicy
from policies.load import Workflow
from tasks.choose import answered, ask_agent
from tasks.propose import Question, Unfinished, ask_chunk, failed, question_key
from tasks.resources import Resources, resources


async def propose_all(policy: str, data: Data, progress: Callable[[int], None]) -> Run:
    """The proposal on each item, in order; texts that were asked about before cost nothing.

    What was answered is kept in the store chunk by chunk: an interrupted run goes on where it
    stopped. A text whose answer is unusable after the policy's re-asks has a proposal that says so.
    """
    here = resources()
    workflow = here.workflow(policy)
    chunk = workflow.policy.batch.chunk
    rows: list[Row] = []
    for start in range(0, len(data.items), chunk):
        items = data.items[start : start + chunk]
        rows += await _ask(policy, workflow, items)
        progress(len(items))
    return Run(
        policy=workflow.policy.name,
        reference=workflow.reference,
        model=here.asked_by(workflow),
        classifier=here.classifier(workflow),
        parts=here.parts(workflow),
        data=data.fingerprint,
        made_at=datetime.now(UTC),
        rows=tuple(rows),
    )


async def _ask(policy: str, workflow: Workflow, items: Sequence[Item]) -> list[Row]:
    here = resources()
    asked = {
        item.text: Question(key=question_key(here, workflow, item.text), text=item.text, item_ids=()) for item in items
    }
    try:
        proposals = await ask_chunk.fn(policy, list(asked.values()))
    except Unfinished as exc:
        proposals = exc.proposals
    by_text = dict(zip(asked, proposals, strict=True))
    if workflow.cases and here.agent:
        return [await _row(here, workflow, workflow.cases, here.agent, item, by_text[item.text]) for item in items]
    return [Row(item=item, proposal=by_text[item.text], rule=rule_match(workflow.policy, item)) for item in items]


async def _row(
    here: Resources, workflow: Workflow, cases: CasePolicy, agent: AgentModel, item: Item, bare: Proposal
) -> Row:
    """An event with what the agent says of it, who can look nothing up here."""
    situation = situation_of(cases, item)
    try:
        proposal = answered(bare, await ask_agent(here, workflow, agent, situation, looks=()), 0.0)
    except InterlockError as exc:
        proposal = failed(bare, exc, 0.0)
    return Row(item=item, proposal=proposal, rule=rule_match(cases, item))
