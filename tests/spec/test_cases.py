"""Cases as state machines: which event may come, where an action leads, and who must agree. Tables, and properties."""

from datetime import timedelta

import pytest
from builders import NOW, proposal, terms
from hypothesis import given
from hypothesis import strategies as st

from domain.action import above, people_needed, permitted, restrain, settle_action
from domain.case import DEADLINE, Case, Gate, Machine, Plan, State, moved
from domain.decide import decide
from domain.decision import OF_CASES, Decision, Kind, Mode, Reason, RuleAction, RuleMatch
from domain.proposal import NONE_OF_THESE
from domain.review import Answer

STATES = {
    "new": State(description="nothing yet", events=("order",), to=("unpaid",)),
    "unpaid": State(description="waits for money", events=("pay", "ask"), to=("sent", "gone"), deadline_minutes=60),
    "sent": State(description="on its way", events=("arrive", "ask"), to=("gone",)),
    "gone": State(description="given up"),
}
MACHINE = Machine(initial="new", events=frozenset({"order", "pay", "ask", "arrive"}), states=STATES)
DUE = NOW + timedelta(hours=1)

GATES = [
    pytest.param("new", "order", Gate.ALLOWED, id="what the state allows may come"),
    pytest.param("new", "pay", Gate.EARLY, id="what the next state allows came before its turn"),
    pytest.param("new", "arrive", Gate.EARLY, id="and what a state far ahead allows too"),
    pytest.param("sent", "pay", Gate.NOT_ALLOWED, id="what lies behind is too late"),
    pytest.param("gone", "ask", Gate.NOT_ALLOWED, id="nothing comes to a case that has ended"),
    pytest.param("new", "exploded", Gate.UNKNOWN, id="an event that nobody knows"),
    pytest.param("renamed", "ask", Gate.NOT_ALLOWED, id="a case in a state that the policy has no more is a person's"),
]


@pytest.mark.parametrize(("state", "event", "gate"), GATES)
def test_whether_an_event_may_come(state: str, event: str, gate: Gate) -> None:
    assert MACHINE.gate(Case(key="1", policy="p", state=state), event) is gate


@pytest.mark.parametrize(
    ("standing", "told", "gate"),
    [
        pytest.param(DUE, DUE, Gate.ALLOWED, id="a deadline that stands"),
        pytest.param(DUE + timedelta(hours=2), DUE, Gate.MOOT, id="one that was renewed meanwhile"),
        pytest.param(None, DUE, Gate.MOOT, id="one of a state that the case has left"),
        pytest.param(DUE, None, Gate.MOOT, id="one that nobody set"),
    ],
)
def test_a_deadline_counts_only_while_it_stands(standing, told, gate) -> None:
    assert MACHINE.gate(Case(key="1", policy="p", state="unpaid", due_at=standing), DEADLINE, told) is gate


def plan(action: str = "sales", **changes: object) -> Plan:
    values = {"case": "1", "version": 3, "state": "unpaid", "event": "ask", "action": action, "to": "unpaid"}
    return Plan.model_validate(values | changes)


def test_an_action_moves_a_case_on_and_remembers_what_was_said() -> None:
    before = Case(key="1", policy="p", state="unpaid", version=3, due_at=DUE, values={"a": "old", "b": "kept"})
    after = moved(before, "pay", {"a": "new"}, plan(to="sent"), None)
    assert (after.state, after.version, after.due_at) == ("sent", 4, None)
    assert (after.values, after.seen, after.done) == ({"a": "new", "b": "kept"}, {"pay": 1}, {"sales": 1})


def test_a_deadline_goes_on_while_the_case_stays_and_is_renewed_when_it_passes() -> None:
    before = Case(key="1", policy="p", state="unpaid", due_at=DUE, seen={"ask": 1})
    later = DUE + timedelta(hours=1)
    assert moved(before, "ask", {}, plan(), later).due_at == DUE
    assert moved(before, DEADLINE, {}, plan(), later).due_at == later
    assert moved(before, "ask", {}, plan(), later).seen == {"ask": 2}


def test_an_event_that_a_person_found_nothing_to_do_about_is_counted_and_not_believed() -> None:
    before = Case(key="1", policy="p", state="unpaid", due_at=DUE)
    after = moved(before, "ask", {"a": "x"}, None, None)
    assert (after.state, after.version, after.values, after.seen, after.done) == ("unpaid", 1, {}, {"ask": 1}, {})


PEOPLE = [
    pytest.param(0, False, None, "100 EUR", 0, id="nobody for what is free and can be undone"),
    pytest.param(1, False, None, "100 EUR", 1, id="as many as the policy asks"),
    pytest.param(2, False, None, None, 2, id="two where the policy asks two"),
    pytest.param(0, True, None, None, 1, id="one for what cannot be undone"),
    pytest.param(0, False, "0.01 EUR", None, 1, id="one for the smallest cost"),
    pytest.param(0, True, "100.00 EUR", "100 EUR", 1, id="one up to the limit"),
    pytest.param(0, False, "100.01 EUR", "100 EUR", 2, id="two above it"),
    pytest.param(0, False, "5.00 USD", "100 EUR", 2, id="two for another currency"),
    pytest.param(0, False, "", "100 EUR", 2, id="two for a cost that nobody could read"),
    pytest.param(0, False, "", None, 1, id="one for it where there is no limit"),
    pytest.param(2, False, "5.00 EUR", "100 EUR", 2, id="never fewer than the policy asks"),
]


@pytest.mark.parametrize(("asked", "irreversible", "cost", "limit", "people"), PEOPLE)
def test_how_many_people_must_agree(asked, irreversible, cost, limit, people) -> None:
    assert people_needed(asked, irreversible, cost, limit) == people


def test_amounts_that_are_none_count_as_more_than_any_limit() -> None:
    assert above("much EUR", "100 EUR")
    assert not above("99.99 EUR", "100.00 EUR")


AUTO = decide(proposal(), None, terms(), NOW)
HUMAN = decide(proposal(confidence=0.5), None, terms(), NOW)
REJECTED = decide(proposal(), RuleMatch(name="no", action=RuleAction.REJECT), terms(), NOW)

HELD_BACK = [
    pytest.param(AUTO, plan(), (), Kind.AUTO, Reason.CONFIDENT, id="nothing against it: it goes on"),
    pytest.param(AUTO, plan(), (Reason.PRECONDITION_FAILED,), Kind.HUMAN, Reason.PRECONDITION_FAILED,
                 id="what speaks against the plan sends it to a person"),
    pytest.param(AUTO, plan(approvals=1), (), Kind.HUMAN, Reason.NEEDS_APPROVAL, id="what needs a person gets one"),
    pytest.param(AUTO, plan(approvals=2), (), Kind.HUMAN, Reason.NEEDS_TWO_PEOPLE, id="or two"),
    pytest.param(AUTO, None, (), Kind.HUMAN, Reason.ACTION_NOT_ALLOWED, id="without a plan nothing is done"),
    pytest.param(AUTO, plan("repairs"), (), Kind.HUMAN, Reason.ACTION_NOT_ALLOWED, id="nor by another's plan"),
    pytest.param(HUMAN, plan(), (Reason.EVENT_UNKNOWN,), Kind.HUMAN, Reason.BELOW_THRESHOLD,
                 id="what waits goes on waiting, for one reason more"),
    pytest.param(REJECTED, plan(), (Reason.EVENT_UNKNOWN,), Kind.REJECT, Reason.RULE_REJECTS,
                 id="what a rule ends stays ended"),
]  # fmt: skip


@pytest.mark.parametrize(("decision", "made", "doubts", "kind", "reason"), HELD_BACK)
def test_what_holds_a_decision_back(decision, made, doubts, kind, reason) -> None:
    held = restrain(decision, made, doubts)
    assert (held.kind, held.reason) == (kind, reason)
    assert (held.route is None, held.writes) == (kind is not Kind.AUTO, kind is Kind.AUTO)
    if kind is Kind.HUMAN:
        assert set(doubts) <= set(held.holds)


def agree(held: Decision, made: Plan | None, *by: str, mode: Mode = Mode.AUTO) -> Decision:
    *before, last = by
    choice = made.action if made else NONE_OF_THESE
    answer = Answer(choice=choice, reviewer=f" {last} ", note=" why not ", binding="b", agreed=tuple(before))
    return settle_action(answer, held, made, mode, NOW + timedelta(minutes=1))


def test_one_person_approves_what_needs_one() -> None:
    done = agree(restrain(AUTO, plan(approvals=1), ()), plan(approvals=1), "Ada")
    assert (done.kind, done.reason, done.route, done.by) == (Kind.HUMAN, Reason.APPROVED, "sales", "Ada")
    assert (done.writes, done.waits, done.note) == (True, False, "why not")
    assert done.plan == plan(approvals=1, approved_by=("Ada",))


def test_where_two_agreed_both_are_named() -> None:
    done = agree(restrain(AUTO, plan(approvals=2), ()), plan(approvals=2), "Ada", "Bo")
    assert done.by == "Ada and Bo"
    assert done.plan == plan(approvals=2, approved_by=("Ada", "Bo"))


def test_people_may_take_another_action_than_was_proposed() -> None:
    assert agree(restrain(AUTO, plan(approvals=2), ()), plan("repairs"), "Bo").reason is Reason.OVERRIDDEN


def test_a_person_who_finds_that_nothing_fits_ends_it() -> None:
    done = agree(restrain(AUTO, plan(approvals=2), ()), None, "Ada")
    assert (done.reason, done.route, done.writes, done.plan) == (Reason.DISMISSED, None, False, None)


def test_in_shadow_mode_not_even_an_approved_action_is_written() -> None:
    assert not agree(restrain(AUTO, plan(approvals=1), ()), plan(approvals=1), "Ada", mode=Mode.SHADOW).writes


def test_only_the_plan_that_was_decided_on_may_be_carried_out() -> None:
    held = restrain(AUTO, plan(), ())
    assert permitted(held, plan())
    assert not permitted(held, plan(version=4))
    assert not permitted(held, plan("repairs"))
    assert not permitted(held, plan(approvals=1))
    assert not permitted(restrain(AUTO, plan(approvals=1), ()), plan(approvals=1))
    assert not permitted(AUTO, plan())


PROPOSALS = st.builds(
    proposal,
    label=st.sampled_from(["sales", "repairs", "none_of_these", "nonsense"]),
    confidence=st.floats(0, 1),
    opinion=st.sampled_from(["sales", "repairs", "none_of_these"]),
)
RULES = st.none() | st.builds(
    RuleMatch,
    name=st.just("r"),
    action=st.just(RuleAction.ROUTE),
    route=st.sampled_from(["sales", "repairs"]),
)
DOUBTS = st.lists(st.sampled_from(sorted(OF_CASES)), max_size=2)
PLANS = st.none() | st.builds(
    plan, action=st.sampled_from(["sales", "repairs"]), approvals=st.integers(0, 2), version=st.integers(0, 3)
)


@given(PROPOSALS, RULES, st.sampled_from(Mode), PLANS, DOUBTS)
def test_nothing_that_needs_a_person_ever_acts_without_one(said, rule, mode, made, doubts) -> None:
    decision = restrain(decide(said, rule, terms(mode, canary_share=0.5), NOW), made, doubts)
    if decision.route is not None:
        assert made is not None
        assert (made.approvals, doubts, made.action) == (0, [], decision.route)
        assert permitted(decision, made)
    if made is not None and made.approvals:
        assert decision.waits
        assert not permitted(decision, made)


@given(PLANS, PLANS, st.lists(st.sampled_from(["Ada", "Bo"]), min_size=1, max_size=3))
def test_what_people_agreed_to_may_be_done_only_if_enough_different_ones_stand_behind_it(proposed, made, names) -> None:
    held = restrain(AUTO, proposed, (Reason.PRECONDITION_FAILED,))
    done = agree(held, made, *names)
    if made is not None:
        assert permitted(done, made) == (len(set(names)) >= made.approvals)


@given(st.lists(st.sampled_from(["order", "pay", "ask", "arrive", "exploded", DEADLINE]), max_size=12), st.data())
def test_a_case_only_ever_goes_where_its_policy_leads(events, data) -> None:
    case = Case(key="1", policy="p", state="new")
    for event in events:
        gate = MACHINE.gate(case, event, case.due_at)
        if gate is not Gate.ALLOWED:
            continue
        to = data.draw(st.sampled_from([case.state, *STATES[case.state].to]))
        assert MACHINE.allows(case.state, None if to == case.state else to)
        after = moved(case, event, {}, plan(to=to, version=case.version), DUE)
        assert after.version == case.version + 1
        assert after.state == case.state or after.state in MACHINE.reachable(case.state)
        assert sum(after.seen.values()) == sum(after.done.values()) == after.version
        case = after


def test_staying_is_always_allowed() -> None:
    assert MACHINE.allows("gone", None)
    assert not MACHINE.allows("gone", "new")
    assert not MACHINE.allows("gone", "gone")


def test_from_a_state_that_the_policy_lost_only_people_lead_and_anywhere() -> None:
    lost = Case(key="1", policy="p", state="lost", due_at=NOW)
    assert [MACHINE.gate(lost, event) for event in ("order", "never heard of")] == [Gate.NOT_ALLOWED, Gate.UNKNOWN]
    assert [MACHINE.gate(lost, DEADLINE, at) for at in (NOW, None)] == [Gate.NOT_ALLOWED, Gate.MOOT]
    assert MACHINE.allows("lost", "new")
    assert MACHINE.allows("lost", None)


def test_a_plan_that_differs_in_anything_that_would_be_done_has_another_binding() -> None:
    bindings = {
        one.binding
        for one in (
            plan(),
            plan("repairs"),
            plan(version=4),
            plan(case="2"),
            plan(to="sent"),
            plan(parameters={"amount": {"value": "1.00 EUR", "evidence": "event.amount"}}),
        )
    }
    assert len(bindings) == 6
    assert plan(approved_by=("Ada",)).binding == plan(faults=("x",)).binding == plan().binding
