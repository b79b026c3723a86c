"""New writes to a system that takes batches come together; look-ups come alone."""

from domain.delivery import Unknown

CRM = {"sandbox_crm": 4}


def claimed(desk, count: int, batches: dict[str, int]) -> list[str]:
    with desk.store.transaction() as tx:
        desk.held = tx.outbox.claim(count, desk.now - desk.now, desk.now, batches)
    return [due.operation.record_key for due in desk.held]


def test_one_that_is_due_brings_others_of_its_system(desk) -> None:
    desk.put(*[desk.operation(f"it-{n}", f"r-{n}") for n in range(6)])

    assert claimed(desk, 1, CRM) == ["r-0", "r-1", "r-2", "r-3"]


def test_without_batches_the_count_is_kept(desk) -> None:
    desk.put(*[desk.operation(f"it-{n}", f"r-{n}") for n in range(6)])

    assert claimed(desk, 2, {}) == ["r-0", "r-1"]


def test_a_batch_holds_one_write_a_record(desk) -> None:
    desk.put(desk.operation("it-1", "ann"), desk.operation("it-2", "ann"), desk.operation("it-3", "bob"))

    assert claimed(desk, 1, CRM) == ["ann", "bob"]


def test_what_must_be_looked_up_is_no_part_of_a_batch(desk) -> None:
    desk.put(desk.operation("it-1", "ann"))
    desk.due()
    desk.settle(Unknown(detail="no answer"))
    desk.later(seconds=10)
    desk.put(desk.operation("it-2", "bob"), desk.operation("it-3", "cleo"))

    assert claimed(desk, 1, CRM) == ["ann"]
