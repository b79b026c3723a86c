"""Several who accept, claim and send at the same time, each with connections of their own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Barrier

from domain.delivery import Written
from domain.escalation import Cause
from domain.item import Admission

ITEMS = 12


def at_once(*jobs: Callable[[], list[str]]) -> list[list[str]]:
    """What each job gives, all begun at the same moment."""
    start = Barrier(len(jobs))

    def run(job: Callable[[], list[str]]) -> list[str]:
        start.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_the_same_items_accepted_by_two_are_accepted_once_each(desks) -> None:
    def accepting(desk) -> Callable[[], list[str]]:
        return lambda: [desk.accept(f"m-{number}")[1].value for number in range(ITEMS)]

    one, two = desks(), desks()
    admissions = Counter(chain(*at_once(accepting(one), accepting(two))))

    assert admissions == {Admission.ACCEPTED: ITEMS, Admission.REPEATED: ITEMS}
    assert len(one.claim(count=100)) == ITEMS
    assert one.broken_at() is None


def test_the_same_content_accepted_by_two_is_accepted_once(desks) -> None:
    def accepting(desk, name: str) -> Callable[[], list[str]]:
        return lambda: [desk.accept(desk.item(f"{name}-{i}", text=f"text {i}"))[1].value for i in range(ITEMS)]

    one, two = desks(), desks()
    admissions = Counter(chain(*at_once(accepting(one, "a"), accepting(two, "b"))))

    assert admissions == {Admission.ACCEPTED: ITEMS, Admission.SAME_CONTENT: ITEMS}


def test_two_who_accept_and_two_who_claim_claim_no_item_twice_and_the_chain_has_no_fork(desks) -> None:
    def accepting(desk, name: str) -> Callable[[], list[str]]:
        return lambda: [desk.accept(f"{name}-{number}")[0] for number in range(ITEMS)]

    def claiming(desk, owner: str) -> Callable[[], list[str]]:
        def claim() -> list[str]:
            mine: list[str] = []
            while len(mine) < ITEMS // 2:
                mine += desk.claim(owner, count=3)
            return mine

        return claim

    one, two, three, four = (desks() for _ in range(4))
    accepted_1, accepted_2, *claimed = at_once(
        accepting(one, "a"), accepting(two, "b"), claiming(three, "run-1"), claiming(four, "run-2")
    )
    claimed.append(one.claim("run-3", count=100))

    assert sorted(chain(*claimed)) == sorted(accepted_1 + accepted_2)
    assert [entry.seq for entry in one.entries()] == list(range(1, 2 * ITEMS + 1))
    assert one.broken_at() is None


def test_two_who_send_never_hold_the_same_write_nor_two_writes_of_one_record(desks) -> None:
    one, two = desks(), desks()
    operations = [one.operation(f"it-{number}", f"r-{number % 4}") for number in range(ITEMS)]
    one.put(*operations)

    def sending(desk) -> Callable[[], list[str]]:
        def send() -> list[str]:
            sent: list[str] = []
            while desk.next_due_at() is not None:
                sent += [operation_id for operation_id, _, _ in desk.due(count=2)]
                for which in range(len(desk.held)):
                    desk.settle(Written(kind="created", external_id="r"), which)
            return sent

        return send

    sent = list(chain(*at_once(sending(one), sending(two))))

    assert sorted(sent) == sorted(operation.operation_id for operation in operations)
    assert one.broken_at() is None
    for record in range(4):
        mine = [op.operation_id for op in operations if op.record_key == f"r-{record}"]
        attempted = [e.facts["operation"] for e in one.entries() if e.event == "attempted"]
        assert [operation_id for operation_id in attempted if operation_id in mine] == mine


def test_two_who_look_for_late_reviews_escalate_each_once(desks) -> None:
    one, two = desks(), desks()
    for number in range(ITEMS):
        item, _ = one.accept(f"m-{number}")
        one.wait_for_person(item, one.now)
    one.later(hours=1)

    def escalating(desk) -> Callable[[], list[str]]:
        def escalate() -> list[str]:
            with desk.store.transaction() as tx:
                late = [row.item_id for row in tx.reviews.mark_late("lead_routing", one.now)]
                for item in late:
                    tx.escalations.begin("lead_routing", Cause.REVIEW_LATE, item, "late", one.now, item_id=item)
                return late

        return escalate

    first, second = at_once(escalating(one), escalating(two))

    assert sorted([len(first), len(second)]) == [0, ITEMS]
    assert one.events().count("escalated") == ITEMS
