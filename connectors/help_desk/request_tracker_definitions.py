"""What Request Tracker's queues and custom fields take, asked for once and remembered."""

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote

from connectors.help_desk.request_tracker_api import CustomField, FieldName, Queue
from connectors.http_outcomes import HttpApi
from domain.delivery import Invalid, RetryAfter

Definition = TypeVar("Definition", Queue, CustomField)


class Definitions:
    """Definitions by their addresses."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api
        self._known: dict[str, Queue | CustomField] = {}

    @property
    def remembered(self) -> bool:
        """Whether anything would be answered from memory."""
        return bool(self._known)

    def forget(self) -> None:
        """Ask anew from now on."""
        self._known.clear()

    async def queue(self, name: str) -> Queue | Invalid | RetryAfter:
        """A queue by its name, or by its id."""
        queue = await self._definition(Queue, f"/queue/{quote(name, safe='')}")
        return Invalid(detail=f"{queue.detail}, asking for queue '{name}'") if isinstance(queue, Invalid) else queue

    async def fields(self, names: Mapping[str, FieldName]) -> dict[str, CustomField] | Invalid | RetryAfter:
        """The custom fields of these names, by the same."""
        found = {}
        for value, field in names.items():
            definition = await self._definition(CustomField, f"/customfield/{quote(field.id, safe='')}")
            if not isinstance(definition, CustomField):
                return definition
            found[value] = definition
        return found

    async def _definition(self, shape: type[Definition], path: str) -> Definition | Invalid | RetryAfter:
        if isinstance(known := self._known.get(path), shape):
            return known
        asked = await self._api.ask(shape, path, {})
        if isinstance(asked, shape):
            self._known[path] = asked
        return asked
