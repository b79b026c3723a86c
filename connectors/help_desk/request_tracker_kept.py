"""Tickets of Request Tracker's that are kept in step with other systems' records."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.help_desk import request_tracker, request_tracker_changes
from connectors.help_desk.request_tracker_api import (
    EXPANDED,
    LARGEST_PAGE,
    NAME,
    RT_TOKEN,
    RT_URL,
    VENDOR,
    Ticket,
    Tickets,
    connections,
    quoted,
)
from connectors.help_desk.request_tracker_changes import QUEUE
from connectors.help_desk.request_tracker_tickets import OPERATION_FIELD, held
from connectors.help_desk.request_tracker_values import DELETED, values_of
from connectors.http_outcomes import HttpApi
from connectors.kept import Changed, Page, Record, changed_of
from connectors.ports import Changes
from connectors.reading import unread
from connectors.spec import SINCE, TIMEOUT_S, KeptSpec, seconds, secret, url
from domain.delivery import Invalid, RetryAfter
from domain.errors import BadRequest


class RequestTrackerKept:
    """Tickets by their ids; one that was merged into another is read as that, a deleted one is not there.

    Values are those of the connector's writes, without the content. RT's search reads the database itself,
    so that it does not lag; it leaves out deleted and merged tickets.

    Args:
        changes: tells which tickets changed, as a source.
        fields: names of the values that are kept in step; a custom field that a ticket's queue lacks is left out.
        queue: whose tickets are in a snapshot; empty for all that the user may see.
        operation_field: the custom field that tells which write of ours a ticket carries.
    """

    def __init__(
        self, api: HttpApi, changes: Changes, fields: Sequence[str], *, queue: str, operation_field: str
    ) -> None:
        self._api, self._changes, self._fields, self._operation = api, changes, tuple(fields), operation_field
        self._within = f" AND Queue = {quoted(queue)}" if queue else ""

    async def changed(self, cursor: str, count: int) -> Changed:
        """Tickets updated since `cursor`; see `RequestTrackerChanges`."""
        return changed_of(await self._changes.fetch(cursor, count))

    async def read(self, external_ids: Sequence[str]) -> dict[str, Record | None]:
        """The tickets by a search, and one by one those that it leaves out.

        Raises:
            Throttled: it asks to be left alone for some time.
            Unavailable: it does not answer.
            BadRequest: it refuses the search or the token.
        """
        wanted = [one for one in dict.fromkeys(external_ids) if one.isascii() and one.isdecimal()]
        found: dict[str, Record] = {}
        for begin in range(0, len(wanted), LARGEST_PAGE):
            found |= await self._search(wanted[begin : begin + LARGEST_PAGE])
        left_out = [one for one in wanted if one not in found]
        merged = {one: survivor for one in left_out if (survivor := await self._survivor(one))}
        found |= await self._search(list(dict.fromkeys(merged.values()))) if merged else {}
        return {one: found.get(merged.get(one, one)) for one in external_ids}

    async def page(self, after: str, count: int) -> Page:
        """Tickets in the order of their numbers; raises as `read`."""
        if not (after or "0").isdecimal():
            raise BadRequest(f"{NAME}: '{after}' is no ticket to go on after; an empty one begins again")
        size = min(count, LARGEST_PAGE)
        records = list((await self._found(f"id > {after or 0}{self._within}", size)).values())
        return Page(tuple(records), records[-1].external_id if len(records) == size else "")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._changes.aclose()
        await self._api.aclose()

    async def _search(self, external_ids: Sequence[str]) -> dict[str, Record]:
        return await self._found(" OR ".join(f"id = {one}" for one in external_ids), LARGEST_PAGE)

    async def _found(self, query: str, size: int) -> dict[str, Record]:
        asked = {"query": query, "orderby": "id", "per_page": str(size), **EXPANDED}
        match await self._api.ask(Tickets, "/tickets", asked):
            case Tickets(items=tickets):
                return {str(ticket.id): self._record(ticket) for ticket in tickets}
            case failure:
                raise unread(failure)

    async def _survivor(self, external_id: str) -> str | None:
        """The id of what a ticket was merged into; None if it is not there any more."""
        match await self._api.ask(Ticket, f"/ticket/{external_id}", {}, one_record=True):
            case Ticket(status=status) as ticket:
                return None if status == DELETED else str(ticket.id)
            case Invalid(gone=True):
                return None
            case Invalid() | RetryAfter() as failure:
                raise unread(failure)

    def _record(self, ticket: Ticket) -> Record:
        values = values_of(ticket)
        return Record(
            external_id=str(ticket.id),
            values={name: values[name] for name in self._fields if name in values},
            changed_at=datetime.fromisoformat(ticket.last_updated),
            changed_by=str(ticket.last_updated_by.id) if ticket.last_updated_by else "",
            operation_id=str(next(iter(held(ticket, self._operation)), "")),
        )


def _open(values: Mapping[str, str], options: Mapping[str, str], fields: Sequence[str]) -> RequestTrackerKept:
    token = secret(values, RT_TOKEN)
    api = HttpApi(VENDOR, connections(url(values, RT_URL), token, seconds(values, TIMEOUT_S)), token)
    changes = request_tracker_changes.SOURCE.open(values, options)
    return RequestTrackerKept(
        api, changes, fields, queue=options[QUEUE.name], operation_field=options[OPERATION_FIELD.name]
    )


KEPT = KeptSpec(
    _open,
    (RT_URL, RT_TOKEN, TIMEOUT_S),
    (*request_tracker.SPEC.options, QUEUE, SINCE),
    request_tracker.SPEC,
)
