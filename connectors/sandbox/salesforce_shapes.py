"""What goes to and comes from the Salesforce sandbox, and how it keeps a record."""

from pydantic import BaseModel, ConfigDict, Field, RootModel

from connectors.sandbox.records import Record


class StoredObject(Record):
    """A record; `fields` as text, `operation_ids` of its changes in order."""

    object: str
    fields: dict[str, str]
    created: str
    modified: str
    operation_id: str
    operation_ids: list[str]


class ItemError(BaseModel):
    """An error of one record."""

    statusCode: str  # noqa: N815 - as Salesforce spells it
    message: str
    fields: list[str] = []


class Result(BaseModel):
    """What became of one record."""

    id: str | None = None
    success: bool
    created: bool = False
    errors: list[ItemError] = []


class Results(RootModel[list[Result]]):
    """What became of several, in order."""


class Collection(BaseModel):
    """Body of an upsert of several."""

    allOrNone: bool = False  # noqa: N815 - as Salesforce spells it
    records: list[dict[str, str | dict[str, str]]]


class Rows(BaseModel):
    """Answer to a query."""

    totalSize: int  # noqa: N815 - as Salesforce spells it
    done: bool = True
    records: list[dict[str, str | None]]


class Fields(RootModel[dict[str, str]]):
    """Body of a write."""


class Settings(BaseModel):
    """The switches beside the faults.

    Attributes:
        operation_field: holds the operation's id, by which the books are kept.
        required: fields without which a record of an object is not created.
        unique_email: whether the duplicate rule is on: one record an address.
        locked: keys about which every write meets a lock.
        silent_updates: answer updates with 204, as older versions do.
        daily_quota: requests until the daily limit; None for no limit.
        objects: those of which the org tells the fields.
    """

    model_config = ConfigDict(extra="forbid")

    operation_field: str = "InterlockOperation__c"
    required: dict[str, tuple[str, ...]] = Field(default={"Lead": ("LastName", "Company")})
    unique_email: bool = True
    locked: tuple[str, ...] = ()
    silent_updates: bool = False
    daily_quota: int | None = None
    objects: tuple[str, ...] = ("Lead", "Contact", "Account", "Case")


STANDARD_FIELDS = ("FirstName", "LastName", "Company", "Email", "Phone", "Title", "Status", "Description")


def described(kind: str, operation_field: str) -> dict[str, object]:
    """An object's fields: what leads and contacts have, and those that were made for us."""
    fields: dict[str, dict[str, bool]] = {name: {} for name in (*STANDARD_FIELDS, operation_field)}
    fields["InterlockId__c"] = {"externalId": True, "unique": True}
    told = [{"name": name, "createable": True, "updateable": True, **more} for name, more in fields.items()]
    return {"name": kind, "createable": True, "updateable": True, "fields": told}
