"""`evals compare`: two runs on the same items, and what could not have been seen."""

import pytest
from builders import NOW, calibration, proof, proposal, workflow
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calibration import binomial_tail
from domain.decision import RuleAction, RuleMatch
from domain.proposal import AskOutcome
from evals.compare import Comparison, compare, least_detectable, one_sided_p, paired_difference, two_sided_p
from evals.items import Item
from evals.recorded import Row, Run

TRUSTS_80 = workflow()
TRUSTS_80 = type(TRUSTS_80)(TRUSTS_80.path, TRUSTS_80.policy, TRUSTS_80.examples, calibration(proof(threshold=0.8)))


def row(name: str, said: str = "sales", sure: float = 0.9, label: str = "sales", **changes: object) -> Row:
    """An item of `sales` for which model and examples say `said`."""
    told = proposal(label=said, confidence=sure, opinion=said, key=name)
    item = Item(id=name, text=f"text of {name}", label=label)
    return Row(item=item.model_copy(update=changes), proposal=told)


def failed(name: str) -> Row:
    """An item on which asking failed."""
    return row(name).model_copy(update={"proposal": proposal(outcome=AskOutcome.TIMED_OUT, label=None)})


def run(*rows: Row) -> Run:
    return Run(policy="tiny", reference="tiny", model="m", classifier="c", data="d", made_at=NOW, rows=rows)


def beside(a: list[Row], b: list[Row]) -> Comparison:
    return compare(run(*a), run(*b), TRUSTS_80, TRUSTS_80)


@pytest.mark.parametrize(
    ("better", "worse", "one_sided", "two_sided"),
    [
        pytest.param(0, 0, 1, 1, id="no pair differs"),
        pytest.param(0, 4, 1 / 16, 1 / 8, id="four, all one way, are too few"),
        pytest.param(0, 5, 1 / 32, 1 / 16, id="five are enough one-sided"),
        pytest.param(1, 8, 10 / 512, 20 / 512, id="(1 + 9) / 2^9"),
        pytest.param(2, 8, 56 / 1024, 112 / 1024, id="(1 + 10 + 45) / 2^10"),
        pytest.param(3, 3, 42 / 64, 1, id="evenly split"),
        pytest.param(8, 1, 511 / 512, 20 / 512, id="better is no reason to refuse"),
    ],
)
def test_mcnemars_exact_p_values(better, worse, one_sided, two_sided):
    assert one_sided_p(better, worse) == pytest.approx(one_sided)
    assert two_sided_p(better, worse) == pytest.approx(two_sided)


def test_a_run_beside_itself_differs_in_nothing():
    rows = [row("a"), row("b", said="repairs"), row("c", sure=0.5)]
    found = beside(rows, rows)
    assert (found.n, found.changed.count, found.right.p) == (3, 0, 1)
    assert (found.right.both, found.right.only_a, found.right.only_b, found.right.neither) == (2, 0, 0, 1)
    assert (found.accuracy_a, found.coverage_a) == (found.accuracy_b, found.coverage_b)


def test_each_pair_is_counted_by_where_it_is_right_where_it_acts_and_where_it_is_misrouted():
    a = [row("1"), row("2"), row("3", said="repairs"), row("4", said="repairs"), row("5", sure=0.5)]
    b = [row("1"), row("2", said="repairs"), row("3"), row("4", said="repairs", sure=0.5), row("5")]
    found = beside(a, b)
    right, acts, misrouted = found.right, found.acts, found.misrouted
    assert (right.both, right.only_a, right.only_b, right.neither) == (2, 1, 1, 1)
    assert (acts.both, acts.only_a, acts.only_b, acts.neither) == (3, 1, 1, 0)
    assert (misrouted.both, misrouted.only_a, misrouted.only_b, misrouted.neither) == (0, 2, 1, 2)
    assert found.changed.ids == ("2", "3")
    assert (found.accuracy_a.value, found.coverage_a.value) == (3 / 5, 4 / 5)


@pytest.mark.parametrize("action", [RuleAction.PERSON, RuleAction.REJECT])
def test_what_a_rule_takes_over_acts_in_neither_run_and_misroutes_nothing(action):
    taken = row("1", said="repairs").model_copy(update={"rule": RuleMatch(name="a rule", action=action)})
    found = beside([taken], [taken])
    assert (found.n, found.coverage_a.value, found.acts.neither, found.misrouted.neither) == (1, 0, 1, 1)


def test_each_route_has_its_own_line_by_the_right_label():
    a = [row("1"), row("2"), row("3", said="repairs", label="repairs")]
    b = [row("1"), row("2", said="repairs"), row("3", label="repairs")]
    repairs, sales = beside(a, b).routes
    assert (repairs.route, repairs.n, repairs.right_a, repairs.right_b, repairs.misrouted_b) == ("repairs", 1, 1, 0, 1)
    assert (sales.route, sales.n, sales.right_a, sales.right_b, sales.misrouted_b) == ("sales", 2, 2, 1, 1)


@pytest.mark.parametrize(
    ("a", "b", "where"),
    [
        pytest.param([row("x"), row("y")], [row("x")], "only_in_a", id="lacking in B"),
        pytest.param([row("x")], [row("x"), row("y")], "only_in_b", id="lacking in A"),
        pytest.param([row("x"), row("y")], [row("x"), row("y", text="other")], "differing", id="another text"),
        pytest.param([row("x"), row("y")], [row("x"), row("y", label="repairs")], "differing", id="another label"),
        pytest.param([row("x"), row("y"), row("y")], [row("x"), row("y")], "differing", id="an id twice"),
        pytest.param([row("x"), failed("y")], [row("x"), row("y")], "unscored_a", id="unscored in A"),
        pytest.param([row("x"), row("y")], [row("x"), failed("y")], "unscored_b", id="unscored in B"),
    ],
)
def test_what_cannot_be_paired_is_counted_apart_and_named(a, b, where):
    found = beside(a, b)
    apart = {name: getattr(found, name).ids for name in ("only_in_a", "only_in_b", "differing")}
    apart |= {name: getattr(found, name).ids for name in ("unscored_a", "unscored_b")}
    assert found.n == 1
    assert {name: ids for name, ids in apart.items() if ids} == {where: ("y",)}


def test_of_many_changed_items_the_first_twenty_are_named():
    names = [f"{number:02}" for number in range(30)]
    found = beside([row(name) for name in names], [row(name, said="repairs") for name in names])
    assert (found.changed.count, found.changed.ids) == (30, tuple(names[:20]))


def test_runs_without_a_common_item_tell_nothing():
    found = beside([row("x")], [row("y")])
    assert (found.n, found.right.p, found.right.detectable) == (0, 1, None)
    assert (found.right.difference.low, found.right.difference.high) == (-1, 1)


@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40), others=st.integers(0, 60))
def test_the_differences_interval_holds_it_and_mirrors_when_the_runs_change_places(only_a, only_b, others):
    n = only_a + only_b + others
    there, back = paired_difference(only_a, only_b, n), paired_difference(only_b, only_a, n)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert (there.low, there.value, there.high) == pytest.approx((-back.high, -back.value, -back.low), abs=1e-6)


@given(only_a=st.integers(0, 40), only_b=st.integers(0, 40))
def test_an_interval_without_zero_means_a_significant_difference(only_a, only_b):
    found = paired_difference(only_a, only_b, 100)
    assert found.low <= 0 <= found.high or two_sided_p(only_a, only_b) <= 0.05


@pytest.mark.parametrize(
    ("n", "discordant", "least"),
    [
        pytest.param(0, 0, None, id="no items"),
        pytest.param(4, 0, None, id="four pairs cannot be significant"),
        pytest.param(5, 0, 0.8 ** (1 / 5), id="five must all be worse: share^5 = 0.8"),
        pytest.param(10_000, 1_000, 0.00785, id="Connor: (1.645 + 0.842) * sqrt(0.1 / 10000), nearly"),
    ],
)
def test_the_least_detectable_difference(n, discordant, least):
    found = least_detectable(n, discordant, level=0.05)
    assert found is least is None or found == pytest.approx(least, rel=0.005)


def test_without_discordant_pairs_it_is_where_five_losses_come_up_four_times_in_five():
    least = least_detectable(120, 0, level=0.05)
    assert binomial_tail(4, 120, least) == pytest.approx(0.2, abs=0.001)


@settings(deadline=None, max_examples=10)
@given(n=st.integers(20, 300), share=st.floats(0, 0.2))
def test_more_items_or_fewer_discordant_pairs_see_more(n, share):
    here = least_detectable(n, round(n * share), level=0.05)
    assert least_detectable(2 * n, 2 * round(n * share), level=0.05) < here
    assert (
        least_detectable(n, round(n * share) + 10, level=0.05) > here * 0.98
    )  # an exact test's power is a little jagged


def test_the_sum_and_the_formula_meet():
    below, above = least_detectable(800, 99, level=0.025), least_detectable(800, 101, level=0.025)
    assert below == pytest.approx(above, rel=0.02)
