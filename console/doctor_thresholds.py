"""Looks at the thresholds of policies: whether one is proven, and for the very classifier that is here now."""

from connectors.choice import NOBODY
from console.doctor_report import Check, untold, warning, well, wrong
from domain.confidence import Source
from domain.decision import Mode
from domain.errors import InterlockError
from policies.load import Workflow
from tasks.prepare import alone, capped, thresholds, what_changed
from tasks.resources import Resources

ALONE = (Mode.AUTO, Mode.CANARY)
"""Modes in which something acts without a person."""


def check_thresholds(here: Resources, workflow: Workflow) -> list[Check]:
    """What the calibration record is worth now; starts the embedded model where that is the one that is asked."""
    name = workflow.policy.name
    if not workflow.policy.classifies:
        return []
    try:
        return [_record(here, workflow), *_cap(here, workflow)]
    except InterlockError as exc:
        return [untold("threshold", name, str(exc), "Mend that first")]


def _record(here: Resources, workflow: Workflow) -> Check:
    policy, record = workflow.policy, workflow.calibration
    again = f"Run 'evals calibrate {workflow.reference} --data FILE' with labelled items"
    if record is None:
        say = warning if policy.mode in ALONE else untold
        return say("threshold", policy.name, "none is proven: rules and people decide", again)
    if not workflow.terms.proofs:
        says = f"{workflow.calibration_path.name} proves less than the policy promises, or was made under other rules"
        return wrong("threshold", policy.name, says, again)
    if proofs := alone(here, workflow):
        told = ", ".join(f"{_who(proof.source, proof.model)} alone from {thresholds(proof)}" for proof in proofs)
        asks_nobody = here.asked_by(workflow) == NOBODY
        if asks_nobody and any(proof.source is not Source.EXAMPLES for proof in workflow.terms.proofs.values()):
            mend = "Set INTERLOCK_LLM_BASE_URL and _MODEL, or install the embedded model"
            return warning("threshold", policy.name, f"no model is here; {told}", mend)
        return well("threshold", policy.name, told)
    if changed := what_changed(here, workflow):
        says = f"the record was made with another {', '.join(changed)}: nothing acts alone"
        return wrong("threshold", policy.name, says, f"{again}, or go back to what it was made with")
    return warning("threshold", policy.name, "the record proves no threshold: rules and people decide", again)


def _cap(here: Resources, workflow: Workflow) -> list[Check]:
    if not (cap := capped(here, workflow)):
        return []
    mend = f"See 'interlock policy standing {workflow.reference}'; once mended, 'interlock policy release'"
    return [warning("threshold", workflow.policy.name, cap.removeprefix("; "), mend)]


def _who(source: Source, model: str) -> str:
    return "the examples" if source is Source.EXAMPLES else model
