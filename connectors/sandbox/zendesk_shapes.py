"""What the sandbox's Zendesk takes and answers."""

from pydantic import BaseModel, Field, JsonValue


class Comment(BaseModel):
    """A comment; the first is the ticket's description."""

    body: str = Field(min_length=1)
    public: bool = True


class Requester(BaseModel):
    """Who asks."""

    email: str
    name: str = Field(min_length=1)


class FieldValue(BaseModel):
    """A custom field."""

    id: int
    value: JsonValue = None


class Attributes(BaseModel):
    """What creations and updates have in common."""

    subject: str | None = None
    type: str | None = None
    priority: str | None = None
    status: str | None = None
    group_id: int | None = None
    assignee_id: int | None = None
    tags: list[str] | None = None
    custom_fields: list[FieldValue] | None = None
    external_id: str | None = None


class NewTicket(Attributes):
    """The ticket in the body of a creation."""

    comment: Comment
    requester: Requester | None = None


class Change(Attributes):
    """The ticket in the body of an update."""

    comment: Comment | None = None
    updated_stamp: str | None = None
    safe_update: bool = False


class NewTicketBody(BaseModel):
    """Body of `POST /api/v2/tickets.json`."""

    ticket: NewTicket


class ChangeBody(BaseModel):
    """Body of `PUT /api/v2/tickets/{id}.json`."""

    ticket: Change


class Shown(BaseModel):
    """A ticket as clients see it; `tags` are in order."""

    id: int
    external_id: str | None
    subject: str | None
    type: str | None
    priority: str | None
    status: str
    group_id: int | None
    assignee_id: int | None
    tags: list[str]
    custom_fields: list[FieldValue]
    created_at: str
    updated_at: str


class ShownTicket(BaseModel):
    """Answer to a write or a read of one."""

    ticket: Shown


class ShownTickets(BaseModel):
    """Answer to a list."""

    tickets: list[Shown]
    count: int


class ShownResults(BaseModel):
    """Answer to a search."""

    results: list[Shown]
    count: int


class TicketField(BaseModel):
    """A field that tickets have."""

    id: int
    active: bool = True


class TicketFields(BaseModel):
    """Answer to a list of them."""

    ticket_fields: list[TicketField]
