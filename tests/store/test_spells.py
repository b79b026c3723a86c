"""For how long entities are out of step is in the ledger, and clocks follow that; on every database."""

from datetime import UTC, datetime, timedelta

from connectors.store.crosswalk_rows import Of, Shown
from domain.sla import Clock, ClockName, Compliance

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OF = Of("people_sync", "person")
SYNCED = Clock(name=ClockName.SYNCED, within=30 * MINUTE, warn_at=0.5)


def new(tx, external_id: str = "1", at: datetime | None = NOON) -> str:
    tx.crosswalk.note(OF, "crm", [external_id], at)
    row = tx.crosswalk.unread(OF, "crm", 10)[-1]
    tx.crosswalk.shown(row, row.told, Shown({"name": "Ann"}), at)
    return tx.crosswalk.begin(OF, row, at or NOON)


def merged(desk, entity: str, *, owes: bool, news: datetime | None = None) -> None:
    with desk.store.transaction() as tx:
        if news:
            tx.crosswalk.look_again(entity, news)
        tx.spells.merged(tx.crosswalk.get(entity).row, owes=owes, now=desk.now)


def watch(desk) -> list[tuple[str, str]]:
    with desk.store.transaction() as tx:
        while tx.clocks.follow(OF.policy, (SYNCED,), 1000, desk.now):
            pass
        alarms = tx.clocks.ring(OF.policy, (SYNCED,), 100, desk.now)
    return [(alarm.item_id, alarm.reading.state.value) for alarm in alarms or ()]


def figures(desk) -> list[Compliance]:
    with desk.store.reading() as tx:
        return tx.clocks.compliance(OF.policy, NOON - MINUTE, desk.now)


def test_each_time_that_an_entity_is_out_of_step_is_counted_by_itself(desk) -> None:
    with desk.store.transaction() as tx:
        entity = new(tx)
    merged(desk, entity, owes=True)
    desk.later(minutes=16)
    assert watch(desk) == [(entity, "warned")]
    merged(desk, entity, owes=False)
    merged(desk, entity, owes=True, news=desk.now)
    desk.later(minutes=31)
    assert watch(desk) == [(entity, "breached")]
    merged(desk, entity, owes=False)
    assert watch(desk) == []
    assert figures(desk) == [Compliance(clock=ClockName.SYNCED, met=1, breached=1)]
    assert desk.broken_at() is None


def test_what_ends_after_the_ledger_was_followed_and_before_it_rings_does_not_ring(desk) -> None:
    with desk.store.transaction() as tx:
        entity = new(tx)
    merged(desk, entity, owes=True)
    watch(desk)
    desk.later(minutes=10)
    merged(desk, entity, owes=False)
    desk.later(minutes=30)
    with desk.store.transaction() as tx:
        assert tx.clocks.ring(OF.policy, (SYNCED,), 100, desk.now) == []


def test_what_comes_while_it_is_out_of_step_begins_nothing_anew(desk) -> None:
    with desk.store.transaction() as tx:
        entity = new(tx)
    merged(desk, entity, owes=True)
    merged(desk, entity, owes=True, news=NOON + MINUTE)
    merged(desk, entity, owes=False)
    assert desk.events(entity) == ["linked", "out_of_step", "in_step"]


def test_of_what_nobody_is_promised_nothing_is_kept(desk) -> None:
    with desk.store.transaction() as tx:
        entity = new(tx, at=None)
    merged(desk, entity, owes=True)
    merged(desk, entity, owes=False)
    assert desk.events(entity) == ["linked"]


def test_a_record_that_was_kept_apart_counts_from_when_it_is_known_what_it_is_of(desk) -> None:
    with desk.store.transaction() as tx:
        entity = new(tx)
        tx.spells.merged(tx.crosswalk.get(entity).row, owes=False, now=NOON)
        tx.crosswalk.note(OF, "desk", ["7"], NOON)
        (row,) = tx.crosswalk.unread(OF, "desk", 10)
        tx.crosswalk.shown(row, row.told, Shown({"name": "Ann"}), NOON)
        row.apart = "asked"
        tx.crosswalk.link(row, entity, NOON + 5 * MINUTE, by="Ada")
    desk.later(minutes=6)
    merged(desk, entity, owes=True)
    (began,) = [one for one in desk.entries(entity) if one.event == "out_of_step"]
    assert began.facts["since"] == (NOON + 5 * MINUTE).isoformat()
