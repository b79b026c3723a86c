"""What is kept of sources: how they answer, told once, and our own writes that come back from them."""

from dataclasses import replace

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text

from connectors.ports import Arrival
from connectors.store.migrations.versions import v0025_troubles_and_times
from domain.breaker import FAILURES
from domain.errors import Unauthorised, Unavailable
from domain.source_state import SourceState, Trouble, failed

SOURCE, SHOWN = "lead_routing/imap", "imap"


def put(desk, state: SourceState) -> bool:
    with desk.store.transaction() as tx:
        return tx.sources.put(SOURCE, "lead_routing", SHOWN, state, desk.now)


def kept(desk) -> SourceState:
    with desk.store.reading() as tx:
        return tx.sources.of(SOURCE)


def fail(desk, failure, times: int = 1) -> list[bool]:
    told = []
    for _ in range(times):
        told.append(put(desk, failed(kept(desk), failure, desk.now)))
        desk.later(minutes=10)
    return told


def test_a_source_that_never_failed_leaves_no_trace(desk) -> None:
    assert not put(desk, SourceState())
    assert kept(desk) == SourceState()
    assert desk.events() == []


def test_trouble_and_its_end_are_told_once(desk) -> None:
    assert fail(desk, Unavailable("down"), FAILURES + 3) == [False] * (FAILURES - 1) + [True] + [False] * 3
    assert fail(desk, Unauthorised("wrong password"), 3) == [True, False, False]
    assert put(desk, SourceState())
    assert not put(desk, SourceState())
    assert desk.events() == ["source_paused", "source_refused", "source_resumed"]


def test_a_state_is_the_same_when_it_is_read_again(desk) -> None:
    fail(desk, Unauthorised("wrong password"))

    assert kept(desk).trouble is Trouble.REFUSED
    assert kept(desk) == failed(SourceState(), Unauthorised("wrong password"), kept(desk).since)


def troubled(desk) -> list[tuple[str, str, str, Trouble | None]]:
    with desk.store.reading() as tx:
        return [(one.source, one.policy, one.shown, one.state.trouble) for one in tx.sources.troubled()]


def test_the_troubled_are_those_that_cannot_be_read_and_no_others(desk) -> None:
    fail(desk, Unavailable("down"))
    assert troubled(desk) == []
    fail(desk, Unavailable("down"), FAILURES)
    assert troubled(desk) == [(SOURCE, "lead_routing", SHOWN, Trouble.AWAY)]
    put(desk, SourceState())
    assert troubled(desk) == []


def test_one_that_is_forgotten_is_as_one_that_never_failed(desk) -> None:
    fail(desk, Unauthorised("wrong password"))
    with desk.store.transaction() as tx:
        tx.sources.forget(SOURCE)
    assert troubled(desk) == []
    assert kept(desk) == SourceState()


def test_whose_a_source_from_before_is_its_name_says(raw: Engine) -> None:
    with raw.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        with Operations.context(MigrationContext.configure(connection)):
            v0025_troubles_and_times.downgrade()
            connection.execute(text("INSERT INTO sources (source, failures, why) VALUES ('cases/case/desk', 5, '')"))
            v0025_troubles_and_times.upgrade()
        connection.commit()
        (row,) = connection.execute(text("SELECT policy, shown FROM sources"))
    assert tuple(row) == ("cases", "case/desk")


def change(desk, operation_id: str, at: str, queue: str = "sales") -> Arrival:
    return Arrival("crm 7", "crm", f"7@{at}", desk.now, {"queue": queue, "city": "Delft"}, operation_id=operation_id)


def echoes(desk, *arrivals: Arrival, policy: str = "lead_routing") -> set[str]:
    with desk.store.transaction() as tx:
        return tx.sources.echoes(policy, arrivals, desk.now)


def written(desk) -> str:
    operation = desk.operation("it-1", "7")
    wanted = operation.model_copy(update={"values": {"queue": "sales"}})
    desk.put(wanted)
    return wanted.operation_id


def test_our_own_write_is_known_when_it_comes_back_and_is_part_of_its_items_story(desk) -> None:
    ours = written(desk)

    assert echoes(desk, change(desk, ours, "1"), change(desk, "", "2"), change(desk, "op-strange", "3")) == {"7@1"}
    assert desk.events()[-1] == "echoed"


def test_what_somebody_changes_after_our_write_is_no_echo(desk) -> None:
    ours = written(desk)

    assert echoes(desk, change(desk, ours, "1"), change(desk, ours, "2")) == {"7@1"}
    assert echoes(desk, change(desk, ours, "3")) == set()


def test_what_somebody_changed_before_our_write_came_back_is_no_echo(desk) -> None:
    assert echoes(desk, change(desk, written(desk), "1", queue="support")) == set()


def test_an_echo_that_is_read_twice_is_told_once(desk) -> None:
    arrival = change(desk, written(desk), "1")

    assert echoes(desk, arrival) == echoes(desk, arrival) == {"7@1"}
    assert desk.events().count("echoed") == 1


def test_the_same_change_of_another_source_is_no_second_echo(desk) -> None:
    arrival = change(desk, written(desk), "1")
    echoes(desk, arrival)

    assert echoes(desk, replace(arrival, source="help desk")) == set()


def test_another_policys_write_is_news(desk) -> None:
    assert echoes(desk, change(desk, written(desk), "1"), policy="onboarding") == set()
