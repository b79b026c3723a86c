"""`evals gate`: whether a candidate may take the baseline's place. Nothing passes for want of data."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from builders import NOW, calibration, proof, proposal, workflow
from rich.console import Console

from domain.errors import InputInvalid
from domain.proposal import AskOutcome, Tokens
from evals.gate import Budgets, Verdict, gate, read_budgets, show
from evals.items import Item
from evals.prices import Price, Prices
from evals.recorded import Row, Run, load_run
from policies.load import Workflow, find_policy, load_calibration, load_examples, load_policy

BAD = Path(__file__).parents[2] / "evals/bad_candidate"
TRUSTS_80 = replace(workflow(), calibration=calibration(proof(threshold=0.8)))
OTHER = "the candidate's classifier"
TRUSTS_OTHER = replace(workflow(), calibration=calibration(proof(threshold=0.8, classifier=OTHER)))
DEAR = Prices(models={"*": Price(prompt_per_million=10, completion_per_million=30)})
ALWAYS = {"same items", "unscored", "thresholds", "accuracy", "misroutes", "coverage", "misroute rate"}
ALWAYS |= {"calibration error"}
ANY_ECE = Budgets(max_ece=1)


def row(number: int, said: str = "sales", sure: float = 0.9, label: str = "sales", **changes: object) -> Row:
    """An item of `sales`; model and examples say `said`, which took 0.5 s and 1,000 + 10 tokens."""
    told = proposal(label=said, confidence=sure, opinion=said, key=str(number))
    spent = {"tokens": Tokens(prompt=1000, completion=10), "calls": 1, "latency_s": 0.5}
    item = Item(id=f"item-{number:03}", text=f"text {number}", label=label)
    return Row(item=item, proposal=told.model_copy(update=spent | changes))


def run(*rows: Row, policy: str = "tiny") -> Run:
    return Run(policy=policy, reference="tiny", model="m", classifier="c", data="d", made_at=NOW, rows=rows)


def run_of(wrong: int = 0, unsure: int = 0, n: int = 100, **changes: object) -> Run:
    """`n` items: the first `wrong` say `repairs` and act, the next `unsure` are right at 70 %, the rest act."""
    rows = [row(k, said="repairs", **changes) for k in range(wrong)]
    rows += [row(k, sure=0.7, **changes) for k in range(wrong, wrong + unsure)]
    return run(*rows, *(row(k, **changes) for k in range(wrong + unsure, n)))


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def printed(verdict: Verdict) -> str:
    console = Console(file=StringIO(), width=200)
    show(verdict, console)
    return console.file.getvalue()


def shipped(who: str) -> Workflow:
    """`support_triage` with one of the invented calibrations beside the bad candidate."""
    path = find_policy("support_triage")
    policy = load_policy(path)
    examples = load_examples(path.parent / policy.examples, policy.labels)
    return Workflow(path, policy, examples, load_calibration(BAD / f"{who}.calibration.json"))


def verdict_on(who: str, budgets: Budgets) -> Verdict:
    candidate, baseline = load_run(BAD / f"{who}.jsonl"), load_run(BAD / "baseline.jsonl")
    return gate(candidate, baseline, shipped(who), budgets, before=shipped("baseline"))


def test_the_bad_candidate_is_refused_and_the_route_is_named():
    verdict = verdict_on("candidate", read_budgets(BAD / "budgets.yaml"))
    assert not verdict.passed
    assert failed(verdict) == {"floor of privacy"}
    assert "REFUSED │ floor of privacy  │ 20.0%" in printed(verdict)
    assert "The candidate is refused." in printed(verdict)


def test_the_bad_candidate_is_as_accurate_as_the_baseline_and_passes_without_the_floor():
    verdict = verdict_on("candidate", Budgets(max_misroute=0.1))
    assert verdict.passed
    assert verdict.comparison.accuracy_a == verdict.comparison.accuracy_b
    privacy = next(route for route in verdict.comparison.routes if route.route == "privacy")
    assert (privacy.n, privacy.right_a, privacy.right_b, privacy.misrouted_b) == (10, 10, 2, 8)


def test_the_baseline_passes_against_itself():
    verdict = verdict_on("baseline", read_budgets(BAD / "budgets.yaml"))
    assert (verdict.passed, verdict.comparison.changed.count) == (True, 0)
    assert "The candidate passes." in printed(verdict)


def test_a_good_candidate_passes_every_check():
    verdict = gate(run_of(wrong=3), run_of(wrong=3), TRUSTS_80)
    assert (verdict.passed, {check.name for check in verdict.checks}) == (True, ALWAYS)


@pytest.mark.parametrize(
    ("candidate", "baseline", "budgets", "refused"),
    [
        pytest.param(run_of(wrong=4), run_of(), Budgets(), set(), id="four items worse: p = 1/16"),
        pytest.param(
            run_of(wrong=5),
            run_of(),
            Budgets(),
            {"accuracy", "misroutes"},
            id="five: p = 1/32, and they act",
        ),
        pytest.param(run_of(wrong=5), run_of(), Budgets(alpha=0.03), set(), id="which a milder alpha lets pass"),
        pytest.param(run_of(), run_of(wrong=9), Budgets(), set(), id="better is never refused"),
        pytest.param(run_of(unsure=5), run_of(), ANY_ECE, set(), id="5 % less coverage"),
        pytest.param(run_of(unsure=6), run_of(), ANY_ECE, {"coverage"}, id="6 % less coverage"),
        pytest.param(run_of(wrong=6), run_of(wrong=6), Budgets(), {"misroute rate"}, id="6 % wrong, 5 % promised"),
        pytest.param(run_of(wrong=6), run_of(wrong=6), Budgets(max_misroute=0.06), set(), id="6 % allowed"),
        pytest.param(run_of(), run_of(), Budgets(max_ece=0.09), {"calibration error"}, id="90 % sure, all right"),
        pytest.param(run_of(), run_of(), Budgets(floors={"sales": 1}), set(), id="floor reached"),
        pytest.param(
            run_of(wrong=2), run_of(wrong=2), Budgets(floors={"sales": 0.99}), {"floor of sales"}, id="floor missed"
        ),
        pytest.param(
            run_of(), run_of(), Budgets(floors={"repairs": 0.1}), {"floor of repairs"}, id="floor without items"
        ),
        pytest.param(run_of(), run_of(), Budgets(floors={"salse": 0}), {"floor of salse"}, id="floor misspelt"),
        pytest.param(run_of(), run_of(), Budgets(max_latency_p95_s=0.5), set(), id="fast enough"),
        pytest.param(run_of(), run_of(), Budgets(max_latency_p95_s=0.4), {"latency"}, id="too slow"),
        pytest.param(run_of(latency_s=0), run_of(), Budgets(max_latency_p95_s=9), {"latency"}, id="time not measured"),
    ],
)
def test_each_budget_refuses_by_itself(candidate, baseline, budgets, refused):
    assert failed(gate(candidate, baseline, TRUSTS_80, budgets)) == refused


EACH = (1000 * 10 + 10 * 30) / 1_000_000


@pytest.mark.parametrize(
    ("candidate", "prices", "most", "refused"),
    [
        pytest.param(run_of(), DEAR, EACH, set(), id="just cheap enough"),
        pytest.param(run_of(), DEAR, EACH / 2, {"cost"}, id="too dear"),
        pytest.param(run_of(), None, 1, {"cost"}, id="no prices"),
        pytest.param(run_of(), Prices(models={"z": DEAR.models["*"]}), 1, {"cost"}, id="no price for the model"),
        pytest.param(run_of(tokens=Tokens()), DEAR, 1, {"cost"}, id="tokens not counted"),
        pytest.param(run_of(calls=0), DEAR, 1, {"cost"}, id="calls not counted"),
    ],
)
def test_a_cost_budget_needs_to_know_the_cost(candidate, prices, most, refused):
    assert failed(gate(candidate, run_of(), TRUSTS_80, Budgets(max_cost_per_item=most), prices=prices)) == refused


def test_without_a_model_answers_cost_no_money_and_no_time():
    bare = {"outcome": AskOutcome.NO_MODEL, "calls": 0, "tokens": Tokens(), "latency_s": 0}
    budgets = Budgets(max_cost_per_item=0, max_latency_p95_s=0)
    assert not failed(gate(run_of(**bare), run_of(), TRUSTS_80, budgets, prices=DEAR)) & {"cost", "latency"}


def lacks(candidate: Run) -> Run:
    return candidate.model_copy(update={"rows": candidate.rows[1:]})


def renames(what: str) -> Callable[[Run], Run]:
    """Gives the run's first item another id, text or label."""

    def change(candidate: Run) -> Run:
        first = candidate.rows[0]
        item = first.item.model_copy(update={what: "repairs"})
        return candidate.model_copy(update={"rows": (first.model_copy(update={"item": item}), *candidate.rows[1:])})

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lacks, "lacking in the candidate: 1 (item-000)", id="an item is lacking"),
        pytest.param(renames("id"), "lacking in the baseline: 1 (repairs)", id="an item is new"),
        pytest.param(renames("text"), "other text or label, or twice: 1 (item-000)", id="another text"),
        pytest.param(renames("label"), "other text or label, or twice: 1 (item-000)", id="another label"),
        pytest.param(
            lambda same: same.model_copy(update={"policy": "huge"}), "is a run of 'huge'", id="another policy's run"
        ),
        pytest.param(
            lambda same: same.model_copy(update={"rows": ()}), "no item that both have scored", id="an empty run"
        ),
    ],
)
@pytest.mark.parametrize("swapped", [False, True], ids=["in the candidate", "in the baseline"])
def test_runs_on_other_items_are_refused(change, told, swapped):
    pair = (run_of(), change(run_of())) if swapped else (change(run_of()), run_of())
    verdict = gate(*pair, TRUSTS_80)
    assert "same items" in failed(verdict)
    if not swapped:
        assert told in verdict.checks[0].why


def unscored(count: int) -> Run:
    """100 right answers, of which the endpoint kept the first `count` to itself."""
    silent = [row(k, outcome=AskOutcome.UNAVAILABLE) for k in range(count)]
    return run(*silent, *run_of().rows[count:])


@pytest.mark.parametrize(
    ("candidate", "baseline", "refused"),
    [
        pytest.param(unscored(1), run_of(), set(), id="1 % of the candidate's"),
        pytest.param(unscored(2), run_of(), {"unscored"}, id="2 % of the candidate's"),
        pytest.param(run_of(), unscored(2), {"unscored"}, id="2 % of the baseline's"),
        pytest.param(run_of(), unscored(1), set(), id="1 % of the baseline's"),
    ],
)
def test_what_was_not_scored_says_nothing_and_too_much_of_it_refuses(candidate, baseline, refused):
    assert failed(gate(candidate, baseline, TRUSTS_80)) == refused


def test_for_a_floor_an_unscored_item_is_missed():
    assert failed(gate(unscored(1), run_of(), TRUSTS_80, Budgets(floors={"sales": 1}))) == {"floor of sales"}


def test_on_too_few_items_no_loss_can_be_seen_and_nothing_passes():
    verdict = gate(run_of(n=4), run_of(n=4), TRUSTS_80)
    assert failed(verdict) == {"accuracy", "misroutes"}
    assert (verdict.detectable, verdict.detectable_misroutes) == (None, None)
    assert "none, however large" in printed(verdict)


def test_the_smallest_loss_that_could_have_been_seen_is_always_told():
    verdict = gate(run_of(), run_of(), TRUSTS_80)
    assert verdict.detectable == pytest.approx(0.066, abs=0.001)  # P(Bin(100, share) >= 5) = 0.8
    assert "Smallest loss of accuracy that this would likely have seen (chance 80 %): 6.6%" in printed(verdict)


@pytest.mark.parametrize(
    ("candidate", "now", "before", "refused", "told"),
    [
        pytest.param(run_of(), TRUSTS_80, None, set(), "of the candidate's classifier", id="proven"),
        pytest.param(
            run_of(classifier=OTHER),
            TRUSTS_80,
            None,
            {"thresholds", "coverage"},
            "Run 'evals calibrate'",
            id="another one",
        ),
        pytest.param(
            run_of(classifier=OTHER), TRUSTS_OTHER, TRUSTS_80, set(), "of the candidate's", id="each by its own record"
        ),
        pytest.param(run_of(), workflow(), None, set(), "as before", id="nobody ever calibrated"),
        pytest.param(
            run_of(), workflow(), TRUSTS_80, {"thresholds", "coverage"}, "Run 'evals calibrate'", id="record lost"
        ),
        pytest.param(
            run_of(),
            replace(workflow(target={"misroute": 0.01}), calibration=TRUSTS_80.calibration),
            None,
            {"thresholds"},
            "promises less",
            id="the promise became stricter than the proof",
        ),
    ],
)
def test_thresholds_must_be_proven_for_the_candidate(candidate, now, before, refused, told):
    verdict = gate(candidate, run_of(), now, ANY_ECE, before=before)
    assert failed(verdict) == refused
    assert told in next(check.why for check in verdict.checks if check.name == "thresholds")


@pytest.mark.parametrize("before", [None, TRUSTS_OTHER], ids=["record gone", "record of another classifier"])
def test_a_baseline_that_nothing_is_proven_of_is_held_to_the_thresholds_that_there_are(before):
    verdict = gate(run_of(classifier=OTHER, unsure=20), run_of(), TRUSTS_OTHER, ANY_ECE, before=before)
    assert (verdict.comparison.coverage_a.value, failed(verdict)) == (1, {"coverage"})


def test_a_run_without_confidences_is_refused():
    mute = run(*(row(k, outcome=AskOutcome.NONSENSE) for k in range(100)))
    assert failed(gate(mute, mute, TRUSTS_80)) == {"thresholds", "calibration error"}


def test_budgets_are_read_from_yaml_or_json(tmp_path):
    (tmp_path / "b.yaml").write_text("floors:\n  privacy: 0.9\nmax_latency_p95_s: 5\n")
    (tmp_path / "b.json").write_text('{"floors": {"privacy": 0.9}, "max_latency_p95_s": 5}')
    expected = Budgets(floors={"privacy": 0.9}, max_latency_p95_s=5)
    assert read_budgets(tmp_path / "b.yaml") == read_budgets(tmp_path / "b.json") == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "no such file", id="absent"),
        pytest.param("", "valid dictionary", id="empty"),
        pytest.param("floors: [", "cannot be read", id="not YAML"),
        pytest.param("max_latency: 5", "max_latency: Extra inputs", id="an unknown budget"),
        pytest.param("floors: {privacy: 90}", "floors.privacy: Input should be less than", id="a percentage"),
        pytest.param("max_ece: .nan", "max_ece: Input should be", id="not a number"),
        pytest.param("max_cost_per_item: .inf", "finite number", id="no bound at all"),
        pytest.param("alpha: 0", "alpha: Input should be greater than 0", id="a test that cannot refuse"),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused_by_name(tmp_path, content, told):
    path = tmp_path / "budgets.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputInvalid) as refused:
        read_budgets(path)
    assert told in str(refused.value)
    assert str(path) in str(refused.value)


def test_names_from_files_are_printed_as_they_are():
    assert "floor of [red]x[/]" in printed(gate(run_of(), run_of(), TRUSTS_80, Budgets(floors={"[red]x[/]": 1})))


def test_the_bad_candidates_files_stay_small_and_speak_of_the_same_items():
    runs = [load_run(BAD / f"{who}.jsonl") for who in ("baseline", "candidate")]
    assert [row.item for row in runs[0].rows] == [row.item for row in runs[1].rows]
    assert all(path.stat().st_size < 100_000 for path in BAD.iterdir())
