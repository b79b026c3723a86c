"""The append-only chain, as the database keeps it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.ledger import GENESIS, Event

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FACTS = {
    "text": "Grüße 🙂 \u2028 \x00 'quoted' \"twice\" 50 %",
    "number": 3,
    "fraction": 0.1 + 0.2,
    "small": 1e-300,
    "large": 2**60,
    "yes": True,
    "nothing": None,
    "list": ["a", ["b"], {}],
    "object": {"z": 1, "a": {"ä": []}},
}


def append(desk, event: Event = Event.BALANCED, item_id: str | None = None, **facts: object) -> None:
    with desk.store.transaction() as tx:
        tx.ledger.append(item_id, event, desk.now, **facts)


def test_an_empty_ledger_begins_at_genesis(desk) -> None:
    with desk.store.reading() as tx:
        assert tx.ledger.head() == (0, GENESIS)
    assert desk.broken_at() is None


def test_facts_come_back_as_they_were_put_in(desk) -> None:
    append(desk, **FACTS)

    (entry,) = desk.entries()
    assert entry.facts == FACTS
    assert desk.broken_at() is None


@pytest.mark.parametrize(
    "at",
    [
        NOON.replace(microsecond=123456),
        NOON.astimezone(timezone(timedelta(hours=-9.5))),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_an_entry_from_any_time_zone_verifies_and_is_told_in_utc(desk, at: datetime) -> None:
    desk.now = at
    append(desk)

    (entry,) = desk.entries()
    assert entry.at == at
    assert entry.at.tzinfo is UTC
    assert desk.broken_at() is None


def test_entries_are_numbered_without_gaps_and_each_names_the_one_before(desk) -> None:
    for number in range(5):
        append(desk, number=number)
        with pytest.raises(ValueError, match="not this one"), desk.store.transaction() as tx:
            _fail_after(tx, desk.now)

    entries = desk.entries()
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.previous for entry in entries] == [GENESIS, *[entry.hash for entry in entries[:-1]]]
    with desk.store.reading() as tx:
        assert tx.ledger.head() == (5, entries[-1].hash)


def _fail_after(tx, now: datetime) -> None:
    tx.ledger.append(None, Event.BALANCED, now)
    raise ValueError("not this one")


def test_one_items_entries_and_those_after_a_number_can_be_read_alone(desk) -> None:
    for item_id in ("it-1", "it-2", None, "it-1"):
        append(desk, item_id=item_id)

    assert [entry.seq for entry in desk.entries("it-1")] == [1, 4]
    with desk.store.reading() as tx:
        assert [entry.seq for entry in tx.ledger.entries(after=2)] == [3, 4]
        assert [entry.seq for entry in tx.ledger.entries("it-1", after=1)] == [4]


@pytest.mark.parametrize(
    ("change", "found_at"),
    [
        ("UPDATE ledger SET facts = '{\"number\": 7}' WHERE seq = 3", 3),
        ("UPDATE ledger SET event = 'decided' WHERE seq = 3", 3),
        ("UPDATE ledger SET item_id = 'it-other' WHERE seq = 3", 3),
        ("UPDATE ledger SET at = '2026-03-01 12:00:01.000000' WHERE seq = 3", 3),
        ("UPDATE ledger SET hash = previous WHERE seq = 3", 3),
        ("DELETE FROM ledger WHERE seq = 3", 3),
        ("DELETE FROM ledger WHERE seq = 1", 1),
    ],
)
def test_whoever_changes_a_row_is_found_out(desk, raw, change: str, found_at: int) -> None:
    for number in range(5):
        append(desk, number=number)
    assert desk.broken_at() is None

    with raw.connect() as connection:
        connection.exec_driver_sql(change)

    assert desk.broken_at() == found_at


def test_whoever_cuts_off_the_end_is_found_out_by_the_head(desk, raw) -> None:
    for number in range(3):
        append(desk, number=number)

    with raw.connect() as connection:
        connection.exec_driver_sql("DELETE FROM ledger WHERE seq = 3")

    with desk.store.reading() as tx:
        last = list(tx.ledger.entries())[-1]
        assert tx.ledger.head() != (last.seq, last.hash)


def test_more_entries_than_are_read_at_once_verify(desk) -> None:
    with desk.store.transaction() as tx:
        for number in range(2100):
            tx.ledger.append("it-1", Event.BALANCED, NOON, number=number)

    assert len(desk.entries("it-1")) == 2100
    assert desk.broken_at() is None


def test_nothing_is_appended_while_only_reading(desk) -> None:
    with desk.store.reading() as tx, pytest.raises(RuntimeError, match=r"written in Store\.transaction"):
        tx.ledger.append(None, Event.BALANCED, NOON)


def test_entries_that_are_written_together_keep_their_order_and_the_chain_holds(desk) -> None:
    with desk.store.transaction() as tx:
        tx.ledger.append("it-1", Event.ACCEPTED, desk.now, policy="tiny")
        with tx.ledger.together():
            tx.ledger.append("it-2", Event.ACCEPTED, desk.now, policy="tiny")
            both = [(item_id, Event.ACCEPTED, {"policy": "tiny"}) for item_id in ("it-3", "it-4")]
            tx.ledger.append_all(both, desk.now)
        tx.ledger.append("it-5", Event.ACCEPTED, desk.now, policy="tiny")

    assert [entry.item_id for entry in desk.entries()] == ["it-1", "it-2", "it-3", "it-4", "it-5"]
    assert desk.broken_at() is None


def test_of_a_transaction_that_fails_nothing_that_was_to_be_written_together_stays(desk) -> None:
    with pytest.raises(LookupError), desk.store.transaction() as tx, tx.ledger.together():  # noqa: PT012
        tx.ledger.append("it-1", Event.ACCEPTED, desk.now)
        raise LookupError

    append(desk)
    assert [entry.seq for entry in desk.entries()] == [1]
    assert desk.broken_at() is None
