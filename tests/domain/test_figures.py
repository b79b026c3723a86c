"""What figures come to, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.figures import Counts, Price, Share, duration, percent, rank

COUNTS = Counts(
    accepted=200,
    done=150,
    decided=190,
    settled=170,
    automatic=95,
    answered=40,
    overridden=8,
    audited=20,
    misrouted=1,
    retried=12,
    escalated=6,
    given_up=3,
    retries=30,
    prompt_tokens=19_000,
    completion_tokens=1_900,
)

numbers = st.integers(0, 1000)
counts = st.builds(Counts, **dict.fromkeys(Counts.model_fields, numbers))


@pytest.mark.parametrize(
    ("figure", "part", "of"),
    [
        ("completion", 150, 200),
        ("errors", 3, 200),
        ("escalations", 6, 200),
        ("automation", 95, 190),
        ("overrides", 8, 40),
    ],
)
def test_a_rate_is_a_part_of_a_whole(figure, part, of):
    share = getattr(COUNTS, figure)
    assert (share.part, share.of, share.value) == (part, of, part / of)


def test_what_is_left_is_the_rest():
    assert (COUNTS.to_person, COUNTS.undone) == (95, 50)


def test_of_nothing_there_is_no_figure():
    nothing = Counts()
    assert nothing.completion.value is None
    assert nothing.retries_each is None
    assert nothing.tokens_each() is None
    assert nothing.cost_each(Price(prompt=1, completion=1)) is None
    assert nothing.audit.misroute.high == 1


def test_the_misroute_rate_has_its_exact_interval():
    rate = COUNTS.audit.misroute
    assert rate.value == 0.05
    assert (rate.low, rate.high) == pytest.approx((0.00127, 0.24873), abs=1e-4)  # Clopper and Pearson, 1 of 20


def test_tries_and_tokens_are_told_per_item():
    assert COUNTS.retries_each == 0.15
    assert COUNTS.tokens == 20_900
    assert COUNTS.tokens_each() == 110


def test_a_decision_costs_its_tokens_at_their_prices():
    price = Price(prompt=0.5, completion=2, currency="EUR")
    assert COUNTS.cost_each(price) == pytest.approx((19_000 * 0.5 + 1_900 * 2) / 1e6 / 190)


@given(st.lists(counts))
def test_a_total_is_the_sum_of_each_count(several):
    total = Counts.total(several)
    for name in Counts.model_fields:
        assert getattr(total, name) == sum(getattr(one, name) for one in several)


def test_shares_add_up():
    assert Share(part=1, of=2) + Share(part=2, of=3) == Share(part=3, of=5)


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 100))
def test_the_ranked_value_is_the_smallest_that_so_many_do_not_exceed(values, percent):
    ordered = sorted(values)
    found = ordered[rank(percent, len(values))]
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


@pytest.mark.parametrize(
    ("part", "of", "said"),
    [
        (0, 0, "–"),
        (0, 3, "0 %"),
        (3, 3, "100 %"),
        (1, 3, "33.3 %"),
        (1, 2, "50 %"),
        (9_999, 10_000, ">99.9 %"),
        (1, 100_000, "<0.1 %"),
    ],
)
def test_a_share_never_looks_like_all_or_nothing_when_it_is_not(part, of, said):
    assert percent(Share(part=part, of=of)) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, "–"),
        (420, "420 ms"),
        (1_500, "1.5 s"),
        (61_000, "1 min 1 s"),
        (3_600_000 * 2 + 60_000, "2 h 1 min"),
        (86_400_000 * 3 + 3_600_000, "3 d 1 h"),
    ],
)
def test_a_time_is_told_in_two_units_at_most(ms, said):
    assert duration(ms) == said
