"""What changed in HubSpot: the records of an object, in the order of their last modification."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

from connectors.crm.hubspot_api import (
    NAME,
    TIME_ZONE,
    TOKEN,
    URL,
    Answer,
    Filter,
    FilterGroup,
    Search,
    Stored,
    connect,
    modified_property,
    path_of,
)
from connectors.http_outcomes import HttpApi
from connectors.overlap import look
from connectors.ports import Arrival, Fetched
from connectors.reading import unread
from connectors.spec import SINCE, TIMEOUT_S, Option, SourceSpec, is_time, listed, moment
from domain.delivery import Invalid, RetryAfter
from domain.errors import BadRequest

SETTLE_S = 60.0
"""A change is told of this much later. HubSpot's search sees changes after "a few moments", and not
in their order; a cursor that had passed one would never come back to it. The minute is our margin."""
OVERLAP = timedelta(minutes=15)
"""Changes of this time are looked at again, for nothing promises that the search sees them within a minute."""
MOST_TOLD = 400
"""Changes that are looked at again at most, two pages; their ids are in the cursor."""
LARGEST_PAGE = 200
OBJECT = Option("object", "HubSpot object whose records are read, such as contacts, companies or tickets")
PROPERTIES = Option("properties", "names of the properties that are read of each record, parted by commas")
SETTLING = Option("settling_s", "seconds after which a change is told, at the earliest", f"{SETTLE_S:g}", is_time)
OPERATION_PROPERTY = Option("operation_property", "property that holds our operation's id", "interlock_operation")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Position:
    """Everything modified before `at_ms` is told; of that very moment, what has an id up to `told_id`.

    `told_id` None: that moment is told whole.
    """

    at_ms: int = 0
    told_id: int | None = None

    @classmethod
    def read(cls, cursor: str) -> "Position":
        """The position of a cursor.

        Raises:
            BadRequest: it is none of ours.
        """
        at_ms, _, told_id = cursor.partition("/")
        try:
            return cls(int(at_ms), int(told_id) if told_id else None)
        except ValueError as exc:
            raise BadRequest(f"{NAME}: the cursor is not one of its changes; an empty one begins again") from exc

    @property
    def cursor(self) -> str:
        """The position as text."""
        return str(self.at_ms) if self.told_id is None else f"{self.at_ms}/{self.told_id}"


@dataclass(frozen=True)
class Reached:
    """How far was read: nothing up to `floor` is looked at again; `told` are the changes after it that were told."""

    floor: Position
    told: tuple[Position, ...] = ()

    @classmethod
    def read(cls, cursor: str) -> "Reached":
        """As `Position.read`."""
        floor, *told = map(Position.read, cursor.split(" "))
        return cls(floor, tuple(told))

    @property
    def cursor(self) -> str:
        """It as text."""
        return " ".join(position.cursor for position in (self.floor, *self.told))


@dataclass(frozen=True)
class Change:
    """A record as it was found, and when it was modified."""

    record: Stored
    at_ms: int

    @property
    def id(self) -> int:
        """HubSpot's ids are numbers."""
        return int(self.record.id)

    @property
    def position(self) -> Position:
        """Of this very change."""
        return Position(self.at_ms, self.id)


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class HubSpotChanges:
    """Polls an object's records by the time of their last modification.

    HubSpot sorts by one property only, answers no more than 10,000 results of a search, and
    gives thousands of records the same time when they are changed together. So moments that
    do not fit on a page are read by id, and no page leads to another: each is a new search.

    Args:
        api: see `connectors.crm.hubspot_api.connect`.
        object_name: such as contacts.
        properties: what to fetch of each record.
        operation_property: the one that tells which write of ours a record carries; empty for none.
        since: where an empty cursor begins; before everything by default.
        settling_s: a change is told of this much later.
        clock: gives the time.
    """

    def __init__(
        self,
        api: HttpApi,
        object_name: str,
        properties: Sequence[str],
        clock: Callable[[], datetime] = now,
        *,
        operation_property: str = "",
        since: datetime = EPOCH,
        settling_s: float = SETTLE_S,
    ) -> None:
        self._api = api
        self._object = object_name
        self._modified = modified_property(object_name)
        self._operation = operation_property
        self._properties = [*properties, *filter(None, [operation_property]), self._modified]
        self._begin = Position((since - EPOCH) // MS - 1)
        self._clock, self._settling = clock, timedelta(seconds=settling_s)

    async def fetch(self, cursor: str, count: int) -> Fetched:
        """Up to `count` records modified since `cursor` and longer ago than the settling time, the oldest first.

        A record that is modified again arrives again, under another external id. What was modified in the
        last quarter of an hour is looked at again, for what the search did not see before.

        Raises:
            Throttled: a limit of HubSpot's; says how long to wait.
            Unavailable: HubSpot does not answer.
            BadRequest: it refuses the search or the key, or the cursor is none of ours.
        """
        before = Reached.read(cursor) if cursor else Reached(self._begin)
        found: dict[Position, Change] = {}
        position, more, size = before.floor, True, min(count + len(before.told), LARGEST_PAGE)
        while more and found.keys() <= set(before.told):
            changes, position, more = await self._page(position, size)
            found |= {change.position: change for change in changes}
        seen = look(
            {position: EPOCH + position.at_ms * MS for position in found},
            before.floor,
            before.told,
            count=count,
            begin=self._clock() - OVERLAP,
            most_told=MOST_TOLD,
            whole=not more,
        )
        after = Reached(seen.floor or before.floor, seen.told)
        arrivals = tuple(self._arrival(found[position]) for position in seen.taken)
        return Fetched(arrivals, after.cursor if after != before else cursor, more=more or seen.left)

    async def _page(self, position: Position, size: int) -> tuple[list[Change], Position, bool]:
        """The next changes after a position, the position that they reach, and whether there may be more."""
        same_moment = await self._same_moment(position, size)
        if len(same_moment) == size:
            return same_moment, Position(position.at_ms, same_moment[-1].id), True
        room = size - len(same_moment)
        later = await self._later(position, room)
        if len(later) < room:
            reached = Position(later[-1].at_ms) if later else Position(position.at_ms)
            return [*same_moment, *later], reached, False
        # The page is full: there may be more of its last moment than it shows.
        last_ms = later[-1].at_ms
        whole = [change for change in later if change.at_ms < last_ms]
        return [*same_moment, *whole], Position(last_ms, 0), True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _same_moment(self, position: Position, size: int) -> list[Change]:
        if position.told_id is None:
            return []
        filters = [self._modified_filter("EQ", position.at_ms), _filter("hs_object_id", "GT", position.told_id)]
        return sorted(await self._search(filters, "hs_object_id", size), key=lambda change: change.id)

    async def _later(self, position: Position, size: int) -> list[Change]:
        settled_ms = (self._clock() - self._settling - EPOCH) // MS
        filters = [self._modified_filter("GT", position.at_ms), self._modified_filter("LTE", settled_ms)]
        return sorted(await self._search(filters, self._modified, size), key=lambda change: (change.at_ms, change.id))

    async def _search(self, filters: list[Filter], sort_by: str, size: int) -> list[Change]:
        search = Search(
            filter_groups=[FilterGroup(filters=filters)],
            properties=self._properties,
            sorts=[{"propertyName": sort_by, "direction": "ASCENDING"}],
            limit=size,
        )
        match await self._api.ask(Answer, f"{path_of(self._object)}/search", {}, search):
            case Answer(results=records):
                return [Change(record, self._moment(record)) for record in records]
            case Invalid() | RetryAfter() as failure:
                raise unread(failure)
            case other:
                assert_never(other)

    def _moment(self, record: Stored) -> int:
        text = record.properties.get(self._modified) or ""
        try:
            return (datetime.fromisoformat(text) - EPOCH) // MS
        except (ValueError, TypeError) as exc:
            raise BadRequest(f"{NAME}: record {record.id} has no {self._modified} that can be read: '{text}'") from exc

    def _modified_filter(self, operator: str, at_ms: int) -> Filter:
        return _filter(self._modified, operator, at_ms)

    def _arrival(self, change: Change) -> Arrival:
        record = change.record
        return Arrival(
            where=f"{NAME} {self._object} {record.id}",
            source=f"hubspot/{self._object}",
            external_id=f"{record.id}@{change.at_ms}",
            received_at=EPOCH + change.at_ms * MS,
            fields={name: value for name, value in record.properties.items() if value and name != self._operation},
            operation_id=record.properties.get(self._operation) or "",
        )


def _filter(name: str, operator: str, value: int) -> Filter:
    return Filter(property_name=name, operator=operator, value=str(value))


def _open(values: Mapping[str, str], options: Mapping[str, str]) -> HubSpotChanges:
    return HubSpotChanges(
        connect(values),
        options[OBJECT.name],
        listed(options[PROPERTIES.name]),
        operation_property=options[OPERATION_PROPERTY.name],
        since=moment(options[SINCE.name]) or EPOCH,
        settling_s=float(options[SETTLING.name]),
    )


SOURCE = SourceSpec(
    _open, (TOKEN, URL, TIME_ZONE, TIMEOUT_S), (OBJECT, PROPERTIES, OPERATION_PROPERTY, SINCE, SETTLING)
)
