"""A write that was given up and put back: it is looked up first, and what the look-up says decides."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from databases import sqlite_database
from fakes import FakeSystem, fake_resources

from connectors.store.engine import Store
from domain.delivery import DeliveryOutcome, Invalid, Operation, Patience, operation_id
from tasks.deliver import deliver_due
from tasks.resources import opened

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LACKING = "ticket 7 was written, but did not take owner 'ann'; set that there, and try again"


@dataclass
class Forgetful(FakeSystem):
    """Takes a record without its owner, until somebody sets it there."""

    mended: bool = False

    async def send(self, operation: Operation) -> DeliveryOutcome:
        await super().send(operation)
        return Invalid(detail=LACKING)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        found = await super().find(operation)
        return found if found is None or self.mended else Invalid(detail=LACKING)


async def test_a_record_that_lacks_a_value_is_not_done_until_it_has_it(tmp_path: Path) -> None:
    desk = Forgetful()
    item = "it-1"
    write = Operation(
        operation_id=operation_id(item, "crm"),
        item_id=item,
        policy="tiny",
        destination="crm",
        system="crm",
        record_key="k",
        values={"owner": "ann"},
    )
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        here = fake_resources(store, None, desk, clock=lambda: NOON)

        async def put_back() -> str:
            with store.transaction() as tx:
                tx.dead_letters.put_back(tx.dead_letters.of(item_id=item), "", NOON)
            async with opened(here):
                await deliver_due.fn(0)
            with store.reading() as tx:
                settled = [entry for entry in tx.ledger.entries() if "next" in entry.facts]
                return str(settled[-1].facts["next"])

        here.destination("crm")
        with store.transaction() as tx:
            tx.outbox.put(write, Patience(), NOON)
        ends = [await put_back(), await put_back()]
        desk.mended = True
        ends.append(await put_back())

    assert ends == ["dead_letter", "dead_letter", "done"]
    assert len(desk.stored) == 1
