"""Writes that were given up: put back by somebody, or ended where a later write has overtaken them."""

from domain.delivery import Invalid, NotThere, Unknown, Written

CREATED = Written(kind="created", external_id="r-1")
NO = Invalid(detail="no such owner")


def dead_and_newer(desk, newer: Written | Unknown = CREATED) -> None:
    """Two writes of one record: the first is given up, the second ends as given."""
    desk.put(desk.operation("it-old"), desk.operation("it-new"))
    desk.due()
    desk.settle(NO)
    desk.due()
    desk.settle(newer)


def letters(desk, **which: str):
    with desk.store.reading() as tx:
        return tx.dead_letters.of(**which)


def test_one_that_is_put_back_is_looked_up_before_it_is_sent_again(desk) -> None:
    desk.put(desk.operation())
    desk.due()
    desk.settle(NO)

    assert desk.put_back("it-1") == 1
    assert desk.put_back("it-1") == 0

    assert [due[1:] for due in desk.due()] == [(0, 1)]
    desk.settle(NotThere())
    assert [due[1:] for due in desk.due()] == [(1, 0)]


def test_the_ledger_keeps_who_put_it_back(desk) -> None:
    desk.put(desk.operation())
    desk.due()
    desk.settle(NO)

    desk.put_back("it-1", "Ann")

    entry = desk.entries("it-1")[-1]
    assert entry.event.value == "put_back"
    assert entry.facts == {"operation": desk.operation().operation_id, "destination": "crm", "by": "Ann"}


def test_they_are_found_by_item_by_system_and_by_place(desk) -> None:
    shop, till = (
        desk.operation(f"it-{api}", api).model_copy(update={"system": "described", "options": {"api": api}})
        for api in ("shop", "till")
    )
    ann, bob = desk.operation("it-ann", "ann"), desk.operation("it-bob", "bob")
    desk.put(shop, till, ann, bob)
    desk.due()
    for which in range(3):
        desk.settle(NO, which)
    desk.settle(CREATED, 3)

    def items(**which: str) -> list[str]:
        return [letter.operation.item_id for letter in letters(desk, **which)]

    assert items(system="described") == ["it-shop", "it-till"]
    assert items(system="described/till") == ["it-till"]
    assert items(item_id="it-ann") == ["it-ann"]
    assert items(item_id="it-ann", system="described") == []
    assert items(item_id="it-bob") == []


def test_one_that_a_later_write_of_its_record_has_overtaken_says_so(desk) -> None:
    dead_and_newer(desk)

    assert [letter.newer for letter in letters(desk)] == ["it-new"]


def test_a_later_write_that_may_have_gone_out_has_overtaken_it_too(desk) -> None:
    dead_and_newer(desk, Unknown(detail="no answer"))

    assert [letter.newer for letter in letters(desk)] == ["it-new"]


def test_what_waits_behind_it_or_was_given_up_too_has_not(desk) -> None:
    desk.put(desk.operation("it-old"), desk.operation("it-dead"), desk.operation("it-waits"))
    for _ in range(2):
        desk.due()
        desk.settle(NO)

    assert [letter.newer for letter in letters(desk)] == [None, None]


def test_one_that_is_superseded_ends_unwritten_and_the_ledger_says_by_whom(desk) -> None:
    item, _ = desk.accept()
    old = desk.decide_and_queue(item)
    desk.due()
    desk.settle(NO)
    desk.put(desk.operation("it-new"))
    desk.due()
    desk.settle(CREATED)

    with desk.store.transaction() as tx:
        assert tx.dead_letters.supersede(tx.dead_letters.of(item_id=item), "Ann", desk.now) == 1

    with desk.store.reading() as tx:
        assert (tx.accounts.balance().done, tx.accounts.balance().dead_lettered) == (1, 0)
        assert old.operation_id not in tx.outbox.confirmed()
    assert desk.due() == []
    entry = desk.entries(item)[-1]
    assert (entry.event.value, entry.facts["by"], entry.facts["newer"]) == ("superseded", "Ann", "it-new")
