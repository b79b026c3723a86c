"""What reviewers and systems have to do: each count is as long as the list behind it; on every database."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from builders import route_review

from connectors.store.figures import Choice
from connectors.store.workload import WRITES
from domain.assignment import Because, Placement
from domain.decision import Kind, Reason
from domain.delivery import Invalid, Patience
from domain.escalation import Cause
from domain.figures import Work
from domain.review import Answer, ReviewKind
from domain.sla import Clock, ClockName

POLICIES = ("lead_routing", "support_triage")
CLOCKS = [
    Clock(name=ClockName.REVIEW_ANSWERED, within=timedelta(hours=1)),
    Clock(name=ClockName.DELIVERED, within=timedelta(hours=40)),
]


def ask(
    desk,
    external_id: str,
    policy: str,
    to: str | None = None,
    route: str = "sales",
    kind: ReviewKind = ReviewKind.ROUTE,
) -> str:
    """Leave an item to a person, or to nobody in particular; gives its review, which has the item's id."""
    item_id, _ = desk.accept(external_id, policy)
    decision = desk.decision(Kind.HUMAN, Reason.BELOW_THRESHOLD, proposed=route)
    with desk.store.transaction() as tx:
        tx.inbox.keep_decision(item_id, desk.proposal(), decision, 0, desk.now)
        claimed = tx.inbox.get(item_id)
        due_at = desk.now + timedelta(hours=1)
        review = route_review(claimed, policy, decision.proposal_hash, due_at, decision)
        tx.reviews.open(review.model_copy(update={"kind": kind}), desk.now)
        placement = Placement(review_id=item_id, to=to, why=Because.NEW)
        tx.assignments.place(tx.assignments.waiting(policy), [placement], desk.now)
    return item_id


def escalate(desk, subject: str, policy: str) -> None:
    with desk.store.transaction() as tx:
        tx.escalations.begin(policy, Cause.REVIEW_LATE, subject, f"{subject} waits", desk.now, item_id=subject)


def answer(desk, review_id: str, reviewer: str) -> None:
    with desk.store.transaction() as tx:
        tx.reviews.answered(review_id, Answer(choice="sales", reviewer=reviewer, binding="b"), desk.now)


def work(desk) -> None:
    """Reviews and writes of two policies, of all sorts, over some days."""
    for number in range(24):
        desk.later(hours=5)
        policy = POLICIES[number % 2]
        whom = (None, "Ada", "Bob")[number % 3]
        kind = ReviewKind.CONFLICT if number % 5 == 0 else ReviewKind.ROUTE
        review = ask(desk, f"m-{number}", policy, whom, ("sales", "support")[number % 3 == 1], kind)
        if number % 6 == 0:
            escalate(desk, review, policy)
        if number % 5:
            answer(desk, review, ("Ada", "Cleo")[number % 3 == 0])
        write = desk.operation(review, f"r-{number}").model_copy(
            update={"system": ("crm", "desk")[number % 3 == 0], "policy": policy}
        )
        desk.put(write, patience=Patience(attempts=1))
        if number % 4 == 0:
            desk.due()
            desk.settle(Invalid(detail="no such field"))
    for policy in POLICIES:
        watch(desk, policy)
    desk.later(hours=30)  # nobody watches meanwhile


def watch(desk, policy: str) -> None:
    """Read the clocks, and tell of a few that are late."""
    with desk.store.transaction() as tx:
        tx.clocks.follow(policy, CLOCKS, 1000, desk.now)
        tx.clocks.ring(policy, CLOCKS, 5, desk.now)


def counted(desk, choice: Choice) -> dict[tuple[Work, str], int]:
    """Every figure by what it counts and whose it is."""
    with desk.store.reading() as tx:
        found = {
            (of, system): n for system, counts in tx.workload.unwritten(choice).items() for of, n in counts.items()
        }
        for name, share in tx.workload.reviewers(choice).items():
            found[Work.ASSIGNED if name else Work.UNASSIGNED, name] = share.part
            found[Work.ANSWERED_BY, name] = share.of
        if choice.route is None:
            waiting = {of: n for of, n in tx.figures.open_reviews().items() if choice.policy in (None, of[0])}
            found[Work.WAITING, ""] = sum(waiting.values())
            found[Work.CONFLICTS, ""] = sum(n for (_, kind), n in waiting.items() if kind == ReviewKind.CONFLICT)
        missed = (share.of - share.part for share in tx.figures.kept(choice, desk.now).values())
        found[Work.LATE, ""] = sum(missed)
        if choice == Choice():
            found[Work.ESCALATIONS, ""] = tx.escalations.count()
    return {named: count for named, count in found.items() if count}


def listed(desk, choice: Choice, of: Work, whose: str = "", at_once: int = 1000) -> list:
    """The whole list, page by page."""
    seen, place = [], None
    with desk.store.reading() as tx:
        while page := _page(desk, tx, choice, of, whose, place, at_once):
            seen += page
            place = page[-1].place
    return seen


def _page(desk, tx, choice: Choice, of: Work, whose: str, place, at_once: int) -> list:
    if of is Work.LATE:
        return tx.workload.late(choice, desk.now, place, at_once)
    if of is Work.ESCALATIONS:
        return tx.workload.escalations(choice, place, at_once)
    read = tx.workload.writes if of in WRITES else tx.workload.reviews
    return read(choice, of, whose, place, at_once)


CHOICES: dict[str, Callable[[object], Choice]] = {
    "everything": lambda _: Choice(),
    "of a policy": lambda _: Choice(policy="lead_routing"),
    "of a route": lambda _: Choice(policy="lead_routing", route="sales"),
    "of a time": lambda desk: Choice(since=desk.now - timedelta(days=2)),
    "of all three": lambda desk: Choice("support_triage", "support", desk.now - timedelta(days=2)),
}


class TestCounts:
    @pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
    def test_are_as_long_as_the_lists_behind_them(self, desk, choice):
        work(desk)
        meant = choice(desk)
        counts = counted(desk, meant)
        assert counts
        for (of, whose), count in counts.items():
            found = listed(desk, meant, of, whose)
            assert len(set(found)) == len(found) == count, (of, whose)
            assert all(one.policy == meant.policy for one in found if meant.policy)

    @pytest.mark.parametrize("of", Work)
    def test_of_everybody_are_the_sum_of_each(self, desk, of):
        work(desk)
        assert sum(n for (what, _), n in counted(desk, Choice()).items() if what is of) == len(
            listed(desk, Choice(), of)
        )

    def test_of_what_waits_are_as_of_now_whenever_it_came_in(self, desk):
        ask(desk, "m-1", "lead_routing", "Ada")
        desk.later(days=90)
        week = Choice(since=desk.now - timedelta(days=7))
        assert counted(desk, week) == {(Work.ASSIGNED, "Ada"): 1, (Work.WAITING, ""): 1}

    def test_of_answers_are_of_those_that_were_given_in_the_time(self, desk):
        early, late = (ask(desk, f"m-{number}", "lead_routing") for number in (1, 2))
        answer(desk, early, "Ada")
        desk.later(days=8)
        answer(desk, late, "Ada")
        week = Choice(since=desk.now - timedelta(days=7))
        assert counted(desk, week) == {(Work.ANSWERED_BY, "Ada"): 1}
        assert [one.review_id for one in listed(desk, week, Work.ANSWERED_BY, "Ada")] == [late]

    def test_of_what_a_rule_has_answered_are_nobodys(self, desk):
        review = ask(desk, "m-1", "lead_routing")
        with desk.store.transaction() as tx:
            tx.reviews.relieved(review, "many_toys", desk.now)
        assert counted(desk, Choice()) == {}

    def test_of_nothing(self, desk):
        assert counted(desk, Choice()) == {}


class TestLists:
    @pytest.mark.parametrize("of", Work)
    def test_come_in_pages_that_leave_nothing_out_the_newest_first(self, desk, of):
        work(desk)
        whole = listed(desk, Choice(), of)
        assert listed(desk, Choice(), of, at_once=2) == whole
        assert [one.place for one in whole] == sorted((one.place for one in whole), reverse=True)

    def test_of_one_moment_leave_nothing_out_either(self, desk):
        reviews = {ask(desk, f"m-{number}", "lead_routing", "Ada") for number in range(5)}
        assert {one.review_id for one in listed(desk, Choice(), Work.ASSIGNED, "Ada", at_once=2)} == reviews

    def test_say_what_came_of_a_write_and_when_it_is_tried_next(self, desk):
        desk.put(desk.operation("it-1", "a"), desk.operation("it-2", "b"), patience=Patience(attempts=1))
        desk.due(1)
        desk.settle(Invalid(detail="no such field"))
        (dead,) = listed(desk, Choice(), Work.DEAD_LETTERS, "sandbox_crm")
        (waiting,) = listed(desk, Choice(), Work.UNWRITTEN, "sandbox_crm")
        assert (dead.item_id, dead.due_at, dead.why) == ("it-1", None, "no such field")
        assert (waiting.item_id, waiting.due_at, waiting.why) == ("it-2", desk.now, "")
