"""What Paperless-ngx tells of its user: whether documents may be added and viewed, and whether the field is there.

Source: docs.paperless-ngx.com/api; `ui_settings` lists the user's permissions, to users who may see it.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from connectors.diagnosis import Aspect, Diagnosis, Finding, Use, ahead_s, lacking, look, refused, untold, well, wrong
from connectors.http_outcomes import Headed, HttpApi

NAME = "Paperless"
WANTED = ("add_document", "view_document")


class Documents(Headed):
    """Answer to a search, of which only the number counts."""

    count: int


class UserSettings(BaseModel):
    """What the user may do."""

    permissions: list[str]


class CustomField(BaseModel):
    """A custom field."""

    name: str
    data_type: str = "string"


async def diagnosed(api: HttpApi, known: Sequence[str], uses: Sequence[Use]) -> Diagnosis:
    """How it stands to what policies upload.

    Args:
        known: the values that an upload may have.
    """
    documents = await look(api, Documents, "/api/documents/", {"page_size": "1"})
    if isinstance(documents, Finding):
        return refused(documents, NAME)
    findings = [well(Aspect.ANSWERS, f"{NAME} answers"), well(Aspect.KEY, "the token is accepted"), await _rights(api)]
    for use in uses:
        findings.append(lacking("an upload", use.fields, known, f"Use {', '.join(known)}"))
        if number := use.options.get("operation_field", ""):
            findings.append(await _field(api, number))
    return Diagnosis(tuple(dict.fromkeys(findings)), ahead_s(documents))


async def _rights(api: HttpApi) -> Finding:
    told = await look(api, UserSettings, "/api/ui_settings/")
    if isinstance(told, Finding):
        return untold(Aspect.RIGHTS, "the user may view documents; whether it may add some is not told to it")
    if missing := [name for name in WANTED if name not in told.permissions]:
        return wrong(Aspect.RIGHTS, f"the user lacks {', '.join(missing)}", "Give the user these permissions")
    return well(Aspect.RIGHTS, "the user may add and view documents")


async def _field(api: HttpApi, number: str) -> Finding:
    told = await look(api, CustomField, f"/api/custom_fields/{number}/")
    if isinstance(told, Finding):
        mend = "Give the number of a text custom field in the option 'operation_field', or leave it out"
        return Finding(Aspect.FIELDS, told.grade, told.says, mend)
    if told.data_type != "string":
        mend = "Make a custom field of type text for the operation's id"
        return wrong(Aspect.FIELDS, f"custom field {number} ('{told.name}') holds no text", mend)
    return well(Aspect.FIELDS, f"custom field {number} ('{told.name}') is there")
