"""Systems that fail or limit are left in peace by every sender, and taken up again by one write."""

from datetime import timedelta

from connectors.store.turns import searches
from domain.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S
from domain.delivery import Hindrance, RetryAfter, Search, Unknown, Written

CREATED = Written(kind="created", external_id="r-1")
NO_KEY = RetryAfter(hindrance=Hindrance.KEY, detail="401")
BUSY = RetryAfter(detail="locked")
DOWN = RetryAfter(detail="503")
LIMITED = RetryAfter(seconds=30, limit="daily", detail="429")


def put(desk, count: int, system: str = "sandbox_crm", first: int = 1) -> None:
    numbers = range(first, first + count)
    desk.put(*[desk.operation(f"it-{n}", f"r-{n}").model_copy(update={"system": system}) for n in numbers])


def fail(desk, times: int) -> None:
    """So many writes fail one after the other, each the next that is due."""
    for _ in range(times):
        desk.due(count=1)
        desk.settle(DOWN)


def test_a_system_that_fails_in_a_row_is_paused_for_every_sender(desk, desks) -> None:
    put(desk, FAILURES + 3)
    fail(desk, FAILURES)

    assert desk.due() == []
    assert desks().due() == []
    assert desk.next_due_at() == desk.now + timedelta(seconds=FIRST_PAUSE_S)
    assert desk.events().count("system_paused") == 1


def test_other_systems_go_on(desk) -> None:
    put(desk, FAILURES)
    put(desk, 2, "slack", first=100)
    fail(desk, FAILURES)

    assert len(desk.due()) == 2


def test_after_the_pause_one_write_probes(desk) -> None:
    put(desk, FAILURES + 3)
    fail(desk, FAILURES)
    desk.later(seconds=FIRST_PAUSE_S)

    assert len(desk.due()) == 1
    assert desk.due() == [], "the probe is under way"


def test_a_probe_that_gets_through_opens_the_way(desk) -> None:
    put(desk, FAILURES + 3)
    fail(desk, FAILURES)
    desk.later(seconds=FIRST_PAUSE_S)
    desk.due()
    desk.settle(CREATED)

    assert len(desk.due()) >= 2
    assert desk.events()[-1] == "system_resumed"


def test_a_probe_that_fails_doubles_the_pause(desk) -> None:
    put(desk, FAILURES + 3)
    fail(desk, FAILURES)
    desk.later(seconds=FIRST_PAUSE_S)
    fail(desk, 1)

    assert desk.next_due_at() == desk.now + timedelta(seconds=2 * FIRST_PAUSE_S)


def test_a_pause_costs_no_write_a_try(desk) -> None:
    put(desk, FAILURES + 1)
    fail(desk, FAILURES)
    desk.due()
    desk.later(seconds=60)
    assert [sends for _, sends, _ in desk.due()] == [1], "the one that was never tried probes"
    desk.settle(CREATED)

    assert {sends for _, sends, _ in desk.due()} == {2}, "the others were tried once"


def test_a_limit_stops_what_else_waits_for_the_system(desk) -> None:
    put(desk, 3)
    desk.due(count=1)
    desk.settle(LIMITED)

    assert desk.due() == []
    assert desk.next_due_at() == desk.now + timedelta(seconds=30)
    desk.later(seconds=30)
    assert len(desk.due()) >= 2


def test_a_system_without_trouble_leaves_no_trace(desk) -> None:
    put(desk, 2)
    desk.due()
    desk.settle(CREATED, 0)
    desk.settle(Unknown(detail="no answer"), 1)
    desk.later(seconds=10)
    desk.due()
    desk.settle(CREATED)

    assert not {"system_paused", "system_resumed"} & set(desk.events())


def test_a_key_that_is_not_taken_costs_no_write_a_try_and_gives_none_up(desk) -> None:
    put(desk, 8)
    for _ in range(10):
        assert desk.due(), "one write asks whether the key is taken again"
        for which in range(len(desk.held)):
            desk.settle(NO_KEY, which)
        assert desk.due() == []
        assert desk.next_due_at() == desk.now + timedelta(seconds=LONGEST_PAUSE_S)
        desk.later(seconds=LONGEST_PAUSE_S)

    assert [(sends, look_ups) for _, sends, look_ups in desk.due()] == [(1, 0)]
    desk.settle(CREATED)
    assert len(desk.due()) == 7
    assert {sends for _, sends, _ in desk.due()} <= {1}
    assert "dead_lettered" not in desk.events()


def put_to_apis(desk, **counts: int) -> None:
    """So many writes to each of the described APIs."""
    for api, count in counts.items():
        writes = [desk.operation(f"{api}-{n}", f"{api}-{n}") for n in range(count)]
        desk.put(*[write.model_copy(update={"system": "described", "options": {"api": api}}) for write in writes])


def test_a_place_that_is_down_holds_up_no_other_of_its_system(desk) -> None:
    put_to_apis(desk, dead=8, sound=20)
    done = 0
    while done < 20:
        desk.due(count=8)
        assert desk.held, "the dead API's pause is none of the sound one's"
        for which, due in enumerate(desk.held):
            sound = due.operation.options["api"] == "sound"
            desk.settle(CREATED if sound else DOWN, which)
            done += sound

    with desk.store.reading() as tx:
        assert tx.systems.of("described/dead").probing
        assert not tx.systems.of("described/sound").failures


def test_the_same_key_in_two_places_is_two_records(desk) -> None:
    ann = desk.operation("it-1", "ann"), desk.operation("it-2", "ann")
    apis = [
        write.model_copy(update={"system": "described", "options": {"api": api}})
        for write, api in zip(ann, ("shop", "till"), strict=True)
    ]
    desk.put(*apis)

    assert len(desk.due()) == 2


def test_records_that_always_fail_do_not_keep_the_others_from_being_sent(desk) -> None:
    put(desk, 8)
    put(desk, 20, first=100)
    end, done = desk.now + timedelta(hours=1), 0
    while done < 20 and desk.now < end:
        desk.due(count=8)
        for which, due in enumerate(desk.held):
            sound = int(due.operation.record_key.removeprefix("r-")) >= 100
            desk.settle(CREATED if sound else BUSY, which)
            done += sound
        desk.now = max(desk.now, desk.next_due_at() or end)

    assert done == 20


def test_a_rate_is_kept_by_all_senders_together(desk, desks) -> None:
    other = desks()
    put(desk, 6)
    rates, given = {"sandbox_crm": 2.0}, []
    for _ in range(20):
        other.now = desk.now
        given.append(len(desk.due(rates=rates)) + len(other.due(rates=rates)))
        desk.later(seconds=0.1)

    assert given == [1, 0, 0, 0, 0] * 4


def test_what_waits_for_its_turn_has_no_try_and_says_when_it_comes(desk) -> None:
    put(desk, 2)
    put(desk, 1, "slack", first=100)
    rates = {"sandbox_crm": 0.5}

    assert [tries for _, *tries in desk.due(rates=rates)] == [[1, 0], [1, 0]]
    assert {due.operation.system for due in desk.held} == {"sandbox_crm", "slack"}, "nobody waits for others' turns"
    assert desk.due(rates=rates) == []
    assert desk.next_due_at() == desk.now + timedelta(seconds=2)
    desk.later(seconds=2)
    assert [tries for _, *tries in desk.due(rates=rates)] == [[1, 0]]


def test_turns_that_nobody_took_are_not_kept_for_a_burst(desk) -> None:
    put(desk, 9)
    desk.due(count=1, rates={"sandbox_crm": 1})
    desk.later(minutes=1)

    assert len(desk.due(rates={"sandbox_crm": 1})) == 1


def test_a_batch_takes_one_turn(desk) -> None:
    put(desk, 9)

    with desk.store.transaction() as tx:
        assert len(tx.outbox.claim(9, timedelta(minutes=1), desk.now, {"sandbox_crm": 4}, {"sandbox_crm": 1})) == 4


def test_searches_may_have_a_rate_of_their_own(desk) -> None:
    put(desk, 3)
    searched = [desk.operation(f"it-{n}", f"r-{n}") for n in range(10, 13)]
    desk.put(*[write.model_copy(update={"search": Search(workflow="lead_routing")}) for write in searched])

    desk.due(rates={searches("sandbox_crm"): 5})

    assert [due.operation.search is not None for due in desk.held] == [False, False, False, True]
    assert desk.next_due_at() == desk.now + timedelta(seconds=0.2)
