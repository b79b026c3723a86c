"""Tells people, through Prefect's events: an automation sends them on to chat or mail."""

from logging import Logger, LoggerAdapter
from typing import Literal

from prefect import get_run_logger
from prefect.context import TaskRunContext
from prefect.events import emit_event
from prefect.logging import get_logger
from prefect.settings import get_current_settings

Subject = Literal["item", "policy", "source", "system"]
"""What an event can be about."""

LABELLED = ("to", "by")
"""What of the payload stands in the resource's labels too."""


def log() -> Logger | LoggerAdapter[Logger]:
    """Where a task says what happened: its run's log, or outside of runs the program's."""
    return get_run_logger() if TaskRunContext.get() else get_logger("interlock")


def alert(event: str, kind: Subject, name: str, message: str, /, **payload: str) -> None:
    """Emit `interlock.<event>` about a subject, and log it as a warning.

    Events carry no message text and no secret, only where to look. For whom a step of a ladder is, and by
    which channel, stands in the labels of its resource too (`interlock.to`, `interlock.by`): automations
    choose by labels, never by the payload.
    """
    log().warning(message)
    if not get_current_settings().api.url:
        return  # emitting would start a server for it; the ledger has it
    resource = {"prefect.resource.id": f"interlock.{kind}.{name}", "prefect.resource.name": name}
    resource |= {f"interlock.{name}": payload[name] for name in LABELLED if name in payload}
    emit_event(f"interlock.{event}", resource=resource, payload={"message": message, **payload})
