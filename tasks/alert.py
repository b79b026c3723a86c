"""Tells people, through Prefect's events: an automation sends them on to chat or mail."""

from typing import Literal

from prefect import get_run_logger
from prefect.context import TaskRunContext
from prefect.events import emit_event
from prefect.logging import get_logger
from prefect.settings import get_current_settings

from policies.model import Policy


def alert(event: str, kind: Literal["item", "policy", "source"], name: str, message: str, /, **payload: str) -> None:
    """Emit `interlock.<event>` about an item, a policy or a source, and log it as a warning.

    Events carry no message text and no secret, only where to look.
    """
    log = get_run_logger() if TaskRunContext.get() else get_logger("interlock")
    log.warning(message)
    if not get_current_settings().api.url:
        return  # emitting would start a server for it; the ledger has it
    resource = {"prefect.resource.id": f"interlock.{kind}.{name}", "prefect.resource.name": name}
    emit_event(f"interlock.{event}", resource=resource, payload={"message": message, **payload})


def escalate(event: str, item_id: str, policy: Policy, message: str, /) -> None:
    """Tell those whom the policy names for what went wrong with an item, so that one of them acts."""
    alert(event, "item", item_id, message, policy=policy.name, to=policy.escalation.to)
