"""Systems that fail or limit are left in peace by every sender, and taken up again by one write."""

from datetime import timedelta

from domain.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S
from domain.delivery import Hindrance, RetryAfter, Unknown, Written

CREATED = Written(kind="created", external_id="r-1")
NO_KEY = RetryAfter(hindrance=Hindrance.KEY, detail="401")
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
    desk.due()
    desk.settle(CREATED)

    assert {sends for _, sends, _ in desk.due()} == {1, 2}, "the last one was never tried, the others once"


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
