"""The inbox: accepts items once, leases them to runs, keeps what was decided of them."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, insert, or_
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import Session, col, select

from connectors.store.arrivals import Arrived, Seen
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
        self._read: dict[str, ItemRow] = {}

    def read(self, item_ids: Collection[str]) -> None:
        """Read items in one statement, for what this transaction does about each of them."""
        if not item_ids:
            return
        rows = self._session.exec(select(ItemRow).where(col(ItemRow.item_id).in_(item_ids)))
        self._read |= {row.item_id: row for row in rows}

    def accept(self, policy: str, item: InboundItem, window: timedelta, now: datetime) -> tuple[str, Admission]:
        """`accept_all` of one item."""
        return self.accept_all(policy, [item], window, now)[0]

    def accept_all(
        self, policy: str, items: Sequence[InboundItem], window: timedelta, now: datetime
    ) -> list[tuple[str, Admission]]:
        """Store items, or recognise them; returns for each the id of the item that is, or was, accepted.

        The same source and external id, at any time, or the same content within `window` of
        its reception, is a duplicate: recorded, linked, and never processed. A window of 0 compares
        no content. Items of one call are recognised among each other, in their order. It takes three
        statements, however many there are.
        """
        if not items:
            return []
        arrived = [Arrived(item_id(policy, item), item.content_hash, item) for item in items]
        seen = self._seen(policy, arrived, window)
        admitted = [seen.admit(one, window) for one in arrived]
        new = [
            _row(policy, one, None if how is Admission.ACCEPTED else original, now)
            for one, (original, how) in zip(arrived, admitted, strict=True)
            if how is not Admission.REPEATED
        ]
        if new:
            self._session.execute(insert(ItemRow), new)
        happened = [_happened(policy, one, *what, seen) for one, what in zip(arrived, admitted, strict=True)]
        self._ledger.append_all(happened, now)
        return admitted

    def claim(
        self, policy: str, owner: str, count: int, lease: timedelta, now: datetime, held: Collection[str] = ()
    ) -> list[ClaimedItem]:
        """Lease up to `count` undecided items to `owner`, the oldest first, but none that is held.

        An item whose lease ran out is taken over; the ledger says so.
        """
        query = select(ItemRow).where(*_claimable(policy, now), col(ItemRow.item_id).not_in(held))
        query = query.order_by(col(ItemRow.accepted_at), col(ItemRow.item_id)).limit(count)
        claimed = []
        for row in self._session.exec(query):
            if row.lease_owner is not None:
                self._ledger.append(row.item_id, Event.TAKEN_OVER, now, by=owner, after=row.lease_owner)
            row.lease_owner, row.lease_until = owner, now + lease
            claimed.append(_claimed(row))
        return claimed

    def put_off(self, item_id: str, until: datetime) -> None:
        """Give an item back; it can be claimed again from `until` on."""
        row = self._row(item_id)
        row.lease_owner, row.lease_until = None, until

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
        """Put a person's decision in place of the one that waited for it; writes that it asked for are still due."""
        row = self._row(item_id)
        self._put(row, decision, row.writes_due + writes_due, now)

    def get(self, item_id: str) -> ClaimedItem:
        """An accepted item.

        Raises:
            LookupError: there is no such item.
        """
        return _claimed(self._row(item_id))

    def decided(self, item_id: str) -> tuple[ClaimedItem, Proposal, Decision] | None:
        """An item with its stored proposal and decision; None if it has none yet.

        Raises:
            LookupError: there is no such item.
        """
        row = self._row(item_id)
        if row.proposal is None or row.decision is None:
            return None
        return _claimed(row), Proposal.model_validate(row.proposal), Decision.model_validate(row.decision)

    def under_review(self, item_id: str) -> tuple[ClaimedItem, Proposal, Decision]:
        """As `decided`, of an item that there is a review of.

        Raises:
            LookupError: nothing was decided about it, or there is no such item.
        """
        if (stored := self.decided(item_id)) is None:
            raise LookupError(f"nothing was decided about {item_id}, and there is a review of it")
        return stored

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
        """A policy's items that nobody waits for any more, with what was decided, the oldest first; no erased ones."""
        query = select(ItemRow).where(
            ItemRow.policy == policy,
            col(ItemRow.decided).is_(True),
            col(ItemRow.waits).is_(False),
            col(ItemRow.duplicate_of).is_(None),
            col(ItemRow.erased_at).is_(None),
        )
        for row in self._session.exec(query.order_by(col(ItemRow.accepted_at), col(ItemRow.item_id))):
            yield _claimed(row), Proposal.model_validate(row.proposal), Decision.model_validate(row.decision)

    def ids(self) -> set[str]:
        """Ids of all items, duplicates included."""
        return set(self._session.exec(select(ItemRow.item_id)))

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of `ids` that are items'."""
        return set(self._session.exec(select(ItemRow.item_id).where(col(ItemRow.item_id).in_(ids))))

    def find(self, fragment: str) -> list[str]:
        """Ids of the accepted items whose id or external id is, or whose id begins with, `fragment`.

        A mail is found by its Message-ID too, behind which its external id has the digest of its content.
        """
        fits = or_(
            col(ItemRow.item_id).startswith(fragment, autoescape=True),
            col(ItemRow.external_id) == fragment,
            col(ItemRow.external_id).startswith(f"{fragment}#", autoescape=True),
        )
        query = select(ItemRow.duplicate_of, ItemRow.item_id).where(fits).limit(20)
        return sorted({original or own for original, own in self._session.exec(query)})

    def _put(self, row: ItemRow, decision: Decision, writes_due: int, now: datetime) -> None:
        row.decision = decision.model_dump(mode="json")
        row.decided, row.waits, row.writes_due = True, decision.waits, writes_due
        for told in ("waits", "writes_due"):  # changed or not: rows with the same columns are one statement
            flag_modified(row, told)
        run, row.lease_owner, row.lease_until = row.lease_owner, None, None
        facts = decision.model_dump(
            mode="json",
            include={"kind", "reason", "route", "proposed", "source", "holds", "rule", "flags", "missing", "confidence"}
            | {"threshold"}
            | {"mode", "writes", "by", "note", "proposal_hash", "policy_fingerprint"},
        )
        facts |= {"plan": decision.plan.model_dump(mode="json")} if decision.plan else {}
        facts |= {"run": run} if run else {}
        # Which fields a person filled in, not what with: the ledger cannot forget a stranger's data.
        self._ledger.append(
            row.item_id, Event.DECIDED, now, waits=decision.waits, filled=sorted(decision.filled), **facts
        )

    def _row(self, item_id: str) -> ItemRow:
        row = self._read.get(item_id) or self._session.get(ItemRow, item_id)
        if row is None:
            raise LookupError(f"no item {item_id}")
        return row

    def _seen(self, policy: str, arrived: "Sequence[Arrived]", window: timedelta) -> "Seen":
        """What the database has of these deliveries and contents."""
        deliveries = select(ItemRow.item_id, ItemRow.duplicate_of, ItemRow.content_hash, ItemRow.erased_at)
        same_delivery = deliveries.where(col(ItemRow.item_id).in_({one.item_id for one in arrived}))
        times = [one.item.received_at for one in arrived]
        same_content = select(ItemRow.content_hash, ItemRow.received_at, ItemRow.item_id).where(
            ItemRow.policy == policy,
            col(ItemRow.content_hash).in_({one.content_hash for one in arrived}),
            col(ItemRow.duplicate_of).is_(None),
            col(ItemRow.received_at) >= min(times) - window,
            col(ItemRow.received_at) <= max(times) + window,
        )
        seen = Seen({})
        for here, original, kept, erased_at in self._session.exec(same_delivery):
            seen.deliveries[here] = original or here, kept
            seen.erased.update({here} if erased_at else ())
        for content_hash, received_at, here in self._session.exec(same_content):
            seen.contents[content_hash].append((received_at, here))
        return seen


def _row(policy: str, one: Arrived, duplicate_of: str | None, now: datetime) -> dict[str, Any]:
    return {
        "item_id": one.item_id,
        "policy": policy,
        "source": one.item.source,
        "external_id": one.item.external_id,
        "content_hash": one.content_hash,
        "received_at": one.item.received_at,
        "accepted_at": now,
        "item": one.item.model_dump(mode="json"),
        "duplicate_of": duplicate_of,
        "decided": False,
        "waits": False,
        "writes_due": 0,
    }


def _happened(
    policy: str, one: Arrived, original: str, how: Admission, seen: Seen
) -> tuple[str, Event, dict[str, Any]]:
    """The ledger's entry; a duplicate's content is kept where it is not the original delivery's."""
    item = one.item
    named = {"source": item.source, "external_id": item.external_id}
    if how is Admission.ACCEPTED:
        return original, Event.ACCEPTED, {"policy": policy, **named}
    if one.item_id in seen.erased:
        return original, Event.DUPLICATE, named | {"external_id": one.item_id, "how": how.value, "content": None}
    kept_hash = seen.deliveries[one.item_id][1]
    content = None if one.content_hash == kept_hash else item.fields
    return original, Event.DUPLICATE, {**named, "how": how.value, "content": content}


def _claimable(policy: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(ItemRow.policy) == policy,
        col(ItemRow.decided).is_(False),
        col(ItemRow.duplicate_of).is_(None),
        or_(col(ItemRow.lease_until).is_(None), col(ItemRow.lease_until) <= now),
    )


def _claimed(row: ItemRow) -> ClaimedItem:
    return ClaimedItem(item_id=row.item_id, policy=row.policy, item=InboundItem.model_validate(row.item))
