"""The inbox: accepts items once, leases them to runs, keeps what was decided of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import Session, col, select

from connectors.store.ledger import Ledger
from connectors.store.tables import EntryRow, ItemRow
from domain.confidence import Source
from domain.decision import Decision
from domain.item import Admission, ClaimedItem, InboundItem
from domain.ledger import Event
from domain.proposal import Proposal
from domain.values import digest


def item_id(policy: str, item: InboundItem) -> str:
    """The id of a delivery under a policy: the same delivery, the same id."""
    return "it-" + digest(policy, item.source, item.external_id)[:16]


class Inbox:
    """Items that came in."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger

    def accept(self, policy: str, item: InboundItem, window: timedelta, now: datetime) -> tuple[str, Admission]:
        """Store an item, or recognise it; returns the id of the item that is, or was, accepted.

        The same source and external id, at any time, or the same content within `window` of
        its reception, is a duplicate: recorded, linked, and never processed.
        """
        here = item_id(policy, item)
        known = self._session.get(ItemRow, here)
        if known is not None:
            original = known.duplicate_of or known.item_id
            self._record_duplicate(original, item, Admission.REPEATED, known.content_hash, now)
            return original, Admission.REPEATED
        original_id = self._same_content(policy, item, window)
        row = ItemRow(
            item_id=here,
            policy=policy,
            source=item.source,
            external_id=item.external_id,
            content_hash=item.content_hash,
            received_at=item.received_at,
            accepted_at=now,
            item=item.model_dump(mode="json"),
            duplicate_of=original_id,
        )
        self._session.add(row)
        if original_id is not None:
            self._record_duplicate(original_id, item, Admission.SAME_CONTENT, item.content_hash, now)
            return original_id, Admission.SAME_CONTENT
        self._ledger.append(here, Event.ACCEPTED, now, policy=policy, source=item.source, external_id=item.external_id)
        return here, Admission.ACCEPTED

    def claim(self, policy: str, owner: str, count: int, lease: timedelta, now: datetime) -> list[ClaimedItem]:
        """Lease up to `count` undecided items to `owner`, the oldest first.

        An item whose lease ran out is taken over; the ledger says so.
        """
        query = select(ItemRow).where(*_claimable(policy, now))
        query = query.order_by(col(ItemRow.accepted_at), col(ItemRow.item_id)).limit(count)
        claimed = []
        for row in self._session.exec(query):
            if row.lease_owner is not None:
                self._ledger.append(row.item_id, Event.TAKEN_OVER, now, by=owner, after=row.lease_owner)
            row.lease_owner, row.lease_until = owner, now + lease
            claimed.append(_claimed(row))
        return claimed

    def claimable(self, policy: str, now: datetime) -> int:
        """How many items a run could claim now."""
        return self._session.exec(select(func.count()).select_from(ItemRow).where(*_claimable(policy, now))).one()

    def keep_decision(
        self, item_id: str, proposal: Proposal, decision: Decision, writes_due: int, now: datetime
    ) -> None:
        """Store the first decision of an item, with the proposal that it was made on."""
        row = self._row(item_id)
        row.proposal = proposal.model_dump(mode="json")
        self._put(row, decision, writes_due, now)

    def is_decided(self, item_id: str) -> bool:
        """Whether the item has a decision, be it one that waits for a person."""
        return self._row(item_id).decided

    def replace_decision(self, item_id: str, decision: Decision, writes_due: int, now: datetime) -> None:
        """Put a person's decision in place of the one that waited for it."""
        self._put(self._row(item_id), decision, writes_due, now)

    def decided(self, item_id: str) -> tuple[ClaimedItem, Proposal, Decision] | None:
        """An item with its stored proposal and decision; None if it has none yet.

        Raises:
            LookupError: there is no such item.
        """
        row = self._row(item_id)
        if row.proposal is None or row.decision is None:
            return None
        return _claimed(row), Proposal.model_validate(row.proposal), Decision.model_validate(row.decision)

    def proposed(
        self, policy: str, source: Source, classifier: str, after: int, count: int
    ) -> list[tuple[int, Proposal]]:
        """Up to `count` proposals that were decided on under one classifier, in the order of decision.

        Args:
            classifier: fingerprint of what confidences from `source` depend on.
            after: number of the ledger's entry after which to begin; each proposal comes with its own.
        """
        query = (
            select(EntryRow.seq, ItemRow.proposal)
            .join(ItemRow, col(ItemRow.item_id) == EntryRow.item_id)
            .where(
                EntryRow.event == Event.PROPOSED,
                EntryRow.seq > after,
                EntryRow.facts["source"].as_string() == source.value,
                EntryRow.facts["classifier"].as_string() == classifier,
                ItemRow.policy == policy,
            )
            .order_by(col(EntryRow.seq))
            .limit(count)
        )
        return [(seq, Proposal.model_validate(proposal)) for seq, proposal in self._session.exec(query)]

    def settled(self, policy: str) -> Iterator[tuple[ClaimedItem, Proposal, Decision]]:
        """A policy's items that nobody waits for any more, with what was decided, the oldest first."""
        query = select(ItemRow).where(
            ItemRow.policy == policy,
            col(ItemRow.decided).is_(True),
            col(ItemRow.waits).is_(False),
            col(ItemRow.duplicate_of).is_(None),
        )
        for row in self._session.exec(query.order_by(col(ItemRow.accepted_at), col(ItemRow.item_id))):
            yield _claimed(row), Proposal.model_validate(row.proposal), Decision.model_validate(row.decision)

    def find(self, fragment: str) -> list[str]:
        """Ids of the accepted items whose id or external id is, or whose id begins with, `fragment`."""
        fits = or_(col(ItemRow.item_id).startswith(fragment, autoescape=True), col(ItemRow.external_id) == fragment)
        query = select(ItemRow.duplicate_of, ItemRow.item_id).where(fits).limit(20)
        return sorted({original or own for original, own in self._session.exec(query)})

    def _put(self, row: ItemRow, decision: Decision, writes_due: int, now: datetime) -> None:
        row.decision = decision.model_dump(mode="json")
        row.decided, row.waits, row.writes_due = True, decision.waits, writes_due
        row.lease_owner = row.lease_until = None
        facts = decision.model_dump(
            mode="json",
            include={"kind", "reason", "route", "proposed", "source", "holds", "rule", "flags", "missing", "confidence"}
            | {"threshold"}
            | {"mode", "writes", "by", "note", "proposal_hash", "policy_fingerprint"},
        )
        self._ledger.append(row.item_id, Event.DECIDED, now, waits=decision.waits, **facts)

    def _row(self, item_id: str) -> ItemRow:
        row = self._session.get(ItemRow, item_id)
        if row is None:
            raise LookupError(f"no item {item_id}")
        return row

    def _same_content(self, policy: str, item: InboundItem, window: timedelta) -> str | None:
        query = (
            select(ItemRow.item_id)
            .where(
                ItemRow.policy == policy,
                ItemRow.content_hash == item.content_hash,
                col(ItemRow.duplicate_of).is_(None),
                col(ItemRow.received_at) >= item.received_at - window,
                col(ItemRow.received_at) <= item.received_at + window,
            )
            .order_by(col(ItemRow.received_at))
        )
        return self._session.exec(query).first()

    def _record_duplicate(
        self, original: str, item: InboundItem, how: Admission, kept_hash: str, now: datetime
    ) -> None:
        self._ledger.append(
            original,
            Event.DUPLICATE,
            now,
            source=item.source,
            external_id=item.external_id,
            how=how.value,
            content=None if item.content_hash == kept_hash else item.fields,
        )


def _claimable(policy: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(ItemRow.policy) == policy,
        col(ItemRow.decided).is_(False),
        col(ItemRow.duplicate_of).is_(None),
        or_(col(ItemRow.lease_until).is_(None), col(ItemRow.lease_until) <= now),
    )


def _claimed(row: ItemRow) -> ClaimedItem:
    return ClaimedItem(item_id=row.item_id, policy=row.policy, item=InboundItem.model_validate(row.item))
