"""The help desk connector against the real sandbox help desk: outcome here, tickets there, under every fault."""

import httpx
import pytest

from connectors.help_desk.sandbox import SandboxHelpDesk
from domain.delivery import Invalid, Operation, RetryAfter, Unknown, Written

TICKET = {
    "queue": "billing",
    "subject": "Refund",
    "body": "Charged twice",
    "requester": "ann@example.com",
    "tags": "vip, refund",
}


def operation(**changes: str) -> Operation:
    return Operation(
        operation_id="op-1",
        item_id="item-1",
        policy="support",
        destination="help_desk",
        system="sandbox_help_desk",
        record_key="item-1",
        values=TICKET | changes,
    )


def strike(server: httpx.Client, *faults: str, slow_s: float = 3) -> None:
    server.post("/_faults", json={"next": faults, "slow_s": slow_s}).raise_for_status()


def always(server: httpx.Client, *faults: str) -> None:
    server.post("/_faults", json={"rate": 1, "only": faults, "seed": 3}).raise_for_status()


def records(server: httpx.Client) -> list[dict[str, str | list[str]]]:
    found: list[dict[str, str | list[str]]] = server.get("/_records").json()["records"]
    return found


def books(server: httpx.Client) -> tuple[int, int, int]:
    """Records, writes, doubled."""
    stats = server.get("/_stats").json()
    return stats["records"], stats["writes"], stats["doubled"]


async def test_a_ticket_is_made_with_the_operations_id(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    outcome = await help_desk.send(operation())

    [ticket] = records(help_desk_server)
    assert outcome == Written(kind="created", external_id=str(ticket["id"]))
    assert ticket == TICKET | {"id": ticket["id"], "operation_id": "op-1", "tags": ["vip", "refund"]}
    assert await help_desk.find(operation()) == Written(kind="created", external_id=str(ticket["id"]), found=True)


async def test_a_ticket_that_was_never_sent_is_not_found(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    assert await help_desk.find(operation()) is None
    assert books(help_desk_server) == (0, 0, 0)


@pytest.mark.parametrize(("fault", "expected"), [("throttled", RetryAfter), ("server_error", Unknown)])
async def test_a_ticket_that_was_turned_away_is_not_made(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client, fault: str, expected: type[object]
) -> None:
    strike(help_desk_server, fault)

    outcome = await help_desk.send(operation())

    assert isinstance(outcome, expected)
    assert await help_desk.find(operation()) is None
    assert books(help_desk_server) == (0, 0, 0)


@pytest.mark.parametrize("fault", ["lost_answer", "malformed"])
async def test_a_ticket_whose_answer_is_lost_is_unknown_until_it_is_found(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client, fault: str
) -> None:
    strike(help_desk_server, fault)

    outcome = await help_desk.send(operation())
    found = await help_desk.find(operation())

    assert isinstance(outcome, Unknown)
    assert isinstance(found, Written)
    assert found.found
    assert books(help_desk_server) == (1, 1, 0)


async def test_a_ticket_whose_answer_is_late_is_unknown_until_it_is_found(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    strike(help_desk_server, "slow", slow_s=30)
    hasty = SandboxHelpDesk(str(help_desk_server.base_url), timeout_s=1)

    outcome = await hasty.send(operation())
    await hasty.aclose()

    assert isinstance(outcome, Unknown)
    assert isinstance(await help_desk.find(operation()), Written)
    assert books(help_desk_server) == (1, 1, 0)


async def test_sending_again_without_looking_doubles_and_the_help_desk_counts_it(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    """Else `doubled == 0` would prove nothing."""
    strike(help_desk_server, "lost_answer")
    await help_desk.send(operation())

    await help_desk.send(operation())

    assert books(help_desk_server) == (2, 2, 1)


async def test_a_refused_ticket_is_invalid_and_says_why(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    outcome = await help_desk.send(operation(subject=""))

    assert isinstance(outcome, Invalid)
    assert "at least 1 character" in outcome.detail
    assert books(help_desk_server) == (0, 0, 0)


async def test_a_value_that_tickets_do_not_have_is_refused_rather_than_dropped(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    outcome = await help_desk.send(operation(colour="red"))

    assert isinstance(outcome, Invalid)
    assert "colour" in outcome.detail
    assert books(help_desk_server) == (0, 0, 0)


async def test_reads_that_fail_are_asked_again_later(
    help_desk: SandboxHelpDesk, help_desk_server: httpx.Client
) -> None:
    for fault in ("throttled", "server_error"):
        always(help_desk_server, fault)

        assert isinstance(await help_desk.find(operation()), RetryAfter)


async def test_a_help_desk_that_is_down_is_asked_again_later() -> None:
    nobody = SandboxHelpDesk("http://127.0.0.1:9", timeout_s=1)

    outcomes = (await nobody.send(operation()), await nobody.find(operation()))
    await nobody.aclose()

    assert [type(outcome) for outcome in outcomes] == [RetryAfter, RetryAfter]
