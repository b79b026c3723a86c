"""What Request Tracker's REST 2.0 takes and answers, and how it is reached.

Sources: docs.bestpractical.com, "RT::REST2" and "Query Builder" of RT 5; what they leave open was tried on 5.0.3.
"""

from typing import Annotated

import httpx
from pydantic import BaseModel, Field, JsonValue, RootModel

from connectors.http_outcomes import Headed, Vendor
from connectors.spec import Variable, client

NAME = "Request Tracker"
RT_URL = Variable("INTERLOCK_RT_URL", "address of your Request Tracker 5, such as https://rt.example.com")
RT_TOKEN = Variable(
    "INTERLOCK_RT_TOKEN", "authentication token of the user that writes, from its settings", secret=True
)
VENDOR = Vendor(name=NAME, key_variable=RT_TOKEN.name)

LARGEST_PAGE = 100
"""Of a search; RT makes more of it 100."""


class Ref(BaseModel):
    """Something by its id, which of a user is the name; in a search with what was asked of it."""

    id: str | int
    name: str = Field(default="", alias="Name")
    email: str = Field(default="", alias="EmailAddress")


class FieldName(BaseModel):
    """A custom field that a queue's tickets have."""

    id: str
    name: str


class Queue(BaseModel):
    """A queue."""

    id: int
    fields: list[FieldName] = Field(alias="TicketCustomFields")


class CustomField(BaseModel):
    """A custom field's definition; `values` are those of a list to select from, `most` 0 for any number."""

    id: int
    name: str = Field(alias="Name")
    type: str = Field(alias="Type")
    most: int = Field(alias="MaxValues")
    values: list[str] = Field(default=[], alias="Values")


class FieldValue(BaseModel):
    """A custom field of a ticket."""

    name: str
    values: list[JsonValue] = []

    @property
    def filled(self) -> list[JsonValue]:
        """Its values; a field that was cleared may keep a null or an empty text."""
        return [value for value in self.values if value not in (None, "")]


class Ticket(Headed):
    """A ticket; read by itself it has its ETag among the headers."""

    id: int
    subject: str = Field(default="", alias="Subject")
    status: str = Field(alias="Status")
    priority: str = Field(default="", alias="Priority")
    queue: Ref = Field(alias="Queue")
    owner: Ref = Field(alias="Owner")
    requestors: list[Ref] = Field(default=[], alias="Requestor")
    cc: list[Ref] = Field(default=[], alias="Cc")
    fields: list[FieldValue] = Field(default=[], alias="CustomFields")
    created: str = Field(alias="Created")
    last_updated: str = Field(alias="LastUpdated")
    last_updated_by: Ref | None = Field(default=None, alias="LastUpdatedBy")


TICKET_FIELDS = "Subject,Status,Priority,Queue,Owner,Requestor,Cc,CustomFields,Created,LastUpdated,LastUpdatedBy"
"""What a search is asked for, so that it gives whole tickets."""
EXPANDED = {
    "fields": TICKET_FIELDS,
    "fields[Queue]": "Name",
    "fields[Requestor]": "EmailAddress",
    "fields[Cc]": "EmailAddress",
}


class Ids(BaseModel):
    """Answer to a search that asks for nothing but which."""

    items: list[Ref]


class Tickets(BaseModel):
    """Answer to a search for whole tickets."""

    items: list[Ticket]


class Created(BaseModel):
    """Answer to a creation."""

    id: int


class Messages(RootModel[Annotated[list[str], Field(min_length=1)]]):
    """Answer to a change: what was done and what was not, in words, and nothing to tell them apart."""


class Body(RootModel[dict[str, JsonValue]]):
    """A request's body."""


def connections(url: str, token: str, timeout_s: float) -> httpx.AsyncClient:
    """Connections to the REST interface of the Request Tracker at `url`."""
    headers = {"Authorization": f"token {token}"}
    return client(f"{url}/REST/2.0", timeout_s, headers)


def quoted(text: str) -> str:
    """A text within TicketSQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def field_is(name: str, text: str) -> str:
    """The TicketSQL condition that a custom field, whose name has no brace, is `text`; letter case does not count."""
    return f"{quoted(f'CF.{{{name}}}')} = {quoted(text)}"
