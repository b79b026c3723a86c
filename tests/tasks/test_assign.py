"""Reviews go to people who may and can decide them; what nobody can take is told, and nothing is accepted silently."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from builders import proposal, route_review
from fakes import FakeModel, FakeSystem, fake_resources, sure
from prefect.settings import PREFECT_API_URL, temporary_settings
from tiny import message, write_people, write_tiny

from connectors.store.engine import Store
from domain.decide import decide
from domain.decision import Decision, Kind, Reason
from domain.review import Answer
from policies.intake import check, match_rule
from policies.load import load_workflow
from tasks.assign import assign_reviews
from tasks.begun import begin
from tasks.escalate import acknowledge, climb
from tasks.resources import opened
from tasks.review import escalate_late, settle_review

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE: dict[str, Any] = {
    "teams": {"desk": {}, "back office": {}},
    "people": {
        "Ann": {"teams": ["desk"], "mail": "ann@example.com"},
        "Ben": {"teams": ["desk"], "mail": "ben@example.com", "absences": [{"from": "2026-03-03", "to": "2026-03-03"}]},
        "Cid": {"teams": ["back office"]},
    },
}
ASSIGN = {"team": "desk", "limit": 2, "answer_minutes": 60}


class Floor:
    """A workflow in assist mode, whose reviews are given to people; its clock is moved by hand."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.now = folder, store, START
        write_people(folder, PEOPLE)
        self.write()

    def write(self, changes: Mapping[str, Any] = MappingProxyType({}), people: int = 1, **assign: Any) -> None:
        review = {"answer_within_minutes": 240, "people": people, "assign": ASSIGN | assign}
        self.policy = write_tiny(self.folder, mode="assist", people="people.yaml", review=review, **changes)
        model = FakeModel(lambda _text: sure("billing"))
        self.here = fake_resources(self.store, model, FakeSystem(), clock=lambda: self.now)

    def waits(self, number: int, text: str = "hello there", email: str = "customer@example.com") -> str:
        """An item that waits for a person, because in assist mode every one does."""
        workflow = load_workflow(self.policy)
        with self.store.transaction() as tx:
            item = message(f"m-{number}", f"{text}, number {number}", email)
            begin(tx, workflow, self.now)
            tx.inbox.accept("tiny", item, timedelta(0), self.now)
            (claimed,) = tx.inbox.claim("tiny", "run", 1, timedelta(minutes=1), self.now)
            rule = match_rule(item, check(item, workflow.policy), workflow.policy)
            proposed = proposal(label="access", opinion="access", confidence=0.4)
            held = decide(proposed, rule, workflow.terms, self.now)
            if not held.waits:
                held = held.model_copy(update={"kind": Kind.HUMAN, "reason": Reason.MODE_ASSIST})
            tx.inbox.keep_decision(claimed.item_id, proposed, held, 0, self.now)
            due_at = self.now + timedelta(minutes=240)
            tx.reviews.open(route_review(claimed, workflow.reference, proposed.hash, due_at, held), self.now)
        return claimed.item_id

    async def assigns(self) -> int:
        async with opened(self.here):
            return await assign_reviews.fn(self.policy)

    def with_whom(self) -> list[str | None]:
        with self.store.reading() as tx:
            return [one.review.assignee for one in tx.assignments.waiting("tiny")]

    def decision(self, item_id: str) -> Decision:
        with self.store.reading() as tx:
            stored = tx.inbox.decided(item_id)
        assert stored is not None
        return stored[2]

    def escalations(self) -> list[str]:
        with self.store.reading() as tx:
            return [row.message for row in tx.escalations.waiting("tiny")]

    def events(self, item_id: str | None = None) -> list[str]:
        with self.store.reading() as tx:
            return [entry.event.value for entry in tx.ledger.entries(item_id)]

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store, temporary_settings({PREFECT_API_URL: None}):
        yield Floor(tmp_path, store)


async def test_reviews_are_given_out_turn_by_turn_and_once(floor):
    for number in range(3):
        floor.waits(number)
        floor.later(seconds=1)
    assert [await floor.assigns() for _ in range(3)] == [3, 0, 0]
    assert floor.with_whom() == ["Ann", "Ben", "Ann"]
    assert floor.events().count("assigned") == 3


async def test_nobody_decides_about_what_they_sent(floor):
    floor.waits(1, email="Ann@example.com")
    await floor.assigns()
    assert floor.with_whom() == ["Ben"]


async def test_nor_does_who_is_named_beside_an_address(floor):
    floor.waits(1, email="Ann B. <ann@example.com>")
    await floor.assigns()
    assert floor.with_whom() == ["Ben"]


async def test_who_has_agreed_makes_room_for_the_second(floor):
    floor.write(people=2)
    item = floor.waits(1)
    await floor.assigns()
    assert floor.with_whom() == ["Ann"]
    await answer(floor, item)
    assert [await floor.assigns() for _ in range(2)] == [1, 0]
    assert floor.with_whom() == ["Ben"]


async def test_a_review_goes_on_when_it_lies_too_long_and_when_its_person_is_away(floor):
    item = floor.waits(1)
    await floor.assigns()
    floor.later(minutes=60)
    await floor.assigns()
    assert floor.with_whom() == ["Ben"]
    floor.later(hours=15)  # past midnight: Ben is away, and Ann has let it lie
    await floor.assigns()
    assert floor.with_whom() == [None]
    with floor.store.reading() as tx:
        told = [entry.facts for entry in tx.ledger.entries(item) if entry.event == "assigned"]
    assert [(one["before"], one["to"], one["why"]) for one in told] == [
        (None, "Ann", "new"),
        ("Ann", "Ben", "unanswered"),
        ("Ben", None, "nobody_may"),
    ]


async def test_a_policy_that_assigns_nothing_leaves_reviews_to_whoever_comes(floor, tmp_path):
    floor.policy = write_tiny(tmp_path, mode="assist")
    floor.waits(1)
    assert await floor.assigns() == 0
    assert floor.with_whom() == [None]


async def test_what_nobody_has_room_for_waits_and_is_told_once_until_there_is(floor):
    items = [floor.waits(number) for number in range(6)]
    for _ in range(3):
        await floor.assigns()
    assert sorted(map(str, floor.with_whom())) == ["Ann", "Ann", "Ben", "Ben", "None", "None"]
    assert floor.escalations() == ["everybody at work is at their limit, and 2 reviews wait"]
    assert all(floor.decision(item).waits for item in items)
    for item in items[:3]:
        await answer(floor, item)
    await floor.assigns()
    assert None not in floor.with_whom()
    assert floor.escalations() == []


async def answer(floor: Floor, item: str) -> None:
    async with opened(floor.here):
        binding = floor.decision(item).proposal_hash
        given = Answer(choice="billing", reviewer="Ann", binding=binding, aware_late=True)
        assert (await settle_review.fn(item, given)).refusal is None


async def test_the_next_team_helps_where_the_policy_widens(floor):
    floor.write(overload="widen", next_team="back office")
    for number in range(5):
        floor.waits(number)
    await floor.assigns()
    assert sorted(map(str, floor.with_whom())) == ["Ann", "Ann", "Ben", "Ben", "Cid"]
    assert floor.escalations() == []


async def test_a_rule_takes_what_it_names_a_route_for_and_the_rest_waits(floor):
    floor.write(overload="rules")
    for number in range(4):
        floor.waits(number)
    floor.later(minutes=1)
    ruled, plain = floor.waits(8, "the invoice is wrong"), floor.waits(9)
    await floor.assigns()
    decided = floor.decision(ruled)
    assert (decided.kind, decided.reason, decided.route) == (Kind.RULE, Reason.RULE_RELIEVES, "billing")
    assert floor.decision(plain).waits
    assert floor.events(ruled)[-2:] == ["decided", "queued"]
    assert floor.escalations() == ["everybody at work is at their limit, and 1 reviews wait"]
    with floor.store.reading() as tx:
        assert tx.accounts.balance("tiny").unaccounted == 0


@pytest.mark.parametrize("lost", [False, True])
async def test_a_rule_takes_what_waits_by_the_version_that_it_began_with_or_not_at_all(floor, lost):
    floor.write(overload="rules")
    for number in range(4):
        floor.waits(number)
    floor.later(minutes=1)
    ruled = floor.waits(8, "the invoice is wrong")
    floor.write({"rules": [{"name": "all", "when": "true", "route": "access"}]}, overload="rules")
    if lost:
        with floor.store.transaction() as tx:
            tx.session.delete(tx.versions.of("tiny")[0])
    await floor.assigns()
    decided = floor.decision(ruled)
    assert (decided.waits, decided.route) == ((True, None) if lost else (False, "billing"))


async def test_rules_take_nothing_while_there_is_room(floor):
    floor.write(overload="rules")
    item = floor.waits(1, "the invoice is wrong")
    await floor.assigns()
    assert floor.decision(item).waits


async def test_a_late_review_is_told_of_until_it_is_answered(floor):
    item = floor.waits(1)
    floor.later(minutes=241)
    async with opened(floor.here):
        assert [await escalate_late.fn(floor.policy) for _ in range(2)] == [[item], []]
        assert await climb.fn(floor.policy) == 1
    assert floor.escalations() == [f"nobody answered the review {item} by 2026-03-02 13:00 UTC"]
    await answer(floor, item)
    assert floor.escalations() == []
    assert floor.events(item)[-5:] == ["notified", "review_answered", "decided", "queued", "resolved"]


async def test_nobody_is_told_of_a_late_review_that_has_ended_whatever_ended_it(floor):
    item = floor.waits(1)
    floor.later(minutes=241)
    async with opened(floor.here):
        await escalate_late.fn(floor.policy)
        with floor.store.transaction() as tx:
            tx.reviews.relieved(item, "that nothing is asked any more", floor.now)
        assert await climb.fn(floor.policy) == 0
    assert floor.escalations() == []


async def test_a_late_review_that_somebody_took_over_is_told_of_again_while_it_waits(floor):
    item = floor.waits(1)
    floor.later(minutes=241)
    async with opened(floor.here):
        await escalate_late.fn(floor.policy)
        await climb.fn(floor.policy)
        with floor.store.transaction() as tx:
            (taken,) = tx.escalations.waiting("tiny")
            assert acknowledge(tx, taken.escalation_id, "Ann", floor.now)
        for _ in range(2):
            floor.later(minutes=60)
            await climb.fn(floor.policy)
    assert floor.escalations() == [f"nobody answered the review {item} by 2026-03-02 13:00 UTC"]
