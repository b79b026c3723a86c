"""What the store keeps of audits, steps back and windows of drift."""

import re
from datetime import timedelta

import pytest
from alembic import command
from alembic.config import Config
from builders import NOW, claimed, proof, proposal, route_review
from sqlalchemy import Engine

from connectors.store import migrations
from connectors.store.engine import Store
from domain.audit import AuditTally, Standing, StepBack
from domain.confidence import Source
from domain.decision import Decision, Kind, Mode, Reason
from domain.ledger import Event, first_break
from domain.proposal import NONE_OF_THESE, Proposal
from domain.review import Answer
from domain.story import tell

STEP = StepBack(before=Mode.AUTO, after=Mode.CANARY, classifier="c", tally=AuditTally(n=60, wrong=15))
HOUR = timedelta(hours=1)


def decision(reason: Reason, route: str | None = None, proposed: str | None = "sales") -> Decision:
    return Decision(
        kind=Kind.HUMAN,
        reason=reason,
        route=route,
        proposed=proposed,
        source=Source.LOGPROBS_AND_EXAMPLES,
        mode=Mode.AUTO,
        writes=False,
        by="Ada",
        proposal_hash="h",
        policy_fingerprint="p",
        decided_at=NOW,
    )


class Office:
    """A store in which people answer reviews."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def accept(self, name: str, policy: str = "tiny") -> str:
        with self.store.transaction() as tx:
            return tx.inbox.accept(policy, claimed(f"words of {name}", name).item, HOUR, NOW)[0]

    def review(self, name: str, why: Reason = Reason.AUDIT, policy: str = "tiny", classifier: str = "c") -> str:
        item_id = self.accept(name, policy)
        held = decision(why)
        asked = claimed(external_id=name).model_copy(update={"item_id": item_id, "policy": policy})
        with self.store.transaction() as tx:
            tx.reviews.open(route_review(asked, policy, "h", NOW + HOUR, held, classifier), NOW)
        return item_id

    def answer(self, item_id: str, route: str | None, minutes: float = 1) -> None:
        answer = Answer(choice=route or NONE_OF_THESE, reviewer="Ada", binding="h")
        with self.store.transaction() as tx:
            tx.reviews.answered(item_id, answer, NOW + timedelta(minutes=minutes))

    def audited(self, policy: str = "tiny", classifier: str = "c", after_minutes: float | None = None) -> AuditTally:
        since = None if after_minutes is None else NOW + timedelta(minutes=after_minutes)
        with self.store.reading() as tx:
            return tx.reviews.audited(policy, classifier, since)

    def standing(self, policy: str = "tiny") -> Standing:
        with self.store.reading() as tx:
            return tx.standings.of(policy)

    def propose(self, name: str, made: Proposal, source: Source, policy: str = "tiny") -> None:
        item_id = self.accept(name, policy)
        print_of = made.voter if source is Source.EXAMPLES else made.classifier
        with self.store.transaction() as tx:
            tx.ledger.append(item_id, Event.PROPOSED, NOW, source=source.value, classifier=print_of, calls=0)
            tx.inbox.keep_decision(item_id, made, decision(Reason.AUDIT), 0, NOW)

    def stories(self) -> list[str]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        told = [tell(entry.event, entry.facts) for entry in entries if entry.item_id is None]
        assert not any(re.search(r"_|None|\s\s", one) for one in told)
        return told


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)


def test_blind_answers_are_counted_and_those_unlike_the_proposal_are_wrong(office) -> None:
    for name, route in (("1", "sales"), ("2", "repairs"), ("3", None)):
        office.answer(office.review(name), route)
    office.review("not answered yet")

    assert office.audited() == AuditTally(n=3, wrong=2)


def test_only_blind_answers_of_this_policy_and_classifier_count_and_only_those_after_the_moment(office) -> None:
    office.answer(office.review("1", why=Reason.BELOW_THRESHOLD), "repairs")
    office.answer(office.review("2", policy="other"), "repairs")
    office.answer(office.review("3", classifier="another"), "repairs")
    office.answer(office.review("4"), "repairs", minutes=5)
    office.answer(office.review("5"), "sales", minutes=6)

    assert office.audited() == AuditTally(n=2, wrong=1)
    assert office.audited(after_minutes=5) == AuditTally(n=1, wrong=0)
    assert office.audited("nobody") == AuditTally()


def test_answers_come_with_text_reason_and_proposal_the_oldest_first(office) -> None:
    late, early = office.review("late"), office.review("early", why=Reason.BELOW_THRESHOLD)
    office.answer(late, None, minutes=2)
    office.answer(early, "repairs", minutes=1)
    office.review("waits")

    with office.store.reading() as tx:
        answers = tx.reviews.answers("tiny")

    assert [(row.item_id, row.text, row.why, row.proposed, row.answer, row.reviewer) for row in answers] == [
        (early, "words of early", Reason.BELOW_THRESHOLD, "sales", "repairs", "Ada"),
        (late, "words of late", Reason.AUDIT, "sales", "none_of_these", "Ada"),
    ]
    assert answers[0].at == NOW + timedelta(minutes=1)


def test_a_review_of_an_older_version_is_neither_audit_nor_case(office) -> None:
    item_id = office.accept("1")
    with office.store.transaction() as tx:
        tx.reviews.open(route_review(claimed().model_copy(update={"item_id": item_id}), "tiny", "h", NOW), NOW)
        tx.reviews.get(item_id).why = None
    office.answer(item_id, "sales")

    with office.store.reading() as tx:
        assert tx.reviews.answers("tiny") == []


def test_a_policy_that_never_stepped_back_has_no_cap(office) -> None:
    assert office.standing() == Standing()


def test_a_step_back_caps_the_mode_and_the_ledger_says_why(office) -> None:
    with office.store.transaction() as tx:
        tx.standings.step_back("tiny", STEP, 0.05, NOW)

    assert office.standing() == Standing(
        cap=Mode.CANARY,
        since=NOW,
        why="15 of 60 audited decisions were wrong, with 5.0% promised",
        classifier="c",
    )
    assert office.standing("other") == Standing()
    assert office.stories() == [
        "Stepped back from auto to canary in tiny: 15 of 60 audited decisions were wrong, with at most 5.0% promised."
    ]


def test_a_person_lifts_the_cap_once_and_answers_count_anew_from_then_on(office) -> None:
    with office.store.transaction() as tx:
        tx.standings.step_back("tiny", STEP, 0.05, NOW)
    for released in (True, False):
        with office.store.transaction() as tx:
            assert tx.standings.release("tiny", Mode.AUTO, "Ada", "new examples", NOW + HOUR) is released

    assert office.standing() == Standing(cap=None, since=NOW + HOUR, why="released by Ada")
    assert office.stories()[1:] == [
        "Released from canary to auto in tiny by Ada (name as given). Note: new examples",
    ]


def test_a_second_step_back_goes_on_from_the_first(office) -> None:
    further = STEP.model_copy(update={"before": Mode.CANARY, "after": Mode.ASSIST})
    with office.store.transaction() as tx:
        tx.standings.step_back("tiny", STEP, 0.05, NOW)
        tx.standings.step_back("tiny", further, 0.05, NOW + HOUR)

    assert (office.standing().cap, office.standing().since) == (Mode.ASSIST, NOW + HOUR)


def test_proposals_come_in_the_order_of_decision_by_classifier_and_source(office) -> None:
    source = Source.LOGPROBS_AND_EXAMPLES
    for number in range(3):
        office.propose(f"{number}", proposal(key=f"k-{number}"), source)
    office.propose("by the examples", proposal(key="voted"), Source.EXAMPLES)
    office.propose("by another", proposal(key="else", classifier="else"), source)
    office.propose("of another policy", proposal(key="theirs"), source, policy="other")

    with office.store.reading() as tx:
        first = tx.inbox.proposed("tiny", source, proof().classifier, 0, 2)
        rest = tx.inbox.proposed("tiny", source, proof().classifier, first[-1][0], 2)
        voted = tx.inbox.proposed("tiny", Source.EXAMPLES, proof(Source.EXAMPLES).classifier, 0, 2)

    assert [[made.key for _, made in found] for found in (first, rest, voted)] == [["k-0", "k-1"], ["k-2"], ["voted"]]


def test_each_window_is_counted_once_whoever_tests_it(office) -> None:
    def count(after: int, upto: int, classifier: str = "c") -> int | None:
        with office.store.transaction() as tx:
            return tx.standings.count_window("tiny", classifier, after, upto)

    assert [count(0, 200), count(0, 200), count(200, 400), count(0, 150, "another")] == [1, None, 2, 1]
    with office.store.reading() as tx:
        assert [tx.standings.tested_to("tiny", name) for name in ("c", "another", "third")] == [400, 150, 0]


def test_what_was_stored_before_these_tables_came_is_kept(database_url: str, store: Store, raw: Engine) -> None:
    item_id = Office(store).review("1")
    with raw.begin() as connection:  # back to the tables of version 0001
        config = Config()
        config.set_main_option("script_location", next(iter(migrations.__path__)))
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")

    opened = Store(database_url)
    with opened.reading() as tx:
        review = tx.reviews.get(item_id)
        assert review is not None
        assert (review.policy, review.why) == ("tiny", None)
    opened.close()
