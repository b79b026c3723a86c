"""The tables of what is watched: how systems, sources, promises and policies stand, and who was told of what."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, text
from sqlmodel import Field, SQLModel

from connectors.store.tables import document, moment


class EscalationRow(SQLModel, table=True):
    """What people are told of, until somebody acknowledges; see `domain.escalation`."""

    __tablename__ = "escalations"
    __table_args__ = (
        Index("escalations_open", "policy", "closed_at"),
        Index("escalations_subject", "cause", "subject", "closed_at"),
    )

    escalation_id: str = Field(primary_key=True)
    policy: str
    cause: str
    subject: str
    """The item, policy, source or system that it is about."""
    item_id: str | None = None
    """In whose story it is told; None for its own."""
    message: str
    """The latest occurrence's."""
    facts: dict[str, Any] = document(nullable=False)
    began_at: datetime = moment(nullable=False)
    last_at: datetime = moment(nullable=False)
    occurrences: int = 1
    acknowledged_at: datetime | None = moment()
    acknowledged_by: str | None = None
    closed_at: datetime | None = moment()
    """From then on an occurrence begins another."""

    @property
    def story(self) -> str:
        """In whose story it is told: its item's, or its own."""
        return self.item_id or self.escalation_id

    @property
    def outcome(self) -> str:
        """Who has taken it over, or that it is over, in one sentence; empty while neither is so."""
        if self.acknowledged_by:
            return f"{self.acknowledged_by} has taken it over."
        return "It is over." if self.closed_at else ""


class NoticeRow(SQLModel, table=True):
    """That somebody was told of an escalation; a folded message is one of each that it stands for."""

    __tablename__ = "escalation_notices"

    notice_id: int | None = Field(default=None, primary_key=True)
    escalation_id: str = Field(index=True)
    turn: int
    to: str
    by: str
    at: datetime = moment(nullable=False)
    operation_id: str | None = Field(default=None, index=True)
    """The outbox's; None for Prefect's event alone."""
    failed: bool = False
    """It reached nobody, or was given up."""

    @property
    def told(self) -> str:
        """Whom it was for, by which channel, and whether it reached them."""
        return f"{self.to} by {self.by}{' (not reached)' if self.failed else ''}"


class StandingRow(SQLModel, table=True):
    """How far a policy may go; see `domain.audit.Standing`. Policies that never stepped back have none."""

    __tablename__ = "standings"

    policy: str = Field(primary_key=True)
    cap: str | None = None
    since: datetime = moment(nullable=False)
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


class SystemRow(SQLModel, table=True):
    """How a system has answered lately; see `domain.breaker.Breaker`. One without trouble has none."""

    __tablename__ = "systems"

    system: str = Field(primary_key=True)
    """The scope: the system, or the place in it."""
    failures: int = 0
    open_until: datetime | None = moment()
    why: str = ""


class TurnRow(SQLModel, table=True):
    """When the next request may go to what takes only so many a second."""

    __tablename__ = "turns"

    name: str = Field(primary_key=True)
    at: datetime = moment(nullable=False)


class ClockRow(SQLModel, table=True):
    """What a clock showed when it was last read; see `domain.sla.Reading`. The ledger tells all of it again."""

    __tablename__ = "clocks"
    __table_args__ = (Index("clocks_wake", "policy", "wake_at"), Index("clocks_kept", "state", "policy", "settled_at"))

    item_id: str = Field(primary_key=True)
    """Or an entity's."""
    clock: str = Field(primary_key=True)
    spell: int = Field(default=0, primary_key=True, sa_column_kwargs={"server_default": "0"})
    """Which of the times that an entity was out of step, the first is 1; 0 of an item."""
    policy: str
    state: str
    due_at: datetime | None = moment()
    """None while the customer owes an answer."""
    ended_at: datetime | None = moment()
    settled_at: datetime | None = moment()
    """When it was met, unscored or breached: what periods count by."""
    warned_at: datetime | None = moment()
    breached_at: datetime | None = moment()
    """When somebody was told, as with `warned_at`."""
    wake_at: datetime | None = moment()
    """When somebody is to be told of it next; None for never, unless something happens."""


class HeartbeatRow(SQLModel, table=True):
    """When something that must run on a schedule ran to its end."""

    __tablename__ = "heartbeats"

    name: str = Field(primary_key=True)
    at: datetime = moment(nullable=False)


class BooksRow(SQLModel, table=True):
    """A policy's books as they were balanced last; see `domain.account.Account`."""

    __tablename__ = "books"

    policy: str = Field(primary_key=True)
    at: datetime = moment(nullable=False)
    accepted: int
    done: int
    waiting: int
    escalated: int
    dead_lettered: int


class JourneyRow(SQLModel, table=True):
    """What became of an accepted item, as far as figures are made of it; see `connectors.store.journeys`."""

    __tablename__ = "journeys"
    __table_args__ = (
        Index("journeys_of_all", "accepted_ms", "item_id"),
        Index("journeys_of_policy", "policy", "accepted_ms", "item_id"),
    )

    item_id: str = Field(primary_key=True)
    policy: str
    accepted_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    """Since 1970, in UTC: a number, with which all databases calculate alike."""
    kind: str | None = None
    """Of the first decision, made for this `reason`; None before it."""
    reason: str | None = None
    route: str | None = None
    """Of the decision that stands; where it waits for a person, the one that is proposed, unless they decide
    blindly."""
    took_ms: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    """From acceptance to the decision that stands; None while nobody, or a person, has yet to decide."""
    verdict: str | None = None
    """Reason of the decision that stands, and `as_proposed` whether it is what was proposed."""
    as_proposed: bool | None = None
    retries: int = 0
    """Calls and writes that had to be tried again."""
    given_up: int = 0
    """Writes that became dead letters, mended since or not."""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class SourceRow(SQLModel, table=True):
    """How a source has answered lately; see `domain.source_state.SourceState`. One without trouble may have none."""

    __tablename__ = "sources"

    source: str = Field(primary_key=True)
    policy: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    shown: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    """What people call it."""
    failures: int = 0
    open_until: datetime | None = moment()
    why: str = ""
    trouble: str | None = None
    """What somebody was told of."""
    since: datetime | None = moment()
