"""A workflow steps back by itself when the audit refutes it, is released by a person, and tells of drift."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_database
from fakes import FakeModel, FakeSystem, fake_resources, sure
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_events import events_about
from tiny import message, write_tiny
from typer.testing import CliRunner

from connectors.store.engine import Store
from console.main import app
from domain.audit import StepBack
from domain.calibration import Baseline
from domain.decision import Decision, Mode, Reason
from domain.drift import WINDOW, Aspect, Drift
from domain.errors import InputInvalid
from domain.ledger import Event, first_break
from domain.proposal import AskOutcome, Opinion, Proposal, ScoresFrom
from domain.review import Answer
from flows.watch import watch
from policies.load import load_workflow
from tasks.decide import decide_items
from tasks.propose import Proposed
from tasks.resources import Resources, opened
from tasks.review import settle_review
from tasks.standing import release, step_back, watch_drift

AUDIT_ALL = {"share": 1.0, "step_back": True}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AS_LABELLED = Baseline(n=200, labels={"billing": 200}, confidences=(0,) * 9 + (200,), disagreements=0)
OTHERWISE = Baseline(n=200, labels={"access": 120, "billing": 80}, confidences=(0,) * 9 + (200,), disagreements=0)


class Works:
    """A running workflow whose clock is moved by hand; every automatic decision is audited."""

    def __init__(self, folder: Path, store: Store, **changes: Any) -> None:
        self.folder, self.store, self.now = folder, store, START
        self.write(**({"audit": AUDIT_ALL} | changes))

    def write(self, **changes: Any) -> None:
        self.policy = write_tiny(self.folder, **changes)
        self.here = self.opened_anew()

    def opened_anew(self) -> Resources:
        here = fake_resources(self.store, FakeModel(lambda _text: sure("billing")), FakeSystem())
        here.now = lambda: self.now
        return here

    def labelled_as(self, baseline: Baseline) -> None:
        """Let the calibration's labelled items have looked so."""
        workflow = load_workflow(self.policy)
        assert workflow.calibration is not None
        proofs = tuple(one.model_copy(update={"baseline": baseline}) for one in workflow.calibration.proofs)
        record = workflow.calibration.model_copy(update={"proofs": proofs})
        workflow.calibration_path.write_text(record.model_dump_json(), encoding="utf-8")
        self.here = self.opened_anew()

    def proposal(self, label: str = "billing") -> Proposal:
        return Proposal(
            key="k",
            outcome=AskOutcome.ANSWERED,
            label=label,
            scores={label: 0.99, "none_of_these": 0.01},
            scores_from=ScoresFrom.LOGPROBS,
            opinion=Opinion(scores={label: 0.9, "none_of_these": 0.1}, similarity=0.9),
            model="fake-model",
            classifier=self.here.classifier(self.here.workflow(self.policy)),
        )

    async def decide(self, count: int, label: str = "billing") -> list[str]:
        """Take `count` messages in and decide on them; gives their items."""
        with self.store.transaction() as tx:
            seen = tx.ledger.head()[0]
            for number in range(count):
                tx.inbox.accept("tiny", message(f"m-{seen}-{number}", f"words {seen} {number}"), timedelta(0), self.now)
            items = tx.inbox.claim("tiny", "run", count, timedelta(minutes=5), self.now)
        proposed = {item.item_id: Proposed(proposal=self.proposal(label), cached=False) for item in items}
        async with opened(self.here):
            await decide_items.fn(self.policy, items, proposed)
        return [item.item_id for item in items]

    async def answer(self, items: list[str], route: str) -> None:
        self.now += timedelta(minutes=1)
        async with opened(self.here):
            for item_id in items:
                answer = Answer(choice=route, reviewer="Ada", binding=self.decision(item_id).proposal_hash)
                assert (await settle_review.fn(item_id, answer)).refusal is None

    async def step_back(self) -> Mode:
        self.now += timedelta(minutes=1)
        async with opened(self.here):
            return await step_back.fn(self.policy)

    async def watch_drift(self) -> list[Drift]:
        async with opened(self.here):
            return await watch_drift.fn(self.policy)

    def decision(self, item_id: str) -> Decision:
        with self.store.reading() as tx:
            stored = tx.inbox.decided(item_id)
        assert stored is not None
        return stored[2]

    def facts(self, event: Event) -> list[dict[str, Any]]:
        with self.store.reading() as tx:
            entries = list(tx.ledger.entries())
        assert first_break(entries) is None
        return [entry.facts for entry in entries if entry.event is event]


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    with (
        closing(Store(sqlite_database(tmp_path / "interlock.db"))) as store,
        temporary_settings({PREFECT_API_URL: None}),
    ):
        yield Works(tmp_path, store)


async def refuted(works: Works) -> None:
    """People decide blindly and otherwise, often enough to refute any target."""
    await works.answer(await works.decide(10), "access")


async def test_a_blind_answer_keeps_reason_proposal_classifier_answer_and_reviewer(works):
    (item,) = await works.decide(1)
    assert works.decision(item).reason is Reason.AUDIT
    await works.answer([item], "access")
    with works.store.reading() as tx:
        review = tx.reviews.get(item)
    assert (review.why, review.proposed, review.answer, review.reviewer) == ("audit", "billing", "access", "Ada")
    assert review.classifier == works.proposal().classifier


async def test_answers_that_agree_leave_the_mode_alone(works):
    await works.answer(await works.decide(30), "billing")
    assert await works.step_back() is Mode.AUTO
    assert works.facts(Event.STEPPED_BACK) == []


async def test_a_refuted_target_steps_back_once_and_the_ledger_has_the_evidence(works):
    await refuted(works)
    assert [await works.step_back() for _ in range(3)] == [Mode.CANARY] * 3
    assert works.facts(Event.STEPPED_BACK) == [
        {
            "policy": "tiny",
            "from": "auto",
            "to": "canary",
            "classifier": works.proposal().classifier,
            "n": 10,
            "wrong": 10,
            "target": 0.05,
        }
    ]


async def test_what_comes_after_a_step_back_is_decided_in_the_lower_mode(works):
    works.write(audit=AUDIT_ALL, canary_share=0)
    await refuted(works)
    await works.step_back()
    (item,) = await works.decide(1)
    assert (works.decision(item).mode, works.decision(item).reason) == (Mode.CANARY, Reason.OUTSIDE_CANARY)


async def test_the_mode_goes_down_to_assist_on_new_answers_only_and_stays_there(works):
    works.write(audit=AUDIT_ALL, canary_share=1)
    modes = []
    for _ in range(3):
        await refuted(works)
        modes.append(await works.step_back())
    assert modes == [Mode.CANARY, Mode.ASSIST, Mode.ASSIST]
    assert [facts["to"] for facts in works.facts(Event.STEPPED_BACK)] == ["canary", "assist"]


async def test_a_policy_can_leave_the_step_to_people(works):
    works.write(audit={"share": 1.0, "step_back": False})
    await refuted(works)
    assert await works.step_back() is Mode.AUTO


async def test_answers_on_another_classifier_do_not_count(works):
    await refuted(works)
    works.write(audit=AUDIT_ALL, model="newer-model")
    assert await works.step_back() is Mode.AUTO


async def test_a_person_releases_the_mode_and_the_audit_starts_anew(works):
    await refuted(works)
    await works.step_back()
    works.now += timedelta(minutes=1)
    assert release(works.here, works.policy, " Ada ", "new examples") is Mode.AUTO
    assert await works.step_back() is Mode.AUTO
    assert works.facts(Event.RELEASED) == [
        {"policy": "tiny", "from": "canary", "to": "auto", "by": "Ada", "note": "new examples"}
    ]


async def test_nobody_is_told_on_of_a_step_back_that_a_person_has_released(works):
    await refuted(works)
    await works.step_back()
    with works.store.reading() as tx:
        assert len(tx.escalations.waiting("tiny")) == 1
    release(works.here, works.policy, "Ada", "mended")
    with works.store.reading() as tx:
        assert tx.escalations.standing("tiny") == []


@pytest.mark.parametrize(("by", "told"), [("  ", "give your name"), ("Ada", "tiny has not stepped back")])
def test_there_is_nothing_to_release_without_a_name_or_a_step_back(works, by, told):
    with pytest.raises(InputInvalid, match=told):
        release(works.here, works.policy, by, "")


async def test_decisions_like_the_labelled_items_are_no_drift(works):
    works.labelled_as(AS_LABELLED)
    await works.decide(WINDOW)
    assert await works.watch_drift() == []
    assert works.facts(Event.DRIFTED) == []


async def test_another_label_mix_is_told_once_a_window(works):
    works.labelled_as(OTHERWISE)
    await works.decide(WINDOW)
    assert [drift.which for drift in await works.watch_drift()] == [Aspect.LABELS]
    assert await works.watch_drift() == []
    (facts,) = works.facts(Event.DRIFTED)
    assert (facts["policy"], facts["window"], facts["n"]) == ("tiny", 1, WINDOW)
    (drift,) = facts["drifts"]
    assert drift["p"] < 0.001
    assert (drift["expected"], drift["found"]) == ("access: 60%, billing: 40%", "access: 0%, billing: 100%")


async def test_windows_are_whole_and_do_not_overlap(works):
    works.labelled_as(OTHERWISE)
    await works.decide(WINDOW - 1)
    assert await works.watch_drift() == []
    await works.decide(WINDOW + 2)
    assert len(await works.watch_drift()) == 2
    assert [facts["window"] for facts in works.facts(Event.DRIFTED)] == [1, 2]


async def test_a_window_that_another_run_has_tested_is_not_told_again(works):
    works.labelled_as(OTHERWISE)
    await works.decide(WINDOW)
    opened_window = works.store.transaction

    def tested_by_another() -> Any:
        works.store.transaction = opened_window  # only the first time
        with opened_window() as tx:
            last = tx.inbox.proposed("tiny", *proof_of(works), 0, WINDOW)[-1][0]
            assert tx.standings.count_window("tiny", proof_of(works)[1], 0, last) == 1
        return opened_window()

    works.store.transaction = tested_by_another
    assert await works.watch_drift() == []
    assert works.facts(Event.DRIFTED) == []


def proof_of(works: Works) -> tuple[Any, str]:
    (proof,) = works.here.workflow(works.policy).terms.proofs.values()
    return proof.source, proof.classifier


async def test_the_watch_tells_of_both_on_a_real_prefect_server(works, prefect):
    begun = datetime.now(UTC)
    works.labelled_as(OTHERWISE)
    await works.answer(await works.decide(WINDOW), "access")
    with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
        async with opened(works.here):
            await watch(works.policy)
    assert len(works.facts(Event.STEPPED_BACK)) == len(works.facts(Event.DRIFTED)) == 1
    assert await events_about(prefect, "interlock.policy.tiny", begun, 2) == {
        "interlock.policy.stepped_back": "the lead",
        "interlock.policy.drifted": "the lead",
    }


async def test_the_standing_is_shown_before_and_after_a_step_back_and_a_release(works, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'interlock.db'}")
    monkeypatch.setenv("INTERLOCK_LLM", "off")
    assert "nothing audited yet" in told("standing", works.policy)
    await refuted(works)
    await works.step_back()
    shown = told("standing", works.policy)
    assert "tiny acts in mode canary; its policy says auto" in shown
    assert "cap: canary, since 2026-03-02 09:02 UTC: 10 of 10 audited decisions were wrong" in shown
    assert "misroute rate 100.0% (10 of 10 audited; with 95 % confidence between 69.2% and 100.0%)" in shown
    assert "; since then 0 of 0" in shown


def told(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["policy", *arguments])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_a_release_at_the_command_line_needs_a_name_and_a_step_back(works, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'interlock.db'}")
    monkeypatch.setenv("INTERLOCK_LLM", "off")
    told("release", works.policy, code=2)
    assert "tiny has not stepped back" in told("release", works.policy, "--by", "Ada", code=2)
    with works.store.transaction() as tx:
        tally = {"before": Mode.AUTO, "after": Mode.CANARY, "classifier": "c", "tally": {"n": 9, "wrong": 9}}
        tx.standings.step_back("tiny", StepBack.model_validate(tally), 0.05, START)
    assert "mode auto is in force again" in told("release", works.policy, "--by", "Ada", "--note", "mended")
    assert "cap: none, since" in told("standing", works.policy)


def test_a_workflow_without_a_calibration_audits_nothing(works, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERLOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'interlock.db'}")
    load_workflow(works.policy).calibration_path.unlink()
    assert "nothing acts alone, so nothing is audited" in told("standing", works.policy)
