"""Asks for the proposals on labelled texts, by the same code as the flows."""

from collections.abc import Callable, Sequence

from domain.proposal import Proposal
from policies.load import Example
from tasks.propose import Question, Unfinished, ask_chunk, question_key
from tasks.resources import resources


async def propose_all(policy: str, examples: Sequence[Example], progress: Callable[[int], None]) -> list[Proposal]:
    """The proposal on each example, in order; those that were asked before cost nothing.

    A text whose answer is unusable after the policy's re-asks has a proposal that says so.
    """
    here = resources()
    workflow = here.workflow(policy)
    chunk = workflow.policy.batch.chunk
    proposals: list[Proposal] = []
    for start in range(0, len(examples), chunk):
        asked = [
            Question(key=question_key(here, workflow, example.text), text=example.text, item_ids=())
            for example in examples[start : start + chunk]
        ]
        try:
            answered = await ask_chunk.fn(policy, asked)
        except Unfinished as exc:
            answered = exc.proposals
        proposals += answered
        progress(len(answered))
    return proposals
