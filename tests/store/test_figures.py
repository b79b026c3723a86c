"""Figures against a recount from the ledger, entry by entry; on every database."""

import random
from datetime import timedelta

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from builders import route_review
from sqlalchemy import Engine, text

from connectors.store.figures import Choice
from connectors.store.journeys import moment_of, ms
from connectors.store.migrations.versions import v0018_figures
from domain.account import Account
from domain.decision import Kind, Reason
from domain.delivery import Invalid, Unknown, Written
from domain.figures import Counts, Slice
from domain.ledger import Event
from domain.review import Answer

PERSONS = {"approved", "overridden", "dismissed", "completed", "left_out", "said"}
WHOLE = 24 * 366 * 1000


def counted(desk, **choice: object) -> Counts:
    with desk.store.reading() as tx:
        return Counts.total([part.counts for part in tx.figures.parts(Choice(**choice), WHOLE)])


def listed(desk, of: Slice, **choice: object) -> list[str]:
    with desk.store.reading() as tx:
        return [one.item_id for one in tx.figures.listed(Choice(**choice), of, None, 1000)]


def answer(desk, item_id: str, reason: Reason, route: str | None) -> None:
    """A person's answer settles the item's review."""
    with desk.store.transaction() as tx:
        held = tx.inbox.under_review(item_id)[2]
        changes = {"reason": reason, "route": route, "by": "Ada", "decided_at": desk.now}
        tx.inbox.replace_decision(item_id, held.model_copy(update=changes), 0, desk.now)
        given = Answer(choice=route or "none_of_these", reviewer="Ada", binding="b")
        tx.reviews.answered(item_id, given, desk.now)


def recount(desk, policy: str | None = None, since=None) -> Counts:
    """The same figures, from the ledger's entries and where reviews and writes stand."""
    with desk.store.reading() as tx:
        entries = list(tx.ledger.entries())
        waiting = {row.item_id for row in tx.reviews.waiting()}
    stories: dict[str, list] = {}
    for entry in entries:
        if entry.item_id:
            stories.setdefault(entry.item_id, []).append(entry)
    counts = dict.fromkeys(Counts.model_fields, 0)
    for item_id, story in stories.items():
        accepted = next((one for one in story if one.event is Event.ACCEPTED), None)
        if accepted is None or policy not in (None, accepted.facts["policy"]) or (since and accepted.at < since):
            continue
        decisions = [one.facts for one in story if one.event is Event.DECIDED]
        tries = [one.facts["next"] for one in story if one.event is Event.ATTEMPTED]
        queued = sum(one.event is Event.QUEUED for one in story)
        first, last = (decisions[0], decisions[-1]) if decisions else (None, None)
        settled = last is not None and not last["waits"]
        person = settled and last["reason"] in PERSONS
        audit = first is not None and first["reason"] == "audit"
        saw = settled and last["reason"] in {"approved", "overridden", "dismissed"} and last["proposed"] and not audit
        again = sum(step not in ("done", "dead_letter") for step in tries)
        again += sum(one.event is Event.ASK_FAILED for one in story)
        spent = [one.facts["tokens"] for one in story if one.event is Event.PROPOSED and one.facts["calls"]]
        for name, more in {
            "accepted": 1,
            "decided": first is not None,
            "settled": settled,
            "done": settled and item_id not in waiting and tries.count("done") == queued,
            "automatic": first is not None and first["kind"] != "human",
            "answered": saw,
            "overridden": saw and last["route"] != last["proposed"],
            "audited": audit and person,
            "misrouted": audit and person and last["route"] != last["proposed"],
            "retried": again > 0,
            "retries": again,
            "escalated": any(one.event is Event.ESCALATED for one in story),
            "given_up": "dead_letter" in tries,
            "prompt_tokens": sum(one["prompt"] for one in spent),
            "completion_tokens": sum(one["completion"] for one in spent),
        }.items():
            counts[name] += more if name in NUMBERS else bool(more)
    return Counts(**counts)


OUTCOMES = (Written(kind="created", external_id="7"), Unknown(detail="cut"), Invalid(detail="no"))
NUMBERS = {"accepted", "retries", "prompt_tokens", "completion_tokens"}


def happen(desk, rounds: int = 60) -> None:
    """All sorts of things, to items of two policies, over some days."""
    chance = random.Random(7)  # noqa: S311  no secret
    for number in range(rounds):
        desk.later(minutes=chance.randint(1, 200))
        policy = chance.choice(["lead_routing", "support_triage"])
        item_id, _ = desk.accept(f"m-{number}", policy)
        desk.later(seconds=chance.randint(1, 90))
        what = chance.choice(["nothing", "auto", "auto", "person", "audit", "reject"])
        if what == "nothing":
            continue
        tokens = {"prompt": chance.randint(1, 900), "completion": 8, "cached": 0}
        with desk.store.transaction() as tx:
            if chance.random() < 0.3:
                tx.ledger.append(item_id, Event.ASK_FAILED, desk.now, calls=1, attempt=1, outcome="x", detail="")
            tx.ledger.append(item_id, Event.PROPOSED, desk.now, calls=chance.randint(0, 1), tokens=tokens)
        if what == "auto":
            desk.decide_and_queue(item_id, f"r-{number}")
            if desk.due(1):
                desk.settle(chance.choice(OUTCOMES))
        elif what == "reject":
            desk.decide(item_id, desk.decision(Kind.REJECT, Reason.RULE_REJECTS))
        else:
            reason = Reason.AUDIT if what == "audit" else Reason.BELOW_THRESHOLD
            wait(desk, item_id, policy, desk.decision(Kind.HUMAN, reason, proposed=chance.choice(["sales", "support"])))
            desk.later(minutes=chance.randint(1, 500))
            if (chosen := chance.choice(["sales", "support", None, "wait"])) != "wait":
                with desk.store.reading() as tx:
                    proposed = tx.inbox.under_review(item_id)[2].proposed
                reason = Reason.APPROVED if chosen == proposed else Reason.OVERRIDDEN
                answer(desk, item_id, reason if chosen else Reason.DISMISSED, chosen)


def wait(desk, item_id: str, policy: str, decision) -> None:
    with desk.store.transaction() as tx:
        tx.inbox.keep_decision(item_id, desk.proposal(), decision, 0, desk.now)
        claimed = tx.inbox.get(item_id)
        due_at = desk.now + timedelta(hours=1)
        tx.reviews.open(route_review(claimed, policy, decision.proposal_hash, due_at, decision), desk.now)


def fails_after_accepting(desk) -> None:
    with desk.store.transaction() as tx:
        tx.inbox.accept("lead_routing", desk.item("m-1"), timedelta(0), desk.now)
        raise RuntimeError


class TestCounts:
    def test_are_what_the_ledger_tells_entry_by_entry(self, desk):
        happen(desk)
        since = desk.now - timedelta(days=2)
        for choice in ({}, {"policy": "lead_routing"}, {"since": since}):
            assert counted(desk, **choice) == recount(desk, **choice), choice

    def test_are_as_long_as_the_lists_behind_them(self, desk):
        happen(desk)
        counts = counted(desk)
        assert counts.accepted == 60
        for of in Slice:
            if of in Counts.model_fields:
                assert len(set(listed(desk, of))) == getattr(counts, of), of

    def test_of_the_audit_are_those_that_the_mode_is_held_to(self, desk):
        happen(desk)
        with desk.store.reading() as tx:
            for policy in ("lead_routing", "support_triage"):
                assert counted(desk, policy=policy).audit == tx.reviews.audited(policy, None)

    def test_do_not_tell_what_was_proposed_to_who_decides_blindly(self, desk):
        item_id, _ = desk.accept("m-1")
        wait(desk, item_id, "lead_routing", desk.decision(Kind.HUMAN, Reason.AUDIT, proposed="sales"))
        assert listed(desk, Slice.TO_PERSON, route="sales") == []
        assert listed(desk, Slice.TO_PERSON) == [item_id]

    def test_survive_a_transaction_that_fails(self, desk):
        with pytest.raises(RuntimeError):
            fails_after_accepting(desk)
        assert counted(desk) == Counts()
        assert desk.accept("m-1")[1] == "accepted"
        assert counted(desk).accepted == 1

    def test_of_nothing(self, desk):
        assert counted(desk) == Counts()
        with desk.store.reading() as tx:
            assert tx.figures.first() is None
            assert tx.figures.pace(Choice(), 0).p50_ms is None


class TestPace:
    def test_is_a_time_that_an_item_took(self, desk):
        happen(desk)
        with desk.store.reading() as tx:
            took = sorted(one.took_ms for one in tx.figures.listed(Choice(), Slice.SETTLED, None, 1000))
            pace = tx.figures.pace(Choice(), len(took))
        assert pace.p50_ms == took[-(-50 * len(took) // 100) - 1]
        assert pace.p95_ms == took[-(-95 * len(took) // 100) - 1]


class TestLists:
    def test_come_in_pages_that_leave_nothing_out(self, desk):
        for number in range(7):
            desk.accept(f"m-{number}")
            desk.later(minutes=number % 2)  # some come in at the same moment
        seen, place = [], None
        with desk.store.reading() as tx:
            while page := tx.figures.listed(Choice(), Slice.ACCEPTED, place, 3):
                seen += [one.item_id for one in page]
                place = page[-1].place
        assert len(seen) == len(set(seen)) == 7

    def test_name_what_is_unaccounted(self, desk, raw: Engine):
        item_id, _ = desk.accept("m-1")
        desk.decide_and_queue(item_id)
        assert listed(desk, Slice.NOWHERE) == []
        with raw.connect() as connection:
            connection.execute(text("DELETE FROM outbox"))
        assert listed(desk, Slice.NOWHERE) == [item_id]

    @pytest.mark.parametrize("lost", ["outbox", "reviews", "inbox"])
    def test_name_as_much_as_the_books_miss(self, desk, raw: Engine, lost):
        happen(desk)
        assert listed(desk, Slice.NOWHERE) == []
        with raw.connect() as connection:
            connection.execute(text(f"DELETE FROM {lost} WHERE item_id LIKE '%a%'"))  # noqa: S608  a name of ours
        with desk.store.reading() as tx:
            unaccounted = tx.accounts.balance().unaccounted
        assert len(set(listed(desk, Slice.NOWHERE))) == unaccounted > 0


class TestStanding:
    def test_books_are_kept_as_they_were_balanced_last(self, desk):
        account = Account(accepted=3, done=1, waiting=2, escalated=0, dead_lettered=0)
        for waiting in (1, 2):
            with desk.store.transaction() as tx:
                tx.figures.balanced("lead_routing", account.model_copy(update={"waiting": waiting}), desk.now)
        with desk.store.reading() as tx:
            (books,) = tx.figures.books()
        assert (books.policy, books.at, books.account) == ("lead_routing", desk.now, account)

    def test_reviewers_have_what_is_with_them_and_what_they_answered(self, desk):
        for number in range(3):
            desk.accept(f"m-{number}")
        first, second, third = desk.claim()
        for item_id in (first, second, third):
            wait(desk, item_id, "lead_routing", desk.decision(Kind.HUMAN, Reason.BELOW_THRESHOLD, proposed="sales"))
        answer(desk, first, Reason.APPROVED, "sales")
        with desk.store.reading() as tx:
            load = {name: (share.part, share.of) for name, share in tx.workload.reviewers(Choice()).items()}
            assert tx.figures.open_reviews() == {("lead_routing", "route"): 2}
        assert load == {"": (2, 0), "Ada": (0, 1)}

    def test_a_moment_is_kept_to_the_millisecond(self, desk):
        assert moment_of(ms(desk.now)) == desk.now


class TestBackfill:
    def test_a_database_from_before_gets_its_rows_from_the_ledger(self, desk, raw: Engine):
        happen(desk)
        before = counted(desk)
        with raw.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            with Operations.context(MigrationContext.configure(connection)):
                v0018_figures.downgrade()
                v0018_figures.upgrade()
            connection.commit()
        assert counted(desk) == before
