"""What `accept` and `refuse` promise: all that comes in is stored once, or is kept with the reason why not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from fakes import FakeSystem, fake_resources
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import write_tiny

from connectors.ports import Unreadable
from connectors.store.engine import Store
from domain.ledger import Entry, first_break
from tasks.accept import LONGEST_RAW, accept
from tasks.resources import Resources

RECEIVED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MARK = "\N{REPLACEMENT CHARACTER}"


@dataclass
class Came:
    """A record as a reader of files gives it."""

    external_id: str = "1"
    fields: dict[str, Any] = field(default_factory=lambda: {"message": "my invoice is wrong"})
    where: str = "leads.csv:2"
    source: str = "test"
    received_at: datetime = RECEIVED
    envelope: frozenset[str] = frozenset()


class Office:
    """Resources without a model, and the tiny policy."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.here: Resources = fake_resources(store, None, FakeSystem())
        self.policy = write_tiny(folder)

    def accept(self, *records: Came | Unreadable) -> list[tuple[str, str]]:
        return accept(self.here, self.policy, records)

    def entries(self) -> list[Entry]:
        with self.here.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        return entries

    def events(self) -> list[str]:
        return [entry.event.value for entry in self.entries()]

    def accepted(self) -> int:
        with self.here.store.reading() as tx:
            account = tx.accounts.balance("tiny")
        assert account.unaccounted == 0
        return account.accepted


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Office(tmp_path, store)
    store.close()


def test_a_record_becomes_an_item_that_waits(office):
    assert office.accept(Came()) == []
    assert office.events() == ["accepted"]
    assert office.accepted() == 1


def test_no_records_store_nothing(office):
    assert office.accept() == []
    assert office.events() == []


def test_the_same_delivery_twice_is_one_item_in_one_call_and_in_two(office):
    office.accept(Came(), Came())
    office.accept(Came())
    assert office.events() == ["accepted", "duplicate", "duplicate"]
    assert {entry.facts["how"] for entry in office.entries()[1:]} == {"repeated"}
    assert office.accepted() == 1


def test_the_same_content_within_the_policys_window_is_one_item_and_after_it_another(office):
    within, after = RECEIVED + timedelta(minutes=59), RECEIVED + timedelta(hours=1, minutes=1)
    office.accept(Came("1"), Came("2", received_at=within), Came("3", received_at=after))
    assert office.events() == ["accepted", "duplicate", "accepted"]
    assert office.entries()[1].facts["how"] == "same_content"
    assert office.accepted() == 2


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Came(fields={"message": "  ", "colour": "red"}), "nothing to classify"),
        (Came(fields={}), "nothing to classify"),
        (Came(fields={"message": "x" * 20_001}), "20001 characters"),
        (Came(external_id=""), "external_id: "),
        (Came(source="s" * 101), "source: "),
        (Came(received_at=datetime.min.replace(tzinfo=UTC)), "received_at: 0001-01-01"),
        (Came(received_at=datetime.max.replace(tzinfo=UTC)), "received_at: 9999-12-31"),
    ],
)
def test_a_record_that_cannot_be_an_item_is_refused_and_kept_raw_and_the_others_go_on(office, record, why):
    other = Came("2", {"message": "password reset please"}, where="leads.csv:3")
    ((where, told),) = office.accept(record, other)
    assert where == "leads.csv:2"
    assert told.startswith(why)
    refused, accepted = office.entries()
    assert (refused.event.value, accepted.event.value) == ("refused", "accepted")
    assert (refused.item_id, refused.facts["where"], refused.facts["why"]) == (None, where, told)
    assert all(name in refused.facts["raw"] for name in record.fields)
    assert office.accepted() == 1


def test_of_a_refused_record_no_more_is_kept_than_a_reader_needs(office):
    office.accept(Came(fields={"message": "x" * (LONGEST_RAW + 1)}))
    assert len(office.entries()[0].facts["raw"]) == LONGEST_RAW


def test_when_reading_breaks_off_half_way_nothing_of_the_call_is_stored(office):
    def torn() -> Iterator[Came]:
        yield from (Came("1"), Came("2", {}))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        accept(office.here, office.policy, torn())
    assert office.events() == []
    assert office.accepted() == 0
    assert office.accept(Came("1")) == []
    assert office.events() == ["accepted"]


def test_half_surrogate_pairs_and_nul_are_stored_as_marks(office):
    office.accept(Came("\ud800", {"message": "my\0invoice\udfff", "\ud800": "\0"}, source="te\0st"))
    (entry,) = office.entries()
    assert (entry.facts["source"], entry.facts["external_id"]) == (f"te{MARK}st", MARK)
    with office.here.store.transaction() as tx:
        (claimed,) = tx.inbox.claim("tiny", "run", 1, timedelta(minutes=1), RECEIVED)
    assert claimed.item.text == f"my{MARK}invoice{MARK}"
    assert claimed.item.other == {MARK: MARK}


def test_half_surrogate_pairs_and_nul_are_harmless_in_what_is_refused_too(office):
    office.accept(Came("1", {"\ud800\0": "\0\udfff"}, where="le\udcffds.csv:2"))
    office.accept(Unreadable("le\udcffds.csv:3", "not \ud800", "raw\0\ud800"))
    first, second = (entry.facts for entry in office.entries())
    assert (first["where"], first["raw"]) == (f"le{MARK}ds.csv:2", f'{{"{MARK}\\u0000":"\\u0000{MARK}"}}')
    place = {"policy": "tiny", "where": f"le{MARK}ds.csv:3"}
    assert second == {**place, "why": f"not {MARK}", "raw": f"raw{MARK}{MARK}"}


def test_a_record_that_nobody_can_read_is_kept_with_place_and_reason(office):
    office.accept(Unreadable("leads.jsonl:7", "not a JSON object", "[" * (LONGEST_RAW + 1)))
    (entry,) = office.entries()
    assert entry.event.value == "refused"
    place = {"policy": "tiny", "where": "leads.jsonl:7"}
    assert entry.facts == {**place, "why": "not a JSON object", "raw": "[" * LONGEST_RAW}
    assert office.accepted() == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Came,
            external_id=st.text(st.characters()),
            source=st.text(st.characters()),
            fields=st.dictionaries(
                st.sampled_from(["message", "email"]) | st.text(st.characters()),
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats()
                | st.text(st.characters())
                | st.lists(st.text()),
            ),
            received_at=st.datetimes(timezones=st.timezones()),
        ),
        max_size=5,
    )
)
def test_whatever_comes_each_record_is_accepted_a_duplicate_or_refused(office, records):
    before = len(office.entries())
    refused = office.accept(*records)
    events = office.events()[before:]
    assert len(events) == len(records)
    assert events.count("refused") == len(refused)
    assert set(events) <= {"accepted", "duplicate", "refused"}
    office.accepted()
