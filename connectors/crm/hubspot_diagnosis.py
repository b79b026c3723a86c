"""What HubSpot tells of an account and its key: scopes, the day's calls, the objects' properties, the time zone.

Sources: developers.hubspot.com, API reference, "Account information" and "Properties" (version 2026-03); of the scopes
"Private apps" (developers.hubspot.com/docs/api/private-apps, at its end): a POST to
/oauth/v2/private-apps/get/access-token-info of the token as `tokenKey`, which asks for no scope and answers with
`userId`, `hubId`, `appId` and `scopes`. No client of HubSpot's own has it (HubSpot/hubspot-api-php, issue 171). A token
of an account in the EU must stand in the header Authorization too, where all our requests have it. The endpoint of
OAuth's tokens (/oauth/v1/access-tokens) refuses those of private apps (HubSpot/hubspot-api-nodejs, issue 530), and has
the token in its address, where logs keep it: it is not asked. The scopes of keys that are not told of are untold, and
show when properties are read.
"""

from collections.abc import Sequence
from urllib.parse import quote

from pydantic import BaseModel

from connectors.crm.hubspot_api import NAME, TIME_ZONE, Wire
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
    warning,
    well,
    wrong,
)
from connectors.http_outcomes import Headed, HttpApi

SCOPED = frozenset({"contacts", "companies", "deals", "leads", "products", "line_items", "quotes", "orders"})
"""Objects whose scopes are crm.objects.NAME.read and .write; tickets have the one scope `tickets`."""


class Account(Headed, Wire):
    """Answer of `details`."""

    portal_id: int
    time_zone: str = ""


class TokenKey(Wire):
    """Body of the question about a token."""

    token_key: str


class TokenInfo(Wire):
    """What a private app's token may do."""

    scopes: list[str]


class DayUsage(Wire):
    """The calls of a day."""

    usage_limit: int
    current_usage: int
    resets_at: str = ""


class Usage(BaseModel):
    """Answer about the day's calls."""

    results: list[DayUsage]


class Modification(Wire):
    """What may be changed of a property."""

    read_only_value: bool = False


class Property(Wire):
    """A property of an object."""

    name: str
    has_unique_value: bool = False
    modification_metadata: Modification | None = None


class Properties(BaseModel):
    """Answer about an object's properties."""

    results: list[Property]


async def diagnosed(api: HttpApi, token: str, zone: str, uses: Sequence[Use]) -> Diagnosis:
    """How the account stands to what policies write there."""
    account = await look(api, Account, "/account-info/2026-03/details")
    if isinstance(account, Finding):
        return refused(account, NAME)
    findings = [
        well(Aspect.ANSWERS, f"{NAME} account {account.portal_id} answers"),
        well(Aspect.KEY, "the key is accepted"),
        _zone(account.time_zone, zone),
        await _scopes(api, token, uses),
        await _usage(api),
    ]
    for name in sorted({use.options["object"] for use in uses}):
        findings += await _properties(api, name, [use for use in uses if use.options["object"] == name])
    return Diagnosis(tuple(findings), ahead_s(account))


def _zone(theirs: str, ours: str) -> Finding:
    if theirs and theirs != ours:
        says = f"the account's time zone is {theirs}, and {TIME_ZONE.name} says {ours}"
        return warning(Aspect.SETTINGS, says, f"Set {TIME_ZONE.name}={theirs}, else the daily limit's end is misjudged")
    return well(Aspect.SETTINGS, f"the account's time zone is {ours}")


async def _scopes(api: HttpApi, token: str, uses: Sequence[Use]) -> Finding:
    path = "/oauth/v2/private-apps/get/access-token-info"
    info = await look(api, TokenInfo, path, method="POST", body=TokenKey(token_key=token))
    if isinstance(info, Finding):
        return untold(Aspect.RIGHTS, "the scopes of this kind of key are not told")
    wanted = {scope for use in uses for scope in _wanted(use)}
    if missing := sorted(wanted - {*info.scopes}):
        return wrong(Aspect.RIGHTS, f"the key lacks {', '.join(missing)}", "Add these scopes to the private app")
    return well(Aspect.RIGHTS, f"the key has {', '.join(sorted(wanted)) or 'its scopes'}")


def _wanted(use: Use) -> list[str]:
    match use.options["object"]:
        case "tickets":
            return ["tickets"]
        case name if name in SCOPED:
            verbs = ["read", "write"] if use.writes else ["read"]
            return [f"crm.objects.{name}.{verb}" for verb in verbs]
        case _:
            return []


async def _usage(api: HttpApi) -> Finding:
    usage = await look(api, Usage, "/account-info/2026-03/api-usage/daily/private-apps")
    if isinstance(usage, Finding) or not usage.results:
        return untold(Aspect.QUOTA, "the calls that are left today are not told to this key")
    today = usage.results[0]
    resets = f", until {today.resets_at}" if today.resets_at else ""
    return quota(today.current_usage, today.usage_limit, "calls of the day", resets=resets)


async def _properties(api: HttpApi, name: str, uses: Sequence[Use]) -> list[Finding]:
    answer = await look(api, Properties, f"/crm/properties/2026-03/{quote(name, safe='')}")
    if isinstance(answer, Finding):
        return [Finding(Aspect.FIELDS, answer.grade, answer.says, answer.mend)]
    there = {one.name: one for one in answer.results}
    written = {field for use in uses for field in use.fields}
    own = {use.options[option] for use in uses for option in ("key", "operation_property") if option in use.options}
    mend = f"Make the properties in {NAME} (single-line text; unique for the key), or change the policy"
    found = [lacking(name, written | own, there, mend)]
    keys = sorted({use.options["key"] for use in uses if "key" in use.options})
    if doubled := [key for key in keys if key in there and not there[key].has_unique_value]:
        says = f"{name}: {doubled[0]} is not unique, so that nothing can be upserted by it"
        found.append(wrong(Aspect.FIELDS, says, "Make a property with unique values, and name it in the option 'key'"))
    if fixed := [one for one in sorted(written) if one in there and _read_only(there[one])]:
        found.append(wrong(Aspect.FIELDS, f"{name}: {', '.join(fixed)} cannot be written", "Take it out of the values"))
    return found


def _read_only(one: Property) -> bool:
    return one.modification_metadata is not None and one.modification_metadata.read_only_value
