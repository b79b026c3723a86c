"""The tables. Times are UTC; JSON columns hold the domain's models as they serialise."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Index, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlmodel import Field, SQLModel


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in and out, UTC in between, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Into the database: UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Out of the database: aware, whether the database keeps time zones or not."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _time(nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


def _json(nullable: bool = True) -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=nullable))


class ItemRow(SQLModel, table=True):
    """An item of the inbox; a duplicate names the item that it repeats.

    Unclaimed work has neither `decision` nor a running lease.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        Index("inbox_content", "policy", "content_hash", "received_at"),
        Index("inbox_work", "policy", "decided", "lease_until"),
    )

    item_id: str = Field(primary_key=True)
    policy: str
    source: str
    external_id: str
    content_hash: str
    received_at: datetime = _time(nullable=False)
    accepted_at: datetime = _time(nullable=False)
    item: dict[str, Any] = _json(nullable=False)
    duplicate_of: str | None = Field(default=None, index=True)
    lease_owner: str | None = None
    lease_until: datetime | None = _time()
    proposal: dict[str, Any] | None = _json()
    decision: dict[str, Any] | None = _json()
    decided: bool = False
    """Whether a decision stands, be it one that waits for a person."""
    waits: bool = False
    """Whether the decision waits for a person; then it must have an open review."""
    writes_due: int = 0
    """Outbox operations that the decision asked for."""


class ProposalRow(SQLModel, table=True):
    """A proposal by value: the same text under the same model, prompt and policy costs one call."""

    __tablename__ = "proposals"

    key: str = Field(primary_key=True)
    proposal: dict[str, Any] = _json(nullable=False)
    made_at: datetime = _time(nullable=False)


class ExtractionRow(SQLModel, table=True):
    """What an item's text gave; the same text and wishes under the same model and prompt, the same key."""

    __tablename__ = "extractions"

    item_id: str = Field(primary_key=True)
    key: str = Field(index=True)
    extraction: dict[str, Any] = _json(nullable=False)
    made_at: datetime = _time(nullable=False)


class ReviewRow(SQLModel, table=True):
    """A question that waits, or waited, for a person; see `domain.review.Review`."""

    __tablename__ = "reviews"

    review_id: str = Field(primary_key=True)
    item_id: str = Field(index=True)
    kind: str
    about: str
    policy: str = Field(index=True)
    workflow: str
    question: dict[str, Any] = _json(nullable=False)
    binding: str
    opened_at: datetime = _time(nullable=False)
    due_at: datetime = _time(nullable=False)
    escalated_at: datetime | None = _time()
    answered_at: datetime | None = _time()
    flow_run: str | None = None
    """The Prefect flow run that shows the form, once one was started."""
    why: str | None = None
    """`audit` for a route that a person decides blindly; None for reviews older than this column."""
    proposed: str | None = None
    classifier: str | None = None
    answer: str | None = None
    """The choice, such as a route or `none_of_these`, once somebody has answered."""
    reviewer: str | None = None
    """The name that was given with the answer."""


class StandingRow(SQLModel, table=True):
    """How far a policy may go; see `domain.audit.Standing`. Policies that never stepped back have none."""

    __tablename__ = "standings"

    policy: str = Field(primary_key=True)
    cap: str | None = None
    since: datetime = _time(nullable=False)
    why: str
    classifier: str | None = None


class DriftRow(SQLModel, table=True):
    """How many windows of a policy's decisions under one classifier were tested for drift."""

    __tablename__ = "drift_windows"

    policy: str = Field(primary_key=True)
    classifier: str = Field(primary_key=True)
    windows: int = 0
    tested_to: int = 0
    """Number of the ledger's entry that ended the last one."""


class OperationRow(SQLModel, table=True):
    """A write in the outbox; `seq` gives the order in which writes to one record are sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due", "state", "due_at"),
        Index("outbox_record", "system", "record_key", "seq"),
    )

    seq: int | None = Field(default=None, primary_key=True)
    operation_id: str = Field(unique=True)
    item_id: str = Field(index=True)
    policy: str
    system: str
    record_key: str
    operation: dict[str, Any] = _json(nullable=False)
    patience: dict[str, Any] = _json(nullable=False)
    state: str
    sends: int = 0
    look_ups: int = 0
    """Since the last send."""
    sent_at: datetime | None = _time()
    """When it was last sent: look-ups in a search that lags are believed only some time later."""
    due_at: datetime = _time(nullable=False)
    lease_until: datetime | None = _time()
    outcome: dict[str, Any] | None = _json()


class SystemRow(SQLModel, table=True):
    """How a system has answered lately; see `domain.breaker.Breaker`. One without trouble has none."""

    __tablename__ = "systems"

    system: str = Field(primary_key=True)
    failures: int = 0
    open_until: datetime | None = _time()
    why: str = ""


class ClockRow(SQLModel, table=True):
    """What a clock showed when it was last read; see `domain.sla.Reading`. The ledger tells all of it again."""

    __tablename__ = "clocks"
    __table_args__ = (Index("clocks_wake", "policy", "wake_at"),)

    item_id: str = Field(primary_key=True)
    clock: str = Field(primary_key=True)
    policy: str
    state: str
    due_at: datetime | None = _time()
    """None while the customer owes an answer."""
    ended_at: datetime | None = _time()
    settled_at: datetime | None = _time()
    """When it was met, unscored or breached: what periods count by."""
    warned_at: datetime | None = _time()
    breached_at: datetime | None = _time()
    """When somebody was told, as with `warned_at`."""
    wake_at: datetime | None = _time()
    """When somebody is to be told of it next; None for never, unless something happens."""


class HeartbeatRow(SQLModel, table=True):
    """When something that must run on a schedule ran to its end."""

    __tablename__ = "heartbeats"

    name: str = Field(primary_key=True)
    at: datetime = _time(nullable=False)


class CursorRow(SQLModel, table=True):
    """How far a source was read; moved in the transaction that stores what was read."""

    __tablename__ = "cursors"

    source: str = Field(primary_key=True)
    cursor: str
    moved_at: datetime = _time(nullable=False)


class SourceRow(SQLModel, table=True):
    """How a source has answered lately; see `domain.source_state.SourceState`. One without trouble may have none."""

    __tablename__ = "sources"

    source: str = Field(primary_key=True)
    failures: int = 0
    open_until: datetime | None = _time()
    why: str = ""
    trouble: str | None = None
    """What somebody was told of."""
    since: datetime | None = _time()


class EntryRow(SQLModel, table=True):
    """An entry of the ledger; see `domain.ledger.Entry`."""

    __tablename__ = "ledger"

    seq: int = Field(primary_key=True)
    item_id: str | None = Field(default=None, index=True)
    at: datetime = _time(nullable=False)
    event: str = Field(index=True)
    facts: dict[str, Any] = _json(nullable=False)
    previous: str
    hash: str


class HeadRow(SQLModel, table=True):
    """The ledger's last entry, one row; who holds it writes, so the chain has no forks."""

    __tablename__ = "ledger_head"

    id: int = Field(primary_key=True)
    seq: int
    hash: str
