"""What goes to and comes from the HubSpot sandbox, and how it keeps a record."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from connectors.sandbox.records import Record


class Wire(BaseModel):
    """A body in HubSpot's spelling."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)


class UpsertInput(Wire):
    """One record of a batch."""

    id: str = Field(min_length=1)
    id_property: str
    properties: dict[str, str]
    object_write_trace_id: str = ""


class UpsertBatch(Wire):
    """Body of `POST …/batch/upsert`."""

    inputs: list[UpsertInput]


class ReadInput(Wire):
    """A record to read."""

    id: str


class ReadBatch(Wire):
    """Body of `POST …/batch/read`."""

    inputs: list[ReadInput]
    id_property: str | None = None
    properties: list[str] = []
    properties_with_history: list[str] = []


class NewObject(Wire):
    """Body of `POST …/{object}`."""

    properties: dict[str, str]


class Changed(BaseModel):
    """One change of a record.

    Attributes:
        at_ms: when, since 1970.
        operation: the id of the write; empty where somebody who works there made it.
        properties: what became another value.
    """

    at_ms: int
    operation: str
    properties: dict[str, str]


class PeoplesEdit(BaseModel):
    """What somebody who works in the account makes of the record that they look at.

    Attributes:
        shown: what it must show still, so that nobody edits what they have not seen; blank where it has nothing.
    """

    shown: dict[str, str]
    properties: dict[str, str]


class Version(BaseModel):
    """A value that a property had, and since when, in ISO 8601."""

    value: str
    timestamp: str


class StoredObject(Record):
    """A record, with the operation ids of its changes in order, and each property's values, latest first.

    Attributes:
        changes: the account's own book of it, the oldest first.
        merged_into: the record that it is now a part of; empty for none.
        archived: whether it was deleted.
    """

    object: str
    operation_id: str
    operation_ids: list[str]
    properties: dict[str, str]
    history: dict[str, list[Version]]
    changes: list[Changed] = Field(default_factory=list)
    merged_into: str = ""
    archived: bool = False

    @property
    def there(self) -> bool:
        """Whether it is still a record of its own."""
        return not (self.archived or self.merged_into)


class Shown(Wire):
    """A record in an answer."""

    id: str
    properties: dict[str, str | None]
    properties_with_history: dict[str, list[Version]] | None = None
    new: bool | None = None
    object_write_trace_id: str | None = None
    archived: bool = False


class RecordError(Wire):
    """An error within an answer."""

    status: str = "error"
    category: str
    message: str
    context: dict[str, list[str]]


class Merge(Wire):
    """Body of `POST …/merge`."""

    primary_object_id: str
    object_id_to_merge: str


class Next(Wire):
    """Where a list goes on: after the record of this id."""

    after: str


class Paging(Wire):
    """What comes after a page."""

    next: Next


class Results(Wire):
    """Answer to a batch, a search or a list."""

    status: str = "COMPLETE"
    results: list[Shown]
    num_errors: int = 0
    errors: list[RecordError] = []
    total: int | None = None
    paging: Paging | None = None
