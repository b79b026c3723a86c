"""Brings people the figures of a day, through the outbox, as escalations are told."""

from datetime import timedelta

from prefect import task

from connectors.store.figures import Choice
from domain.digest import told
from domain.figures import Counts, Share, Slice
from domain.people import Channel
from policies.load import Workflow
from policies.notices import PATIENCE, digest
from tasks.artifact import leave
from tasks.names import ACT, named
from tasks.resources import Resources, resources

DAY = timedelta(hours=24)
WHOLE = 24
"""Hours of a stretch in which the figures are counted."""

MOST_DEAD = 1000
"""Items with dead letters that are counted one by one; more are told as so many."""


@task(task_run_name=named("digest"), **ACT)
async def send_digest(policy: str, to: str = "", by: Channel = Channel.MAIL) -> int:
    """Tell people what came of the last 24 hours, once a day; an act, safe to repeat. Returns the messages.

    It is left as the run's artifact too.

    Args:
        to: a person or a team of the people file; without one, who is told first of an escalation
            by Slack or mail, and by that channel.
    """
    here = resources()
    workflow = here.workflow(policy)
    name, said = workflow.policy.name, _said(here, workflow)
    for_whom, channel = (to, by) if to else _first(workflow)
    digest_id = f"digest-{name}-{here.now():%Y-%m-%d}"
    with here.store.transaction() as tx:
        recipients = workflow.people.reached(for_whom, channel, here.now()) if for_whom else ()
        writes = [] if tx.outbox.find(digest_id) else digest(digest_id, name, channel, recipients, said)
        tx.outbox.put_all([(write, PATIENCE) for write in writes], here.now())
    lines = "\n".join(f"- {line}" for line in said[1].splitlines())
    await leave(f"digest-{name}", f"## {said[0]}\n\n{lines}\n")
    return len(writes)


def _first(workflow: Workflow) -> tuple[str, Channel]:
    """Whom the ladder tells first by Slack or mail; nobody where it tells by Prefect's event alone."""
    steps = workflow.policy.escalation.all_steps
    return next(((step.to, step.by) for step in steps if step.by is not Channel.PREFECT), ("", Channel.MAIL))


def _said(here: Resources, workflow: Workflow) -> tuple[str, str]:
    name, now = workflow.policy.name, here.now()
    choice = Choice(policy=name, since=now - DAY)
    with here.store.reading() as tx:
        counts = Counts.total([part.counts for part in tx.figures.parts(choice, WHOLE)])
        waiting = sum(count for (policy, _), count in tx.figures.open_reviews().items() if policy == name)
        return told(
            name,
            counts,
            tx.figures.pace(choice, counts.settled),
            tx.figures.kept(choice, now).get(name, Share()),
            tx.accounts.balance(name),
            waiting,
            len(tx.figures.listed(Choice(policy=name), Slice.DEAD, None, MOST_DEAD)),
        )
