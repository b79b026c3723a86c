"""How an operation becomes a ticket of Request Tracker's, and what of a ticket shows whether it has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from connectors.help_desk.request_tracker_api import NAME, Body, CustomField, FieldName, Queue, Ticket
from connectors.spec import Option
from domain.delivery import Invalid, Operation

KEY_FIELD = Option("key_field", "the custom field that keeps the record key", "RecordKey")
OPERATION_FIELD = Option("operation_field", "the custom field that keeps the operation's id", "OperationId")
UPDATE_AS = Option(
    "update_as",
    "whether the content of an update is a 'comment', for staff, or a 'reply', for the requestor too",
    "comment",
)

ATTRIBUTES = {"subject": "Subject", "status": "Status", "priority": "Priority", "owner": "Owner"}
"""Values that an update compares and sets, beside the queue."""
PEOPLE = {"requestor": "Requestor", "cc": "Cc"}
"""Values that only a new ticket takes: later on, staff add and remove people."""
OWN = {"queue", "content", *ATTRIBUTES, *PEOPLE}
LONGEST_SUBJECT = 200
LONGEST_FIELD = 255
"""Bytes that RT keeps of a subject, and that it can search in a custom field; see its database schema."""
EMAIL = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")


@dataclass(frozen=True)
class Wanted:
    """What a ticket is to hold.

    Attributes:
        attributes: by RT's names.
        fields: text of each custom field, the record key and the operation's id among them.
        own_field: name of the custom field that keeps the operation's id.
        several: names of the custom fields that take several values, to which one is added.
        people: addresses by role.
    """

    queue: Queue
    attributes: dict[str, str]
    fields: dict[str, str]
    own_field: str
    several: frozenset[str]
    people: dict[str, list[str]]


def option(operation: Operation, which: Option) -> str:
    """What the operation says of an option, or its default."""
    return operation.options.get(which.name) or which.default or ""


def is_patch(operation: Operation) -> bool:
    """Whether it changes what is given of a ticket that is there, if that is as expected, and nothing else."""
    return bool(operation.external_id) and operation.expected is not None


def unusable(operation: Operation) -> Invalid | None:
    """What is wrong with values that RT would cut, change or skip; None if nothing is."""
    values = operation.values
    if not values.get("queue") and not is_patch(operation):
        return invalid("give the value queue")
    for which in (KEY_FIELD, OPERATION_FIELD):
        if re.search(r"[{}\"'\\]", option(operation, which)):
            return invalid(f"option {which.name} is '{option(operation, which)}', which cannot be searched for")
    if (update_as := option(operation, UPDATE_AS)) not in {"comment", "reply"}:
        return invalid(f"option {UPDATE_AS.name} is '{update_as}'; use comment or reply")
    if len(operation.record_key.encode()) > LONGEST_FIELD:
        return invalid(f"the record key is longer than {LONGEST_FIELD} bytes, and could not be searched for")
    if len(values.get("subject", "").encode()) > LONGEST_SUBJECT:
        return invalid(f"subject is longer than {LONGEST_SUBJECT} bytes, of which the rest would be cut off")
    for name in (*ATTRIBUTES, "queue"):
        if re.search(r"[\x00-\x1f]", text := values.get(name, "")) or text != text.strip():
            return invalid(f"{name} has line breaks, control characters or blanks at an end, which would be changed")
    if "\x00" in values.get("content", ""):
        return invalid("content has a character that is no text")
    for role in PEOPLE:
        if wrong := [address for address in addresses(values.get(role, "")) if not EMAIL.fullmatch(address)]:
            return invalid(f"{role} '{wrong[0]}' is no e-mail address")
    return None


def custom_fields(operation: Operation, queue: Queue) -> dict[str, FieldName] | Invalid:
    """The queue's custom field for each value that is no attribute, and for the record key and operation id.

    A value's name is a field's in lower case, with an underscore for whatever is no letter or digit.
    """
    by_slug: dict[str, list[FieldName]] = {}
    for field in queue.fields:
        by_slug.setdefault(slug(field.name), []).append(field)
    kept = [option(operation, KEY_FIELD), option(operation, OPERATION_FIELD)]
    wanted = [*kept, *(name for name in operation.values if name not in OWN)]
    queue_name = operation.values.get("queue") or str(queue.id)
    if missing := [name for name in wanted if slug(name) not in by_slug]:
        return invalid(f"queue '{queue_name}' has no custom field '{missing[0]}', or it may not be seen")
    if doubled := [name for name in wanted if len(by_slug[slug(name)]) > 1]:
        names = ", ".join(field.name for field in by_slug[slug(doubled[0])])
        return invalid(f"queue '{queue_name}' has several custom fields for '{doubled[0]}': {names}")
    found = {name: by_slug[slug(name)][0] for name in wanted}
    if len({field.name for field in found.values()}) < len(wanted):
        return invalid(f"two of {', '.join(wanted)} are the same custom field")
    return found


def wanted(operation: Operation, queue: Queue, fields: dict[str, CustomField]) -> Wanted | Invalid:
    """What the ticket is to hold; a value that its custom field does not take is `Invalid`."""
    kept = {
        option(operation, KEY_FIELD): operation.record_key,
        option(operation, OPERATION_FIELD): operation.operation_id,
    }
    texts = {name: kept.get(name, operation.values.get(name, "")) for name in fields}
    for name, field in fields.items():
        if field.type == "Select" and texts[name] and texts[name] not in field.values:
            choices = ", ".join(field.values)
            return invalid(f"{name}: custom field '{field.name}' does not take '{texts[name]}'; it takes {choices}")
        if texts[name] != texts[name].strip() or "\x00" in texts[name]:
            return invalid(f"{name}: custom field '{field.name}' would lose blanks or control characters of its value")
    return Wanted(
        queue=queue,
        attributes={rt: operation.values[name] for name, rt in ATTRIBUTES.items() if name in operation.values},
        fields={field.name: texts[name] for name, field in fields.items()},
        own_field=fields[option(operation, OPERATION_FIELD)].name,
        several=frozenset(field.name for field in fields.values() if field.most != 1),
        people={rt: addresses(operation.values.get(name, "")) for name, rt in PEOPLE.items()},
    )


def new_ticket(want: Wanted, content: str) -> Body:
    """The body of a creation."""
    people: dict[str, JsonValue] = {role: list[JsonValue](them) for role, them in want.people.items() if them}
    text: dict[str, JsonValue] = {"Content": content, "ContentType": "text/plain"} if content else {}
    fields: dict[str, JsonValue] = dict(want.fields)
    return Body({"Queue": want.queue.id, **want.attributes, **people, **text, "CustomFields": fields})


def changes(ticket: Ticket, want: Wanted, but: Sequence[str]) -> Body | None:
    """What differs, without the custom fields of `but`; None if nothing does."""
    attributes: dict[str, JsonValue] = {
        name: text for name, text in want.attributes.items() if not _is(ticket, name, text)
    }
    if str(ticket.queue.id) != str(want.queue.id):
        attributes["Queue"] = want.queue.id
    fields: dict[str, JsonValue] = {
        name: [*held(ticket, name), text] if name in want.several else text or None
        for name, text in want.fields.items()
        if name not in but and not _has(ticket, name, text, want)
    }
    change = attributes | ({"CustomFields": fields} if fields else {})
    return Body(change) if change else None


def kept_key(ticket: Ticket, want: Wanted, key_field: str) -> Wanted:
    """What is wanted of a ticket, without our key where it has one: a ticket is found by the first that it got."""
    filled = {slug(field.name) for field in ticket.fields if field.filled}
    fields = {
        name: text for name, text in want.fields.items() if slug(name) != slug(key_field) or slug(name) not in filled
    }
    return replace(want, fields=fields)


def unsaved(ticket: Ticket, want: Wanted, *, new: bool) -> list[str]:
    """What the ticket does not hold of that which was sent, in words."""
    wrong = [f"{name} '{text}'" for name, text in want.attributes.items() if not _is(ticket, name, text)]
    wrong += [f"{name} '{text}'" for name, text in want.fields.items() if not _has(ticket, name, text, want)]
    if str(ticket.queue.id) != str(want.queue.id):
        wrong.append("the queue")
    people = {"Requestor": ticket.requestors, "Cc": ticket.cc}
    return wrong + [role for role, them in want.people.items() if new and len(people[role]) < len(set(them))]


def carries(ticket: Ticket, operation: Operation) -> bool:
    """Whether the operation has left its id on the ticket."""
    return operation.operation_id in held(ticket, option(operation, OPERATION_FIELD))


def held(ticket: Ticket, name: str) -> list[JsonValue]:
    """The values of a custom field; of one that was cleared RT keeps a null."""
    return next((field.filled for field in ticket.fields if slug(field.name) == slug(name)), [])


def _has(ticket: Ticket, name: str, text: str, want: Wanted) -> bool:
    """Whether a custom field has a value; a field of one value that is to be empty has none."""
    there = held(ticket, name)
    return text in there if text else not there or name in want.several


def _is(ticket: Ticket, name: str, text: str) -> bool:
    """Whether an attribute is `text`; RT lets users be named in any letter case."""
    match name:
        case "Subject":
            return ticket.subject == text
        case "Status":
            return ticket.status == text
        case "Priority":
            return ticket.priority == text
        case _:
            return str(ticket.owner.id).casefold() == text.casefold()


def addresses(text: str) -> list[str]:
    """Those of a value, parted by commas."""
    return [address.strip() for address in text.split(",") if address.strip()]


def slug(name: str) -> str:
    """The name of a custom field's value."""
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def invalid(what: str) -> Invalid:
    """A write that Request Tracker would not take as it is."""
    return Invalid(detail=f"{NAME}: {what}")
