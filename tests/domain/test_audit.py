"""The blind audit: what it counts, when it refutes the promise, and the step that follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.integrate import quad

from domain.audit import AuditTally, StepBack, effective, evidence, lower, refuted, step_back, tally_answers
from domain.decision import Mode

TARGET, DELTA = 0.05, 0.05
NOBODY_WRONG, MANY_WRONG = AuditTally(n=60), AuditTally(n=60, wrong=15)


def tally(n: int, wrong: int) -> AuditTally:
    return AuditTally(n=n, wrong=wrong)


def refuted_after(dice: np.random.Generator, rate: float, looks: int) -> int | None:
    """After how many answers, wrong at `rate`, the test says no; looked at after each that is wrong.

    A right answer never adds evidence, as the next test shows, so that is as often as one can look.
    """
    wrong = 0
    for n, is_wrong in enumerate((dice.random(looks) < rate).tolist(), start=1):
        wrong += is_wrong
        if is_wrong and refuted(tally(n, wrong), TARGET, DELTA):
            return n
    return None


@given(st.integers(0, 300), st.floats(0, 1), st.floats(0.001, 0.5))
def test_a_right_answer_never_adds_evidence_and_a_wrong_one_more_than_a_right_one(n, part, target) -> None:
    wrong = round(part * n)

    now, right, worse = (
        evidence(tally(*counts), target) for counts in ((n, wrong), (n + 1, wrong), (n + 1, wrong + 1))
    )

    assert right <= now + 1e-9
    assert worse > right


@pytest.mark.parametrize(("n", "wrong", "target"), [(0, 0, 0.05), (10, 1, 0.05), (60, 9, 0.05), (300, 10, 0.02)])
def test_the_closed_form_is_the_integral(n: int, wrong: int, target: float) -> None:
    def likelihood(p: float) -> float:
        return p**wrong * (1 - p) ** (n - wrong)

    mean = quad(likelihood, target, 1, epsabs=0, points=[max(2 * target, wrong / max(n, 1))])[0] / (1 - target)

    assert evidence(tally(n, wrong), target) == pytest.approx(np.log(mean / likelihood(target)), abs=1e-6)


def test_a_hundred_thousand_right_answers_can_be_counted() -> None:
    assert evidence(tally(100_000, 0), TARGET) == pytest.approx(-np.log(100_001))


@given(st.integers(0, 30), st.floats(0.01, 0.5))
def test_on_average_the_next_answer_adds_nothing_while_the_target_is_just_met(n, target) -> None:
    for wrong in range(n + 1):
        now = np.exp(evidence(tally(n, wrong), target))
        after = [np.exp(evidence(tally(n + 1, wrong + more), target)) for more in (0, 1)]

        assert (1 - target) * after[0] + target * after[1] == pytest.approx(now, rel=1e-6)


def test_however_often_one_looks_a_kept_promise_is_refuted_at_most_as_often_as_delta() -> None:
    dice = np.random.default_rng(20260302)

    alarms = sum(refuted_after(dice, TARGET, looks=600) is not None for _ in range(400))

    assert alarms / 400 <= DELTA


def test_three_times_the_promised_rate_is_found_every_time_and_soon() -> None:
    dice = np.random.default_rng(20260302)

    found = [refuted_after(dice, 3 * TARGET, looks=600) for _ in range(100)]

    assert None not in found
    assert np.median([n for n in found if n]) < 100


@pytest.mark.parametrize(
    ("mode", "below"),
    [
        (Mode.AUTO, Mode.CANARY),
        (Mode.CANARY, Mode.ASSIST),
        (Mode.ASSIST, Mode.ASSIST),
        (Mode.SHADOW, Mode.SHADOW),
    ],
)
def test_a_mode_steps_back_to_the_one_below_down_to_assist(mode: Mode, below: Mode) -> None:
    assert lower(mode) is below


@pytest.mark.parametrize(
    ("mode", "cap", "in_force"),
    [
        pytest.param(Mode.AUTO, None, Mode.AUTO, id="no cap"),
        pytest.param(Mode.AUTO, Mode.CANARY, Mode.CANARY, id="capped"),
        pytest.param(Mode.ASSIST, Mode.CANARY, Mode.ASSIST, id="a cap never raises"),
        pytest.param(Mode.SHADOW, Mode.ASSIST, Mode.SHADOW, id="shadow is the lowest"),
    ],
)
def test_the_lower_of_policy_and_cap_is_in_force(mode: Mode, cap: Mode | None, in_force: Mode) -> None:
    assert effective(mode, cap) is in_force


def test_a_refuted_target_steps_back_with_its_evidence() -> None:
    step = step_back(Mode.AUTO, {"fine": NOBODY_WRONG, "bad": MANY_WRONG}, TARGET, DELTA)

    assert step == StepBack(before=Mode.AUTO, after=Mode.CANARY, classifier="bad", tally=MANY_WRONG)


@pytest.mark.parametrize(
    ("mode", "tallies"),
    [
        pytest.param(Mode.AUTO, {"fine": NOBODY_WRONG}, id="the target holds"),
        pytest.param(Mode.AUTO, {}, id="nothing was audited"),
        pytest.param(Mode.ASSIST, {"bad": MANY_WRONG}, id="people decide everything already"),
        pytest.param(Mode.SHADOW, {"bad": MANY_WRONG}, id="nothing is written already"),
    ],
)
def test_otherwise_the_mode_stays(mode: Mode, tallies: dict[str, AuditTally]) -> None:
    assert step_back(mode, tallies, TARGET, DELTA) is None


def test_two_classifiers_share_the_chance_of_a_false_alarm() -> None:
    counts = (tally(n, wrong) for n in range(20, 80) for wrong in range(10))
    just = next(one for one in counts if refuted(one, TARGET, DELTA) and not refuted(one, TARGET, DELTA / 2))

    assert step_back(Mode.AUTO, {"one": just}, TARGET, DELTA) is not None
    assert step_back(Mode.AUTO, {"one": just, "two": AuditTally()}, TARGET, DELTA) is None


def test_an_answer_unlike_the_proposal_is_wrong_also_where_no_route_fits() -> None:
    answers = [("sales", "sales"), ("sales", "none_of_these"), ("none_of_these", "none_of_these"), (None, "sales")]

    assert tally_answers(answers) == tally(4, 2)


def test_the_misroute_rate_comes_with_its_interval_and_is_unknown_without_answers() -> None:
    misroute = tally(100, 3).misroute

    assert (misroute.value, round(misroute.low, 4), round(misroute.high, 4)) == (0.03, 0.0062, 0.0852)
    assert (AuditTally().misroute.low, AuditTally().misroute.high) == (0, 1)


def test_more_wrong_than_there_are_is_no_tally() -> None:
    with pytest.raises(ValidationError, match="more are wrong than there are"):
        tally(1, 2)
