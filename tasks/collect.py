"""Fetches what sources have: mails, files, other systems' changes."""

from prefect import get_run_logger, task

from domain.errors import Permanent, Retryable
from domain.escalation import Cause
from tasks.accept import Admitted, admit
from tasks.escalate import escalate
from tasks.names import ACT, named
from tasks.resources import Resources, resources

AT_ONCE = 100
"""Arrivals in one fetch and one transaction."""

LONGEST_ROUND = 100
"""Fetches from one source in one run; what is left comes with the next."""


@task(task_run_name=named("collect"), **ACT)
async def collect(policy: str) -> int:
    """Store what is new in a policy's sources; an act, safe to repeat.

    What a fetch gave is stored together with the cursor: whoever dies between two fetches
    loses nothing, and what was stored is never read again. A source that does not answer keeps
    the others waiting no longer than its timeout, and the next run reads on; of one that refuses
    us somebody is told. Returns how many items came.

    Raises:
        PolicyInvalid: a source is unknown or not set up.
    """
    here = resources()
    came = 0
    for name in here.workflow(policy).policy.intake.sources:
        try:
            came += await _read(here, policy, name)
        except Retryable as exc:
            get_run_logger().warning("%s does not answer now: %s", name, exc)
        except Permanent as exc:
            _tell(here, policy, name, f"the source {name} cannot be read: {exc}")
        else:
            _tell(here, policy, name, None)
    return came


def _tell(here: Resources, policy: str, name: str, fault: str | None) -> None:
    """Escalate that a source refuses us; that it does not any more ends what stands about it."""
    workflow, now = here.workflow(policy).policy.name, here.now()
    with here.store.reading() as tx:
        stands = tx.escalations.stands(workflow, Cause.SOURCE_UNREADABLE, name)
    if fault is None and not stands:
        return
    with here.store.transaction() as tx:
        if fault is None:
            tx.escalations.resolve(Cause.SOURCE_UNREADABLE, name, f"{name} can be read again", now, policy=workflow)
        else:
            escalate(tx, Cause.SOURCE_UNREADABLE, name, workflow, fault, now)


async def _read(here: Resources, policy: str, name: str) -> int:
    source, cursor_of = here.source(name), f"{here.workflow(policy).policy.name}/{name}"
    with here.store.reading() as tx:
        cursor = tx.cursors.of(cursor_of)
    came = 0
    for _ in range(LONGEST_ROUND):
        fetched = await source.fetch(cursor, AT_ONCE)
        if fetched.arrivals or fetched.cursor != cursor:
            verdicts = admit(here, policy, fetched.arrivals, (cursor_of, fetched.cursor))
            came += sum(isinstance(verdict, Admitted) for verdict in verdicts)
        cursor = fetched.cursor
        if not fetched.more:
            break
    return came
