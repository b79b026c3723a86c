"""A policy changes while items are in flight: each ends under the version it began with. On a real Prefect server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import FakeModel, sure
from sqlmodel import col, update
from tiny import message

from connectors.store.tables import ReviewRow, VersionRow
from domain.decision import Kind
from domain.delivery import RetryAfter
from domain.review import Answer, Form, Refusal
from flows.deliver import deliver
from policies.load import load_workflow
from tasks.resources import opened
from tasks.review import Settled, form_of, settle_answer

DOUBTFUL = "the railway station"
ROUTES = {"access": {"description": "logins and passwords"}, "refunds": {"description": "money that is wanted back"}}
DESK = {
    "system": "sandbox_help_desk",
    "record_key": "{{ item_id }}",
    "values": {"queue": "new {{ route }}", "subject": "{{ text }}", "body": "{{ text }}"},
    "patience": {"attempts": 5, "first_delay_s": 0.01, "longest_delay_s": 0.05},
}


def review_of(bench: Any, item: str) -> ReviewRow:
    with bench.store.reading() as tx:
        found = tx.reviews.get(item)
    assert found is not None
    return found


def shown(bench: Any, item: str) -> Form:
    """The form as a process that begins now would show it."""
    with bench.store.reading() as tx:
        review = tx.reviews.get(item)
        assert review is not None
        form = form_of(bench.resources(), tx, review)
    assert form is not None
    return form


def answer(bench: Any, item: str, choice: str, binding: str | None = None, by: str = "Ann", **inputs: str) -> Settled:
    given = Answer(choice=choice, reviewer=by, binding=binding or shown(bench, item).binding, inputs=inputs)
    return settle_answer(bench.resources(), item, given)


async def delivered(bench: Any) -> None:
    async with opened(bench.resources()):
        await deliver(wait_s=5)


def versions(bench: Any, item: str) -> list[str]:
    """The version that each decision about an item was made under."""
    return [entry.facts["policy_fingerprint"] for entry in bench.ledger(item) if entry.event == "decided"]


def rename_billing(bench: Any, **changes: Any) -> None:
    """Take the route `billing` away, and write to another queue."""
    bench.change_policy(
        routes=ROUTES, rules=[], destinations={"desk": DESK}, examples="other.examples.jsonl", **changes
    )


@pytest.fixture
def renamed(bench):
    """What `rename_billing` needs: examples of the new routes."""
    lines = (bench.folder / "tiny.examples.jsonl").read_text().replace('"billing"', '"refunds"')
    (bench.folder / "other.examples.jsonl").write_text(lines)
    return bench


async def waits(bench: Any, external_id: str = "1", **options: Any) -> str:
    bench.model = FakeModel(lambda _text: sure("billing", 0.3))
    (item,) = bench.accept(message(external_id, DOUBTFUL, **options))
    await bench.run()
    assert bench.decision(item).waits
    return item


async def test_a_review_ends_under_the_version_it_was_asked_under_and_a_new_item_under_the_new(renamed):
    old = await waits(renamed)
    before = shown(renamed, old)
    rename_billing(renamed)
    assert shown(renamed, old) == before
    answer(renamed, old, "billing", before.binding)
    renamed.model = FakeModel(lambda _text: sure("refunds"))
    (new,) = renamed.accept(message("2", "refund the charge on the invoice"))
    await renamed.run()
    await delivered(renamed)
    queues = {write.item_id: write.values["queue"] for write in renamed.system.stored}
    assert queues == {old: "billing", new: "new refunds"}
    today = load_workflow(renamed.policy).version
    assert (len(set(versions(renamed, old))), versions(renamed, new)) == (1, [today])
    assert today not in versions(renamed, old)


async def test_what_each_version_said_is_kept_once(renamed):
    texts = [(renamed.folder / "tiny.yaml").read_text()]
    await waits(renamed)
    await waits(renamed, "2", email="b@example.com")
    rename_billing(renamed)
    texts.append((renamed.folder / "tiny.yaml").read_text())
    await waits(renamed, "3", email="c@example.com")
    with renamed.store.reading() as tx:
        assert [row.source for row in tx.versions.of("tiny")] == texts


async def test_what_only_a_new_version_has_cannot_be_chosen_for_an_old_item(renamed):
    old = await waits(renamed)
    rename_billing(renamed)
    assert answer(renamed, old, "refunds").refusal is Refusal.UNKNOWN_CHOICE


async def test_a_write_that_is_due_goes_out_as_it_was_decided(renamed):
    renamed.system.outcomes = [RetryAfter(seconds=30, detail="closed")]
    (item,) = renamed.accept(message("1", "my invoice is wrong"))
    async with opened(renamed.resources()):
        await renamed.flow(renamed.policy, wait_s=0)
    assert renamed.system.stored == []
    rename_billing(renamed)
    with renamed.store.transaction() as tx:
        tx.session.connection().exec_driver_sql("UPDATE outbox SET due_at = '2026-01-01 00:00:00'")
    await delivered(renamed)
    assert [(write.item_id, write.values["queue"]) for write in renamed.system.stored] == [(item, "billing")]


async def test_a_changed_prompt_asks_nothing_again_of_what_waits(bench):
    item = await waits(bench)
    before, asked = shown(bench, item), list(bench.model.asked)
    proposal = [entry.facts["classifier"] for entry in bench.ledger(item) if entry.event == "proposed"]
    bench.change_policy(description="another sentence at the head of the prompt")
    other = await waits(bench, "2", email="b@example.com")
    assert shown(bench, item) == before
    answer(bench, item, "billing", before.binding)
    assert (asked, bench.model.asked) == ([DOUBTFUL], [DOUBTFUL])  # each by a model of its own
    assert proposal != [entry.facts["classifier"] for entry in bench.ledger(other) if entry.event == "proposed"]
    assert len(set(versions(bench, item))) == 1


async def test_the_fields_of_an_item_are_asked_for_and_written_by_the_version_it_began_with(bench):
    bench.take_orders()
    (old,) = bench.accept(message("1", "Where is my order? ann@brightshelf.example", None))
    await bench.run()
    before = shown(bench, old)
    values = {"email": "{{ email }}", "number": "{{ order_number }}"}
    crm = {"system": "sandbox_crm", "record_key": "{{ email }}", "values": values}
    bench.take_orders(validation={"required": ["email", "order_number", "quantity"]}, destinations={"crm": crm})
    assert shown(bench, old) == before
    settled = answer(bench, old, "write", before.binding, order_number="SO-104233")
    assert (settled.refusal, settled.writes) == (None, True)
    await delivered(bench)
    (write,) = bench.system.stored
    assert write.values == {"email": "ann@brightshelf.example", "order": "SO-104233"}


async def test_a_mode_that_writes_nothing_holds_for_what_waits_too(bench):
    item = await waits(bench)
    bench.change_policy(mode="shadow")
    assert answer(bench, item, "billing").writes is False
    assert bench.decision(item).writes is False


async def test_an_item_of_a_run_that_died_before_it_decided_begins_anew(renamed):
    (item,) = renamed.accept(message("1", "refund the charge on the invoice"))
    with renamed.store.transaction() as tx:
        tx.inbox.claim("tiny", "a run that was killed", 1, timedelta(minutes=1), datetime(2026, 1, 1, tzinfo=UTC))
    rename_billing(renamed)
    renamed.model = FakeModel(lambda _text: sure("refunds"))
    await renamed.run()
    assert (renamed.decision(item).kind, renamed.decision(item).route) == (Kind.AUTO, "refunds")
    assert "taken_over" in [entry.event for entry in renamed.ledger(item)]


@pytest.mark.parametrize("source", [None, "name: tiny\nof: a form that nobody reads any more\n"], ids=["gone", "old"])
async def test_a_lost_version_is_told_and_a_person_is_asked_anew(renamed, source):
    item = await waits(renamed)
    before = shown(renamed, item)
    rename_billing(renamed)
    with renamed.store.transaction() as tx:
        if source is None:
            tx.session.delete(tx.versions.of("tiny")[0])
        else:
            tx.session.exec(update(VersionRow).values(source=source).where(col(VersionRow.policy) == "tiny"))
    void = answer(renamed, item, "access", before.binding)
    assert void.refusal is Refusal.CHANGED
    assert answer(renamed, item, "billing").refusal is Refusal.UNKNOWN_CHOICE
    assert "cannot be read any more" in shown(renamed, item).markdown
    for _ in range(2):
        await renamed.run()
    told = [entry.facts for entry in renamed.ledger() if entry.event == "escalated"]
    assert [(one["cause"], one["subject"]) for one in told] == [("policy.version_lost", "tiny")]
    answer(renamed, item, "refunds")
    assert versions(renamed, item)[-1] == load_workflow(renamed.policy).version
    await renamed.run()
    assert [write.values["queue"] for write in renamed.system.stored] == ["new refunds"]
    assert "resolved" in [entry.event for entry in renamed.ledger()]
