"""Erasing: nothing of a person stays in any table, nothing that is not done is lost, and the chain holds."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from builders import route_review
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, inspect, text

from domain.breaker import FAILURES
from domain.case import Case
from domain.decision import Kind, Reason
from domain.delivery import Patience, Unknown, Written
from domain.erasure import Person, Subjects
from domain.errors import NotEndedError, Unavailable
from domain.escalation import Cause
from domain.extraction import Extraction
from domain.ledger import GENESIS, Event, link
from domain.proposal import AskOutcome
from domain.review import Answer
from domain.source_state import SourceState, failed

POLICY = "lead_routing"
EMAIL = "ann.gruen+shop@example.com"
ANN = Person(emails=("Ann.Gruen+Shop@example.com",), phones=("0170 55501234",))


KEYS = count()


def every_text(raw: Engine) -> Iterator[tuple[str, str]]:
    """Each value of each table, as text."""
    with raw.connect() as connection:
        for table in inspect(raw).get_table_names():
            rows = connection.execute(text(f'SELECT * FROM "{table}"'))  # noqa: S608  names from the database itself
            for row in rows.mappings():
                for name, value in row.items():
                    decoded = json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value
                    yield f"{table}.{name}", json.dumps(decoded, ensure_ascii=False, default=str)


def places_of(raw: Engine, *said: str) -> set[str]:
    return {where for where, value in every_text(raw) for one in said if one.casefold() in value.casefold()}


def everything_about(desk, said: str, key: str = "m-1") -> str:
    """An item that leaves a trace in as many tables as one can, `said` in each; it is done in the end."""
    item = desk.item(f"<{key}.{said}>", f"{key}: hello from {said}, call me", other={"reply_to": said})
    item_id, _ = desk.accept(item)
    write = desk.operation(item_id, said).model_copy(update={"values": {"email": said}, "options": {"cc": said}})
    asked = desk.decision(Kind.HUMAN, Reason.BELOW_THRESHOLD)
    answer = Answer(choice="sales", reviewer="Ada", note=f"{said} called", binding="b", inputs={"email": said})
    with desk.store.transaction() as tx:
        tx.extractions.keep(
            item_id, Extraction(key=key, detail=said, outcome=AskOutcome.NONSENSE), 0.9, False, desk.now
        )
        proposal = desk.proposal(key).model_copy(update={"detail": f"the model said {said}"})
        tx.proposals.remember([proposal], desk.now)
        tx.ledger.append(item_id, Event.ASK_FAILED, desk.now, attempt=1, outcome="nonsense", detail=said, calls=1)
        tx.inbox.keep_decision(item_id, proposal, asked, 0, desk.now)
        claimed, _, _ = tx.inbox.under_review(item_id)
        review = route_review(claimed, POLICY, asked.proposal_hash, desk.now, asked)
        tx.reviews.open(review.model_copy(update={"question": {"who": said}}), desk.now)
        tx.reviews.shown(item_id, f"run-{key}", desk.now)
        tx.reviews.answered(item_id, answer, desk.now)
        settled = desk.decision(Kind.HUMAN, Reason.APPROVED, route="sales", note=answer.note, filled=answer.inputs)
        tx.inbox.replace_decision(item_id, settled, 1, desk.now)
        tx.outbox.put(write, Patience(attempts=3), desk.now)
        tx.cases.move(item_id, *case_of(said), "asked", None, "Ada", desk.now)
        tx.escalations.begin(
            POLICY, Cause.REVIEW_LATE, item_id, f"{said} waits", desk.now, item_id=item_id, facts={"who": said}
        )
        tx.escalations.resolve(Cause.REVIEW_LATE, item_id, f"{said} was answered", desk.now)
        tx.ledger.append(None, Event.REFUSED, desk.now, where="mail", why="no date", raw=f"From: {said}", policy=POLICY)
    desk.due()
    desk.settle(Written(kind="created", external_id=f"crm-{said}"))
    desk.accept(desk.item(f"<again.{key}.{said}>", item.text, other={"reply_to": said}))
    return item_id


def case_of(key: str) -> tuple[Case, Case]:
    before = Case(key=key, policy=POLICY, state="new")
    return before, before.model_copy(update={"version": 1, "state": "asked", "values": {"email": key}})


def erase(desk, person: Person = ANN, by: str = "Ada", why: str = "was asked to"):
    with desk.store.reading() as tx:
        subjects = tx.erasing.search.of(person)
    with desk.store.transaction() as tx:
        return tx.erasing.erase(subjects, by, why, desk.now)


def balance(desk) -> tuple[int, int, int]:
    with desk.store.reading() as tx:
        books = tx.accounts.balance(POLICY)
    return books.accepted, books.done, books.unaccounted


def test_nothing_of_a_person_stays_in_any_table(desk, raw: Engine) -> None:
    everything_about(desk, EMAIL)
    other = everything_about(desk, "bob@example.com", "m-2")
    before = places_of(raw, EMAIL)

    counts = erase(desk)

    assert len(before) == 15
    assert places_of(raw, EMAIL) == set()
    assert desk.broken_at() is None
    assert balance(desk) == (2, 2, 0)
    assert counts.model_dump() == {"items": 1, "cases": 1, "records": 0, "escalations": 1, "entries": counts.entries}
    with desk.store.reading() as tx:
        assert tx.erasing.search.left(ANN) == []
        assert tx.inbox.get(other).item.fields["message"].endswith("hello from bob@example.com, call me")
        assert tx.erasing.erased_entries() == (sum(entry.is_erased for entry in desk.entries()), 1)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # No word of ours, such as "received", which every item holds.
    name=st.text(st.characters(codec="utf-8", categories=["L"]), min_size=8, max_size=12).map("Ø{}".format),
    digits=st.text("123456789", min_size=10, max_size=10),
    spaced=st.sampled_from(["", " ", "-", " / "]),
)
def test_whatever_they_are_called_no_table_names_them_and_the_chain_holds(
    desk, raw: Engine, name: str, digits: str, spaced: str
) -> None:
    email = f"{name}@example.com"
    phone = spaced.join((digits[:2], digits[2:6], digits[6:]))
    everything_about(desk, f"{name} {email} {phone}", f"k-{next(KEYS)}")

    erase(desk, Person(emails=(email,), phones=(digits,)))

    assert places_of(raw, email, name, phone) == set()
    assert desk.broken_at() is None
    assert balance(desk)[2] == 0


def test_what_is_not_done_is_not_erased_and_nothing_beside_it_is(desk, raw: Engine) -> None:
    everything_about(desk, EMAIL)
    waiting, _ = desk.accept(desk.item("m-9", f"one more from {EMAIL}"))
    before = places_of(raw, EMAIL)

    with pytest.raises(NotEndedError, match=f"item {waiting} is not done: it waits"):
        erase(desk)

    assert places_of(raw, EMAIL) == before
    assert Event.ERASED.value not in desk.events()


def test_a_delivery_that_was_erased_is_known_when_it_comes_again(desk, raw: Engine) -> None:
    item_id = everything_about(desk, EMAIL)
    erase(desk)

    again, how = desk.accept(
        desk.item(f"<m-1.{EMAIL}>", f"m-1: hello from {EMAIL}, and more", other={"reply_to": EMAIL})
    )

    assert (again, how.value) == (item_id, "repeated")
    assert places_of(raw, EMAIL) == set()
    assert desk.broken_at() is None


def test_erasing_twice_counts_nothing_twice(desk) -> None:
    item_id = everything_about(desk, EMAIL)
    erase(desk)
    with desk.store.transaction() as tx:
        again = tx.erasing.erase(Subjects(items={item_id}), "Ada", "again", desk.now)

    assert (again.items, again.entries) == (0, 0)
    assert desk.events().count("erased") == 1


def test_a_chain_that_is_older_than_seals_goes_on_to_hold(desk, raw: Engine) -> None:
    everything_about(desk, EMAIL)
    with raw.connect() as connection:  # as it was before: hashed without a salt
        connection.execute(text("UPDATE ledger SET sealed = NULL"))
    older = desk.entries()
    with raw.connect() as connection:
        previous = GENESIS
        for entry in older:
            made = link(previous, entry.seq, entry.item_id, entry.at, entry.event, entry.facts)
            values = {"hash": made.hash, "previous": previous, "seq": entry.seq}
            connection.execute(text("UPDATE ledger SET hash = :hash, previous = :previous WHERE seq = :seq"), values)
            previous = made.hash
        connection.execute(text("UPDATE ledger_head SET hash = :hash"), {"hash": previous})
    assert desk.broken_at() is None

    erase(desk)

    assert places_of(raw, EMAIL) == set()
    assert desk.broken_at() is None


def test_what_is_old_and_done_goes_by_itself(desk, raw: Engine) -> None:
    everything_about(desk, EMAIL)
    waiting, _ = desk.accept("m-8")
    desk.later(days=31)
    everything_about(desk, "bob@example.com", "m-2")
    before = desk.now - timedelta(days=30)
    with desk.store.transaction() as tx:
        subjects = tx.erasing.search.aged(POLICY, before, 100)
        counts = tx.erasing.erase(subjects, "retention", "30 days", desk.now)
    with desk.store.reading() as tx:
        left = tx.erasing.search.aged(POLICY, before, 100)

    assert counts.items == 1
    assert places_of(raw, EMAIL) == set()
    assert not left
    assert balance(desk) == (3, 2, 0)
    assert waiting in {entry.item_id for entry in desk.entries() if entry.event is Event.ACCEPTED}


def test_why_another_system_or_source_is_in_trouble_stays(desk, raw: Engine) -> None:
    with desk.store.transaction() as tx:
        for name, why in (("one", f"refused: {EMAIL} is unknown"), ("another", "no answer within 10 s")):
            state = SourceState()
            for _ in range(FAILURES):
                tx.systems.note(name, Unknown(detail=why), desk.now)
                state = failed(state, Unavailable(why), desk.now)
            tx.sources.put(name, POLICY, name, state, desk.now)

    erase(desk)

    assert places_of(raw, "no answer within 10 s") > {"systems.why", "sources.why"}
    assert places_of(raw, EMAIL) == set()


def test_an_escalation_that_nobody_has_taken_over_hinders(desk) -> None:
    with desk.store.transaction() as tx:
        tx.escalations.begin(POLICY, Cause.SOURCE_UNREADABLE, "imap", f"mail of {EMAIL}", desk.now)

    with pytest.raises(NotEndedError, match="not acknowledged"):
        erase(desk)
