"""Delivery looks for the record before it writes a new one, and leaves doubt to a person."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import claimed, proposal, terms
from fakes import FakeCrm, FakeSystem, fake_resources

from connectors.capabilities import Capabilities, Idempotency, Upsert
from connectors.ports import Candidate
from connectors.store.engine import Store
from connectors.store.tables import ReviewRow
from domain.account import Account
from domain.decide import decide
from domain.delivery import (
    DeliveryOutcome,
    Invalid,
    Operation,
    Patience,
    RetryAfter,
    Search,
    Unknown,
    operation_id,
)
from domain.ledger import first_break
from domain.review import Answer, Refusal
from domain.story import tell
from tasks.deliver import LEASE, deliver_due
from tasks.duplicates import Searched, keep, search_for
from tasks.resources import opened
from tasks.review import Settled, settle_review, show

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SAME = Candidate("17", {"email": "julia@example.com", "name": "Julia Weber"})
LIKE = Candidate("18", {"email": "jw@example.com", "name": "Julia Weber"})
OURS = Candidate("16", {}, ours=True)
OTHER = Candidate("19", {"email": "ole@example.com", "name": "Ole Berg"})
Found = Sequence[Candidate] | RetryAfter | Invalid


class Office:
    """Items of a store with a write each, a system, and a clock that is moved by hand."""

    def __init__(self, store: Store, system: FakeSystem) -> None:
        self.store, self.system, self.now = store, system, NOON
        self.here = fake_resources(store, None, system, clock=lambda: self.now)
        self.here.destination("crm")

    def put(self, *names: str, key: str = "", search: bool = True) -> list[str]:
        return [self._put(name, key or name, search=search) for name in names]

    def _put(self, name: str, key: str, *, search: bool) -> str:
        asked = Search(workflow="lead_routing")
        with self.store.transaction() as tx:
            item, _ = tx.inbox.accept("tiny", claimed(f"words of {name}", name).item, timedelta(hours=1), self.now)
            decided = decide(proposal(), None, terms(), self.now)
            tx.inbox.keep_decision(item, proposal(), decided, 1, self.now)
            tx.outbox.put(
                Operation(
                    operation_id=operation_id(item, "crm"),
                    item_id=item,
                    policy="tiny",
                    destination="crm",
                    system="crm",
                    record_key=key,
                    values={"email": "julia@example.com", "name": "Julia Weber"},
                    search=asked if search else None,
                ),
                Patience(attempts=4),
                self.now,
            )
        return item

    async def deliver(self) -> None:
        """Deliver, and let time pass, until nothing is due any more."""
        for _ in range(30):
            async with opened(self.here):
                await deliver_due.fn(0)
            with self.store.reading() as tx:
                due_at = tx.outbox.next_due_at(self.now)
            if due_at is None:
                return
            self.now = max(self.now, due_at)
        raise AssertionError("it never came to an end")

    def review(self, item: str) -> ReviewRow:
        with self.store.reading() as tx:
            (review,) = tx.reviews.of([item], item)
        return review

    async def answer(self, item: str, choice: str, reviewer: str = "Ada") -> Settled:
        review = self.review(item)
        given = Answer(choice=choice, reviewer=reviewer, note="phoned", binding=review.binding)
        async with opened(self.here):
            return await settle_review.fn(review.review_id, given)

    def stories(self, item: str) -> list[str]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        return [tell(one.event, one.facts) for one in entries if one.item_id == item]

    @property
    def account(self) -> Account:
        with self.store.reading() as tx:
            account = tx.accounts.balance()
        assert account.unaccounted == 0
        return account

    @property
    def sent_to(self) -> list[str]:
        return [operation.external_id for operation in self.system.stored]


@pytest.fixture
def store(tmp_path: Path):
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as opened_store:
        yield opened_store


CLEAR = [
    pytest.param([], "", "crm has no such record; a new one is made. Why: 0 that are alike were compared.",
                 id="nothing is alike"),
    pytest.param([OTHER], "", "crm has no such record; a new one is made. Why: 1 that are alike were compared.",
                 id="what is alike is another"),
    pytest.param([OURS], "", "crm has the record under its key already; it is updated.", id="it has our key"),
    pytest.param([SAME, OTHER], "17", "Record 17 of crm is the same; the write goes to it. Why: email, name agree.",
                 id="one is the same"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "record", "story"), CLEAR)
async def test_what_is_clear_is_sent_without_a_question(store: Store, found: Found, record: str, story: str) -> None:
    office = Office(store, FakeCrm(found=[found]))
    (item,) = office.put("a")

    await office.deliver()

    assert office.sent_to == [record]
    assert office.stories(item)[-2] == story
    assert office.account.done == 1


async def test_a_write_that_asks_for_no_search_is_sent_as_it_is(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[SAME]]))
    office.put("a", search=False)

    await office.deliver()

    assert (office.sent_to, office.system.searched) == ([""], [])


async def test_doubt_waits_for_a_person_while_others_are_written(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[LIKE]]))
    item, _ = office.put("a", "b")

    await office.deliver()

    assert [operation.record_key for operation in office.system.stored] == ["b"]
    assert (office.account.waiting, office.account.done) == (1, 1)
    assert office.review(item).review_id == f"{item}-duplicate-crm"
    assert office.stories(item)[-2:] == [
        "In crm the same may be 18; the write waits for a person. Why: name agree, and that is not enough to be sure.",
        "A person was asked whether another system has the record already; an answer is due by 2026-03-02T16:00+00:00.",
    ]


async def test_a_person_sees_the_records_side_by_side_and_chooses_among_them(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[LIKE, OTHER]]))
    (item,) = office.put("a")
    await office.deliver()

    async with opened(office.here):
        form = await show.fn(office.review(item).review_id, "Please look again.")

    assert form is not None
    assert list(form.choices) == ["same_as_18", "new_record", "do_not_write"]
    assert form.preselected is None
    assert "| name | `Julia Weber` | `Julia Weber` |" in form.markdown
    assert "Please look again." in form.markdown
    assert (await office.answer(item, "same_as_19")).refusal is Refusal.UNKNOWN_CHOICE


ANSWERS = [
    pytest.param("same_as_18", ["18"], True, "Record 18 of crm is the same; the write goes to it.", id="the same"),
    pytest.param("new_record", [""], True, "crm has no such record; a new one is made.", id="a new one"),
    pytest.param("do_not_write", [], False, "Nothing is written to crm.", id="nothing"),
]


@pytest.mark.parametrize(("choice", "sent_to", "writes", "story"), ANSWERS)
async def test_an_answer_sends_the_write_on_its_way_once(
    store: Store, choice: str, sent_to: list[str], writes: bool, story: str
) -> None:
    office = Office(store, FakeCrm(found=[[LIKE]]))
    (item,) = office.put("a")
    await office.deliver()

    settled = await office.answer(item, choice)
    again = await office.answer(item, choice)
    too_late = await office.answer(item, "new_record", "Bob")
    await office.deliver()
    await office.deliver()

    assert (settled.refusal, settled.writes) == (None, writes)
    assert again.refusal is None
    assert (too_late.refusal, too_late.by) == (Refusal.ALREADY_DECIDED, "Ada")
    assert f"{story} Ada said so: phoned." in office.stories(item)
    assert (office.sent_to, office.system.searched) == (sent_to, ["a"])
    assert office.account.done == 1
    with store.reading() as tx:
        assert len(tx.outbox.confirmed()) == len(sent_to), "what was not written is not said to be"


async def test_a_late_question_is_escalated_and_can_still_be_answered(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[LIKE]]))
    (item,) = office.put("a")
    await office.deliver()
    office.now += timedelta(hours=5)
    with store.transaction() as tx:
        assert [row.item_id for row in tx.reviews.mark_late("tiny", office.now)] == [item]

    assert office.account.escalated == 1
    assert (await office.answer(item, "new_record")).refusal is Refusal.LATE


async def test_later_writes_to_the_record_wait_and_follow_without_a_second_question(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[LIKE]]))
    first, second = office.put("a", "b", key="julia")
    await office.deliver()
    assert office.account.waiting == 2

    await office.answer(first, "same_as_18")
    await office.deliver()

    assert (office.sent_to, office.system.searched) == (["18", "18"], ["julia"])
    assert "The write goes to record 18 of crm, as an earlier one of this record did." in office.stories(second)


async def test_after_a_write_that_nobody_wanted_the_next_is_searched_anew(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[LIKE], []]))
    first, _ = office.put("a", "b", key="julia")
    await office.deliver()

    await office.answer(first, "do_not_write")
    await office.deliver()

    assert (office.sent_to, office.system.searched) == ([""], ["julia", "julia"])


async def test_a_search_that_is_put_off_is_made_again_and_counts_as_a_failure(store: Store) -> None:
    office = Office(store, FakeCrm(found=[RetryAfter(detail="busy", limit="search"), RetryAfter(detail="busy"), []]))
    (item,) = office.put("a")

    await office.deliver()

    told = office.stories(item)
    assert "Searching for duplicates in crm ended retry after: busy. Next: look up." in told
    assert office.sent_to == [""]
    with store.reading() as tx:
        assert [entry.event.value for entry in tx.ledger.entries()].count("system_paused") == 1
        assert tx.systems.of("crm").failures == 0, "the answer at last shows that it works"


async def test_a_search_that_is_refused_is_given_up_and_made_anew_on_retry(store: Store) -> None:
    office = Office(store, FakeCrm(found=[Invalid(detail="no such property"), [SAME]]))
    (item,) = office.put("a")
    await office.deliver()
    assert office.account.dead_lettered == 1

    with store.transaction() as tx:
        assert tx.dead_letters.put_back(tx.dead_letters.of(item_id=item), "", office.now) == 1
    await office.deliver()

    assert (office.sent_to, office.system.searched) == (["17"], ["a", "a"])


async def test_a_search_that_never_answers_is_given_up_after_the_policys_attempts(store: Store) -> None:
    office = Office(store, FakeCrm(found=[RetryAfter(detail="busy")] * 9))
    office.put("a")

    await office.deliver()

    assert len(office.system.searched) == 4
    assert (office.sent_to, office.account.dead_lettered) == ([], 1)


async def test_a_system_that_cannot_be_searched_gets_nothing_until_that_is_mended(store: Store) -> None:
    office = Office(store, FakeSystem())
    (item,) = office.put("a")

    await office.deliver()

    assert office.system.stored == []
    assert "crm cannot be searched for duplicates" in office.stories(item)[-1]


async def test_a_sender_that_dies_in_the_search_leaves_it_to_the_next(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[LIKE]]))
    (item,) = office.put("a")
    with store.transaction() as tx:
        (dead,) = tx.outbox.claim(1, LEASE, office.now)
    office.now += LEASE

    await office.deliver()

    assert (office.sent_to, office.system.searched) == ([], ["a"])
    assert office.review(item).answered_at is None
    with store.transaction() as tx:  # it comes back, and finds that it was taken for dead
        assert not tx.outbox.settle(dead, RetryAfter(detail="late"), None, office.now)  # type: ignore[arg-type]  # not looked at


async def test_a_sender_that_dies_after_the_verdict_leaves_it_standing(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[SAME], []], outcomes=[Unknown(detail="killed")]))
    office.put("a")
    await office.deliver()  # the search, then a send whose answer is lost, then the look-up

    assert (office.sent_to, office.system.searched) == (["17"], ["a"])
    assert office.system.looked_up == 1


async def test_between_the_verdict_and_the_send_nothing_is_asked_or_decided_twice(store: Store) -> None:
    office = Office(store, FakeCrm(found=[[SAME], [LIKE]]))
    (item,) = office.put("a")
    async with opened(office.here):
        await _search_alone(office)

    await office.deliver()

    assert (office.sent_to, office.system.searched) == (["17"], ["a"])
    assert sum("is the same" in story for story in office.stories(item)) == 1


async def _search_alone(office: Office) -> None:
    """What a sender does before it is killed: it searches, and commits the verdict."""
    with office.store.transaction() as tx:
        (due,) = tx.outbox.claim(1, LEASE, office.now)
    searched = await search_for(office.here.destination("crm"), due.operation)
    assert isinstance(searched, Searched)
    with office.store.transaction() as tx:
        keep(office.here, tx, due, searched, office.now)


@dataclass
class FakePost(FakeSystem):
    """Keeps nothing by which a write could be looked up."""

    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(upsert=Upsert.NONE, idempotency=Idempotency.NONE)
    )

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        self.looked_up += 1
        return Unknown(detail="look for the mail in the log")


async def test_an_unknown_outcome_that_no_look_up_can_clear_goes_to_a_person_at_once(store: Store) -> None:
    office = Office(store, FakePost(outcomes=[Unknown(detail="no answer")]))
    (item,) = office.put("a", search=False)

    await office.deliver()

    assert (len(office.system.stored), office.system.looked_up, office.now) == (1, 1, NOON)
    assert office.account.dead_lettered == 1
    assert "look for the mail in the log: only a person can tell" in office.stories(item)[-1]


async def test_it_is_sent_again_when_somebody_asks_for_that_and_not_before(store: Store) -> None:
    office = Office(store, FakePost(outcomes=[Unknown(detail="no answer")]))
    (item,) = office.put("a", search=False)
    await office.deliver()

    with store.transaction() as tx:
        tx.dead_letters.put_back(tx.dead_letters.of(item_id=item), "", office.now)
    await office.deliver()

    assert len(office.system.stored) == 2
    assert office.account.done == 1
    assert "somebody looked and had it sent again" in " ".join(office.stories(item))


async def test_a_record_that_was_deleted_is_made_anew_and_blocks_nobody(store: Store) -> None:
    gone = Invalid(detail="there is no record 17 any more", gone=True)
    office = Office(store, FakeCrm(found=[[SAME], [SAME], [OURS]], outcomes=[None, gone]))
    office.put("a", key="julia")
    await office.deliver()
    office.put("b", key="julia")
    await office.deliver()
    office.put("c", key="julia")
    await office.deliver()

    assert office.sent_to == ["17", "", ""], "the search that lags still knows the record"
    assert len(office.system.searched) == 3, "the second was remembered, and searched for once it was gone"
    assert office.account.done == 3


async def test_searches_are_held_to_a_rate_of_their_own(store: Store) -> None:
    can = Capabilities(upsert=Upsert.KEY, idempotency=Idempotency.TRACE, searches_per_s=2)
    office = Office(store, FakeCrm(capabilities=can))
    office.put("a", "b", "c")
    office.put("d", search=False)

    await office.deliver()

    assert len(office.system.searched) == 3
    assert office.now == NOON + timedelta(seconds=1), "three searches at two a second"
    assert office.account.done == 4
