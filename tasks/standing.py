"""Watches whether a running workflow still deserves its mode: by the blind audit, and by drift."""

from datetime import datetime

from prefect import task

from domain import audit
from domain.audit import Standing, effective
from domain.calibration import Proof
from domain.decision import Mode
from domain.drift import WINDOW, Drift, drifts, observe
from domain.errors import InputInvalid
from domain.escalation import Cause
from domain.ledger import Event
from domain.story import tell
from policies.intake import storable
from policies.load import Workflow
from tasks.escalate import escalate
from tasks.extract import reader
from tasks.names import ACT, named
from tasks.resources import Resources, resources


@task(task_run_name=named("step-back"), **ACT)
async def step_back(policy: str) -> Mode:
    """Step the mode back if the blind audit refutes the target; an act, safe to repeat. Returns the mode in force.

    The test starts anew after each step, so running twice steps once. A person lifts the
    cap with `interlock policy release`.
    """
    here = resources()
    workflow = here.workflow(policy)
    name, target = workflow.policy.name, workflow.policy.target
    with here.store.transaction() as tx:
        standing = tx.standings.of(name)
        mode = effective(workflow.policy.mode, standing.cap)
        if not workflow.policy.audit.step_back:
            return mode
        since = _since(standing, workflow)
        tallies = {acting: tx.reviews.audited(name, acting, since) for acting in _acting(here, workflow)}
        step = audit.step_back(mode, tallies, target.misroute, target.delta)
        if step is None:
            return mode
        tx.standings.step_back(name, step, target.misroute, here.now())
        wrong, n = step.tally.wrong, step.tally.n
        went = f"{mode.value} to {step.after.value}: of {n} audited decisions {wrong} were wrong"
        escalate(tx, Cause.STEPPED_BACK, name, name, f"{name} steps back from {went}", here.now())
    return step.after


@task(task_run_name=named("watch-drift"), **ACT)
async def watch_drift(policy: str) -> list[Drift]:
    """Test each new window of decisions against the calibration set, once; an act. Returns what has drifted."""
    here = resources()
    workflow = here.workflow(policy)
    return [drift for proof in workflow.terms.proofs.values() for drift in _test_windows(here, workflow, proof)]


def _acting(here: Resources, workflow: Workflow) -> list[str]:
    """Fingerprints of what may act alone: the proven classifiers, or what finds fields."""
    if not workflow.policy.classifies:
        return [reader(here, workflow.policy)]
    return [proof.classifier for proof in workflow.terms.proofs.values() if proof.proven]


def _since(standing: Standing, workflow: Workflow) -> datetime | None:
    """The moment after which answers count: they must be about the thresholds that are in force."""
    moments = [standing.since, workflow.calibration.made_at if workflow.calibration else None]
    return max((moment for moment in moments if moment is not None), default=None)


def in_force(here: Resources, workflow: Workflow) -> tuple[Mode, Standing]:
    """The mode in which a workflow decides now, and the standing that may cap it."""
    with here.store.reading() as tx:
        standing = tx.standings.of(workflow.policy.name)
    return effective(workflow.policy.mode, standing.cap), standing


def release(here: Resources, policy: str, by: str, note: str) -> Mode:
    """Lift the cap on a policy's mode; returns the mode that is in force again.

    Raises:
        InputInvalid: no name is given, or there is no cap to lift.
    """
    chosen = here.workflow(policy).policy
    if not by.strip():
        raise InputInvalid("give your name with --by, so that the ledger knows who decided")
    with here.store.transaction() as tx:
        name, who, now = chosen.name, storable(by.strip()), here.now()
        if not tx.standings.release(name, chosen.mode, who, storable(note.strip()), now):
            raise InputInvalid(f"{name} has not stepped back; its mode is set in the policy file")
        tx.escalations.resolve(Cause.STEPPED_BACK, name, f"{who} has released it", now, policy=name, by=who)
    return chosen.mode


def _test_windows(here: Resources, workflow: Workflow, proof: Proof) -> list[Drift]:
    """What has drifted in the whole windows that were not tested yet."""
    name, found = workflow.policy.name, list[Drift]()
    while True:
        with here.store.reading() as tx:
            after = tx.standings.tested_to(name, proof.classifier)
            decided = tx.inbox.proposed(name, proof.source, proof.classifier, after, WINDOW)
        if len(decided) < WINDOW:
            return found
        window = observe((proposal for _, proposal in decided), proof.source, proof.fusion)
        found += _record(here, workflow, proof, drifts(proof.baseline, window), after, decided[-1][0])


def _record(
    here: Resources, workflow: Workflow, proof: Proof, drifted: tuple[Drift, ...], after: int, upto: int
) -> tuple[Drift, ...]:
    """Count the window as tested and raise its drift; nothing if another run was quicker."""
    name = workflow.policy.name
    with here.store.transaction() as tx:
        number = tx.standings.count_window(name, proof.classifier, after, upto)
        if number is None or not drifted:
            return ()
        facts = {
            "policy": name,
            "classifier": proof.classifier,
            "source": proof.source.value,
            "window": number,
            "n": WINDOW,
            "drifts": [drift.model_dump(mode="json") for drift in drifted],
        }
        tx.ledger.append(None, Event.DRIFTED, here.now(), **facts)
        escalate(tx, Cause.DRIFTED, name, name, tell(Event.DRIFTED, facts), here.now())
    return drifted
