"""The tables. Times are UTC; JSON columns hold the domain's models as they serialise."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Index, TypeDecorator, text
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


def moment(nullable: bool = True, index: bool = False) -> Any:
    """A column of times; aware ones go in and come out."""
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable, index=index))


def document(nullable: bool = True) -> Any:
    """A column of JSON; None is NULL, not the word null."""
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=nullable))


_ORIGINAL = text("duplicate_of IS NULL")


class ItemRow(SQLModel, table=True):
    """An item of the inbox; a duplicate names the item that it repeats.

    Unclaimed work has neither `decision` nor a running lease.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        # By the hash alone: PostgreSQL, before it has statistics, would prefer the other columns of a wider one.
        Index("inbox_content", "content_hash", sqlite_where=_ORIGINAL, postgresql_where=_ORIGINAL),
        Index("inbox_work", "policy", "decided", "lease_until"),
        Index(
            "inbox_finished",
            "item_id",
            "writes_due",
            sqlite_where=text("duplicate_of IS NULL AND decided = 1 AND waits = 0"),
            postgresql_where=text("duplicate_of IS NULL AND decided AND NOT waits"),
        ),
    )

    item_id: str = Field(primary_key=True)
    policy: str
    source: str
    external_id: str
    content_hash: str
    received_at: datetime = moment(nullable=False)
    accepted_at: datetime = moment(nullable=False)
    item: dict[str, Any] = document(nullable=False)
    duplicate_of: str | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = moment()
    proposal: dict[str, Any] | None = document()
    decision: dict[str, Any] | None = document()
    decided: bool = False
    """Whether a decision stands, be it one that waits for a person."""
    waits: bool = False
    """Whether the decision waits for a person; then it must have an open review."""
    writes_due: int = 0
    """Outbox operations that the decision asked for."""
    erased_at: datetime | None = moment()
    """When all that was said in it, and made of that, was erased."""


class ProposalRow(SQLModel, table=True):
    """A proposal by value: the same text under the same model, prompt and policy costs one call."""

    __tablename__ = "proposals"

    key: str = Field(primary_key=True)
    proposal: dict[str, Any] = document(nullable=False)
    made_at: datetime = moment(nullable=False)


class ExtractionRow(SQLModel, table=True):
    """What an item's text gave; the same text and wishes under the same model and prompt, the same key."""

    __tablename__ = "extractions"

    item_id: str = Field(primary_key=True)
    key: str = Field(index=True)
    extraction: dict[str, Any] = document(nullable=False)
    made_at: datetime = moment(nullable=False)


_WAITS = text("answered_at IS NULL")


class ReviewRow(SQLModel, table=True):
    """A question that waits, or waited, for a person; see `domain.review.Review`."""

    __tablename__ = "reviews"
    __table_args__ = (
        Index("reviews_waiting", "due_at", "review_id", sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index("reviews_alike", "alike", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )

    review_id: str = Field(primary_key=True)
    item_id: str = Field(index=True)
    kind: str
    about: str
    policy: str = Field(index=True)
    workflow: str
    question: dict[str, Any] = document(nullable=False)
    binding: str
    opened_at: datetime = moment(nullable=False)
    due_at: datetime = moment(nullable=False)
    escalated_at: datetime | None = moment()
    answered_at: datetime | None = moment()
    flow_run: str | None = None
    """The Prefect flow run that shows the form, once one was started."""
    why: str | None = None
    """`audit` for a route that a person decides blindly; None for reviews older than this column."""
    proposed: str | None = None
    classifier: str | None = None
    answer: str | None = None
    """The choice, such as a route or `none_of_these`, once somebody has answered."""
    reviewer: str | None = None
    """Who answered, and `proven` how that is known; see `domain.review.Proven`."""
    proven: str | None = None
    agreed: list[dict[str, Any]] | None = document()
    """Those who have answered where several people must; see `domain.agreement.Agreed`."""
    alike: str | None = None
    """The same for reviews that ask the same of the same words; None for reviews older than this column."""
    forms: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Flow runs that were started to show the form; `cancelled` of them were cancelled by somebody."""
    cancelled: int = Field(default=0, sa_column_kwargs={"server_default": "0"})

    assignee: str | None = None
    """Who is to answer, where the policy assigns."""
    assigned_at: datetime | None = moment()
    passed: list[str] | None = document()
    """Who had it and did not answer in time."""

    @property
    def outcome(self) -> str:
        """Who has decided, and for what, in one sentence."""
        return f"It was {self.reviewer}, who chose {self.answer}." if self.answer else f"It was {self.reviewer}."


class VersionRow(SQLModel, table=True):
    """What a policy's file said, by the fingerprint that decisions have of it."""

    __tablename__ = "versions"

    version: str = Field(primary_key=True)
    policy: str = Field(index=True)
    source: str
    first_used_at: datetime = moment(nullable=False)


class UsedKeyRow(SQLModel, table=True):
    """The key of a link that has decided, or begun a session: each does so once."""

    __tablename__ = "used_keys"

    nonce: str = Field(primary_key=True)
    reviewer: str
    used_at: datetime = moment(nullable=False)


_UNWRITTEN = text("state <> 'done'")


class OperationRow(SQLModel, table=True):
    """A write in the outbox; `seq` gives the order in which writes to one record are sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("outbox_due", "state", "due_at"),
        Index("outbox_record", "scope", "record_key", "seq"),
        Index("outbox_item", "item_id", "state"),
        Index("outbox_unwritten", "state", "system", "item_id", sqlite_where=_UNWRITTEN, postgresql_where=_UNWRITTEN),
    )

    seq: int | None = Field(default=None, primary_key=True)
    operation_id: str = Field(unique=True)
    item_id: str
    policy: str
    system: str
    scope: str = Field(sa_column_kwargs={"server_default": text("''")})
    """The system, or the place in it that the write goes to."""
    record_key: str
    operation: dict[str, Any] = document(nullable=False)
    patience: dict[str, Any] = document(nullable=False)
    state: str
    sends: int = 0
    look_ups: int = 0
    """Since the last send."""
    sent_until: datetime | None = moment()
    """Until when its last send may go on: when it is under way, or ended without an answer."""
    due_at: datetime = moment(nullable=False)
    lease_until: datetime | None = moment()
    outcome: dict[str, Any] | None = document()


class CaseRow(SQLModel, table=True):
    """Where a case stands; see `domain.case.Case`."""

    __tablename__ = "cases"
    __table_args__ = (Index("cases_due", "policy", "due_at"),)

    policy: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    state: str
    version: int
    due_at: datetime | None = moment()
    moved_at: datetime = moment(nullable=False)
    case: dict[str, Any] = document(nullable=False)


class CursorRow(SQLModel, table=True):
    """How far a source was read; moved in the transaction that stores what was read."""

    __tablename__ = "cursors"

    source: str = Field(primary_key=True)
    cursor: str
    moved_at: datetime = moment(nullable=False)


class EntryRow(SQLModel, table=True):
    """An entry of the ledger; see `domain.ledger.Entry`."""

    __tablename__ = "ledger"

    seq: int = Field(primary_key=True)
    item_id: str | None = Field(default=None, index=True)
    at: datetime = moment(nullable=False, index=True)
    event: str = Field(index=True)
    facts: dict[str, Any] = document(nullable=False)
    previous: str
    hash: str
    sealed: dict[str, Any] | None = document()
    """Which of the facts may tell of a person, and with what they are sealed; see `domain.ledger.Sealed`."""


class HeadRow(SQLModel, table=True):
    """The ledger's last entry, one row; who holds it writes, so the chain has no forks."""

    __tablename__ = "ledger_head"

    id: int = Field(primary_key=True)
    seq: int
    hash: str
