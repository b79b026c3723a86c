"""How an operation becomes a Zendesk ticket, and what of a ticket tells whether it has."""

import re
from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, JsonValue, RootModel

from connectors.spec import Option
from domain.delivery import Invalid, Operation

NAME = "Zendesk"
OPERATION_FIELD = Option(
    "operation_field",
    "the id of the ticket field that keeps the operation's id; without it a tag does",
    "",
)
UPDATE_COMMENT = Option(
    "update_comment",
    "whether the body of an update is 'private', for agents, or 'public', for the requester too",
    "private",
)

ATTRIBUTES = ("subject", "type", "priority", "status", "group_id", "assignee_id")
"""Values that are the ticket's own; an update compares and sets them."""
ONLY_NEW = ("requester", "requester_name", "brand_id", "ticket_form_id")
"""Values that only a new ticket takes; an update leaves them as agents have them since."""
VALUES = (*ATTRIBUTES, *ONLY_NEW, "body", "tags")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
CUSTOM_FIELD = re.compile(r"field_([0-9]+)")


class FieldValue(BaseModel):
    """A custom field of a ticket."""

    id: int
    value: JsonValue = None


class Ticket(BaseModel):
    """A ticket in an answer; `updated_at` stays text, for it goes back as it came."""

    id: int
    subject: str | None = None
    type: str | None = None
    priority: str | None = None
    status: str | None = None
    group_id: int | None = None
    assignee_id: int | None = None
    tags: list[str] = []
    custom_fields: list[FieldValue] = []
    created_at: str
    updated_at: str
    external_id: str | None = None


class TicketField(BaseModel):
    """A field that the account's tickets have; one that is not active is on none of them."""

    id: int
    active: bool = True


class FieldList(BaseModel):
    """Answer to a list of the ticket fields, all in one page ("Ticket Fields")."""

    ticket_fields: list[TicketField]


class OneTicket(BaseModel):
    """Answer to a write."""

    ticket: Ticket


class TicketList(BaseModel):
    """Answer to a list by external id, which reads the tickets themselves and no index."""

    tickets: list[Ticket]


class SearchResults(BaseModel):
    """Answer to a search, whose index may be minutes behind ("Search")."""

    results: list[Ticket]


class Body(RootModel[dict[str, JsonValue]]):
    """A request's body."""


def unusable(operation: Operation) -> Invalid | None:
    """What is wrong with values that would be dropped unseen or cannot be sent; None if nothing is."""
    strange = sorted(name for name in operation.values.keys() - set(VALUES) if not CUSTOM_FIELD.fullmatch(name))
    if strange:
        known = f"{', '.join(VALUES)} or field_ and a ticket field's id"
        return Invalid(detail=f"{NAME}: tickets have no {', '.join(strange)}; use {known}")
    numbers = {name: operation.values.get(name) for name in ATTRIBUTES + ONLY_NEW if name.endswith("_id")}
    if wrong := [name for name, text in numbers.items() if text is not None and not text.isdecimal()]:
        return Invalid(detail=f"{NAME}: {wrong[0]} is '{numbers[wrong[0]]}', no id")
    field = operation.options.get(OPERATION_FIELD.name, "")
    if field and not field.isdecimal():
        return Invalid(detail=f"{NAME}: option {OPERATION_FIELD.name} is '{field}', no id of a ticket field")
    if (comment := operation.options.get(UPDATE_COMMENT.name, "private")) not in {"private", "public"}:
        return Invalid(detail=f"{NAME}: option {UPDATE_COMMENT.name} is '{comment}'; use private or public")
    return None


def new_ticket(operation: Operation) -> Body:
    """The body of a creation; a ticket must have a first comment, so without a body the subject is it."""
    values = operation.values
    ticket: dict[str, JsonValue] = {
        "external_id": operation.record_key,
        "comment": {"body": values.get("body") or values.get("subject") or operation.record_key},
        "tags": list[JsonValue](_tags(operation)),
        "custom_fields": _sent_fields(custom_fields(operation)),
    }
    ticket |= {name: _typed(name, values[name]) for name in (*ATTRIBUTES, *ONLY_NEW[2:]) if name in values}
    if email := values.get("requester"):
        # An unknown requester becomes a user, who must have a name.
        ticket["requester"] = {"email": email, "name": values.get("requester_name") or email}
    return Body({"ticket": ticket})


def change_of(ticket: Ticket, operation: Operation) -> Body | None:
    """What differs, over the version that was read, with the operation's id; None if nothing does.

    A PUT replaces the tags, and only updates of many tickets, which have no compare-and-set,
    take `additional_tags`: so those that were read go along, and the stamp protects them.
    """
    have = shown(ticket)
    wanted = {name: operation.values[name] for name in ATTRIBUTES if name in operation.values}
    change: dict[str, JsonValue] = {
        name: _typed(name, text) for name, text in wanted.items() if have.get(name, "") != text
    }
    fields = {number: text for number, text in custom_fields(operation).items() if field_value(ticket, number) != text}
    if fields:
        change["custom_fields"] = _sent_fields(fields)
    more = [tag for tag in _tags(operation) if tag not in ticket.tags]
    if more:
        change["tags"] = [*ticket.tags, *more]
    if not ticket.external_id:
        change["external_id"] = operation.record_key  # of a ticket that others made, so that the next write finds it
    if body := operation.values.get("body"):
        public = operation.options.get(UPDATE_COMMENT.name) == "public"
        change["comment"] = {"body": body, "public": public}
    if len(change) == 1 and [*fields, *more] == [_mark(operation)]:
        return None  # nothing but the mark of a write that there is no need for
    return Body({"ticket": change | {"updated_stamp": ticket.updated_at, "safe_update": True}})


def _tags(operation: Operation) -> list[str]:
    """The tags of the values, and the operation's own where no field keeps its id."""
    tags = [tag.strip() for tag in operation.values.get("tags", "").split(",") if tag.strip()]
    return tags if operation.options.get(OPERATION_FIELD.name) else [*tags, _operation_tag(operation)]


def _mark(operation: Operation) -> int | str:
    """The field or the tag that keeps the operation's id."""
    own = operation.options.get(OPERATION_FIELD.name)
    return int(own) if own else _operation_tag(operation)


def _operation_tag(operation: Operation) -> str:
    return f"interlock_{operation.operation_id}".lower()  # as Zendesk makes every tag


def custom_fields(operation: Operation) -> dict[int, str]:
    """Custom fields by their ids, the operation's own among them."""
    numbered = {CUSTOM_FIELD.fullmatch(name): text for name, text in operation.values.items()}
    fields = {int(match[1]): text for match, text in numbered.items() if match}
    own = operation.options.get(OPERATION_FIELD.name)
    return fields | {int(own): operation.operation_id} if own else fields


def _sent_fields(fields: Mapping[int, str]) -> JsonValue:
    return [{"id": number, "value": text} for number, text in fields.items()]


def carries(ticket: Ticket, operation: Operation) -> bool:
    """Whether the operation has left its id on the ticket."""
    if own := operation.options.get(OPERATION_FIELD.name):
        return field_value(ticket, int(own)) == operation.operation_id
    return _operation_tag(operation) in ticket.tags


def field_value(ticket: Ticket, number: int) -> str | None:
    """A custom field's value as text, "" for an empty one; None if the ticket has no such field."""
    found = [field.value for field in ticket.custom_fields if field.id == number]
    return _text(found[0]) if found else None


def lacking(ticket: Ticket, operation: Operation) -> list[str]:
    """The custom fields that did not take what was sent, in words."""
    fields = custom_fields(operation).items()
    return [f"field_{number} '{text}'" for number, text in fields if not _took(ticket, number, text)]


def _took(ticket: Ticket, number: int, text: str) -> bool:
    """Whether a custom field has a text, be it among several; tags get lower case there, and numbers may lose zeros."""
    held = [field.value for field in ticket.custom_fields if field.id == number]
    several = held[0] if held and isinstance(held[0], list) else held
    return any(_as_kept(_text(one)) == _as_kept(text) for one in several)


def _as_kept(text: str) -> str | Decimal:
    return Decimal(text) if NUMBER.fullmatch(text) else text.casefold()


def shown(ticket: Ticket) -> dict[str, str]:
    """The ticket's own attributes as values, without the empty ones."""
    return {name: text for name in ATTRIBUTES if (text := _text(getattr(ticket, name)))}


def _text(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _typed(name: str, text: str) -> JsonValue:
    return int(text) if name.endswith("_id") else text


def similar(values: Mapping[str, str]) -> str | None:
    """The search for tickets like one of these values; None if there is nothing to go by."""
    for keyword in ("requester", "subject"):
        if text := values.get(keyword, "").replace('"', " ").strip():
            return f'type:ticket {keyword}:"{text}"'
    return None
