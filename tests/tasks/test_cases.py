"""What happens to events and cases, whatever comes doubled, late, early, unknown or not at all. No Prefect server."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import NOW, proposal, terms
from cases import case_policy, event, met, tiny_cases, write_cases
from fakes import FakeSystem, fake_resources
from tiny import write_people
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app
from domain.case import Case
from domain.decision import Decision, Kind, Mode, Reason
from domain.errors import PolicyInvalid
from domain.item import InboundItem
from domain.ledger import Entry, first_break
from domain.review import Answer, Proven, Refusal
from domain.story import tell
from policies.next_action import Said, decide_action
from tasks.account import balance
from tasks.act import act
from tasks.assign import assign_reviews
from tasks.claim import claim
from tasks.customer import ask_customer
from tasks.decide import decide_items
from tasks.meet import meet, note_deadlines
from tasks.propose import Proposed, Question, ask_chunk, question_key
from tasks.resources import Resources, opened
from tasks.review import Settled, settle_review, show


class Office:
    """A workflow of cases with a store and a clock that is moved by hand; each method is one thing that happens."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.now = folder, store, NOW
        self.policy = write_cases(folder)
        self.said: dict[str, Said] = {}
        self.here: Resources = self._resources()

    def _resources(self) -> Resources:
        return fake_resources(self.store, None, FakeSystem(), clock=lambda: self.now)

    def change_policy(self, **changes: Any) -> None:
        self.policy = write_cases(self.folder, **changes)
        self.here = self._resources()

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def comes(self, *items: InboundItem) -> list[str]:
        window = timedelta(hours=self.here.workflow(self.policy).policy.input.duplicate_window_hours)
        with self.store.transaction() as tx:
            return [item_id for item_id, _ in tx.inbox.accept_all("parcels", items, window, self.now)]

    async def works(self, times: int = 3) -> list[Decision]:
        """One run of the flow's tasks, without Prefect around them."""
        decided: list[Decision] = []
        async with opened(self.here):
            for _ in range(times):
                items = claim(self.policy, "run", 4)
                situations = await meet.fn(self.policy, items) if items else []
                if situations:
                    decided += await act.fn(self.policy, situations, await self.proposed(situations), self.said)
        return decided

    async def proposed(self, situations: list[Any]) -> dict[str, Proposed]:
        workflow = self.here.workflow(self.policy)
        asked = [
            Question(key=question_key(self.here, workflow, text), text=text, item_ids=(one.claimed.item_id,))
            for one in situations
            for text in (one.claimed.item.text,)
        ]
        proposals = await ask_chunk.fn(self.policy, asked)
        return {
            question.item_ids[0]: Proposed(proposal=proposal, cached=False)
            for question, proposal in zip(asked, proposals, strict=True)
        }

    async def answers(self, review_id: str, choice: str, by: str, **inputs: str) -> Settled:
        """A person looks at the form and fills it in."""
        async with opened(self.here):
            form = await show.fn(review_id)
            assert form is not None
            return await self.sends(review_id, choice, by, form.binding, **inputs)

    async def sends(self, review_id: str, choice: str, by: str, binding: str, **inputs: str) -> Settled:
        async with opened(self.here):
            answer = Answer(choice=choice, inputs=inputs, reviewer=by, binding=binding)
            return await settle_review.fn(review_id, answer)

    async def shown(self, review_id: str) -> Any:
        async with opened(self.here):
            return await show.fn(review_id)

    async def watches(self) -> list[str]:
        async with opened(self.here):
            return await note_deadlines.fn(self.policy)

    def case(self, key: str = "p-1") -> Case:
        with self.store.reading() as tx:
            found = tx.cases.get("parcels", key)
        assert found is not None
        return found

    def decision(self, item_id: str) -> Decision:
        with self.store.reading() as tx:
            stored = tx.inbox.decided(item_id)
        assert stored is not None
        return stored[2]

    def writes(self) -> list[str]:
        return [entry.facts["operation"] for entry in self.ledger() if entry.event == "queued"]

    def ledger(self, item_id: str | None = None) -> list[Entry]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None, "the chain holds after every test"
        return [entry for entry in entries if item_id is None or entry.item_id == item_id]

    def story(self, item_id: str) -> str:
        return " ".join(tell(entry.event, entry.facts) for entry in self.ledger(item_id))

    async def unaccounted(self) -> int:
        async with opened(self.here):
            return (await balance.fn(self.policy)).unaccounted


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield Office(tmp_path, store)
    store.close()


ASKED = event("asked", "a", price="40 EUR", note="send it please")
DEAR = event("asked", "a", price="400 EUR", note="send it please")
REFUND = event("complained", "c", note="my money back")


async def test_an_event_in_its_turn_moves_the_case_and_writes_once(office):
    (item,) = office.comes(ASKED)
    (decision,) = await office.works()
    assert (decision.kind, decision.route, decision.plan.to) == (Kind.RULE, "send", "sent")
    case = office.case()
    assert (case.state, case.version, case.values["price"]) == ("sent", 1, "40.00 EUR")
    assert case.due_at == NOW + timedelta(minutes=60)
    assert len(office.writes()) == 1
    assert "Case p-1 went from idle to sent after asked: send by rule." in office.story(item)
    assert "Decided to send by the rule asked" in office.story(item)
    assert await office.unaccounted() == 0


async def test_working_twice_acts_once(office):
    office.comes(ASKED)
    await office.works()
    await office.works()
    assert (office.case().version, len(office.writes())) == (1, 1)


async def test_a_doubled_event_changes_nothing(office):
    office.comes(ASKED)
    office.comes(ASKED)
    await office.works()
    assert (office.case().version, len(office.writes())) == (1, 1)


async def test_what_happens_to_a_case_twice_in_the_same_words_is_two_events(office):
    office.comes(ASKED)
    await office.works()
    first, second = office.comes(*[event("complained", key, note="where is my parcel") for key in ("c", "d")])
    assert first != second
    await office.works()
    assert (office.decision(first).waits, office.decision(second).waits) == (True, True)


async def test_a_policy_may_still_compare_content(office):
    office.change_policy(input=tiny_cases()["input"] | {"duplicate_window_hours": 1})
    first, second = office.comes(*[event("complained", key, note="where is my parcel") for key in ("c", "d")])
    assert first == second


async def test_events_that_came_in_the_wrong_order_are_settled_in_the_right_one(office):
    paid, asked = office.comes(event("paid", "p", amount="40 EUR"), ASKED)
    await office.works()
    assert office.case().state == "sent"
    assert "Came before its turn: p-1 is idle" in office.story(paid)
    office.later(minutes=2)
    await office.works()
    assert (office.case().state, office.case().version) == ("settled", 2)
    assert office.decision(paid).route == "settle"
    assert [entry.event.value for entry in office.ledger(paid)].count("event_waits") == 1
    assert office.decision(asked).route == "send"


async def test_an_early_event_goes_to_a_person_when_what_should_come_before_never_comes(office):
    (paid,) = office.comes(event("paid", "p", amount="40 EUR"))
    assert await office.works() == []
    office.later(minutes=29)
    assert await office.works() == []
    office.later(minutes=1)
    await office.works()
    decision = office.decision(paid)
    assert (decision.kind, decision.waits) == (Kind.HUMAN, True)
    assert Reason.EVENT_EARLY in decision.holds
    assert await office.unaccounted() == 0


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        pytest.param(ASKED, event("exploded", "x"), Reason.EVENT_UNKNOWN, id="an event that nobody knows"),
        pytest.param(ASKED, event("asked", "x", note="again"), Reason.EVENT_NOT_ALLOWED, id="one that is over"),
        pytest.param(ASKED, event("deadline_passed", "x"), Reason.EVENT_UNKNOWN, id="a deadline that others tell of"),
        pytest.param(
            ASKED,
            event("complained", "x", parcel="{{", note="hm").model_copy(update={"fields": {"event": "complained"}}),
            Reason.CASE_UNNAMED,
            id="one that names no case",
        ),
    ],
)
async def test_an_event_that_does_not_fit_goes_to_a_person_with_the_reason(office, first, then, reason):
    office.comes(first)
    await office.works()
    (item,) = office.comes(then)
    await office.works()
    decision = office.decision(item)
    assert decision.waits
    assert reason in (decision.reason, *decision.holds)
    assert office.case().version == 1
    form = await office.shown(f"{item}-action")
    assert form.choices["none_of_these"]
    assert (await office.answers(f"{item}-action", "none_of_these", "Ada")).refusal is None
    assert office.decision(item).reason is Reason.DISMISSED
    assert await office.unaccounted() == 0


async def test_a_dropped_event_is_missed_by_the_deadline_once(office):
    office.comes(ASKED)
    await office.works()
    office.later(minutes=59)
    assert await office.watches() == []
    office.later(minutes=1)
    assert await office.watches() == ["p-1"]
    assert await office.watches() == []
    (decision,) = await office.works()
    assert (decision.route, decision.by) == ("nudge", "rule")
    assert office.case().due_at == office.now + timedelta(minutes=60)
    office.later(minutes=60)
    assert await office.watches() == ["p-1"]


async def test_a_case_that_waits_for_a_person_is_late_once_however_often_it_is_looked_at(office):
    office.change_policy(rules=[{"name": "asked", "when": 'event == "asked"', "route": "send"}])
    office.comes(ASKED)
    await office.works()
    office.later(minutes=60)
    await office.watches()
    await office.works()
    before = office.ledger()
    for _ in range(3):
        office.later(minutes=5)
        assert await office.watches() == []
    assert office.ledger() == before


async def test_cases_that_are_late_at_the_same_moment_are_each_missed(office):
    office.comes(*[event("asked", key, parcel=key, price="40 EUR") for key in ("p-1", "p-2", "P-1")])
    await office.works()
    office.later(minutes=60)
    assert sorted(await office.watches()) == ["P-1", "p-1", "p-2"]
    assert [decision.route for decision in await office.works()] == ["nudge"] * 3


async def test_a_deadline_that_something_overtook_ends_by_itself(office):
    office.comes(ASKED)
    await office.works()
    office.later(minutes=60)
    await office.watches()
    with office.store.transaction() as tx:
        late = tx.inbox.claim("parcels", "slow", 1, timedelta(minutes=1), office.now)
    (paid,) = office.comes(event("paid", "p", amount="40 EUR"))
    await office.works()
    assert office.decision(paid).route == "settle"
    office.later(minutes=1)
    (decision,) = await office.works()
    assert (decision.kind, decision.reason) == (Kind.REJECT, Reason.DEADLINE_MOOT)
    assert office.case().version == 2
    assert "Ended without a write automatically" in office.story(late[0].item_id)


async def test_what_rules_ask_too_often_goes_to_a_person(office):
    office.comes(ASKED)
    await office.works()
    for _ in range(2):
        office.later(minutes=60)
        await office.watches()
        await office.works()
    office.later(minutes=60)
    await office.watches()
    (decision,) = await office.works()
    assert (decision.waits, decision.reason, decision.plan.faults) == (
        True,
        Reason.PRECONDITION_FAILED,
        ("asked twice already",),
    )


async def refund(office: Office, asked: InboundItem = ASKED) -> str:
    office.comes(asked)
    await office.works()
    (item,) = office.comes(REFUND)
    await office.works()
    assert office.decision(item).waits
    return item


async def test_what_cannot_be_undone_waits_for_a_person_and_is_done_as_approved(office):
    item = await refund(office)
    assert office.decision(item).reason is Reason.NEEDS_APPROVAL
    form = await office.shown(f"{item}-action")
    assert form.preselected == "give_back"
    assert "`40.00 EUR`" in form.markdown
    assert "went from idle to sent" in form.markdown
    settled = await office.answers(f"{item}-action", "give_back", "Ada")
    assert (settled.refusal, settled.writes, office.case().state) == (None, True, "returned")
    assert "with amount 40.00 EUR by Ada" in office.story(item)
    assert await office.unaccounted() == 0


async def test_above_the_limit_two_different_people_must_agree(office):
    item = await refund(office, DEAR)
    assert office.decision(item).reason is Reason.NEEDS_TWO_PEOPLE
    first = await office.answers(f"{item}-action", "give_back", "Ada")
    assert (first.refusal, first.writes) == (None, False)
    assert (office.case().state, len(office.writes())) == ("sent", 1)
    assert await office.unaccounted() == 0
    assert first.missing == 1
    again = await office.answers(f"{item}-action", "give_back", " ada ")
    assert again.refusal is Refusal.SAME_PERSON
    assert "Ada agreed to 'give_back'." in (await office.shown(f"{item}-action")).markdown
    second = await office.answers(f"{item}-action", "give_back", "Bo")
    assert (second.refusal, office.case().state, office.decision(item).by) == (None, "returned", "Ada and Bo")
    assert len(office.writes()) == 2
    assert await office.unaccounted() == 0


async def test_whom_nobody_knows_is_not_one_of_two_people(office):
    item = await refund(office, DEAR)
    refused = await office.answers(f"{item}-action", "give_back", "Bob")
    assert (refused.refusal, office.case().state) == (Refusal.UNKNOWN_PERSON, "sent")
    assert "people file" in refused.notice
    assert (await office.answers(f"{item}-action", "give_back", "Ada")).missing == 1
    by_link = {"reviewer": "ann@example.com", "proven": Proven.LINK}
    form = await office.shown(f"{item}-action")
    async with opened(office.here):
        answer = Answer(choice="give_back", binding=form.binding, **by_link)
        assert (await settle_review.fn(f"{item}-action", answer)).by == "Ada and ann@example.com"


async def test_where_only_links_count_nobody_can_be_two_people_by_typing_two_names(office):
    office.change_policy(review={"proven": "link"})
    item = await refund(office, DEAR)
    form = await office.shown(f"{item}-action")
    for name in ("Ada", "Bo"):
        typed = await office.answers(f"{item}-action", "give_back", name)
        assert (typed.refusal, office.case().state) == (Refusal.UNPROVEN, "sent")
        assert "by a link that was sent to you" in typed.notice
    for name in ("Ada", "Bo"):
        answer = Answer(choice="give_back", binding=form.binding, reviewer=name, proven=Proven.LINK)
        async with opened(office.here):
            assert (await settle_review.fn(f"{item}-action", answer)).refusal is None
    assert (office.case().state, office.decision(item).by) == ("returned", "Ada and Bo")


@pytest.mark.parametrize(
    "changes", [{"review": {"proven": False}}, {"two_people_above": None}], ids=["said", "unlimited"]
)
async def test_names_are_taken_as_given_where_the_policy_does_not_want_them_known(office, changes):
    office.change_policy(**changes)
    item = await refund(office, DEAR)
    assert (await office.answers(f"{item}-action", "give_back", "Bob")).refusal is None


async def test_an_approval_is_void_when_the_case_moved_on_and_is_asked_anew(office):
    item = await refund(office, DEAR)
    form = await office.shown(f"{item}-action")
    office.comes(event("complained", "d", note="where is my parcel", weeks="2"))
    await office.works()
    other = [one for one in office.ledger() if one.event == "review_opened"][-1].facts["review"]
    await office.answers(other, "explain", "Cy", place="at the depot")
    assert office.case().version == 2
    void = await office.sends(f"{item}-action", "give_back", "Ada", form.binding)
    assert void.refusal is Refusal.CHANGED
    await office.answers(f"{item}-action", "give_back", "Ada")
    office.comes(event("complained", "e", note="hello?", weeks="3"))
    await office.works()
    other = [one for one in office.ledger() if one.event == "review_opened"][-1].facts["review"]
    await office.answers(other, "none_of_these", "Cy")
    second = await office.answers(f"{item}-action", "give_back", "Bo")
    assert (second.missing, second.writes, office.case().state) == (1, False, "sent")
    now_agreed = (await office.shown(f"{item}-action")).markdown
    assert ("Bo agreed" in now_agreed, "Ada agreed" in now_agreed) == (True, False)
    await office.answers(f"{item}-action", "give_back", "Ada")
    assert (office.case().state, office.decision(item).by) == ("returned", "Bo and Ada")
    assert await office.unaccounted() == 0


async def test_nobody_decides_about_a_case_of_theirs(office):
    item = await refund(office, event("asked", "a", price="40 EUR", email="ada@example.com", note="send it please"))
    refused = await office.answers(f"{item}-action", "give_back", "Ada <ada@example.com>")
    assert (refused.refusal, office.case().state) == (Refusal.CONCERNED, "sent")


async def test_two_who_would_give_back_different_amounts_have_not_agreed(office):
    item = await refund(office, DEAR)
    await office.answers(f"{item}-action", "give_back", "Ada", amount="300 EUR")
    other = await office.answers(f"{item}-action", "give_back", "Bo")
    assert (other.missing, office.case().state) == (1, "sent")
    agreed = await office.answers(f"{item}-action", "give_back", "Bo", amount="300 EUR")
    assert (agreed.missing, office.decision(item).plan.approved_by) == (0, ("Ada", "Bo"))


async def test_the_second_is_shown_what_the_first_filled_in(office):
    item = await refund(office, DEAR)
    await office.answers(f"{item}-action", "give_back", "Ada", amount="150 EUR")
    assert "Ada agreed to 'give_back' with amount `150 EUR`." in (await office.shown(f"{item}-action")).markdown


async def test_what_another_choice_would_do_is_shown_before_it_is_chosen(office):
    office.comes(DEAR)
    await office.works()
    (item,) = office.comes(event("complained", "c", note="where is my parcel"))
    await office.works()
    form = await office.shown(f"{item}-action")
    assert form.preselected != "give_back"
    assert "with amount `400.00 EUR`; costs 400.00 EUR; two different people must agree to it" in form.markdown


def half_the_price(office: Office, **changes: Any) -> None:
    """Another version of the policy, which gives back less."""
    actions = tiny_cases()["actions"]
    actions["give_back"]["parameters"]["amount"]["take"] = "30 EUR"
    office.change_policy(actions=actions, **changes)


async def test_an_approval_stays_valid_when_the_policy_has_changed_and_does_what_was_shown(office):
    item = await refund(office, DEAR)
    before = await office.shown(f"{item}-action")
    first = await office.sends(f"{item}-action", "give_back", "Ada", before.binding)
    half_the_price(office, two_people_above=None)
    after = await office.shown(f"{item}-action")
    assert (after.binding, after.choices) == (before.binding, before.choices)
    second = await office.sends(f"{item}-action", "give_back", "Bo", before.binding)
    assert (first.missing, second.refusal, office.case().state) == (1, None, "returned")
    assert office.decision(item).plan.parameters["amount"].value == "400.00 EUR"


async def test_the_next_event_of_a_case_is_decided_under_the_new_version(office):
    old = await refund(office)
    half_the_price(office)
    (new,) = office.comes(event("complained", "c2", note="my money"))
    await office.works()
    assert office.decision(old).plan.parameters["amount"].value == "40.00 EUR"
    assert office.decision(new).plan.parameters["amount"].value == "30.00 EUR"


async def test_an_approval_is_void_when_what_the_policy_said_is_lost_and_the_form_says_so(office):
    item = await refund(office)
    before = await office.shown(f"{item}-action")
    half_the_price(office)
    with office.store.transaction() as tx:
        for row in tx.versions.of("parcels"):
            tx.session.delete(row)
    void = await office.sends(f"{item}-action", "give_back", "Ada", before.binding)
    assert (void.refusal, office.case().state) == (Refusal.CHANGED, "sent")
    after = await office.shown(f"{item}-action")
    assert "cannot be read any more" in after.markdown
    assert "amount | `30.00 EUR`" in after.markdown
    await office.sends(f"{item}-action", "give_back", "Ada", after.binding)
    assert office.decision(item).plan.parameters["amount"].value == "30.00 EUR"


async def test_less_than_the_limit_needs_only_one_even_where_more_was_proposed(office):
    item = await refund(office, DEAR)
    settled = await office.answers(f"{item}-action", "give_back", "Ada", amount="10 EUR")
    assert (settled.missing, office.case().state) == (0, "returned")


async def test_a_person_can_choose_only_what_is_possible_and_fill_in_what_is_missing(office):
    item = await refund(office)
    form = await office.shown(f"{item}-action")
    assert set(form.choices) == {"give_back", "explain", "nudge", "none_of_these"}
    assert form.inputs == {"place": "text, for explain", "amount": "money, for give_back"}
    refused = await office.answers(f"{item}-action", "give_back", "Ada", amount="41 EUR")
    assert refused.refusal is Refusal.IMPOSSIBLE
    assert "more than it cost" in refused.notice
    assert (await office.answers(f"{item}-action", "give_back", "Ada", amount="10 EUR")).refusal is None
    decision = office.decision(item)
    assert decision.plan.parameters["amount"].model_dump() == {"value": "10.00 EUR", "evidence": "person"}


async def test_an_amount_that_cannot_be_read_is_asked_again_and_nothing_goes_out(office):
    item = await refund(office)
    refused = await office.answers(f"{item}-action", "give_back", "Ada", amount="20")
    assert refused.refusal is Refusal.IMPOSSIBLE
    assert "amount: this is not an amount with its currency" in refused.notice
    assert (office.case().state, len(office.writes())) == ("sent", 1)
    await office.answers(f"{item}-action", "give_back", "Ada", amount="20 EUR")
    assert office.decision(item).plan.parameters["amount"].value == "20.00 EUR"


async def test_another_action_than_the_proposed_one_is_an_override(office):
    item = await refund(office)
    await office.answers(f"{item}-action", "explain", "Ada", place="with the neighbour")
    assert (office.decision(item).reason, office.case().state) == (Reason.OVERRIDDEN, "sent")


async def test_an_agents_parameters_count_only_with_evidence(office):
    office.comes(ASKED)
    await office.works()
    known, invented = office.comes(
        event("complained", "k", note="where is my parcel? at the depot in Linz?"),
        event("complained", "i", note="where is my parcel, when does it come"),
    )
    for item, place in ((known, "depot in Linz"), (invented, "Paris")):
        office.said[item] = Said(action="explain", parameters={"place": place}, found={"parcel.place": "Graz"})
    await office.works()
    plans = {item: office.decision(item).plan for item in (known, invented)}
    assert {item: made and made.action for item, made in plans.items()} == {known: "explain", invented: "explain"}
    assert plans[known].parameters["place"].evidence == "event.note"
    assert plans[invented].parameters == {}
    assert Reason.PARAMETERS_UNSUPPORTED in office.decision(invented).holds


async def test_a_rule_that_ends_messages_leaves_the_case_alone(office):
    office.comes(ASKED)
    await office.works()
    (item,) = office.comes(event("complained", "s", note="you won a prize"))
    await office.works()
    assert (office.decision(item).kind, office.case().version) == (Kind.REJECT, 1)


async def test_in_shadow_mode_cases_move_and_nothing_is_written(office):
    office.change_policy(mode="shadow")
    office.comes(ASKED)
    await office.works()
    assert (office.case().state, office.writes()) == ("sent", [])


async def test_in_assist_mode_a_person_confirms_what_the_rule_would_do(office):
    office.change_policy(mode="assist")
    (item,) = office.comes(ASKED)
    await office.works()
    form = await office.shown(f"{item}-action")
    assert form.preselected == "send"
    await office.answers(f"{item}-action", "send", "Ada")
    assert office.case().state == "sent"


DESK = {"team": "desk", "limit": 1, "answer_minutes": 60}


def order(number: int) -> InboundItem:
    return event("asked", f"a-{number}", parcel=f"p-{number}", price="40 EUR", note="send it")


async def assigned(office: Office, **assign: Any) -> list[str | None]:
    """With whom the reviews are that wait, once they were given out, the oldest first."""
    team = {"Ada": {"teams": ["desk"], "mail": "ada@example.com"}, "Bo": {"teams": ["desk"]}}
    office.change_policy(mode="assist", review={"assign": DESK | assign})
    write_people(office.folder, {"teams": {"desk": {}}, "people": team})
    async with opened(office.here):
        await assign_reviews.fn(office.policy)
    with office.store.reading() as tx:
        return [one.review.assignee for one in tx.assignments.waiting("parcels")]


async def test_a_review_about_somebodys_own_case_goes_to_somebody_else(office):
    await refund(office, event("asked", "a", price="40 EUR", email="ada@example.com", note="send it please"))
    assert await assigned(office) == ["Bo"]


async def test_when_nobody_has_room_a_rule_acts_that_would_have_been_confirmed(office):
    office.change_policy(mode="assist")
    items = office.comes(*map(order, (1, 2, 3)))
    await office.works()
    assert await assigned(office, overload="rules") == ["Ada", "Bo"]
    (taken,) = [one for one in map(office.decision, items) if not one.waits]
    assert (taken.kind, taken.reason, taken.rule) == (Kind.RULE, Reason.RULE_RELIEVES, "asked")
    assert (office.case(taken.plan.case).state, len(office.writes())) == ("sent", 1)
    assert await office.unaccounted() == 0


async def test_however_few_have_room_nothing_is_done_that_needs_a_person(office):
    office.comes(*map(order, (1, 2, 3)))
    await office.works()
    office.change_policy(mode="assist")
    backs = [event("complained", f"c-{n}", parcel=f"p-{n}", note="my money back") for n in (1, 2, 3)]
    (*_, last) = office.comes(*backs)
    await office.works()
    assert Reason.NEEDS_APPROVAL in office.decision(last).holds
    assert office.decision(last).reason is Reason.MODE_ASSIST
    assert await assigned(office, overload="rules") == ["Ada", "Bo", None]
    with office.store.reading() as tx:
        told = [row.message for row in tx.escalations.waiting("parcels")]
    assert told == ["everybody at work is at their limit, and 1 reviews wait"]


async def test_a_deadline_that_something_overtook_is_not_acted_on_by_overload(office):
    office.comes(ASKED)
    await office.works()
    office.change_policy(mode="assist")
    office.comes(*map(order, (2, 3)))
    await office.works()
    office.later(minutes=61)
    await office.watches()
    await office.works()
    with office.store.reading() as tx:
        late = tx.assignments.waiting("parcels")[-1].review
    office.comes(event("paid", "p", amount="40 EUR"))
    office.change_policy(mode="auto")
    await office.works()
    assert office.case().state == "settled"
    assert (await assigned(office, overload="rules"))[-1] is None
    assert office.decision(late.item_id).waits


async def test_a_case_in_a_state_that_the_policy_lost_goes_to_a_person_who_leads_it_out(office):
    office.comes(ASKED)
    await office.works()
    states = tiny_cases()["states"]
    states["shipped"] = states.pop("sent")
    states["idle"]["to"] = ["shipped"]
    actions = tiny_cases()["actions"]
    actions["send"]["to"] = "shipped"
    office.change_policy(states=states, actions=actions)
    (paid, _) = office.comes(event("paid", "p", amount="40 EUR"), event("asked", "b", parcel="p-2", price="1 EUR"))
    await office.works()
    assert (office.decision(paid).reason, office.case("p-2").state) == (Reason.EVENT_NOT_ALLOWED, "shipped")
    office.later(minutes=61)
    assert sorted(await office.watches()) == ["p-1", "p-2"]
    await office.works()
    assert "does not have this state any more" in (await office.shown(f"{paid}-action")).markdown
    assert (await office.answers(f"{paid}-action", "settle", "Ada")).refusal is None
    assert office.case().state == "settled"
    assert await office.unaccounted() == 0


@pytest.mark.parametrize(("confidence", "shown"), [(0.97, "explain"), (0.4, "give_back")], ids=["sure", "in doubt"])
def test_what_a_person_confirms_is_what_would_have_been_done(confidence, shown):
    """A model that is sure goes before a rule, a rule before one that is in doubt."""
    cases = case_policy()
    says = proposal(label="explain", opinion="explain", confidence=confidence)
    sure = terms(Mode.ASSIST).model_copy(update={"routes": frozenset(cases.routes)})
    decision = decide_action(cases, sure, met(note="my money back", policy=cases), says, None, NOW)
    assert (decision.waits, decision.proposed, decision.plan.action) == (True, "explain", shown)


async def test_several_events_of_one_case_are_settled_one_after_the_other(office):
    office.comes(ASKED, event("paid", "p", amount="40 EUR"), event("asked", "other", parcel="p-2", price="1 EUR"))
    await office.works(times=1)
    assert (office.case().state, office.case("p-2").state) == ("sent", "sent")
    office.later(minutes=1)
    await office.works()
    assert office.case().state == "settled"


async def test_an_event_whose_case_moved_on_while_it_was_thought_about_is_met_anew(office):
    office.comes(ASKED)
    await office.works()
    (paid,) = office.comes(event("paid", "p", amount="40 EUR"))
    async with opened(office.here):
        slow = await meet.fn(office.policy, claim(office.policy, "slow", 1))
        proposed = await office.proposed(slow)
        before = office.case()
        with office.store.transaction() as tx:
            tx.cases.move("it-0", before, before.model_copy(update={"version": 2}), "other", None, "test", office.now)
        assert await act.fn(office.policy, slow, proposed, {}) == []
    assert len(office.writes()) == 1
    await office.works()
    assert (office.decision(paid).plan.version, office.case().state) == (2, "settled")


async def test_cases_past_their_deadline_are_found_by_it_and_others_are_not(office):
    office.comes(ASKED, event("asked", "b", parcel="p-2", price="1 EUR"))
    await office.works()
    with office.store.reading() as tx:
        assert tx.cases.overdue("parcels", NOW) == []
        assert [case.key for case in tx.cases.overdue("parcels", NOW + timedelta(hours=1))] == ["p-1", "p-2"]
        assert [case.key for case in tx.cases.all("parcels", "sent")] == ["p-1", "p-2"]
        assert tx.cases.all("another") == []
        assert [entry.facts["to"] for entry in tx.cases.history("parcels", "p-2")] == ["sent"]


async def test_the_flow_for_messages_refuses_a_policy_about_cases(office):
    office.comes(ASKED)
    async with opened(office.here):
        with pytest.raises(PolicyInvalid, match=r"run flows.next_action on it"):
            await decide_items.fn(office.policy, claim(office.policy, "run", 1), {})


async def test_a_policy_about_messages_has_no_deadlines(office):
    office.policy = "lead_routing"
    assert await office.watches() == []


async def test_the_command_line_decides_an_action_only_as_it_was_shown(office, tmp_path, monkeypatch):
    office.comes(ASKED)
    await office.works()
    (item,) = office.comes(REFUND)
    await office.works()
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'store.db'}")

    async def reviews(*command: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["reviews", *command])
        return " ".join(result.output.split())

    async def shown() -> str:
        return (await reviews("show", f"{item}-action")).rpartition("Shown: ")[2][:8]

    decide = ("decide", f"{item}-action", "give_back", "--reviewer", "Ada", "--late")
    former = await shown()
    assert "add --shown" in await reviews(*decide)
    office.comes(event("complained", "d", note="where is my parcel", weeks="2"))
    await office.works()
    other = [entry.facts["review"] for entry in office.ledger() if entry.event == "review_opened"][-1]
    await office.answers(other, "explain", "Cy", place="at the depot")
    assert "has changed since" in await reviews(*decide, "--shown", former)
    assert "Decided: give_back." in await reviews(*decide, "--shown", await shown())


async def test_the_next_event_of_a_case_is_the_answer_that_its_customer_owed(office):
    (item,) = office.comes(ASKED)
    await office.works()
    office.later(minutes=1)
    assert ask_customer(office.here, item, "the floor", "Ada")
    office.later(minutes=5)
    office.comes(event("complained", "other", parcel="p-2", note="where is it"))
    await office.works()
    assert "customer_answered" not in [entry.event for entry in office.ledger(item)]
    (answer,) = office.comes(event("complained", "c", note="the third floor"))
    office.later(minutes=3)
    await office.works()
    (told,) = [entry.facts for entry in office.ledger(item) if entry.event == "customer_answered"]
    assert told == {"by": "", "through": answer, "since": (NOW + timedelta(minutes=6)).isoformat()}


async def test_what_the_policy_does_not_list_is_no_answer(office):
    office.change_policy(customer={"answered_by": ["complained"]})
    (item,) = office.comes(ASKED)
    await office.works()
    office.later(minutes=1)
    assert ask_customer(office.here, item, "the floor", "Ada")
    office.later(minutes=5)
    office.comes(event("asked", "b", price="40 EUR", note="the third floor"))
    await office.works()
    assert "customer_answered" not in [entry.event for entry in office.ledger(item)]
    (answer,) = office.comes(event("complained", "c", note="the third floor"))
    await office.works()
    (told,) = [entry.facts for entry in office.ledger(item) if entry.event == "customer_answered"]
    assert told["through"] == answer


async def test_a_deadline_of_ours_is_no_answer(office):
    (item,) = office.comes(ASKED)
    await office.works()
    ask_customer(office.here, item, "the floor", "Ada")
    office.later(minutes=61)
    assert await office.watches() == ["p-1"]
    await office.works()
    assert office.case().seen["deadline_passed"] == 1
    assert office.ledger(item)[-1].event == "customer_asked"
