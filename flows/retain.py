"""What is over for longer than its policy keeps it is erased."""

from prefect import flow

from domain.erasure import Erasure
from tasks.artifact import leave, table
from tasks.erase import erase_aged
from tasks.resources import opened


@flow(name="retain")
async def retain(policies: list[str]) -> dict[str, Erasure]:
    """For a schedule: erase by each policy's `retention`; returns what was erased, by policy.

    A policy that fails keeps none of the others; the run fails at the end.
    """
    async with opened() as here:
        ended = {
            policy: await erase_aged(policy, return_state=True)  # type: ignore[misc]  # Prefect's own slip
            for policy in policies
        }
        erased = {policy: await state.aresult() for policy, state in ended.items()}
        here.store.compact()
        counts = [(policy, *one.model_dump().values()) for policy, one in erased.items()]
        await leave("erased", table(("policy", *Erasure.model_fields), counts))
        return erased
