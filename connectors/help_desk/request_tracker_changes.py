"""What changed in Request Tracker: its tickets, in the order of their last update."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pydantic import BaseModel

from connectors.help_desk.request_tracker import ticket_values
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
from connectors.help_desk.request_tracker_tickets import OPERATION_FIELD
from connectors.http_outcomes import Headed, HttpApi
from connectors.ports import Arrival, Fetched
from connectors.reading import unread
from connectors.spec import SINCE, TIMEOUT_S, Option, SourceSpec, moment, seconds, secret, url
from domain.delivery import Invalid, RetryAfter
from domain.errors import BadRequest

SECOND = timedelta(seconds=1)
SETTLE = 2 * SECOND
"""A ticket is told of this much later. RT's times are whole seconds: until one is over, a ticket with a
smaller id than one that was told may still get it, and the cursor would have passed that."""

QUEUE = Option("queue", "queue whose tickets are read; all that the user may see without it", "")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Shape = TypeVar("Shape", bound=BaseModel)


class About(Headed):
    """Answer to the question which RT this is, asked for the time on its clock."""


@dataclass(frozen=True, order=True)
class Position:
    """The last update that was told, and the id of its ticket."""

    at: datetime = EPOCH
    id: int = 0

    @classmethod
    def read(cls, cursor: str) -> "Position":
        """The position of a cursor.

        Raises:
            BadRequest: it is none of ours.
        """
        at, _, ticket_id = cursor.partition("/")
        try:
            told = cls(datetime.fromisoformat(at), int(ticket_id))
        except ValueError as exc:
            raise BadRequest(f"{NAME}: the cursor is not one of its changes; an empty one begins again") from exc
        return told

    @property
    def cursor(self) -> str:
        """The position as text."""
        return f"{self.at.isoformat()}/{self.id}"


class RequestTrackerChanges:
    """Polls tickets by the time of their last update.

    RT reads a time in a search in the zone of whoever asks, whatever the time says of its own
    zone, and tells nobody which that is. So it is asked for what was updated so many seconds
    ago, counted on its own clock.

    Args:
        queue: whose tickets are read; empty for all.
        operation_field: the custom field that tells which write of ours a ticket carries.
        since: where an empty cursor begins; before everything by default.
    """

    def __init__(
        self,
        url: str,
        token: str,
        timeout_s: float,
        *,
        queue: str = "",
        operation_field: str = OPERATION_FIELD.default or "",
        since: datetime = EPOCH,
    ) -> None:
        self._within = f" AND Queue = {quoted(queue)}" if queue else ""
        self._operation, self._begin = operation_field, Position(since)
        self._api = HttpApi(VENDOR, connections(url, token, timeout_s), token)

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` tickets updated since `cursor` and more than two seconds ago, the oldest first.

        A ticket that is updated again arrives again, under another external id.

        Raises:
            Throttled: it asks to be left alone for some time.
            Unavailable: it does not answer.
            BadRequest: it refuses the search or the token, or the cursor is none of ours.
        """
        told = Position.read(cursor) if cursor else self._begin
        now = _clock(await self._read(About, "/rt", {}))
        more = False
        tickets: list[Ticket] = []
        new: list[Ticket] = []
        for page in itertools.count(1):
            tickets += (some := await self._page(int((now - told.at).total_seconds()) + 1, page))
            more = len(some) == LARGEST_PAGE
            # RT sorts those of one second as it likes: of a full page's last there may be more.
            until = min(now - SETTLE, _position(some[-1]).at - SECOND) if more else now - SETTLE
            new = [ticket for ticket in tickets if _position(ticket) > told and _position(ticket).at <= until]
            if new or not more:
                break
        taken = sorted(new, key=_position)[:count]
        reached = _position(taken[-1]).cursor if taken else cursor
        return Fetched(tuple(map(self._arrival, taken)), reached, more=more or len(new) > count)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    def _arrival(self, ticket: Ticket) -> Arrival:
        custom = {field.name: field.values for field in ticket.fields if field.values}
        ours = custom.pop(self._operation, [])
        named = {re.sub(r"[^a-z0-9]+", "_", name.casefold()): values for name, values in custom.items()}
        return Arrival(
            where=f"{NAME} ticket {ticket.id}",
            source="request_tracker",
            external_id=f"{ticket.id}@{ticket.last_updated}",
            received_at=_position(ticket).at,
            fields={
                **{name: values[0] if len(values) == 1 else values for name, values in named.items()},
                **ticket_values(ticket),
                "ticket_id": str(ticket.id),
            },
            operation_id=str(ours[0]) if ours else "",
        )

    async def _page(self, ago_s: int, page: int) -> list[Ticket]:
        wanted = {
            "query": f"LastUpdated >= '{ago_s} seconds ago'{self._within}",
            "orderby": "LastUpdated",
            "per_page": str(LARGEST_PAGE),
            "page": str(page),
        }
        return (await self._read(Tickets, "/tickets", wanted | EXPANDED)).items

    async def _read(self, shape: type[Shape], path: str, params: dict[str, str]) -> Shape:
        match await self._api.ask(shape, path, params):
            case Invalid() | RetryAfter() as failure:
                raise unread(failure)
            case answered:
                return answered


def _clock(about: About) -> datetime:
    return parsedate_to_datetime(about.headers["date"])


def _position(ticket: Ticket) -> Position:
    return Position(datetime.fromisoformat(ticket.last_updated), ticket.id)


def _open(values: Mapping[str, str], options: Mapping[str, str]) -> RequestTrackerChanges:
    return RequestTrackerChanges(
        url(values, RT_URL),
        secret(values, RT_TOKEN),
        seconds(values, TIMEOUT_S),
        queue=options[QUEUE.name],
        operation_field=options[OPERATION_FIELD.name],
        since=moment(options[SINCE.name]) or EPOCH,
    )


SOURCE = SourceSpec(_open, (RT_URL, RT_TOKEN, TIMEOUT_S), (QUEUE, OPERATION_FIELD, SINCE))
