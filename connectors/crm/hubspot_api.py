"""How HubSpot is reached and spoken to: its variables, limits and messages.

Written to https://developers.hubspot.com/docs/api-reference (version 2026-09).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from connectors.http_outcomes import HttpApi, Limit, Meaning, Refusal, Vendor
from connectors.spec import TIMEOUT_S, Variable, client, seconds, secret, url
from domain.errors import PolicyInvalid

NAME = "HubSpot"
LOCKED_S = 2.0
"""HubSpot on 423: wait two seconds at least."""
ROLLING_S = 10.0
"""The window that a rolling limit counts in, where no header says it."""
SEARCH_S = 1.0
"""Searches are counted by the second."""

TOKEN = Variable("INTERLOCK_HUBSPOT_TOKEN", "HubSpot service key or access token", secret=True)
URL = Variable("INTERLOCK_HUBSPOT_URL", "address of HubSpot's API", "https://api.hubapi.com")
TIME_ZONE = Variable(
    "INTERLOCK_HUBSPOT_TIME_ZONE",
    "HubSpot account's time zone, such as Europe/Berlin: its day is the daily limit's",
    "UTC",
)


class Wire(BaseModel):
    """What goes to and comes from HubSpot, in its spelling."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)


class UpsertInput(Wire):
    """One record of a batch; the trace id makes HubSpot answer for each record by itself."""

    id: str
    id_property: str
    properties: dict[str, str]
    object_write_trace_id: str


class UpsertBatch(Wire):
    """Body of `POST …/batch/upsert`."""

    inputs: list[UpsertInput]


class Patch(Wire):
    """Body of `PATCH …/{id}`."""

    properties: dict[str, str]


class ReadInput(Wire):
    """A record to read, by `id_property`, or without one by HubSpot's own id."""

    id: str


class ReadBatch(Wire):
    """Body of `POST …/batch/read`."""

    inputs: list[ReadInput]
    id_property: str | None
    properties: list[str]
    properties_with_history: list[str]


class Filter(Wire):
    """A condition of a search; those of a group must all hold."""

    property_name: str
    operator: str
    value: str


class FilterGroup(Wire):
    """Conditions; one of the groups must hold."""

    filters: list[Filter]


class Search(Wire):
    """Body of `POST …/search`; HubSpot sorts by one property at most."""

    filter_groups: list[FilterGroup]
    properties: list[str]
    sorts: list[dict[str, str]] = []
    limit: int


class PastValue(Wire):
    """A value that a property had, and since when."""

    value: str | None = None
    timestamp: AwareDatetime | None = None


class Stored(Wire):
    """A record in an answer; a property's past values come latest first."""

    id: str
    new: bool | None = None
    properties: dict[str, str | None] = {}
    properties_with_history: dict[str, list[PastValue]] | None = None
    object_write_trace_id: str | None = None

    def values(self, names: Iterable[str]) -> dict[str, str]:
        """What it holds of these properties; what HubSpot does not mention it does not have."""
        return {name: self.properties[name] or "" for name in names if name in self.properties}


class RecordError(Wire):
    """An error within an answer; HubSpot promises none of its fields."""

    category: str = ""
    message: str = ""
    context: dict[str, object] | None = None

    @property
    def named(self) -> set[str]:
        """The ids that it mentions."""
        found = (self.context or {}).values()
        return {str(name) for names in found for name in (names if isinstance(names, list) else [names])}


class Answer(Wire):
    """Answer to a batch or a search, of 200 or 207: what succeeded, and what did not."""

    results: list[Stored]
    errors: list[RecordError] = []


class Next(Wire):
    """Where a list goes on."""

    after: str


class Paging(Wire):
    """What comes after a page."""

    next: Next | None = None


class Listed(Wire):
    """A page of all of an object's records."""

    results: list[Stored]
    paging: Paging | None = None


def modified_property(object_name: str) -> str:
    """Holds when a record was last modified; HubSpot's own oddity: only contacts lack the prefix."""
    return "lastmodifieddate" if object_name == "contacts" else "hs_lastmodifieddate"


def path_of(object_name: str) -> str:
    """Of an object's records."""
    return f"/crm/objects/2026-09/{quote(object_name, safe='')}"


def time_zone(values: Mapping[str, str]) -> ZoneInfo:
    """The account's time zone.

    Raises:
        PolicyInvalid: there is none of that name.
    """
    name = values[TIME_ZONE.name]
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as exc:
        raise PolicyInvalid(f"{TIME_ZONE.name} is '{name}', unknown. Set it to the {TIME_ZONE.meaning}") from exc


def connect(values: Mapping[str, str]) -> HttpApi:
    """HubSpot's API, by what the variables say.

    Raises:
        PolicyInvalid: one of them is unusable.
    """
    token = secret(values, TOKEN)
    headers = {"Authorization": f"Bearer {token}"}
    connections = client(url(values, URL), seconds(values, TIMEOUT_S), headers)
    return HttpApi(vendor(time_zone(values)), connections, token)


def vendor(zone: ZoneInfo) -> Vendor:
    """HubSpot's ways; a 477 means that the account moves between data centres, with a Retry-After."""

    def limit(refusal: Refusal, now: datetime) -> Limit:
        return limit_of(refusal, now, zone)

    return Vendor(NAME, TOKEN.name, statuses={477: Meaning.LATER}, limit=limit)


def limit_of(refusal: Refusal, now: datetime, zone: ZoneInfo) -> Limit:
    """What an answer that puts us off says of the wait; it carries no Retry-After.

    The daily limit is counted from midnight to midnight in the account's time zone; the
    search's own limit does not keep anything else from being sent.
    """
    match refusal.body:
        case _ if refusal.status == httpx.codes.LOCKED:
            return Limit(seconds=LOCKED_S)
        case {"policyName": "DAILY"}:
            return Limit("DAILY", seconds_to_midnight(now, zone))
        case {"policyName": "SECONDLY"}:
            return Limit(seconds=SEARCH_S)
        case {"policyName": str(name)}:
            window_ms = refusal.headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "")
            return Limit(name, int(window_ms) / 1000 if window_ms.isdecimal() else ROLLING_S)
        case _:
            return Limit()


def seconds_to_midnight(now: datetime, zone: ZoneInfo) -> float:
    """From `now` to the end of the day in `zone`, 0 to 25 hours where clocks are put back."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return (datetime.combine(tomorrow, time(), zone).astimezone(UTC) - now).total_seconds()
