"""Makes a policy's calibration record: the threshold that labelled data prove."""

from collections.abc import Sequence
from datetime import datetime

from domain.calibration import Calibration, Chosen, Scored, TooLittleData, learn_then_test
from domain.decision import Threshold, decide
from domain.proposal import Proposal
from domain.values import digest
from policies.load import Example, Workflow


def scored(proposal: Proposal, truth: str, workflow: Workflow, now: datetime) -> Scored:
    """The score that decides about acting alone, and whether acting would have been right.

    The gates of `decide` other than the threshold count: what they hold scores 0, so the
    promise covers exactly what would be routed automatically.
    """
    threshold = Threshold(value=0, classifier=proposal.classifier)
    terms = workflow.terms.model_copy(update={"threshold": threshold})
    held = decide(proposal, None, terms, now).holds
    return Scored(score=0 if held else proposal.confidence or 0, correct=proposal.label == truth)


def calibrate(
    workflow: Workflow, examples: Sequence[Example], proposals: Sequence[Proposal], now: datetime
) -> Calibration | TooLittleData:
    """The record that the labelled `examples` and their `proposals` prove, or what is lacking."""
    target, delta = workflow.policy.target.misroute, round(1 - workflow.policy.target.confidence, 9)
    items = [
        scored(proposal, example.label, workflow, now) for proposal, example in zip(proposals, examples, strict=True)
    ]
    match learn_then_test(items, target, delta):
        case TooLittleData() as lacking:
            return lacking
        case Chosen() as chosen:
            return Calibration(
                policy=workflow.policy.name,
                classifier=proposals[0].classifier,
                model=proposals[0].model,
                data=digest([(example.text, example.label) for example in examples]),
                target=target,
                delta=delta,
                threshold=chosen.threshold,
                n=len(items),
                accepted=chosen.accepted,
                errors=chosen.errors,
                made_at=now,
            )
