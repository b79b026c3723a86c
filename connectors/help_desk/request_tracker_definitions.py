"""What Request Tracker's queues and custom fields take, asked for once and remembered."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from connectors.help_desk.request_tracker_api import CustomField, Queue
from connectors.help_desk.request_tracker_tickets import custom_fields
from connectors.http_outcomes import HttpApi
from domain.delivery import Invalid, Operation, RetryAfter

Definition = TypeVar("Definition", Queue, CustomField)
Made = TypeVar("Made")


class Definitions:
    """Definitions by their addresses."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api
        self._known: dict[str, Queue | CustomField] = {}

    async def resolved(
        self, operation: Operation, queue_name: str, use: Callable[[Queue, dict[str, CustomField]], Made | Invalid]
    ) -> Made | Invalid | RetryAfter:
        """What `use` makes of a queue and the custom fields, by the values' names, that an operation writes there.

        Definitions are remembered; a refusal by what was remembered is looked at afresh.

        Args:
            queue_name: the queue's name or id.
        """
        remembered = bool(self._known)
        made = await self._used(operation, queue_name, use)
        if isinstance(made, Invalid) and remembered:
            self._known.clear()
            made = await self._used(operation, queue_name, use)
        return made

    async def _used(
        self, operation: Operation, queue_name: str, use: Callable[[Queue, dict[str, CustomField]], Made | Invalid]
    ) -> Made | Invalid | RetryAfter:
        queue = await self._definition(Queue, f"/queue/{quote(queue_name, safe='')}")
        if isinstance(queue, Invalid):
            return Invalid(detail=f"{queue.detail}, asking for queue '{queue_name}'")
        if isinstance(queue, RetryAfter):
            return queue
        names = custom_fields(operation, queue)
        if isinstance(names, Invalid):
            return names
        fields = {}
        for value, field in names.items():
            definition = await self._definition(CustomField, f"/customfield/{quote(field.id, safe='')}")
            if not isinstance(definition, CustomField):
                return definition
            fields[value] = definition
        return use(queue, fields)

    async def _definition(self, shape: type[Definition], path: str) -> Definition | Invalid | RetryAfter:
        if isinstance(known := self._known.get(path), shape):
            return known
        asked = await self._api.ask(shape, path, {})
        if isinstance(asked, shape):
            self._known[path] = asked
        return asked
