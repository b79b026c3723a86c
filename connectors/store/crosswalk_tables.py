"""The tables of what several systems keep of the same things."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from connectors.store.tables import document, moment

_DUE: dict[str, Any] = {"sqlite_where": text("due = 1"), "postgresql_where": text("due")}
_UNREAD: dict[str, Any] = {"sqlite_where": text("unread = 1"), "postgresql_where": text("unread")}


class EntityRow(SQLModel, table=True):
    """One thing that systems have records of; see `domain.entity`."""

    __tablename__ = "entities"
    __table_args__ = (Index("entities_due", "policy", "object", "entity_id", **_DUE),)

    entity_id: str = Field(primary_key=True)
    policy: str
    object: str
    fields: dict[str, Any] = document(nullable=False)
    """Where each field stands, as `domain.entity.Standing` serialises."""
    due: bool = True
    """Whether something about it changed since it was merged last."""
    writes: int = 0
    """How many writes it has asked for: they are told apart by that."""
    merged_into: str | None = None
    """The entity that it turned out to be the same as."""
    made_at: datetime = moment(nullable=False)
    news_at: datetime | None = moment()
    """When the first of what was not merged yet was observed; None where nobody is promised anything about it."""
    out_since: datetime | None = moment()
    """Since when it is out of step, and `spells` how often it was; see `connectors.store.spells`."""
    spells: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class RecordRow(SQLModel, table=True):
    """A system's record of an entity."""

    __tablename__ = "records"
    __table_args__ = (
        Index("records_named", "policy", "object", "system", "external_id", unique=True),
        Index("records_unread", "policy", "object", "system", **_UNREAD),
    )

    seq: int | None = Field(default=None, primary_key=True)
    policy: str
    object: str
    system: str
    """By its name in the policy."""
    external_id: str | None = None
    """None while the record is still to be made."""
    entity_id: str | None = Field(default=None, index=True)
    """None while nobody knows what it is a record of."""
    now: dict[str, Any] = document(nullable=False)
    base: dict[str, Any] = document(nullable=False)
    raw: dict[str, Any] = document(nullable=False)
    """The system's own spelling of what it showed, where that is another than in `now`."""
    unread: bool = True
    """Whether it changed since it was read."""
    told: int = 0
    """How often it was said to have changed, or was read: who reads it knows by that whether anybody else did."""
    told_at: datetime | None = moment()
    """When it was first said to have changed in a way that no entity has heard of; None as with `news_at`."""
    gone: bool = False
    apart: str = ""
    """Why it is of no entity, where that is so for now; see `domain.linking.Apart`."""
    operation_id: str | None = Field(default=None, index=True)
    """The write that is under way, and `sent` what it is to make the record hold."""
    sent: dict[str, Any] | None = document()
    refused: dict[str, Any] | None = document()
    """What it would not take, by field."""
    took: dict[str, Any] | None = document()
    """What it was made to hold, by field, and what it shows of that, where that is something else."""
    singly: bool = False
    """Whether its fields are written one by one, because several at once were refused."""
    changed_at: datetime | None = moment()
    changed_by: str = ""
    seen: str = ""
    """The last reconciliation that has seen it."""


class KeyRow(SQLModel, table=True):
    """What a record may be found by, when another one is looked for that is of the same thing."""

    __tablename__ = "record_keys"
    __table_args__ = (Index("record_keys_found", "policy", "object", "key"),)

    record: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    policy: str
    object: str


class MoveRow(SQLModel, table=True):
    """What was made of the edits of a field; see `domain.entity.Move`. Kept for as long as the entity is."""

    __tablename__ = "moves"
    __table_args__ = (Index("moves_of", "entity_id", "field"),)

    seq: int | None = Field(default=None, primary_key=True)
    entity_id: str
    field: str
    at: datetime = moment(nullable=False)
    before: str
    after: str
    why: str
    edited: dict[str, Any] = document(nullable=False)
    """By system: what it made of the field, when by its own clock, and who did, where it says so."""
    by: str = ""
    """The person who decided; empty where a rule did."""
