"""Asks an agent, beside the labelled examples, which action fits an event in its case."""

import asyncio
import time
from collections.abc import Sequence

from pydantic_ai.durable_exec.prefect import PrefectDurability, TaskConfig

from connectors.llm.agent import AgentModel, Bounds, Chosen, Look, choose
from domain.errors import InterlockError
from domain.ledger import Event
from domain.proposal import NONE_OF_THESE, AskOutcome, Proposal, ScoresFrom
from policies.load import Workflow, cases_of
from policies.next_action import Said
from policies.situations import Situation, possible
from prompts.action import case_conversation
from tasks import look_up
from tasks.propose import FIRST_RETRY_S, Proposed, failed, propose
from tasks.resources import Resources, resources


async def choose_actions(policy: str, situations: Sequence[Situation]) -> tuple[dict[str, Proposed], dict[str, Said]]:
    """What the examples and the agent say of each event, by item id; never raises for the model's failures.

    Each request to the model and each look-up is a Prefect task of the flow run, so that a run
    that goes on after a crash asks for nothing twice. Without an endpoint the examples serve alone.
    """
    here = resources()
    workflow = here.workflow(policy)
    proposed = await propose(policy, [situation.claimed for situation in situations])
    if here.agent is None:
        return proposed, {}
    limit = asyncio.Semaphore(workflow.policy.classifier.concurrency)

    async def ask(agent: AgentModel, situation: Situation) -> tuple[Proposal, Said | None]:
        async with limit:
            bare = proposed[situation.claimed.item_id].proposal
            return await _asked(here, workflow, agent, situation, bare)

    answers = await asyncio.gather(*[ask(here.agent, situation) for situation in situations])
    by_item = dict(zip([situation.claimed.item_id for situation in situations], answers, strict=True))
    return (
        {item_id: Proposed(proposal=proposal, cached=False) for item_id, (proposal, _) in by_item.items()},
        {item_id: said for item_id, (_, said) in by_item.items() if said},
    )


async def _asked(
    here: Resources, workflow: Workflow, agent: AgentModel, situation: Situation, bare: Proposal
) -> tuple[Proposal, Said | None]:
    """The proposal with the agent's answer, or with how asking it failed; the ledger has each failure."""
    asked_at = time.perf_counter()
    try:
        chosen = await ask_agent(here, workflow, agent, situation)
    except InterlockError as exc:
        proposal = failed(bare, exc, time.perf_counter() - asked_at)
        facts = {"attempt": 1, "outcome": proposal.outcome.value, "detail": proposal.detail, "calls": proposal.calls}
        with here.store.transaction() as tx:
            tx.ledger.append(situation.claimed.item_id, Event.ASK_FAILED, here.now(), **facts)
        return proposal, None
    said = Said(action=chosen.label, parameters=chosen.parameters, found=chosen.found)
    return answered(bare, chosen, time.perf_counter() - asked_at), said


def answered(bare: Proposal, chosen: Chosen, latency_s: float) -> Proposal:
    """The examples' proposal with the agent's answer beside it."""
    update = {
        "outcome": AskOutcome.ANSWERED,
        "detail": "",
        "label": chosen.label,
        "scores": chosen.scores,
        "scores_from": ScoresFrom.LOGPROBS if chosen.scores else ScoresFrom.NOWHERE,
        "tokens": chosen.tokens,
        "calls": chosen.calls,
        "latency_s": latency_s,
    }
    return bare.model_copy(update=update)


async def ask_agent(
    here: Resources, workflow: Workflow, agent: AgentModel, situation: Situation, looks: Sequence[Look] | None = None
) -> Chosen:
    """Let an agent choose among what is possible, within the policy's bounds.

    Args:
        looks: what it may look up, instead of what the policy says.

    Raises:
        InterlockError: as `connectors.llm.agent.choose`.
    """
    policy = workflow.policy
    cases = cases_of(workflow)
    text = situation.claimed.item.text
    consulted = (await here.examples(workflow).consult([text], policy.classifier.neighbours))[0]
    labels = (*possible(cases, situation), NONE_OF_THESE)
    values = {where: value for where, value in situation.evidence.items() if where != "message"}
    near = [(one.text, one.label) for one in consulted.nearest]
    instructions, request = case_conversation(
        workflow, text, near, situation.case.key, situation.case.version, values, labels
    )
    given = look_up.looks(here, workflow, situation) if looks is None else looks
    bounds = Bounds(cases.agent.requests, cases.agent.look_ups, cases.agent.timeout_s)
    retries = TaskConfig(retries=policy.classifier.retries, retry_delay_seconds=FIRST_RETRY_S)
    durable = PrefectDurability[None](model_task_config=retries, tool_task_config=retries)
    return await choose(agent.model, instructions, request, labels, given, bounds, [durable])
