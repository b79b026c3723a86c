"""What a ticket holds, as the values of a record that is kept in step."""

from collections.abc import Mapping

from pydantic import JsonValue

from connectors.help_desk.request_tracker_api import Body, CustomField, Ref, Ticket
from connectors.help_desk.request_tracker_tickets import PEOPLE, addresses, slug
from domain.expected import Alike

NOBODY = "Nobody"
"""RT's own user who owns what nobody owns."""
DELETED = "deleted"
LEAST = "0"
"""The priority of a ticket that has none."""
SEPARATOR = ", "
"""Between the values of a custom field that takes several, and between addresses."""


def values_of(ticket: Ticket) -> dict[str, str]:
    """What a ticket of a search holds; a custom field that its queue does not have is left out.

    Nobody's ticket has a blank owner. Whoever has no address is known by their name.
    """
    return {
        "queue": ticket.queue.name,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "owner": "" if str(ticket.owner.id) == NOBODY else str(ticket.owner.id),
        "requestor": _people(ticket.requestors),
        "cc": _people(ticket.cc),
    } | {slug(field.name): SEPARATOR.join(map(str, field.filled)) for field in ticket.fields}


def alike(fields: Mapping[str, CustomField]) -> Alike:
    """Whether two texts are one value to RT, with these custom fields by their values' names."""

    def same(name: str, one: str, other: str) -> bool:
        match name:
            case "requestor" | "cc":
                return {who.casefold() for who in addresses(one)} == {who.casefold() for who in addresses(other)}
            case "owner":
                return (one or NOBODY).casefold() == (other or NOBODY).casefold()
            case "priority":
                return (one or LEAST) == (other or LEAST)
            case _ if name in fields and fields[name].most != 1:
                return set(addresses(one)) == set(addresses(other))
            case _:
                return one == other

    return same


def body_of(values: Mapping[str, str], fields: Mapping[str, CustomField]) -> Body:
    """A change that sets these values and no others.

    A custom field of one value is cleared by a null: RT makes a null of an empty text or list, and keeps that.
    """
    change: dict[str, JsonValue] = {}
    custom: dict[str, JsonValue] = {}
    for name, text in values.items():
        match name:
            case "requestor" | "cc":
                change[PEOPLE[name]] = list[JsonValue](addresses(text))
            case "owner":
                change["Owner"] = text or NOBODY
            case "priority":
                change["Priority"] = text or LEAST
            case "queue" | "subject" | "status":
                change[name.capitalize()] = text
            case _ if fields[name].most != 1:
                custom[fields[name].name] = list[JsonValue](addresses(text))
            case _:
                custom[fields[name].name] = text or None
    return Body(change | ({"CustomFields": custom} if custom else {}))


def _people(them: list[Ref]) -> str:
    return SEPARATOR.join(who.email or str(who.id) for who in them)
