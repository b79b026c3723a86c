"""Looks, before a run touches anything, whether it can do its work; says what it cannot."""

from prefect import get_run_logger, task

from connectors.registry import SYSTEMS, system_spec
from domain.calibration import OTHERS, Proof
from domain.confidence import Source
from domain.decision import Reason
from domain.errors import PolicyInvalid
from domain.explain import BECAUSE
from domain.values import Frozen
from policies.load import Workflow
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.standing import in_force


class Plan(Frozen):
    """What a run will do: at most `items`, `chunk` at a time."""

    items: int
    chunk: int


@task(task_run_name=named("prepare"), **ACT)
async def prepare(policy: str) -> Plan:
    """Load the policy, reach for its systems, and say on the first line who will decide; an ask.

    Raises:
        PolicyInvalid: the policy is wrong, or a system that it writes to is not set up.
    """
    here = resources()
    workflow = here.workflow(policy)
    reach_systems(here, workflow)
    log = get_run_logger()
    as_wanted = nobody_alone(here, workflow) is None and not capped(here, workflow)
    (log.info if as_wanted else log.warning)(who_decides(here, workflow))
    batch = workflow.policy.batch
    return Plan(items=batch.items, chunk=batch.chunk)


def reach_systems(here: Resources, workflow: Workflow) -> None:
    """Open the connector of every system that a workflow writes to.

    Raises:
        PolicyInvalid: one is unknown or not set up, or is told something that it does not
            understand; says what to set.
    """
    check_systems(workflow)
    for destination in workflow.policy.destinations.values():
        here.destination(destination.system)


def check_systems(workflow: Workflow) -> None:
    """Check that every system that a workflow writes to exists, understands its options, and can be searched if asked.

    Raises:
        PolicyInvalid: one does not.
    """
    for name, destination in workflow.policy.destinations.items():
        where = f"{workflow.path}: destinations.{name}"
        try:
            spec = system_spec(destination.system)
            spec.chosen(destination.options)
        except PolicyInvalid as exc:
            raise PolicyInvalid(f"{where}: {exc}") from exc
        if destination.duplicates and destination.duplicates.search and not spec.searchable:
            can = ", ".join(system for system, one in SYSTEMS.items() if one.searchable)
            raise PolicyInvalid(
                f"{where}.duplicates: {destination.system} cannot be searched for them. Remove it: records are "
                f"then told apart by their key alone. Searched can be {can}"
            )


def nobody_alone(here: Resources, workflow: Workflow) -> Reason | None:
    """Why nothing of this run may act without a rule or a person; None if something may."""
    if alone(here, workflow):
        return None
    proofs = workflow.terms.proofs.values()
    if here.model is None and any(proof.proven and proof.source is not Source.EXAMPLES for proof in proofs):
        return Reason.NO_MODEL
    return Reason.STALE_CALIBRATION if proofs else Reason.NO_CALIBRATION


def alone(here: Resources, workflow: Workflow) -> list[Proof]:
    """The proofs by which something may act alone, under what is here now."""
    prints = {
        source: here.voter(workflow) if source is Source.EXAMPLES else here.classifier(workflow) for source in Source
    }
    asks = here.model is not None
    return [
        proof
        for source, proof in workflow.terms.proofs.items()
        if proof.proven and proof.classifier == prints[source] and (asks or source is Source.EXAMPLES)
    ]


def who_decides(here: Resources, workflow: Workflow) -> str:
    """One line: who decides alone from which confidence, or that rules and people decide, and what caps the mode."""
    cap = capped(here, workflow)
    if (reason := nobody_alone(here, workflow)) is not None:
        changed = f" ({', '.join(what_changed(here, workflow))} changed)" if workflow.terms.proofs else ""
        return f"{workflow.policy.name}: {BECAUSE[reason]}{changed}; rules and people decide{cap}"
    told = [
        f"{'the examples' if proof.source is Source.EXAMPLES else proof.model} alone from {thresholds(proof)}"
        for proof in alone(here, workflow)
    ]
    return f"{workflow.policy.name}: {'; without a model '.join(told)}{cap}"


def capped(here: Resources, workflow: Workflow) -> str:
    """That the mode in force is lower than the policy's, and why; empty if it is not."""
    mode, standing = in_force(here, workflow)
    wanted = workflow.policy.mode
    return "" if mode is wanted else f"; stepped back from {wanted.value} to {mode.value}: {standing.why}"


def what_changed(here: Resources, workflow: Workflow) -> list[str]:
    """The parts of the classifier that are others than those that the calibration was made with."""
    now = here.parts(workflow)
    proofs = workflow.terms.proofs.values()
    return [name for name in now if any(proof.parts.get(name) != now[name] for proof in proofs)]


def thresholds(proof: Proof) -> str:
    """A proof's thresholds in words; `none` where nothing is proven."""
    told = ", ".join(
        f"{promise.threshold:.3f}{'' if group == OTHERS else f' for {group}'}"
        for group, promise in proof.promises.items()
        if promise.threshold is not None
    )
    return told or "none"
