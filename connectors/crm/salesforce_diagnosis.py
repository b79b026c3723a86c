"""What Salesforce tells of an org: the day's calls that are left, and an object's fields with what the user may do.

Sources: developer.salesforce.com, REST API guide, "Limits" and "sObject Describe" (version 68.0).
"""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from connectors.crm.salesforce_api import NAME, ROOT
from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, ahead_s, lacking, look, quota, refused, well, wrong
from connectors.http_outcomes import Headed, HttpApi


class Limit(BaseModel):
    """A limit of the org; of API calls it counts the last 24 hours."""

    most: int = Field(alias="Max")
    remaining: int = Field(alias="Remaining")


class Limits(Headed):
    """Answer to `limits`, as far as it concerns us."""

    calls: Limit = Field(alias="DailyApiRequests")


class ObjectField(BaseModel):
    """A field of an object, as this user may use it."""

    name: str
    createable: bool = True
    updateable: bool = True
    external_id: bool = Field(default=False, alias="externalId")
    unique: bool = False

    @property
    def writable(self) -> bool:
        """Whether any write may set it."""
        return self.createable or self.updateable


class Described(BaseModel):
    """Answer to `describe`."""

    createable: bool = True
    updateable: bool = True
    fields: list[ObjectField]


async def diagnosed(api: HttpApi, uses: Sequence[Use]) -> Diagnosis:
    """How the org stands to what policies write there."""
    limits = await look(api, Limits, f"{ROOT}/limits")
    if isinstance(limits, Finding):
        return refused(limits, NAME)
    findings = [
        well(Aspect.ANSWERS, f"{NAME} answers"),
        well(Aspect.KEY, "the key is accepted"),
        quota(limits.calls.most - limits.calls.remaining, limits.calls.most, "calls in 24 hours"),
    ]
    for name in sorted({use.options["object"] for use in uses}):
        findings += await _object(api, name, [use for use in uses if use.options["object"] == name])
    return Diagnosis(tuple(findings), ahead_s(limits))


async def _object(api: HttpApi, name: str, uses: Sequence[Use]) -> list[Finding]:
    told = await look(api, Described, f"{ROOT}/sobjects/{name}/describe")
    if isinstance(told, Finding):
        return [Finding(Aspect.FIELDS, told.grade, told.says, told.mend)]
    there = {field.name: field for field in told.fields}
    keys = sorted({use.options["key"] for use in uses})
    own = {*keys, *(use.options["operation_field"] for use in uses)}
    written = {field for use in uses for field in use.fields} | own
    found = [_rights(name, told), lacking(name, written, there, f"Make the fields in {NAME}, or change the policy")]
    if plain := [key for key in keys if key in there and not (there[key].external_id and there[key].unique)]:
        mend = "Mark the field as external id and as unique, or name another in the option 'key'"
        found.append(wrong(Aspect.FIELDS, f"{name}: {plain[0]} is no unique external id", mend))
    if fixed := [one for one in sorted(written) if one in there and not there[one].writable]:
        mend = "Give the user's profile the right to edit them, or take them out of the values"
        found.append(wrong(Aspect.RIGHTS, f"{name}: {', '.join(fixed)} cannot be written by this user", mend))
    return found


def _rights(name: str, told: Described) -> Finding:
    if not (told.createable and told.updateable):
        may = {"create": told.createable, "update": told.updateable}
        verbs = " nor ".join(verb for verb, allowed in may.items() if not allowed)
        return wrong(Aspect.RIGHTS, f"the user may not {verbs} {name} records", "Give the user's profile that right")
    return well(Aspect.RIGHTS, f"the user may create and update {name} records")
