"""The tables of reconciliations: how far each system was read, and what was found."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from connectors.store.tables import document, moment


class PassRow(SQLModel, table=True):
    """One reconciliation's way through all records of one kind of a system."""

    __tablename__ = "passes"
    __table_args__ = (
        Index("passes_once", "run", "object", "system", unique=True),
        Index("passes_of", "policy", "object", "system", "began_at"),
    )

    seq: int | None = Field(default=None, primary_key=True)
    run: str
    """The reconciliation: those of its systems that are read in time begin and end in the same."""
    policy: str
    object: str
    system: str
    began_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    after: str = ""
    """Where to go on; see `connectors.kept.Page`."""
    pages: int = 0
    """How many pages were read, and `paged` whether that was all of them."""
    paged: bool = False
    records: int = 0
    """How many records were there, `new` of them unheard of before, and `gone` those that nobody had said to be."""
    new: int = 0
    gone: int = 0


class DriftRow(SQLModel, table=True):
    """How far a system's field agreed with what it should hold, by one reconciliation; see `domain.consistency`."""

    __tablename__ = "drift"
    __table_args__ = (
        Index("drift_once", "run", "object", "system", "field", unique=True),
        Index("drift_of", "policy", "object", "at"),
    )

    seq: int | None = Field(default=None, primary_key=True)
    run: str
    policy: str
    object: str
    system: str
    field: str
    at: datetime = moment(nullable=False)
    compared: int = 0
    equal: int = 0
    missed: int = 0
    contested: int = 0
    malformed: int = 0
    under_way: int = 0
    examples: dict[str, Any] = document(nullable=False)
    """By what was found, ids of the first few records of which it was."""
