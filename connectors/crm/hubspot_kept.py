"""Records of a HubSpot object that are kept in step with other systems'."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never
from urllib.parse import quote

from connectors.crm import hubspot
from connectors.crm.hubspot_api import (
    NAME,
    TIME_ZONE,
    TOKEN,
    URL,
    Answer,
    Listed,
    ReadBatch,
    ReadInput,
    Stored,
    connect,
    modified_property,
    path_of,
)
from connectors.crm.hubspot_changes import EPOCH, OPERATION_PROPERTY, SETTLING, HubSpotChanges
from connectors.http_outcomes import HttpApi
from connectors.kept import Changed, Page, Record, changed_of
from connectors.ports import Changes
from connectors.reading import unread
from connectors.spec import SINCE, TIMEOUT_S, KeptSpec, moment
from domain.delivery import Invalid, RetryAfter
from domain.errors import BadRequest

LARGEST_PAGE = 100
"""Records in a batch that is read, and on a page of the list, at most."""


class HubSpotKept:
    """The records of an object.

    A record that was merged into another one is read as that; one that was archived is not there. Who
    changed a record last HubSpot does not say of the record, but of each property.

    Args:
        changes: tells which records changed, as a source.
        fields: names of the properties that are kept in step; one that the account does not have is left out.
        operation_property: the one that tells which write of ours a record carries.
    """

    def __init__(
        self, api: HttpApi, changes: Changes, object_name: str, fields: Sequence[str], operation_property: str
    ) -> None:
        self._api, self._changes, self._path = api, changes, path_of(object_name)
        self._fields, self._operation, self._modified = (
            tuple(fields),
            operation_property,
            modified_property(object_name),
        )
        self._properties = sorted({*fields, operation_property, self._modified})

    async def changed(self, cursor: str, count: int) -> Changed:
        """Records modified since `cursor`; see `HubSpotChanges`."""
        return changed_of(await self._changes.fetch(cursor, count))

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        """The records by the batch, and one by one those that come under another id or do not come.

        Raises:
            Throttled: a limit of HubSpot's; says how long to wait.
            Unavailable: HubSpot does not answer.
            BadRequest: it refuses the request or the key.
        """
        wanted = list(dict.fromkeys(external_ids))
        found: dict[str, Record | None] = {}
        for begin in range(0, len(wanted), LARGEST_PAGE):
            found |= await self._batch(wanted[begin : begin + LARGEST_PAGE])
        return {one: found[one] if one in found else await self._one(one) for one in wanted}

    async def page(self, after: str, count: int) -> Page:
        """Up to a hundred records at a time, as HubSpot lists them; raises as `read`."""
        asked = {"limit": str(min(count, LARGEST_PAGE)), "properties": ",".join(self._properties)}
        match await self._api.ask(Listed, self._path, asked | ({"after": after} if after else {})):
            case Listed(results=records, paging=paging):
                goes_on = paging.next.after if paging and paging.next else ""
                return Page(tuple(map(self._record, records)), goes_on)
            case Invalid() | RetryAfter() as failure:
                raise unread(failure)
            case other:
                assert_never(other)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._changes.aclose()
        await self._api.aclose()

    async def _batch(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        read = ReadBatch(
            inputs=[ReadInput(id=one) for one in external_ids],
            id_property=None,
            properties=self._properties,
            properties_with_history=[],
        )
        match await self._api.ask(Answer, f"{self._path}/batch/read", {}, read):
            case Answer(results=records):
                return {record.id: self._record(record) for record in records}
            case Invalid() | RetryAfter() as failure:
                raise unread(failure)
            case other:
                assert_never(other)

    async def _one(self, external_id: str) -> Record | None:
        path = f"{self._path}/{quote(external_id, safe='')}"
        asked = {"properties": ",".join(self._properties)}
        match await self._api.ask(Stored, path, asked, one_record=True):
            case Stored() as record:
                return self._record(record)
            case Invalid(gone=True):
                return None
            case Invalid() | RetryAfter() as failure:
                raise unread(failure)
            case other:
                assert_never(other)

    def _record(self, record: Stored) -> Record:
        return Record(
            external_id=record.id,
            values=record.values(self._fields),
            changed_at=self._moment(record),
            operation_id=record.properties.get(self._operation) or "",
        )

    def _moment(self, record: Stored) -> datetime | None:
        text = record.properties.get(self._modified)
        try:
            return datetime.fromisoformat(text) if text else None
        except ValueError as exc:
            raise BadRequest(f"{NAME}: record {record.id} has no {self._modified} that can be read: '{text}'") from exc


def _open(values: Mapping[str, str], options: Mapping[str, str], fields: Sequence[str]) -> HubSpotKept:
    object_name, operation_property = options["object"], options[OPERATION_PROPERTY.name]
    changes = HubSpotChanges(
        connect(values),
        object_name,
        (),
        operation_property=operation_property,
        since=moment(options[SINCE.name]) or EPOCH,
        settling_s=float(options[SETTLING.name]),
    )
    return HubSpotKept(connect(values), changes, object_name, fields, operation_property)


KEPT = KeptSpec(_open, (TOKEN, URL, TIME_ZONE, TIMEOUT_S), (*hubspot.SPEC.options, SINCE, SETTLING), hubspot.SPEC)
