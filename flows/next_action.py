"""Event → the case it belongs to → one action out of a closed list → person → validated write."""

from prefect import flow

from domain.account import Account
from domain.item import ClaimedItem
from flows.chunks import work_off
from flows.deliver import WAIT_S
from tasks.act import act
from tasks.choose import choose_actions
from tasks.meet import meet
from tasks.names import named, whole


@flow(name="next-action", flow_run_name=named("next-action"))
async def next_action(policy: str, wait_s: float = WAIT_S) -> Account:
    """Decide what is to be done about each event that waits: onboarding, orders.

    Each event meets its case as it stands; the agent and the labelled examples propose one of the
    policy's actions, and rules, preconditions and the action's weight decide whether it is taken
    or a person asked. Run it as often as you like: an event is decided once, and its action taken
    once. That a deadline has passed is an event too, of which `flows.watch` takes note.

    Args:
        policy: name of a shipped policy about cases, or path of a YAML file.
        wait_s: how long the run waits for writes that other systems put off, in seconds.
    """

    async def decide_chunk(items: list[ClaimedItem]) -> None:
        if met := await meet(policy, whole(items)):
            proposed, said = await choose_actions(policy, met)
            await act(policy, whole(met), whole(proposed), whole(said))

    return await work_off(policy, wait_s, decide_chunk, classifies=True, lanes=1)
