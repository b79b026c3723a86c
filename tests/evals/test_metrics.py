"""Every figure of a run, beside what it comes to by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import NOW, VOTER, calibration, proof, proposal, workflow

from domain.calibration import Scored
from domain.confidence import Source
from domain.decision import Reason, RuleAction, RuleMatch
from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE, AskOutcome, Proposal, Tokens
from evals.items import Item
from evals.metrics import measure, see
from evals.prices import load_prices
from evals.ranking import aurc, auroc, bins, coverage_at, ece, percentile, recall_beyond, risks
from evals.recorded import Row, Run
from policies.load import Workflow

PARTS = {"model": "small-model", "prompt": "p", "labels": "l", "examples": "e", "index": "i"}


def scored(*answers: str) -> list[Scored]:
    """`0.9 right`, `0.4 wrong`: an item each."""
    pairs = [answer.split() for answer in answers]
    return [Scored(score=float(score), correct=word == "right") for score, word in pairs]


def routed(route: str) -> RuleMatch:
    return RuleMatch(name="a rule", action=RuleAction.ROUTE, route=route)


def row(label: str, said: Proposal, number: int = 0, rule: RuleMatch | None = None, **fields: str) -> Row:
    item = Item(id=f"item-{number}", text=f"text {number}", label=label, fields=fields)
    return Row(item=item, proposal=said, rule=rule)


def says(label: str, confidence: float, number: int, **more: object) -> Proposal:
    """The model and the examples both say it; each item has its own key."""
    return proposal(label, confidence, more.pop("opinion", label), key=f"key-{number}", **more)


def run(*rows: Row, model: str = "small-model", data: str = "other data") -> Run:
    return Run(
        policy="tiny",
        reference="tiny",
        model=model,
        classifier="c",
        parts=PARTS,
        data=data,
        made_at=NOW,
        rows=tuple(
            row.model_copy(update={"item": row.item.model_copy(update={"id": f"{n}"})}) for n, row in enumerate(rows)
        ),
    )


def calibrated(*proofs: object, **changes: object) -> Workflow:
    """The tiny policy, by default proven from 80 % on."""
    return replace(workflow(), calibration=calibration(*proofs, **changes))


SIX = run(
    row("sales", says("sales", 0.95, 1), source="mail"),
    row("repairs", says("sales", 0.90, 2), source="mail"),
    row("repairs", says("repairs", 0.85, 3), source="form"),
    row("sales", says("sales", 0.60, 4), source="form"),
    row("repairs", says("sales", 0.55, 5), source="form", rule=routed("repairs")),
    row(NONE_OF_THESE, says(NONE_OF_THESE, 0.70, 6)),
)
"""At 80 %: two right and one wrong act; three are held, one of which a rule routes, rightly."""


RANKED = scored("0.9 right", "0.8 right", "0.7 wrong", "0.6 right")


@pytest.mark.parametrize(
    ("items", "accuracy", "coverage"),
    [
        pytest.param(RANKED, 0.95, 2 / 4, id="the first two, before the error"),
        pytest.param(RANKED, 0.75, 4 / 4, id="beyond an error that later right answers make up for"),
        pytest.param(scored("0.9 wrong", "0.8 right"), 0.95, 0.0, id="never"),
        pytest.param(scored("0.5 right", "0.5 wrong"), 0.95, 1 / 2, id="equals stay in their order"),
        pytest.param([Scored(score=0.5, correct=n < 57) for n in range(60)], 0.95, 1.0, id="exactly 57 of 60"),
        pytest.param([], 0.95, 0.0, id="nothing"),
    ],
)
def test_coverage_at_an_accuracy_is_the_largest_share_that_keeps_it(items, accuracy, coverage):
    assert coverage_at(items, accuracy) == coverage


def test_risk_is_the_share_of_errors_among_the_surest_and_its_mean_over_coverages_is_the_aurc():
    assert risks(RANKED) == [0, 0, 1 / 3, 1 / 4]
    assert aurc(RANKED) == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert aurc([]) is None


@pytest.mark.parametrize(
    ("items", "value"),
    [
        pytest.param(RANKED, 2 / 3, id="two of the three right ones are surer than the wrong one"),
        pytest.param(scored("0.5 right", "0.5 wrong"), 0.5, id="a tie counts half"),
        pytest.param(scored("0.9 right", "0.1 right"), None, id="nothing is wrong"),
        pytest.param([], None, id="nothing at all"),
    ],
)
def test_auroc_is_the_chance_that_a_right_answer_is_surer(items, value):
    assert auroc(items) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("items", "value"),
    [
        # in step 0.9 to 1: 2 items, 0.95 sure on average, half right; in step 0.2 to 0.3: 0.25 sure, right
        pytest.param(scored("0.95 right", "0.95 wrong", "0.25 right"), (2 * 0.45 + 0.75) / 3, id="by size"),
        pytest.param(scored("1.0 right"), 0.0, id="sure and right"),
        pytest.param(scored("1.0 wrong", "0.0 right"), 1.0, id="the opposite of right"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_the_calibration_error_is_the_mean_gap_between_confidence_and_accuracy(items, value):
    assert ece(items) == (None if value is None else pytest.approx(value))


def test_a_step_of_confidence_includes_its_lower_end_and_the_last_one_includes_1():
    steps = bins(scored("0.0 right", "0.1 right", "0.19 right", "0.9 right", "1.0 right"))
    assert [len(inside) for inside in steps] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]


@pytest.mark.parametrize(
    ("values", "percent", "value"),
    [
        pytest.param([3, 1, 2, 4], 50, 2, id="half of four"),
        pytest.param(range(1, 21), 95, 19, id="19 of 20"),
        pytest.param(range(1, 22), 95, 20, id="20 of 21, for 19 are too few"),
        pytest.param([7], 95, 7, id="one"),
        pytest.param([], 95, None, id="none"),
    ],
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, percent, value):
    assert percentile(values, percent) == value


@pytest.mark.parametrize(
    ("inside", "outside", "recall"),
    [
        # 19 of 20 in-scope scores are at most 0.19: two of the three others are above that
        pytest.param([n / 100 for n in range(1, 21)], [0.5, 0.195, 0.19], 2 / 3, id="above 95 % of the rest"),
        pytest.param([], [0.5], None, id="nothing in scope"),
        pytest.param([0.5], [], None, id="nothing out of scope"),
    ],
)
def test_out_of_scope_recall_keeps_95_percent_of_the_rest(inside, outside, recall):
    assert recall_beyond(inside, outside) == recall


def test_a_run_is_measured_as_by_hand():
    measures = measure(SIX, calibrated())

    assert (measures.n, measures.unscored, measures.auto, measures.ended, measures.by_rule) == (6, 0, 3, 0, 1)
    assert (measures.accuracy, measures.coverage) == (4 / 6, 3 / 6)
    assert measures.misroute_rate.value == 1 / 3
    assert measures.misroute_rate.low == pytest.approx(0.0084, abs=1e-4), "Clopper and Pearson, 1 of 3"
    assert measures.misroute_rate.high == pytest.approx(0.9057, abs=1e-4)
    assert measures.by_rule_misroute_rate.value == 0
    assert measures.holds == {"below_threshold": 2, "none_of_these": 1}
    assert measures.coverage_at == {"0.95": 1 / 6, "0.98": 1 / 6}
    # right: 0.95, 0.85, 0.7, 0.6; wrong: 0.9, 0.55; one right answer is surer than 0.9, all four than 0.55
    assert measures.auroc == pytest.approx((1 + 4) / 8)
    assert measures.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 + 2 / 6) / 6)
    # steps: 0.9 and 0.95 with one right, 0.85, 0.7 and 0.6 right, 0.55 wrong
    assert measures.ece == pytest.approx((0.85 + 0.15 + 0.3 + 0.4 + 0.55) / 6)
    assert (measures.model_accuracy, measures.examples_accuracy, measures.agreement) == (4 / 6, 4 / 6, 1)
    assert measures.fingerprint == {"classifier": "c", "data": "other data", **PARTS}


def test_each_route_has_its_own_figures_and_a_misroute_counts_for_the_route_it_goes_to():
    routes = measure(SIX, calibrated()).per_route

    told = {name: (one.n, one.precision, one.recall, one.auto, one.misroute_rate.value) for name, one in routes.items()}
    assert told == {
        "sales": (2, 2 / 4, 2 / 2, 2, 1 / 2),
        "repairs": (3, 1 / 1, 1 / 3, 1, 0),
        NONE_OF_THESE: (1, 1, 1, 0, 0),
    }


def test_a_route_that_nothing_is_said_of_has_no_precision_and_no_recall():
    routes = measure(run(row("sales", says("sales", 0.9, 1))), calibrated()).per_route
    assert (routes["repairs"].precision, routes["repairs"].recall) == (None, None)


def test_confusion_counts_proposals_by_right_label_and_an_unusable_answer_has_a_name():
    silent = proposal(None, None, None, AskOutcome.CUT_OFF, key="key-7")
    counts = measure(run(*SIX.rows, row("sales", silent)), calibrated()).confusion

    assert counts == {
        "sales": {"sales": 2, "no answer": 1},
        "repairs": {"sales": 2, "repairs": 1},
        NONE_OF_THESE: {NONE_OF_THESE: 1},
    }


@pytest.mark.parametrize(
    ("field", "told"),
    [
        pytest.param(
            "source",
            {"form": (3, 2 / 3, 1 / 3, 0), "mail": (2, 1 / 2, 2 / 2, 1 / 2), "": (1, 1, 0, 0)},
            id="a field, and items that lack it",
        ),
        pytest.param(
            "label",
            {"repairs": (3, 1 / 3, 2 / 3, 1 / 2), "sales": (2, 1, 1 / 2, 0), NONE_OF_THESE: (1, 1, 0, 0)},
            id="the right label",
        ),
    ],
)
def test_slices_tell_size_accuracy_coverage_and_misroutes_of_each_value(field, told):
    values = measure(SIX, calibrated(), slice_by=[field]).slices[field]
    assert {name: (one.n, one.accuracy, one.coverage, one.misroute_rate.value) for name, one in values.items()} == told


def test_a_field_that_no_item_has_is_refused_by_name():
    with pytest.raises(InputInvalid, match=r"no item has 'colour'\. Slice by one of: label, intent, source"):
        measure(SIX, calibrated(), slice_by=["colour"])


OTHER_PARTS = {"prompt": "another p", "examples": "other e"}


@pytest.mark.parametrize(
    ("with_calibration", "because"),
    [
        pytest.param(calibrated(), "", id="proven for this classifier"),
        pytest.param(workflow(), "nothing was calibrated: no threshold was proven", id="never calibrated"),
        pytest.param(
            calibrated(target=0.2),
            "the calibration promises less than the policy does: no threshold is trusted",
            id="proven for a looser promise",
        ),
        pytest.param(
            calibrated(proof(Source.EXAMPLES)),
            "the calibration says nothing of confidences from logprobs and examples: no threshold is trusted",
            id="proven for other confidences",
        ),
        pytest.param(
            calibrated(proof(classifier="another").model_copy(update={"parts": PARTS | OTHER_PARTS})),
            "the calibration was made with another prompt, examples: no threshold is trusted",
            id="another prompt and other examples",
        ),
        pytest.param(
            calibrated(proof(classifier="another").model_copy(update={"parts": PARTS})),
            "the calibration was made with another classifier: no threshold is trusted",
            id="another classifier, nobody knows why",
        ),
        pytest.param(
            calibrated(proof(threshold=None)),
            "no threshold was proven: the labelled items were too few, or too many were wrong",
            id="nothing could be proven",
        ),
    ],
)
def test_a_threshold_is_trusted_only_if_it_was_proven_for_what_answered(with_calibration, because):
    measures = measure(SIX, with_calibration)

    assert (measures.trusted, measures.stale_because) == (not because, because)
    assert measures.thresholds == ({} if because else {"*": 0.8})
    assert measures.auto == (0 if because else 3), "without trust nothing acts"


def test_where_the_examples_serve_alone_another_prompt_changes_nothing():
    silent = proposal(None, None, "sales", AskOutcome.NO_MODEL, votes=0.9)
    changed = proof(Source.EXAMPLES, classifier="another").model_copy(update={"parts": PARTS | OTHER_PARTS})

    assert measure(run(row("sales", silent)), calibrated(proof(Source.EXAMPLES, classifier=VOTER))).trusted
    assert "another examples:" in measure(run(row("sales", silent)), calibrated(changed)).stale_because


def test_routes_with_a_bound_of_their_own_have_their_own_threshold():
    own = calibrated(proof(repairs=0.9), named={"repairs": 0.01})
    measures = measure(SIX, own)
    assert measures.thresholds == {"*": 0.8, "repairs": 0.9}
    assert (measures.per_route["sales"].auto, measures.per_route["repairs"].auto) == (2, 0)


def test_it_is_told_when_thresholds_were_proven_with_these_very_items():
    assert not measure(SIX, calibrated()).proven_here
    assert measure(SIX, calibrated(data="other data")).proven_here


def test_unscored_items_are_counted_and_in_no_share():
    down = proposal(None, None, None, AskOutcome.UNAVAILABLE, key="key-7")
    with_one, without = measure(run(*SIX.rows, row("sales", down)), calibrated()), measure(SIX, calibrated())

    assert with_one.unscored == 1
    assert with_one.model_copy(update={"unscored": 0}) == without


def test_an_answer_without_confidence_is_wrong_or_right_but_in_no_calibration_error():
    unsure = proposal("sales", None, None, key="key-1")
    measures = measure(run(row("sales", unsure), row("sales", says("sales", 0.9, 2))), calibrated())
    assert (measures.accuracy, measures.ece) == (1, pytest.approx(0.1))
    assert see(calibrated(), [row("sales", unsure)])[0].confidence == 0


def test_a_run_in_which_nothing_has_a_confidence_trusts_nothing():
    measures = measure(run(row("sales", proposal("sales", None, None))), calibrated())
    assert measures.stale_because == "no item has a confidence: no threshold can be trusted"
    assert (measures.ece, measures.oos_recall) == (None, None)


def test_out_of_scope_recall_reads_the_pooled_probability_of_none_of_these():
    # the others share what is left: 0.05 and 0.2 of none_of_these in scope, 0.7 and 0.1 out of scope
    rows = (
        row("sales", says("sales", 0.9, 1)),
        row("repairs", says("repairs", 0.6, 2)),
        row(NONE_OF_THESE, says(NONE_OF_THESE, 0.7, 3)),
        row(NONE_OF_THESE, says("sales", 0.8, 4)),
    )
    assert measure(run(*rows), calibrated()).oos_recall == 1 / 2


def test_what_a_workflow_ends_by_itself_counts_as_acting():
    ending = replace(workflow(out_of_scope="end"), calibration=calibration(proof(threshold=0.65)))
    measures = measure(SIX, ending)
    assert (measures.auto, measures.ended, measures.per_route[NONE_OF_THESE].auto) == (4, 1, 1)


def test_signs_of_tampering_are_counted_and_no_rule_routes_such_an_item():
    strange = says("sales", 0.95, 1, tampering=("speaks to a machine",))
    measures = measure(run(row("sales", strange, rule=routed("sales"))), calibrated())
    assert (measures.tampering, measures.auto, measures.by_rule) == (1, 0, 0)
    assert measures.holds == {Reason.TAMPERING: 1}


@pytest.mark.parametrize(
    ("action", "reason", "rejected"),
    [
        pytest.param(RuleAction.PERSON, Reason.RULE_WANTS_PERSON, 0, id="wants a person"),
        pytest.param(RuleAction.REJECT, Reason.RULE_REJECTS, 1, id="rejects"),
    ],
)
def test_what_a_rule_takes_over_never_acts_alone(action, reason, rejected):
    rule = RuleMatch(name="a rule", action=action)
    measures = measure(run(row("sales", says("sales", 0.95, 1), rule=rule)), calibrated())
    assert (measures.auto, measures.coverage, measures.per_route["sales"].auto) == (0, 0, 0)
    assert (measures.by_rule, measures.rejected, measures.holds) == (0, rejected, {reason: 1})
    (unsure,) = see(calibrated(), [row("sales", says("sales", 0.5, 1), rule=rule)])
    assert unsure.holds == (reason, Reason.BELOW_THRESHOLD)


def test_an_empty_run_has_no_figures_rather_than_zeros():
    measures = measure(run(), calibrated())
    assert (measures.n, measures.coverage, measures.misroute_rate.high) == (0, 0, 1)
    assert (measures.accuracy, measures.auroc, measures.ece, measures.aurc) == (None, None, None, None)
    assert (measures.latency_s.p50, measures.confusion) == (None, {})


def costly(key: str, calls: int, latency_s: float, prompt: int, completion: int, cached: int = 0) -> Proposal:
    tokens = Tokens(prompt=prompt, completion=completion, cached=cached)
    return proposal(key=key).model_copy(update={"calls": calls, "latency_s": latency_s, "tokens": tokens})


CALLS = run(
    row("sales", costly("a", 1, 0.2, 1000, 10)),
    row("sales", costly("a", 1, 0.2, 1000, 10)),
    row("sales", costly("b", 2, 1.5, 3000, 30, cached=2000)),
    row("sales", costly("c", 0, 0.0, 0, 0)),
)
"""The first two have the same text: they were asked about with one call. The last was not asked about."""


def test_calls_tokens_and_waiting_are_those_that_happened():
    measures = measure(CALLS, workflow())

    assert measures.calls == 3
    assert measures.tokens == Tokens(prompt=4000, completion=40, cached=2000)
    assert (measures.latency_s.p50, measures.latency_s.p95) == (0.2, 1.5)
    assert measures.cost is None, "without a price table"


@pytest.mark.parametrize(
    ("table", "cost"),
    [
        pytest.param(
            "small-model: {prompt_per_million: 10, completion_per_million: 100, cached_per_million: 1}",
            (2000 * 10 + 2000 * 1 + 40 * 100) / 1e6,
            id="its own price",
        ),
        pytest.param('{"*": {"prompt_per_million": 10, "completion_per_million": 0}}', 4000 * 10 / 1e6, id="any, JSON"),
        pytest.param("large-model: {prompt_per_million: 10, completion_per_million: 100}", None, id="no price for it"),
    ],
)
def test_the_cost_is_tokens_by_price(tmp_path, table, cost):
    path = tmp_path / "prices.yaml"
    path.write_text(table, encoding="utf-8")
    assert measure(CALLS, workflow(), load_prices(path)).cost == (None if cost is None else pytest.approx(cost))


def test_a_run_without_calls_costs_nothing(tmp_path: Path):
    path = tmp_path / "prices.yaml"
    path.write_text("large-model: {prompt_per_million: 10, completion_per_million: 100}", encoding="utf-8")
    assert measure(SIX, workflow(), load_prices(path)).cost == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "no such price table", id="no file"),
        pytest.param(b"{", "not YAML or JSON", id="broken"),
        pytest.param(b"", "valid dictionary", id="empty"),
        pytest.param(b"\xff\xfe", "Save it as UTF-8", id="not UTF-8"),
        pytest.param(b"m: {prompt_per_million: 1}", r"m\.completion_per_million: Field required", id="half a price"),
        pytest.param(
            b"m: {prompt_per_million: -1, completion_per_million: 1}", r"m\.prompt_per_million", id="negative"
        ),
        pytest.param(b"m: {prompt: 1}", "Write one entry a model", id="another name"),
    ],
)
def test_a_price_table_that_is_none_is_refused_with_the_mend(tmp_path, content, told):
    path = tmp_path / "prices.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputInvalid, match=told) as refused:
        load_prices(path)
    assert str(path) in str(refused.value)


def test_the_json_has_the_promised_keys():
    told = measure(SIX, calibrated()).model_dump(mode="json")
    promised = "n unscored accuracy coverage misroute_rate coverage_at auroc ece aurc per_route confusion calls tokens"
    assert {*promised.split(), "latency_s", "fingerprint"} <= told.keys()
    assert told["misroute_rate"].keys() == {"value", "low", "high"}
    assert told["latency_s"].keys() == {"p50", "p95"}
