"""Proposals on labelled items are made by the same code as in the flows, and each is paid for once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from databases import sqlite_database
from fakes import FailingExamples, FakeModel, FakeSystem, fake_resources, sure
from tiny import write_tiny

from connectors.store.engine import Store
from domain.errors import AnswerNonsense, Unavailable
from domain.proposal import AskOutcome
from evals.items import Data, Item
from evals.proposals import propose_all
from evals.recorded import Run
from tasks.resources import opened


class Desk:
    """A store, a model and the tiny policy; counts what progress was told."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.store, self.policy = store, write_tiny(folder)
        self.model: FakeModel | None = FakeModel(lambda _text: sure("billing"))
        self.examples: FailingExamples | None = None
        self.told: list[int] = []

    async def run(self, *texts: str) -> Run:
        items = tuple(Item(id=str(number), text=text, label="billing") for number, text in enumerate(texts))
        broken = self.examples
        more = {"open_examples": lambda _workflow: broken} if broken else {}
        async with opened(fake_resources(self.store, self.model, FakeSystem(), **more)):
            return await propose_all(self.policy, Data(items, ()), self.told.append)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = Store(sqlite_database(tmp_path / "store.db"))
    yield Desk(tmp_path, store)
    store.close()


async def test_each_item_has_its_proposal_in_order_and_the_run_says_what_made_them(desk):
    run = await desk.run("an invoice", "a login", "my refund", "hello", "again")
    assert [row.item.text for row in run.rows] == ["an invoice", "a login", "my refund", "hello", "again"]
    assert {row.proposal.outcome for row in run.rows} == {AskOutcome.ANSWERED}
    assert {row.proposal.classifier for row in run.rows} == {run.classifier}
    assert (run.policy, run.reference, run.model) == ("tiny", desk.policy, "fake-model")
    assert desk.told == [4, 1], "progress is told by chunks"


async def test_a_text_is_paid_for_once_however_often_it_is_asked_about(desk):
    first = await desk.run("an invoice", "an invoice", "a login")
    second = await desk.run("a login", "an invoice")
    assert desk.model.asked == ["an invoice", "a login"]
    assert second.rows[1].proposal == first.rows[0].proposal


async def test_the_rule_that_matches_is_kept_beside_the_proposal(desk):
    run = await desk.run("an invoice", "a login")
    assert [row.rule.route if row.rule else None for row in run.rows] == ["billing", None]


@pytest.mark.parametrize(
    ("failure", "outcome", "scored"),
    [
        pytest.param(AnswerNonsense("{"), AskOutcome.NONSENSE, True, id="an unusable answer is the classifier's"),
        pytest.param(Unavailable("down"), AskOutcome.UNAVAILABLE, False, id="an endpoint that is down is nobody's"),
    ],
)
async def test_a_text_without_a_usable_answer_has_a_proposal_that_says_so(desk, failure, outcome, scored):
    desk.model = FakeModel(lambda text: failure if text == "a login" else sure("billing"))
    run = await desk.run("an invoice", "a login")
    assert [row.proposal.outcome for row in run.rows] == [AskOutcome.ANSWERED, outcome]
    assert len(run.scored) == 1 + scored
    assert run.rows[1].proposal.opinion is not None


async def test_without_a_model_the_examples_opinion_is_recorded(desk):
    desk.model = None
    run = await desk.run("an invoice")
    assert run.model == "none"
    assert run.rows[0].proposal.outcome is AskOutcome.NO_MODEL
    assert run.rows[0].proposal.opinion.label == "billing"
    assert len(run.scored) == 1


async def test_without_embeddings_nothing_is_scored(desk):
    desk.examples = FailingExamples([Unavailable("down")])
    run = await desk.run("an invoice")
    assert (run.scored, desk.model.asked) == ([], [])
