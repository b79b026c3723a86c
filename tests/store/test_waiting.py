"""The reviews that wait, as people look through them."""

from datetime import UTC, datetime, timedelta

from connectors.store.waiting import Narrow

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def leave_to_person(desk, external_id: str, hours: float, policy: str = "lead_routing") -> str:
    item, _ = desk.accept(external_id, policy)
    desk.wait_for_person(item, NOON + timedelta(hours=hours), policy)
    return item


def test_pages_begin_where_the_one_before_ended_also_among_equals(desk) -> None:
    asked = [leave_to_person(desk, f"m-{number}", hours=1 + number // 4) for number in range(10)]
    seen, place = [], None
    with desk.store.reading() as tx:
        while found := tx.waiting.page(Narrow(), place, 3):
            seen += [(row.due_at, row.review_id) for row, _ in found]
            place = seen[-1]
    assert seen == sorted(seen)
    assert {review for _, review in seen} == set(asked)
    assert len(seen) == len(asked)


def test_each_review_knows_its_neighbours(desk) -> None:
    first, second, third = (leave_to_person(desk, f"m-{hours}", hours) for hours in (1, 2, 3))
    with desk.store.reading() as tx:
        around = [tx.waiting.around(Narrow(), (NOON + timedelta(hours=hours), review))
                  for hours, review in ((1, first), (2, second), (3, third))]  # fmt: skip
    assert around == [(None, second), (first, third), (second, None)]


def test_what_is_late_is_counted(desk) -> None:
    leave_to_person(desk, "m-1", hours=1)
    leave_to_person(desk, "m-2", hours=3, policy="support_triage")
    with desk.store.reading() as tx:
        count = tx.waiting.count(Narrow(), NOON + timedelta(hours=2))
        assert (count.waiting, count.late) == (2, 1)
        assert tx.waiting.count(Narrow(policy="support_triage"), NOON).waiting == 1
        assert tx.waiting.named() == (["lead_routing", "support_triage"], ["route"])


def test_the_same_words_are_alike_whatever_their_letters_and_spaces(desk) -> None:
    for number, text in enumerate(("Win a prize", " win  A prize\n", "win a price")):
        item, _ = desk.accept(desk.item(f"m-{number}", text, received_at=NOON + timedelta(days=9 * number)))
        desk.wait_for_person(item, NOON)
        if not number:
            first = item
    with desk.store.reading() as tx:
        row = tx.reviews.get(first)
        assert tx.waiting.same([row.alike]) == {row.alike: 2}
        assert next(one.review_id for one, _ in tx.waiting.alike(row, 10)) == first
        assert len(tx.waiting.alike(row, 1)) == 1


def test_a_key_is_used_once(desk) -> None:
    with desk.store.transaction() as tx:
        assert tx.keys.use("nonce", "Ann", NOON)
    with desk.store.transaction() as tx:
        assert tx.keys.used("nonce")
        assert not tx.keys.use("nonce", "Ann", NOON)
        assert not tx.keys.used("another")


def test_a_cancelled_form_is_noted_once_and_the_review_waits_on(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)
    with desk.store.transaction() as tx:
        tx.reviews.shown(item, "run-1", desk.now)
        assert tx.reviews.cancelled(item, "run-1", desk.now, again=True)
        assert not tx.reviews.cancelled(item, "run-1", desk.now, again=True)
    with desk.store.reading() as tx:
        row = tx.reviews.get(item)
        assert (row.flow_run, row.forms, row.cancelled, row.answered_at) == (None, 1, 1, None)
    assert desk.events(item).count("review_cancelled") == 1


def test_a_form_that_runs_again_counts_as_one_more_and_only_once(desk) -> None:
    item = leave_to_person(desk, "m-1", hours=4)
    with desk.store.transaction() as tx:
        tx.reviews.shown(item, "run-1", desk.now)
        assert not tx.reviews.resumed(item, "run-2", 1, desk.now)
        assert tx.reviews.resumed(item, "run-1", 1, desk.now)
        assert not tx.reviews.resumed(item, "run-1", 1, desk.now)
    with desk.store.reading() as tx:
        row = tx.reviews.get(item)
        assert (row.flow_run, row.forms) == ("run-1", 2)
    assert desk.events(item).count("review_resumed") == 1
