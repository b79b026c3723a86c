"""What the next-action flow promises, on a real Prefect server, with an agent that asks a scripted endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cases import event, tiny_cases, write_cases
from fakes import FakeSystem, fake_resources
from llm_server import Call, Reply, Status, Text, label_tokens, llm_server

from connectors.llm.agent import open_agent
from connectors.ports import Candidate
from connectors.settings import Settings
from connectors.store.engine import Store
from domain.decision import Reason
from domain.delivery import Operation
from domain.item import InboundItem
from domain.ledger import first_break
from flows.next_action import next_action
from flows.watch import watch
from tasks.resources import opened

LABELS = ["explain", "nudge", "give_back", "none_of_these"]


@dataclass
class Post(FakeSystem):
    """A system that can be searched: it knows one parcel."""

    searched: list[Operation] = field(default_factory=list)

    async def candidates(self, operation: Operation) -> list[Candidate]:
        self.searched.append(operation)
        return [Candidate("r1", {"place": "Linz", "secret": "not for the agent"})]


class Bench:
    """A workflow of cases, a store, a post, and a scripted endpoint."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store, self.post = store, Post()
        self.policy = write_cases(folder)

    def comes(self, *items: InboundItem) -> list[str]:
        with self.store.transaction() as tx:
            now = datetime.now(UTC)
            return [item_id for item_id, _ in tx.inbox.accept_all("parcels", items, timedelta(hours=1), now)]

    async def run(self, *replies: Reply) -> list[dict[str, Any]]:
        """Run the flow; returns what the endpoint was asked."""
        with llm_server(*(replies or (Status(500),))) as server:
            settings = Settings(llm_base_url=server.base_url, llm_model="scripted")
            agent = (lambda: open_agent(settings)) if replies else (lambda: None)
            here = fake_resources(self.store, None, self.post, open_agent=agent)
            async with opened(here):
                account = await next_action(self.policy, wait_s=5)
            if here.agent:
                await here.agent.aclose()
            assert account.unaccounted == 0
            return server.requests

    def decision(self, item_id: str) -> Any:
        with self.store.reading() as tx:
            assert first_break(tx.ledger.entries()) is None
            stored = tx.inbox.decided(item_id)
        assert stored is not None
        return stored


@pytest.fixture
def bench(tmp_path: Path, prefect: str) -> Iterator[Bench]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    yield Bench(tmp_path, store)
    store.close()


def chosen(label: str, probability: float = 0.9, **parameters: str) -> Text:
    given = ", ".join(f'{{"name": "{name}", "value": "{value}"}}' for name, value in parameters.items())
    return Text(f'{{"label": "{label}", "parameters": [{given}]}}', label_tokens(label, probability, LABELS))


async def test_a_run_takes_events_through_their_cases_and_a_second_run_does_nothing_more(bench):
    bench.comes(event("asked", "a", price="40 EUR", note="send it please"))
    await bench.run()
    bench.comes(event("paid", "p", amount="40 EUR"))
    await bench.run()
    await bench.run()
    assert [operation.values["queue"] for operation in bench.post.stored] == ["send", "settle"]


async def test_the_agent_looks_up_what_the_policy_allows_and_its_answer_counts_with_evidence(bench):
    bench.comes(event("asked", "a", price="40 EUR", note="send it please"))
    await bench.run()
    (item,) = bench.comes(event("complained", "c", note="where is my parcel"))
    asked = await bench.run(Call("look_up_parcel"), Call("look_up_history"), chosen("explain", place="Linz"))
    _, proposal, decision = bench.decision(item)
    assert (proposal.label, round(proposal.scores["explain"], 2), proposal.calls) == ("explain", 0.9, 3)
    assert decision.plan.parameters["place"].evidence == "parcel.place"
    assert (decision.waits, decision.reason) == (True, Reason.NO_CALIBRATION)
    assert [operation.values for operation in bench.post.searched] == [{"parcel": "p-1", "place": ""}]
    said = str(asked[-1]["messages"])
    assert "Linz" in said
    assert "went from idle to sent" in said
    assert "not for the agent" not in said
    assert "Case p-1, version 1." in said
    looks = {tool["function"]["name"].removeprefix("look_up_") for tool in asked[0]["tools"]}
    assert looks == {"parcel", "history", "messages"}
    offered = asked[0]["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
    assert offered == ["explain", "nudge", "give_back", "none_of_these"]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        pytest.param([Status(500)], Reason.LLM_UNAVAILABLE, id="an endpoint that fails"),
        pytest.param([chosen("explain", place="Paris")], Reason.NO_CALIBRATION, id="a value that nobody said"),
    ],
)
async def test_whatever_the_agent_does_an_event_of_doubt_goes_to_a_person(bench, replies, reason):
    bench.comes(event("asked", "a", price="40 EUR", note="send it please"))
    await bench.run()
    (item,) = bench.comes(event("complained", "c", note="where is my parcel"))
    await bench.run(*replies)
    _, _, decision = bench.decision(item)
    assert (decision.waits, decision.reason) == (True, reason)
    assert len(bench.post.stored) == 1


async def test_a_late_case_is_noticed_by_the_watch_and_dealt_with_by_the_next_run(bench, tmp_path):
    bench.policy = write_cases(tmp_path, states=_hasty())
    bench.comes(event("asked", "a", price="40 EUR", note="send it please"))
    await bench.run()
    async with opened(fake_resources(bench.store, None, bench.post)):
        await watch(bench.policy)
    await bench.run()
    with bench.store.reading() as tx:
        case = tx.cases.get("parcels", "p-1")
    assert case is not None
    assert (case.done["nudge"], case.version) == (1, 2)


def _hasty() -> dict[str, Any]:
    states = tiny_cases()["states"]
    return states | {"sent": states["sent"] | {"deadline_minutes": 0.0001}}
