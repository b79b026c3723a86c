"""A person sees what was found of an item, fills in what is missing, and it is written: with whose word for what."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeSystem, fake_resources
from prefect.settings import PREFECT_API_URL, temporary_settings
from tiny import message, write_orders

from connectors.store.engine import Store
from domain.account import Account
from domain.decision import ENRICH, Decision, Reason
from domain.ledger import first_break
from domain.review import Answer, Form, Refusal
from domain.story import tell
from tasks.account import balance
from tasks.claim import claim
from tasks.decide import decide_fields
from tasks.deliver import deliver_due
from tasks.extract import extract_items
from tasks.resources import opened
from tasks.review import Settled, settle_review, show
from tasks.standing import step_back

SIGNED = "\n\nBest regards\nAnn Weber\nann@brightshelf.example"
LACKING = f"Where are my docks?{SIGNED}"
TOO_MANY = f"Please send SO-104233.\nQuantity: 1200{SIGNED}"
WHOLE = f"Please send SO-104233.\nQuantity: 12{SIGNED}"


class Desk:
    """The tiny workflow without routes, worked off step by step without a Prefect server."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.system = folder, store, FakeSystem()
        self.change()

    def change(self, **changes: Any) -> None:
        self.policy = write_orders(self.folder, **changes)
        self.here = fake_resources(self.store, None, self.system)

    async def decided(self, text: str, email: str | None = None, external_id: str = "1") -> str:
        """Accept a message and let it be decided; its item's id."""
        with self.store.transaction() as tx:
            item_id, _ = tx.inbox.accept("tiny", message(external_id, text, email), timedelta(0), self.here.now())
        async with opened(self.here):
            items = claim(self.policy, "run", 10)
            await extract_items.fn(self.policy, items)
            await decide_fields.fn(self.policy, items)
        return item_id

    async def form(self, item_id: str, notice: str = "") -> Form:
        async with opened(self.here):
            form = await show.fn(item_id, notice)
        assert form is not None
        return form

    async def answer(self, item_id: str, choice: str = "write", reviewer: str = "Ada", **inputs: str) -> Settled:
        form = await self.form(item_id)
        answer = Answer(choice=choice, inputs=inputs, reviewer=reviewer, binding=form.binding)
        async with opened(self.here):
            settled = await settle_review.fn(item_id, answer)
            await deliver_due.fn(0)
        return settled

    def decision(self, item_id: str) -> Decision:
        with self.store.reading() as tx:
            stored = tx.inbox.decided(item_id)
        assert stored is not None
        return stored[2]

    def story(self, item_id: str) -> list[str]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        return [tell(entry.event, entry.facts) for entry in entries if entry.item_id == item_id]

    async def books(self) -> Account:
        async with opened(self.here):
            return await balance.fn(self.policy)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store, temporary_settings({PREFECT_API_URL: None}):
        yield Desk(tmp_path, store)


async def test_the_form_shows_the_message_what_was_found_where_and_what_is_missing(desk: Desk) -> None:
    form = await desk.form(await desk.decided(TOO_MANY))

    assert TOO_MANY in form.markdown
    assert "| email | `ann@brightshelf.example` |  | by pattern, placed, 97% | `…" in form.markdown
    assert "| quantity |  | nobody orders so many | by pattern, labelled, 98% |" in form.markdown
    assert "a check of the policy does not hold" in form.markdown
    assert (form.preselected, list(form.choices)) == (None, ["write", "end"])
    assert list(form.inputs) == ["email", "order_number", "quantity"]
    assert form.inputs["email"] == "address of the sender: an e-mail address"


async def test_what_a_person_fills_in_is_written_and_the_ledger_tells_who_and_which_fields(desk: Desk) -> None:
    item = await desk.decided(LACKING)
    settled = await desk.answer(item, order_number="SO-104233")

    (write,) = desk.system.stored
    assert write.values == {"email": "ann@brightshelf.example", "order": "SO-104233"}
    assert (settled.refusal, settled.writes) == (None, True)
    decision = desk.decision(item)
    assert (decision.reason, decision.filled, decision.missing) == (
        Reason.COMPLETED,
        {"order_number": "SO-104233"},
        (),
    )
    assert ENRICH not in decision.flags
    told = " ".join(desk.story(item))
    assert "A person was asked about its fields" in told
    assert "Taken in by Ada" in told
    assert "Filled in or corrected: order number." in told
    assert "SO-104233" not in told
    assert (await desk.books()).done == 1


async def test_the_person_sees_what_was_too_unsure_to_be_written_with_its_words(desk: Desk) -> None:
    form = await desk.form(await desk.decided(f"It was SO-104233, I believe.{SIGNED}"))

    assert "too unsure: `SO-104233`" in form.markdown
    assert "by pattern, alone, 95%" in form.markdown
    assert "`It was SO-104233, I believe." in form.markdown


async def test_what_a_person_corrects_goes_before_what_was_found(desk: Desk) -> None:
    item = await desk.decided(TOO_MANY)
    await desk.answer(item, quantity="12", email="Orders@Brightshelf.example")

    (write,) = desk.system.stored
    assert write.values == {"email": "orders@brightshelf.example", "order": "SO-104233", "quantity": "12"}
    assert desk.decision(item).filled == {"quantity": "12", "email": "orders@brightshelf.example"}


@pytest.mark.parametrize(
    ("inputs", "notice"),
    [
        pytest.param({}, "order_number is still missing: any text", id="nothing filled in"),
        pytest.param({"order_number": "-"}, "order_number is still missing: any text", id="a required field left out"),
        pytest.param({"order_number": "SO-104233", "email": "ann at home"}, "email: this is not an e-mail address",
                     id="a malformed value"),
        pytest.param({"order_number": "SO-104233", "quantity": "many"}, "quantity: this is not a count, such as 1200",
                     id="a malformed value of a field that is not required"),
        pytest.param({"order_number": "SO-104233", "quantity": "1200"}, "quantity: nobody orders so many",
                     id="a check that does not hold"),
    ],
)  # fmt: skip
async def test_what_does_not_do_brings_the_form_back_with_the_reason_and_nothing_is_written(
    desk: Desk, inputs: dict[str, str], notice: str
) -> None:
    item = await desk.decided(LACKING)
    settled = await desk.answer(item, **inputs)

    assert (settled.refusal, settled.notice) == (Refusal.IMPOSSIBLE, notice)
    assert (await desk.form(item, settled.notice)).markdown.startswith(f"> **{notice}**")
    assert (desk.decision(item).waits, desk.system.stored) == (True, [])
    assert f"An answer from Ada (name as given) was not taken: {notice}" in desk.story(item)[-1]
    assert (await desk.answer(item, order_number="SO-104233")).refusal is None


async def test_a_value_that_a_check_refuses_can_be_left_out(desk: Desk) -> None:
    item = await desk.decided(TOO_MANY)
    assert (await desk.answer(item, quantity="-")).refusal is None

    assert desk.system.stored[0].values == {"email": "ann@brightshelf.example", "order": "SO-104233"}
    assert desk.decision(item).filled == {}


async def test_ending_it_writes_nothing_whatever_is_filled_in(desk: Desk) -> None:
    item = await desk.decided(LACKING)
    settled = await desk.answer(item, "end", order_number="no such thing", quantity="many")

    assert (settled.refusal, settled.writes, desk.system.stored) == (None, False, [])
    assert (desk.decision(item).reason, desk.decision(item).filled) == (Reason.DISMISSED, {})
    assert (await desk.books()).done == 1


async def test_only_where_the_policy_allows_it_is_it_written_without_what_is_missing(desk: Desk) -> None:
    desk.change(review={"leave_out": True, "end": False})
    item = await desk.decided(LACKING)
    assert list((await desk.form(item)).choices) == ["write", "leave_out"]
    assert (await desk.answer(item, "leave_out", quantity="many")).refusal is Refusal.IMPOSSIBLE
    await desk.answer(item, "leave_out", quantity="3")

    assert desk.system.stored[0].values == {"email": "ann@brightshelf.example", "quantity": "3"}
    decision = desk.decision(item)
    assert (decision.reason, decision.missing, decision.flags) == (Reason.LEFT_OUT, ("order_number",), (ENRICH,))
    assert "Missing: order_number." in " ".join(desk.story(item))


async def test_the_same_answer_twice_is_one_and_another_is_told_who_was_first(desk: Desk) -> None:
    item = await desk.decided(LACKING)
    form = await desk.form(item)
    ada = Answer(choice="write", inputs={"order_number": "SO-1"}, reviewer="Ada", binding=form.binding)
    async with opened(desk.here):
        first, again = await settle_review.fn(item, ada), await settle_review.fn(item, ada)
        late = await settle_review.fn(item, ada.model_copy(update={"reviewer": "Bob", "choice": "end"}))
    assert (first.refusal, again.refusal, late.refusal) == (None, None, Refusal.ALREADY_DECIDED)
    assert desk.decision(item).by == "Ada"


async def test_where_two_must_agree_nothing_is_written_before_both_filled_in_the_same(desk: Desk) -> None:
    desk.change(review={"people": 2})
    item = await desk.decided(LACKING)
    first = await desk.answer(item, reviewer="Ada", order_number="SO-104233")
    other = await desk.answer(item, reviewer="Bo", order_number="SO-1")
    assert (first.missing, other.missing, desk.system.stored) == (1, 1, [])
    await desk.answer(item, reviewer="Bo", order_number="SO-104233")
    assert (desk.decision(item).by, len(desk.system.stored)) == ("Ada and Bo", 1)


async def test_in_assist_mode_what_is_complete_is_preselected_and_confirmed(desk: Desk) -> None:
    desk.change(mode="assist")
    item = await desk.decided(WHOLE)
    assert (await desk.form(item)).preselected == "write"
    await desk.answer(item)
    assert (desk.decision(item).reason, len(desk.system.stored)) == (Reason.COMPLETED, 1)


async def test_in_assist_mode_what_a_rule_would_end_is_preselected_so(desk: Desk) -> None:
    desk.change(mode="assist", rules=[{"name": "absent", "when": 'text =~~ "docks"', "action": "reject"}])
    assert (await desk.form(await desk.decided(LACKING))).preselected == "end"


async def test_in_shadow_mode_nobody_is_asked_anything_that_would_be_written(desk: Desk) -> None:
    desk.change(mode="shadow")
    item = await desk.decided(LACKING)
    settled = await desk.answer(item, order_number="SO-104233")
    assert (settled.writes, desk.system.stored, (await desk.books()).done) == (False, [], 1)


async def test_a_blind_check_shows_nothing_found_and_what_came_in_by_form(desk: Desk) -> None:
    desk.change(audit={"share": 1})
    form = await desk.form(await desk.decided(WHOLE, "form@example.com"))
    assert "This is a blind check" in form.markdown
    assert "| email | `form@example.com` |  | filled in |" in form.markdown
    assert "| order_number |" not in form.markdown
    assert form.preselected is None


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [
        pytest.param({"email": "ann@brightshelf.example", "order_number": "so-104233", "quantity": "12"}, 1,
                     id="another spelling of a text"),
        pytest.param({"email": "Ann@Brightshelf.example", "order_number": "SO-104233", "quantity": "12"}, 0,
                     id="the same values"),
        pytest.param({"email": "ann@brightshelf.example", "order_number": "SO-104233"}, 1,
                     id="a value that the message does not tell"),
    ],
)  # fmt: skip
async def test_a_blind_answer_counts_as_wrong_where_it_would_write_other_values(
    desk: Desk, inputs: dict[str, str], wrong: int
) -> None:
    desk.change(audit={"share": 1})
    item = await desk.decided(WHOLE)
    await desk.answer(item, **inputs)
    with desk.store.reading() as tx:
        tally = tx.reviews.audited("tiny", None)
    assert (tally.n, tally.wrong) == (1, wrong)
    assert desk.system.stored[0].values.get("quantity") == inputs.get("quantity")


async def test_the_mode_steps_back_when_blind_answers_refute_the_target(desk: Desk) -> None:
    desk.change(audit={"share": 1}, target={"misroute": 0.05, "confidence": 0.9})
    for number in range(3):
        item = await desk.decided(f"{WHOLE}\n{number}", external_id=str(number))
        await desk.answer(item, email="somebody@else.example", order_number=f"SO-{number}")
    async with opened(desk.here):
        assert (await step_back.fn(desk.policy)).value == "canary"


async def test_what_was_written_while_it_waited_is_counted_with_the_rest(desk: Desk) -> None:
    own = desk.here.workflow(desk.policy).policy.destinations["crm"].model_dump(mode="json")
    ask = own | {"at": "incomplete", "record_key": "{{ item_id }}", "values": {"to": "{{ email }}"}}
    desk.change(destinations={"crm": own, "ask_sender": ask})
    item = await desk.decided(LACKING)
    await desk.answer(item, order_number="SO-104233")

    assert [write.destination for write in desk.system.stored] == ["ask_sender", "crm"]
    account = await desk.books()
    assert (account.done, account.unaccounted) == (1, 0)
