"""From labelled items to a calibration record: what is proven, for whom, and that it is what `decide` then does."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from builders import CLASSIFIER, NOW, VOTER, policy, proposal, workflow

from domain.calibration import OTHERS, Calibration, Promise, Proof, Scored
from domain.confidence import Source, source_of
from domain.decide import decide
from domain.decision import Kind, Reason, RuleAction, RuleMatch
from domain.proposal import AskOutcome, Proposal, ScoresFrom
from domain.values import share
from evals.calibrate import (
    FITTED_SHARE,
    Terms,
    alone,
    calibrate,
    judge_all,
    lacking_by_route,
    opened,
    prove,
    scored,
    walk,
)
from evals.costs import Costs
from evals.items import Item
from evals.recorded import Row
from policies.load import Workflow

TARGET, DELTA = 0.1, 0.1
TERMS = Terms(target=TARGET, delta=DELTA, named={})
NAMED = Terms(target=TARGET, delta=DELTA, named={"repairs": 0.05})
PARTS = {"model": "small-model", "prompt": "p", "labels": "l", "examples": "e", "index": "i"}
LOGPROBS, SAMPLES, EXAMPLES = Source.LOGPROBS_AND_EXAMPLES, Source.SAMPLES_AND_EXAMPLES, Source.EXAMPLES
TINY = workflow(target={"misroute": TARGET, "confidence": 1 - DELTA})
STRICTER = workflow(target={"misroute": TARGET, "confidence": 1 - DELTA, "routes": {"repairs": 0.05}})
PERSON = RuleMatch(name="threat", action=RuleAction.PERSON)


def row(number: int, label: str, said: Proposal, rule: RuleMatch | None = None) -> Row:
    return Row(item=Item(id=f"item-{number}", text=f"text {number}", label=label), proposal=said, rule=rule)


def world(count: int, seed: int = 1, **more: object) -> list[Row]:
    """Items on which model and examples agree, and are right as often as they are sure."""
    dice = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        said, other = dice.permutation(["sales", "repairs"]).tolist()
        sure = float(dice.choice([0.6, 0.8, 0.95, 0.999]))
        right = dice.random() < sure
        rows.append(row(number, said if right else other, proposal(said, sure, said, votes=sure, **more)))
    return rows


def made(rows: Sequence[Row], terms: Terms = TERMS, under: Workflow = TINY) -> Calibration:
    return calibrate(under, rows, PARTS, terms, "the data", NOW)


def by_source(record: Calibration) -> dict[Source, Proof]:
    return {proof.source: proof for proof in record.proofs}


def test_a_record_has_a_proof_for_the_model_and_one_for_the_examples_alone() -> None:
    record = made(world(400))
    proofs = by_source(record)

    assert list(proofs) == [LOGPROBS, EXAMPLES]
    assert (proofs[LOGPROBS].classifier, proofs[EXAMPLES].classifier) == (CLASSIFIER, VOTER)
    assert all(proof.proven for proof in proofs.values())
    assert (record.policy, record.data, record.made_at) == ("tiny", "the data", NOW)
    assert (record.target, record.delta, record.named) == (TARGET, DELTA, {})
    for proof in proofs.values():
        assert (proof.fitted_on, proof.n) == (round(400 * FITTED_SHARE), 400 - round(400 * FITTED_SHARE))
        assert (proof.model, proof.parts) == ("small-model", PARTS)
        assert proof.baseline.n == proof.n
        assert sum(proof.baseline.labels.values()) == proof.n
    assert proofs[EXAMPLES].fusion.model == 0


def test_a_record_is_trusted_by_the_policy_that_it_was_made_for() -> None:
    assert TINY.policy.covers(made(world(60)))
    assert STRICTER.policy.covers(made(world(60), NAMED, STRICTER))
    assert not STRICTER.policy.covers(made(world(60)))


@pytest.mark.parametrize(
    ("rows", "sources"),
    [
        pytest.param(world(60), [LOGPROBS, EXAMPLES], id="log-probabilities"),
        pytest.param(world(60, scores_from=ScoresFrom.SAMPLES), [SAMPLES, EXAMPLES], id="samples"),
        pytest.param(
            [*world(40), *world(20, scores_from=ScoresFrom.SAMPLES)], [LOGPROBS, EXAMPLES], id="what most come from"
        ),
        pytest.param(
            [one.model_copy(update={"proposal": alone(one.proposal)}) for one in world(60)], [EXAMPLES], id="no model"
        ),
        pytest.param([row(0, "sales", proposal(confidence=None))], [EXAMPLES], id="no probabilities"),
        pytest.param([], [EXAMPLES], id="no items"),
    ],
)
def test_each_source_that_there_is_has_a_proof_of_its_own(rows: list[Row], sources: list[Source]) -> None:
    assert [proof.source for proof in made(rows).proofs] == sources


def test_without_items_nothing_is_proven() -> None:
    (proof,) = made([]).proofs

    assert not proof.proven
    assert (proof.n, proof.fitted_on, proof.coverage.value) == (0, 0, 0)


def test_too_few_items_are_in_the_record_without_a_threshold() -> None:
    for proof in made(world(20)).proofs:
        assert proof.promises == {OTHERS: Promise(target=TARGET)}
        assert proof.coverage.value == 0


def test_had_no_model_answered_the_examples_are_what_is_left() -> None:
    bare = alone(proposal(tampering=("chat_markup",)))

    assert bare == proposal(None, None, outcome=AskOutcome.NO_MODEL, tampering=("chat_markup",))
    assert source_of(bare) is EXAMPLES


@pytest.mark.parametrize(("under", "terms"), [(TINY, TERMS), (STRICTER, NAMED)], ids=["one bound", "a route's own"])
@pytest.mark.parametrize("silent", [False, True], ids=["the model", "the examples alone"])
def test_what_was_accepted_is_exactly_what_decide_would_then_route(under: Workflow, terms: Terms, silent: bool) -> None:
    strange = world(60, seed=7, dissent=0.9) + world(60, seed=8, similarity=0.01)
    odd = [*strange, *world(30, seed=9, tampering=("chat_markup",))]
    rows = [
        one.model_copy(update={"item": one.item.model_copy(update={"id": f"item-{number}"})})
        for number, one in enumerate([*world(400), *odd])
    ]
    record = made(rows, terms, under)
    mode = replace(under, calibration=record, policy=under.policy.model_copy(update={"audit": policy().audit}))
    now_terms = mode.terms.model_copy(update={"audit_share": 0})
    proof = by_source(record)[EXAMPLES if silent else LOGPROBS]

    decisions = [
        (one, decide(alone(one.proposal) if silent else one.proposal, None, now_terms, NOW))
        for one in _tested(rows, proof)
    ]
    acted = [(one, decision) for one, decision in decisions if decision.kind is Kind.AUTO]

    assert len(acted) == sum(promise.accepted for promise in proof.promises.values()) > 0
    wrong = sum(decision.route != one.item.label for one, decision in acted)
    assert wrong == sum(promise.errors for promise in proof.promises.values())
    assert proof.coverage.value == pytest.approx(len(acted) / proof.n)


def _tested(rows: Sequence[Row], proof: Proof) -> list[Row]:
    ranked = sorted(rows, key=lambda one: share(f" {one.item.id}"))
    assert len(ranked) == proof.fitted_on + proof.n
    return ranked[proof.fitted_on :]


def test_the_order_of_the_items_proves_nothing_else() -> None:
    rows = world(200)

    assert [proof.promises for proof in made(rows).proofs] == [proof.promises for proof in made(rows[::-1]).proofs]


def test_another_seed_deals_the_items_otherwise() -> None:
    rows = world(200)
    proofs = [prove(TINY, rows, LOGPROBS, TERMS, PARTS, seed=seed) for seed in ("", "a", "b", "c")]

    assert len({proof.baseline.model_dump_json() for proof in proofs}) > 1


def test_a_bound_of_a_routes_own_is_proven_by_its_own_items_with_its_part_of_the_doubt() -> None:
    proof = by_source(made(world(900), NAMED, STRICTER))[LOGPROBS]

    assert set(proof.promises) == {OTHERS, "repairs"}
    assert (proof.promises[OTHERS].target, proof.promises["repairs"].target) == (TARGET, 0.05)
    assert all(promise.bound <= promise.target + 1e-8 for promise in proof.promises.values() if promise.threshold)
    assert proof.proven


def test_a_route_that_is_wrong_too_often_is_left_without_a_threshold_and_the_others_keep_theirs() -> None:
    spoilt = [
        one
        if one.proposal.label == "sales"
        else one.model_copy(update={"item": one.item.model_copy(update={"label": "sales"})})
        for one in world(400)
    ]
    proof = by_source(made(spoilt, NAMED, STRICTER))[LOGPROBS]

    assert proof.promises["repairs"].threshold is None
    assert proof.promises[OTHERS].threshold is not None


HELD = {
    "disagreement": row(1, "sales", proposal(opinion="repairs")),
    "a sign of tampering": row(1, "sales", proposal(tampering=("chat_markup",))),
    "no route fits": row(1, "sales", proposal("none_of_these", opinion="none_of_these")),
    "a part that points elsewhere": row(1, "sales", proposal(dissent=1)),
    "unlike the examples": row(1, "sales", proposal(similarity=0)),
    "a rule for a person": row(1, "sales", proposal(), PERSON),
}


@pytest.mark.parametrize("case", HELD)
def test_what_would_be_held_anyway_can_prove_nothing(case: str) -> None:
    proof = prove(TINY, world(100, similarity=0.5, dissent=0.1), LOGPROBS, TERMS, PARTS)

    judged = judge_all(TINY, [HELD[case]], opened(proof))

    assert [one.held for one in judged] == [True]
    assert scored(judged, OTHERS, {})[0].score == 0


def test_scores_belong_to_the_group_of_the_route_that_was_proposed() -> None:
    rows = [row(1, "sales", proposal("sales")), row(2, "sales", proposal("repairs", opinion="repairs"))]
    judged = judge_all(TINY, rows, opened(prove(TINY, world(100), LOGPROBS, NAMED, PARTS)))

    (others,), (repairs,) = scored(judged, OTHERS, NAMED.named), scored(judged, "repairs", NAMED.named)

    assert (others.correct, repairs.correct) == (True, False)
    assert isinstance(others, Scored)
    assert len(scored(judged, OTHERS, {})) == 2


def test_a_proof_is_opened_to_see_what_its_fits_and_guards_let_through() -> None:
    proof = by_source(made(world(400)))[LOGPROBS]

    assert {promise.threshold for promise in opened(proof).promises.values()} == {0.0}
    assert opened(proof).guards == proof.guards


def test_all_proven_thresholds_can_be_walked_over_and_the_loosest_is_the_records() -> None:
    rows = world(400)
    walked, n = walk(TINY, rows, PARTS, TERMS)
    proof = by_source(made(rows))[LOGPROBS]

    assert n == proof.n
    assert walked[-1].threshold == proof.promises[OTHERS].threshold
    assert all(before.accepted <= after.accepted for before, after in pairwise(walked))


def test_with_costs_the_cheapest_of_the_proven_thresholds_is_taken() -> None:
    rows = world(900)
    dear = replace(TERMS, costs=Costs(wrong_route=10_000, review_minute=1, review_minutes=1, items_a_day=100))
    cheap = replace(TERMS, costs=Costs(wrong_route=2, review_minute=1, review_minutes=1, items_a_day=100))
    strict, loose, loosest = (by_source(made(rows, terms))[LOGPROBS].promises[OTHERS] for terms in (dear, cheap, TERMS))
    walked, n = walk(TINY, rows, PARTS, TERMS)

    assert dear.costs is not None
    assert dear.costs.of(strict, n).cost_an_item == min(dear.costs.of(one, n).cost_an_item for one in walked)
    assert strict.errors <= loose.errors <= loosest.errors
    assert strict.bound <= TARGET


def test_what_is_lacking_is_told_by_route_as_traffic_comes() -> None:
    few = [
        *world(30),
        *[row(100 + number, "sales", proposal(None, None, outcome=AskOutcome.NONSENSE)) for number in (1, 2)],
    ]
    proof = by_source(made(few))[LOGPROBS]

    (lacking,) = lacking_by_route(TINY, few, proof, TERMS).values()

    assert lacking is not None
    assert set(lacking) == {"sales", "repairs"}
    assert all(more >= 1 for more in lacking.values())


def test_where_no_number_would_do_that_is_told() -> None:
    hopeless = [
        one.model_copy(update={"item": one.item.model_copy(update={"label": "none_of_these"})}) for one in world(60)
    ]
    proof = by_source(made(hopeless))[LOGPROBS]

    assert lacking_by_route(TINY, hopeless, proof, TERMS) == {OTHERS: None}


def test_where_everything_is_proven_nothing_is_lacking() -> None:
    rows = world(400)

    assert lacking_by_route(TINY, rows, by_source(made(rows))[LOGPROBS], TERMS) == {}


def test_a_record_that_is_not_covered_routes_nothing() -> None:
    looser = made(world(400), Terms(target=0.2, delta=DELTA, named={}))
    under = replace(TINY, calibration=looser)

    decision = decide(proposal(confidence=1), None, under.terms, NOW)

    assert decision.reason is Reason.NO_CALIBRATION
