"""Looks, before a run touches anything, whether it can do its work; says what it cannot."""

from prefect import get_run_logger, task

from connectors import registry
from connectors.choice import NOBODY
from connectors.registry import kept_spec, reading_of, system_spec
from domain.calibration import OTHERS, Proof
from domain.confidence import Source
from domain.decision import Reason
from domain.errors import PolicyInvalid
from domain.explain import BECAUSE
from domain.values import Frozen
from policies.cases import LookUp
from policies.destination import Destination
from policies.load import Workflow
from policies.notices import SYSTEMS
from tasks.names import ACT, named
from tasks.resources import Resources, resources
from tasks.standing import in_force


class Plan(Frozen):
    """What a run will do: at most `items`, `chunk` at a time."""

    items: int
    chunk: int


@task(task_run_name=named("prepare"), **ACT)
async def prepare(policy: str, *, classifies: bool, syncs: bool = False) -> Plan:
    """Load the policy, reach for its systems, and say on the first line who will decide; an ask.

    Args:
        classifies: whether the flow that asks chooses among routes, and `syncs` whether it keeps records in step.

    Raises:
        PolicyInvalid: the policy is wrong or another flow's, or a system that it writes to is not set up.
    """
    here = resources()
    workflow = here.workflow(policy)
    if (workflow.sync is not None) is not syncs:
        has, its = ("keeps", "flows.sync") if workflow.sync else ("does not keep", "flows.route or flows.intake")
        raise PolicyInvalid(f"{workflow.path}: it {has} records in step, so run it by {its}")
    if workflow.policy.classifies is not classifies:
        has, its = ("has routes", "flows.route") if workflow.policy.classifies else ("has no routes", "flows.intake")
        raise PolicyInvalid(f"{workflow.path}: it {has}, so run it by {its}")
    reach_systems(here, workflow)
    log = get_run_logger()
    as_wanted = nobody_alone(here, workflow) is None and not capped(here, workflow)
    (log.info if as_wanted else log.warning)(who_decides(here, workflow))
    batch = workflow.policy.batch
    return Plan(items=batch.items, chunk=batch.chunk)


def reach_systems(here: Resources, workflow: Workflow) -> None:
    """Open the connector of every system that a workflow writes to, or tells people by.

    Raises:
        PolicyInvalid: one is unknown or not set up, or is told something that it does not
            understand; says what to set.
    """
    check_systems(workflow)
    looked_up = workflow.cases.look_ups.values() if workflow.cases else ()
    for used in (*workflow.policy.destinations.values(), *looked_up):
        here.destination(used.system)
    for kept in workflow.sync.objects.values() if workflow.sync else ():
        for name, side in kept.systems.items():
            here.destination(side.system)
            here.kept(side, [place.name for place in kept.places(name).values()])
    for step in workflow.policy.escalation.all_steps:
        if step.by in SYSTEMS:
            here.destination(SYSTEMS[step.by])


def check_systems(workflow: Workflow) -> None:
    """Check that every system that a workflow writes to exists, understands its options, and can be searched if asked.

    Raises:
        PolicyInvalid: one does not.
    """
    used: dict[str, Destination | LookUp] = {
        f"destinations.{name}": destination for name, destination in workflow.policy.destinations.items()
    }
    if workflow.cases:
        used |= {f"look_ups.{name}": look for name, look in workflow.cases.look_ups.items()}
    for where, one in used.items():
        try:
            system_spec(one.system).chosen(one.options)
        except PolicyInvalid as exc:
            raise PolicyInvalid(f"{workflow.path}: {where}: {exc}") from exc
    for name, kept in workflow.sync.objects.items() if workflow.sync else ():
        for told, side in kept.systems.items():
            where = f"{workflow.path}: objects.{name}.systems.{told}"
            try:
                spec = kept_spec(side.system)
                spec.chosen(side.options)
            except PolicyInvalid as exc:
                raise PolicyInvalid(f"{where}: {exc}") from exc
            if side.key is not None and not spec.creates_only:
                can = ", ".join(system for system, spec in registry.KEPT.items() if spec.creates_only)
                raise PolicyInvalid(
                    f"{where}: remove 'key': {side.system} would write to whatever has that key already. "
                    f"Records are made there under the entity's own id. A key can be given for {can}"
                )
    for name, destination in workflow.policy.destinations.items():
        if destination.duplicates and destination.duplicates.search and not system_spec(destination.system).searchable:
            can = ", ".join(system for system, spec in registry.SYSTEMS.items() if spec.searchable)
            raise PolicyInvalid(
                f"{workflow.path}: destinations.{name}.duplicates: {destination.system} cannot be searched for them. "
                f"Remove it: records are then told apart by their key alone. Searched can be {can}"
            )


def check_sources(workflow: Workflow) -> None:
    """Check that every source that a workflow reads exists, understands its options, and is read once.

    Raises:
        PolicyInvalid: one does not, or is named twice.
    """
    seen: dict[str, int] = {}
    for index, wanted in enumerate(workflow.policy.intake.sources):
        try:
            name = reading_of(wanted.source, wanted.options)
        except PolicyInvalid as exc:
            raise PolicyInvalid(f"{workflow.path}: intake.sources.{index}: {exc}") from exc
        if (first := seen.setdefault(name, index)) != index:
            raise PolicyInvalid(
                f"{workflow.path}: intake.sources.{index}: reads what intake.sources.{first} reads; remove one of them"
            )


def nobody_alone(here: Resources, workflow: Workflow) -> Reason | None:
    """Why nothing of this run may act without a rule or a person; None if something may."""
    if alone(here, workflow) or not workflow.policy.classifies:
        return None
    proofs = workflow.terms.proofs.values()
    if here.asked_by(workflow) == NOBODY and any(
        proof.proven and proof.source is not Source.EXAMPLES for proof in proofs
    ):
        return Reason.NO_MODEL
    return Reason.STALE_CALIBRATION if proofs else Reason.NO_CALIBRATION


def alone(here: Resources, workflow: Workflow) -> list[Proof]:
    """The proofs by which something may act alone, under what is here now."""
    if not workflow.policy.classifies:
        return []
    prints = {
        source: here.voter(workflow) if source is Source.EXAMPLES else here.classifier(workflow) for source in Source
    }
    asks = here.asked_by(workflow) != NOBODY
    return [
        proof
        for source, proof in workflow.terms.proofs.items()
        if proof.proven and proof.classifier == prints[source] and (asks or source is Source.EXAMPLES)
    ]


def who_decides(here: Resources, workflow: Workflow) -> str:
    """One line: who decides alone from which confidence, or that rules and people decide, and what caps the mode."""
    cap = capped(here, workflow)
    if workflow.sync:
        kept = ", ".join(f"{name} in {' and '.join(one.systems)}" for name, one in workflow.sync.objects.items())
        return f"{workflow.policy.name}: {kept}; rules merge, and people decide where edits contradict each other{cap}"
    if not workflow.policy.classifies:
        required = ", ".join(workflow.policy.validation.required)
        return f"{workflow.policy.name}: what has {required} and passes the checks is written; people do the rest{cap}"
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
