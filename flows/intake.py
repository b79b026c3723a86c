"""Extraction → validation → person for what is missing → CRM upsert, through the outbox."""

from prefect import flow

from domain.account import Account
from domain.item import ClaimedItem
from flows.chunks import work_off
from flows.deliver import WAIT_S
from tasks.decide import decide_fields
from tasks.extract import extract
from tasks.names import named, whole


@flow(name="intake", flow_run_name=named("intake"))
async def intake(policy: str, wait_s: float = WAIT_S) -> Account:
    """Take in what waits in a policy's inbox: leads and orders out of forms and mails.

    Each item's fields are read from its text, normalised and checked. What is complete goes
    out through the outbox; for what is missing, unsure or wrong a person, or the sender, is
    asked. Run it as often as you like: an item is decided once and written once.

    Args:
        policy: name of a shipped policy, or path of a YAML file; one without routes.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
    """

    async def decide_chunk(items: list[ClaimedItem]) -> None:
        await extract(policy, items)
        await decide_fields(policy, whole(items))

    return await work_off(policy, wait_s, decide_chunk, classifies=False)
