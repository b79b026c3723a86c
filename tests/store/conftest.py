"""The store's tests run on every database that is there, with these things to put into it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from builders import route_review
from databases import database_url, fresh_url, postgres_url, raw, store

from connectors.store.engine import Store
from connectors.store.outbox import Due
from domain.decision import Decision, Kind, Mode, Reason
from domain.delivery import DeliveryOutcome, Operation, Patience, next_step, operation_id
from domain.item import Admission, InboundItem
from domain.ledger import Entry, first_break
from domain.proposal import AskOutcome, Opinion, Proposal, ScoresFrom, Tokens

__all__ = ["database_url", "fresh_url", "postgres_url", "raw", "store"]

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = timedelta(hours=72)
LEASE = timedelta(minutes=5)
POLICY = "lead_routing"


@dataclass
class Desk:
    """A store, and short ways to do what the tests do to it over and over; `now` is moved by hand."""

    store: Store
    now: datetime = NOON
    held: list[Due] = field(default_factory=list)

    def later(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now

    def item(self, external_id: str = "m-1", text: str = "", **changes: object) -> InboundItem:
        said = text or f"words of {external_id}"
        fields = {"message": said, "email": "ann@example.com"}
        values = {"source": "mail", "external_id": external_id, "received_at": NOON, "text": said, "fields": fields}
        return InboundItem.model_validate(values | changes)

    def accept(self, item: InboundItem | str = "m-1", policy: str = POLICY) -> tuple[str, Admission]:
        here = self.item(item) if isinstance(item, str) else item
        with self.store.transaction() as tx:
            return tx.inbox.accept(policy, here, WINDOW, self.now)

    def claim(self, owner: str = "run-1", count: int = 10, policy: str = POLICY) -> list[str]:
        with self.store.transaction() as tx:
            return [claimed.item_id for claimed in tx.inbox.claim(policy, owner, count, LEASE, self.now)]

    def proposal(self, key: str = "k-1") -> Proposal:
        return Proposal(
            key=key,
            outcome=AskOutcome.ANSWERED,
            label="sales",
            scores={"sales": 0.75, "support": 0.25},
            scores_from=ScoresFrom.LOGPROBS,
            opinion=Opinion(scores={"sales": 0.9, "support": 0.1}, similarity=0.5),
            model="scripted",
            classifier="c-1",
            tokens=Tokens(prompt=100, completion=8, cached=60),
            calls=1,
        )

    def decision(self, kind: Kind = Kind.AUTO, reason: Reason = Reason.CONFIDENT, **changes: object) -> Decision:
        values = {
            "kind": kind,
            "reason": reason,
            "route": None if kind in (Kind.HUMAN, Kind.REJECT) else "sales",
            "mode": Mode.AUTO,
            "writes": kind in (Kind.AUTO, Kind.RULE),
            "by": "model",
            "proposal_hash": self.proposal().hash,
            "policy_fingerprint": "p-1",
            "decided_at": self.now,
        }
        return Decision.model_validate(values | changes)

    def decide(self, item_id: str, decision: Decision | None = None, writes_due: int = 0) -> None:
        with self.store.transaction() as tx:
            tx.inbox.keep_decision(item_id, self.proposal(), decision or self.decision(), writes_due, self.now)

    def decide_and_queue(self, item_id: str, record_key: str = "ann") -> Operation:
        operation = self.operation(item_id, record_key)
        with self.store.transaction() as tx:
            tx.inbox.keep_decision(item_id, self.proposal(), self.decision(), 1, self.now)
            tx.outbox.put(operation, Patience(attempts=3), self.now)
        return operation

    def wait_for_person(self, item_id: str, due_at: datetime, policy: str = POLICY) -> None:
        """Leave the item to a person, until `due_at`."""
        with self.store.transaction() as tx:
            decision = self.decision(Kind.HUMAN, Reason.BELOW_THRESHOLD)
            tx.inbox.keep_decision(item_id, self.proposal(), decision, 0, self.now)
            decided = tx.inbox.decided(item_id)
            assert decided is not None
            tx.reviews.open(route_review(decided[0], policy, decision.proposal_hash, due_at, decision), self.now)

    def operation(self, item_id: str = "it-1", record_key: str = "ann", destination: str = "crm") -> Operation:
        return Operation(
            operation_id=operation_id(item_id, destination),
            item_id=item_id,
            policy=POLICY,
            destination=destination,
            system="sandbox_crm",
            record_key=record_key,
            values={"email": "ann@example.com", "name": "Ann Grün"},
        )

    def put(self, *operations: Operation, patience: Patience | None = None) -> None:
        with self.store.transaction() as tx:
            for operation in operations:
                tx.outbox.put(operation, patience or Patience(attempts=3), self.now)

    def due(self, count: int = 10, rates: Mapping[str, float] | None = None) -> list[tuple[str, int, int]]:
        """Claim what is due: each operation's id, sends and look-ups."""
        with self.store.transaction() as tx:
            self.held = tx.outbox.claim(count, LEASE, self.now, {}, rates)
        return [(due.operation.operation_id, due.tries.sends, due.tries.look_ups) for due in self.held]

    def settle(self, outcome: DeliveryOutcome, which: int = 0) -> None:
        """End the try of the operation that was claimed last, with the step that follows by the domain."""
        due = self.held[which]
        write, searched = due.operation, due.operation.searched is not None
        step = next_step(outcome, write.operation_id, due.tries, due.patience, self.now, searched=searched)
        with self.store.transaction() as tx:
            tx.outbox.settle(due, outcome, step, self.now)
            tx.systems.note(due.scope, outcome, self.now)

    def put_back(self, item_id: str, by: str = "") -> int:
        """Put an item's dead letters back."""
        with self.store.transaction() as tx:
            return tx.dead_letters.put_back(tx.dead_letters.of(item_id=item_id), by, self.now)

    def next_due_at(self) -> datetime | None:
        with self.store.reading() as tx:
            return tx.outbox.next_due_at(self.now)

    def entries(self, item_id: str | None = None) -> list[Entry]:
        with self.store.reading() as tx:
            return list(tx.ledger.entries(item_id))

    def events(self, item_id: str | None = None) -> list[str]:
        return [entry.event.value for entry in self.entries(item_id)]

    def broken_at(self) -> int | None:
        with self.store.reading() as tx:
            return first_break(tx.ledger.entries())


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.fixture
def desk_at() -> Iterator[Callable[[str], Desk]]:
    """Opens the database at a URL."""
    opened: list[Store] = []

    def open_it(url: str) -> Desk:
        opened.append(Store(url))
        return Desk(opened[-1])

    yield open_it
    for one in opened:
        one.close()


@pytest.fixture
def desks(database_url: str, desk_at: Callable[[str], Desk]) -> Callable[[], Desk]:
    """Opens the same database once more, as another process would."""
    return lambda: desk_at(database_url)
