"""What Zendesk tells of the agent whose token is used, the account's ticket fields and its rate limit.

Sources: developer.zendesk.com, API reference, "Users" (show self), "Ticket Fields" and "Rate limits".
"""

from collections.abc import Sequence

from pydantic import BaseModel

from connectors.diagnosis import (
    Aspect,
    Diagnosis,
    Finding,
    Use,
    ahead_s,
    lacking,
    look,
    quota,
    refused,
    untold,
    well,
    wrong,
)
from connectors.help_desk.zendesk_tickets import CUSTOM_FIELD, NAME, OPERATION_FIELD, VALUES, FieldList
from connectors.http_outcomes import Headed, HttpApi

STAFF = ("agent", "admin")


class Myself(BaseModel):
    """Who we are there; the anonymous user has no id."""

    id: int | None = None
    role: str = "end-user"


class Me(Headed):
    """Answer to `users/me`."""

    user: Myself


async def diagnosed(api: HttpApi, uses: Sequence[Use]) -> Diagnosis:
    """How the account stands to what policies write there."""
    me = await look(api, Me, "/users/me.json")
    if isinstance(me, Finding):
        return refused(me, NAME)
    if me.user.id is None:  # it answers 200 to anybody
        mend = "Check the e-mail address and the API token, and that token access is switched on"
        return refused(wrong(Aspect.KEY, f"{NAME} takes us for nobody", mend), NAME)
    findings = [well(Aspect.ANSWERS, f"{NAME} answers"), well(Aspect.KEY, "the key is accepted"), _rights(me.user.role)]
    findings.append(_rate(me))
    if uses:
        findings.append(await _fields(api, uses))
    return Diagnosis(tuple(findings), ahead_s(me))


def _rights(role: str) -> Finding:
    if role not in STAFF:
        return wrong(Aspect.RIGHTS, f"the user is {role}, who may not write tickets of others", "Use an agent's token")
    return well(Aspect.RIGHTS, f"the user is {role}")


def _rate(me: Me) -> Finding:
    most, left = me.headers.get("x-rate-limit", ""), me.headers.get("x-rate-limit-remaining", "")
    if not (most.isdecimal() and left.isdecimal()):
        return untold(Aspect.QUOTA, "the requests that are left this minute are not told")
    return quota(int(most) - int(left), int(most), "requests of this minute")


async def _fields(api: HttpApi, uses: Sequence[Use]) -> Finding:
    told = await look(api, FieldList, "/ticket_fields.json")
    if isinstance(told, Finding):
        return Finding(Aspect.FIELDS, told.grade, told.says, told.mend)
    there = {*VALUES, *(f"field_{field.id}" for field in told.ticket_fields if field.active)}
    own = {f"field_{number}" for use in uses if (number := use.options.get(OPERATION_FIELD.name))}
    wanted = {name for use in uses for name in use.fields} | own
    mend = f"Add the ticket fields in {NAME} (Admin Center, Objects and rules), or name others in the policy"
    strange = [name for name in sorted(wanted - there) if not CUSTOM_FIELD.fullmatch(name)]
    return lacking("tickets", wanted, there, f"Use {', '.join(VALUES)} or field_ID" if strange else mend)
