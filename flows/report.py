"""Tells the operations lead once a day what a workflow did."""

from prefect import flow

from domain.people import Channel
from flows.deliver import WAIT_S
from tasks.account import balance
from tasks.deliver import deliver_due
from tasks.digest import send_digest
from tasks.names import named
from tasks.resources import opened


@flow(name="report", flow_run_name=named("report"))
async def report(policy: str, to: str = "", by: Channel = Channel.MAIL) -> int:
    """Send the figures of the last 24 hours by mail or Slack, and leave them as an artifact; returns the messages.

    For a schedule. Run it as often as you like: people get one digest of a workflow a day.

    Args:
        policy: name of a shipped policy, or path of a YAML file.
        to: a person or a team of the people file; without one, who is told first of an escalation.
        by: `mail` or `slack`, where `to` is given.
    """
    async with opened():
        await balance(policy)
        sent = await send_digest(policy, to, by)
        await deliver_due(WAIT_S)
        return sent
