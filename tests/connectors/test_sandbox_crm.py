"""The CRM connector against the real sandbox CRM: outcome here, record there, under every fault."""

import json

import httpx
import pytest
import respx

from connectors.crm.sandbox import SandboxCrm
from domain.delivery import Ambiguous, Conflict, Invalid, Operation, RetryAfter, Unknown, Written

JSON = dict[str, object]
ANN = {"email": "ann@example.com", "company": "Acme"}


def operation(number: int = 1, **values: str) -> Operation:
    return Operation(
        operation_id=f"op-{number}",
        item_id="item-1",
        policy="leads",
        destination="crm",
        system="sandbox_crm",
        record_key="ann@example.com",
        values=values or ANN,
    )


def strike(server: httpx.Client, *faults: str, slow_s: float = 3) -> None:
    server.post("/_faults", json={"next": faults, "slow_s": slow_s}).raise_for_status()


def always(server: httpx.Client, *faults: str) -> None:
    server.post("/_faults", json={"rate": 1, "only": faults, "seed": 3}).raise_for_status()


def records(server: httpx.Client) -> list[JSON]:
    found: list[JSON] = server.get("/_records").json()["records"]
    return found


def books(server: httpx.Client) -> tuple[int, int, int]:
    """Records, writes, doubled."""
    stats = server.get("/_stats").json()
    return stats["records"], stats["writes"], stats["doubled"]


async def test_a_new_lead_is_created_with_the_operations_id(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    outcome = await crm.send(operation())

    [lead] = records(crm_server)
    assert outcome == Written(kind="created", external_id=str(lead["id"]))
    assert (lead["fields"], lead["operation_ids"], lead["version"]) == (ANN, ["op-1"], 1)
    assert await crm.find(operation()) == Written(kind="created", external_id=str(lead["id"]), found=True)


async def test_a_known_lead_is_updated_by_what_differs(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    await crm.send(operation(1, company="Acme", phone="1"))

    outcome = await crm.send(operation(2, company="Acme Ltd"))

    [lead] = records(crm_server)
    assert outcome == Written(kind="updated", external_id=str(lead["id"]))
    assert lead["fields"] == {"company": "Acme Ltd", "phone": "1"}
    assert await crm.find(operation(2)) == Written(kind="updated", external_id=str(lead["id"]), found=True)


async def test_an_earlier_operation_is_still_found_after_a_later_one(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    await crm.send(operation(1, company="Acme"))
    await crm.send(operation(2, company="Acme Ltd"))

    assert isinstance(await crm.find(operation(1)), Written)
    assert books(crm_server) == (1, 2, 0)


async def test_a_lead_that_holds_the_values_already_is_left_alone(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    await crm.send(operation(1))

    outcome = await crm.send(operation(2))

    assert isinstance(outcome, Written)
    assert outcome.kind == "unchanged"
    assert books(crm_server) == (1, 1, 0)


async def test_an_operation_that_was_never_sent_is_not_found(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    assert await crm.find(operation()) is None
    assert books(crm_server) == (0, 0, 0)


def by_hand(server: httpx.Client, **fields: str) -> str:
    """A lead that a person makes, without our key; its id."""
    made: str = server.post("/leads", json={"operation_id": "by hand", "fields": fields}).json()["id"]
    return made


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"email": "JULIA@example.com"}, True),
        ({"phone": "0049 30 12345678"}, True),
        ({"name": "weber"}, True),
        ({"email": "ole@example.com", "phone": "030 1", "name": "Ole Berg"}, False),
        ({"company": "Nordlager"}, False),
    ],
    ids=["address", "end of the number", "word of the name", "a stranger", "nothing to search by"],
)
async def test_leads_that_may_be_the_same_are_candidates(
    crm: SandboxCrm, crm_server: httpx.Client, values: dict[str, str], found: bool
) -> None:
    theirs = by_hand(crm_server, email="julia@example.com", phone="+49 30 1234-5678", name="Julia Weber")

    candidates = await crm.candidates(operation(**values))

    assert isinstance(candidates, list)
    assert [one.external_id for one in candidates] == ([theirs] if found else [])


async def test_a_write_by_id_leaves_our_key_on_a_lead_that_others_made_and_keeps_the_one_it_has(
    crm: SandboxCrm, crm_server: httpx.Client
) -> None:
    theirs = by_hand(crm_server, name="Julia Weber")
    first = operation(1, name="Julia Weber").model_copy(update={"external_id": theirs})
    other = operation(2, name="Julia B. Weber").model_copy(update={"external_id": theirs, "record_key": "another"})

    outcomes = [await crm.send(first), await crm.send(other), await crm.send(other)]

    assert outcomes == [Written(kind=kind, external_id=theirs) for kind in ("updated", "updated", "unchanged")]
    assert [record["external_id"] for record in records(crm_server)] == [first.record_key]
    [ours] = await crm.candidates(operation(3))  # type: ignore[misc]  # our key leads to it
    assert (ours.external_id, ours.ours) == (theirs, True)


async def test_a_search_that_is_turned_away_says_so(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    always(crm_server, "throttled")

    assert isinstance(await crm.candidates(operation(name="Julia Weber")), RetryAfter)


def test_the_sandbox_gives_a_leads_external_id_once(crm_server: httpx.Client) -> None:
    crm_server.post("/leads", json={"external_id": "a", "operation_id": "op-1", "fields": {}})
    [lead] = records(crm_server)

    again = crm_server.patch(
        f"/leads/{lead['id']}",
        json={"external_id": "b", "operation_id": "op-2", "fields": {}},
        headers={"If-Match": '"1"'},
    )

    assert (again.status_code, "has one already" in again.text) == (422, True)


async def test_a_malformed_address_is_refused_in_the_crms_words(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    outcome = await crm.send(operation(email="ann at example"))

    assert outcome == Invalid(
        detail="sandbox CRM: Property 'email': 'ann at example' is not a valid e-mail address (HTTP 422)"
    )
    assert books(crm_server) == (0, 0, 0)


@pytest.mark.parametrize("first", [{}, {"company": "Old"}], ids=["creating", "updating"])
@pytest.mark.parametrize(("fault", "expected"), [("throttled", RetryAfter), ("server_error", Unknown)])
async def test_a_write_that_was_turned_away_is_not_stored(
    crm: SandboxCrm, crm_server: httpx.Client, first: dict[str, str], fault: str, expected: type[object]
) -> None:
    if first:
        await crm.send(operation(1, **first))
    before = books(crm_server)
    strike(crm_server, fault)

    outcome = await crm.send(operation(2))

    assert isinstance(outcome, expected)
    assert books(crm_server) == before
    assert await crm.find(operation(2)) is None


async def test_a_throttled_write_carries_the_wait(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    strike(crm_server, "throttled")

    outcome = await crm.send(operation())

    assert isinstance(outcome, RetryAfter)
    assert outcome.seconds == 1


@pytest.mark.parametrize("fault", ["lost_answer", "malformed"])
@pytest.mark.parametrize(("first", "kind"), [({}, "created"), ({"company": "Old"}, "updated")])
async def test_a_write_whose_answer_is_lost_is_unknown_until_it_is_found(
    crm: SandboxCrm, crm_server: httpx.Client, first: dict[str, str], kind: str, fault: str
) -> None:
    if first:
        await crm.send(operation(1, **first))
    strike(crm_server, fault)

    outcome = await crm.send(operation(2))
    found = await crm.find(operation(2))

    [lead] = records(crm_server)
    assert isinstance(outcome, Unknown)
    assert isinstance(found, Written)
    assert (found.kind, found.found, found.external_id) == (kind, True, lead["id"])
    assert lead["fields"] == ANN


async def test_a_write_whose_answer_is_late_is_unknown_until_it_is_found(
    crm: SandboxCrm, crm_server: httpx.Client
) -> None:
    strike(crm_server, "slow", slow_s=30)
    hasty = SandboxCrm(str(crm_server.base_url), timeout_s=1)

    outcome = await hasty.send(operation())
    await hasty.aclose()

    assert isinstance(outcome, Unknown)
    assert isinstance(await crm.find(operation()), Written)
    assert books(crm_server) == (1, 1, 0)


async def test_a_slow_answer_within_the_timeout_is_an_answer(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    strike(crm_server, "slow", slow_s=0.01)

    assert isinstance(await crm.send(operation()), Written)


async def test_sending_again_after_a_lost_answer_doubles_nothing(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    strike(crm_server, "lost_answer")
    await crm.send(operation())

    again = await crm.send(operation())

    assert isinstance(again, Written)
    assert again.kind == "unchanged"
    assert books(crm_server) == (1, 1, 0)


async def test_an_update_over_another_users_edit_is_a_conflict_and_overwrites_nothing(
    crm: SandboxCrm, crm_server: httpx.Client
) -> None:
    await crm.send(operation(1, company="Old"))
    strike(crm_server, "stale")

    outcome = await crm.send(operation(2, company="New"))

    [lead] = records(crm_server)
    assert isinstance(outcome, Conflict)
    assert lead["version"] == 2
    assert lead["fields"] == {"company": "Old", "last_edited_in_ui": "version 1"}


async def test_after_a_conflict_the_next_send_updates_and_keeps_the_other_users_edit(
    crm: SandboxCrm, crm_server: httpx.Client
) -> None:
    await crm.send(operation(1, company="Old"))
    strike(crm_server, "stale")
    await crm.send(operation(2, company="New"))

    outcome = await crm.send(operation(2, company="New"))

    [lead] = records(crm_server)
    assert isinstance(outcome, Written)
    assert lead["fields"] == {"company": "New", "last_edited_in_ui": "version 1"}
    assert lead["operation_ids"] == ["op-1", "op-2"]


async def test_reads_that_fail_are_asked_again_later(crm: SandboxCrm, crm_server: httpx.Client) -> None:
    for fault in ("throttled", "server_error"):
        always(crm_server, fault)

        assert isinstance(await crm.find(operation()), RetryAfter)
        assert isinstance(await crm.send(operation()), RetryAfter)
    assert books(crm_server) == (0, 0, 0)


async def test_a_crm_that_is_down_is_asked_again_later() -> None:
    nobody = SandboxCrm("http://127.0.0.1:9", timeout_s=1)

    outcomes = (await nobody.send(operation()), await nobody.find(operation()))
    await nobody.aclose()

    assert [type(outcome) for outcome in outcomes] == [RetryAfter, RetryAfter]


async def test_however_many_faults_there_are_a_client_that_keeps_trying_gets_there(
    crm: SandboxCrm, crm_server: httpx.Client
) -> None:
    every = ["throttled", "server_error", "lost_answer", "malformed", "stale"]
    always(crm_server, *every)

    outcomes = [await crm.send(operation()) for _ in range(16)]

    assert any(isinstance(outcome, Written) for outcome in outcomes)
    assert books(crm_server) == (1, 1, 0)


async def test_two_leads_under_one_key_are_ambiguous(respx_mock: respx.MockRouter) -> None:
    twins: list[JSON] = [
        {"id": name, "version": 1, "external_id": "ann@example.com", "fields": {}} for name in ("1", "2")
    ]
    respx_mock.get("http://crm.test/leads").respond(200, json={"results": twins})
    connector = SandboxCrm("http://crm.test", timeout_s=1)

    outcome = await connector.send(operation())
    await connector.aclose()

    assert isinstance(outcome, Ambiguous)
    assert "leads 1, 2" in outcome.detail


async def test_a_lead_that_somebody_creates_meanwhile_is_updated(respx_mock: respx.MockRouter) -> None:
    lead = {"id": "1", "version": 4, "external_id": "ann@example.com", "fields": {"company": "Theirs", "phone": "1"}}
    empty, one = httpx.Response(200, json={"results": []}), httpx.Response(200, json={"results": [lead]})
    respx_mock.get("http://crm.test/leads").mock(side_effect=[empty, one])
    respx_mock.post("http://crm.test/leads").respond(409, json={"detail": "Lead already exists. Existing ID: 1"})
    patch = respx_mock.patch("http://crm.test/leads/1", headers={"If-Match": '"4"'}).respond(200, json=lead)
    connector = SandboxCrm("http://crm.test", timeout_s=1)

    outcome = await connector.send(operation(company="Ours", phone="1"))
    await connector.aclose()

    assert outcome == Written(kind="updated", external_id="1")
    assert json.loads(patch.calls.last.request.content)["fields"] == {"company": "Ours"}


async def test_a_lead_that_exists_but_cannot_be_seen_is_a_conflict(respx_mock: respx.MockRouter) -> None:
    respx_mock.get("http://crm.test/leads").respond(200, json={"results": []})
    respx_mock.post("http://crm.test/leads").respond(409, json={"detail": "Lead already exists. Existing ID: 1"})
    connector = SandboxCrm("http://crm.test", timeout_s=1)

    outcome = await connector.send(operation())
    await connector.aclose()

    assert outcome == Conflict(detail="sandbox CRM: Lead already exists. Existing ID: 1 (HTTP 409)")


async def test_a_look_up_that_is_refused_says_nothing_of_the_write(respx_mock: respx.MockRouter) -> None:
    respx_mock.get("http://crm.test/leads").respond(403)
    connector = SandboxCrm("http://crm.test", timeout_s=1)

    outcome = await connector.find(operation())
    await connector.aclose()

    assert isinstance(outcome, RetryAfter)
