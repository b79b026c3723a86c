"""The policy about cases: what follows from what, where it contradicts itself, and an event as it meets its case."""

from pathlib import Path

import pytest
from builders import NOW
from cases import EXAMPLES, case, case_policy, claimed, event, met, tiny_cases, write_cases
from pydantic import ValidationError

from domain.case import DEADLINE, Gate
from domain.decision import Reason
from domain.errors import PolicyInvalid
from policies.cases import CasePolicy
from policies.load import cases_of, load_workflow
from policies.situations import case_key, deadline_item, plan, possible, situate, stands


def faults(**changes: object) -> str:
    with pytest.raises(ValidationError) as caught:
        case_policy(**changes)
    return "\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in caught.value.errors())


def changed(part: str, name: str, **more: object) -> dict[str, object]:
    """A part of the tiny policy with one of its entries changed."""
    whole = tiny_cases()[part]
    return {part: whole | {name: whole.get(name, {}) | more}}


def test_actions_are_routes_and_events_give_the_fields():
    policy = case_policy()
    assert policy.labels == ("send", "settle", "explain", "nudge", "give_back", "none_of_these")
    assert policy.input.numeric["seen_paid"]
    assert policy.input.numeric["seen_deadline_passed"]
    assert policy.input.numeric["price_amount"]
    assert not policy.input.numeric["price_currency"]
    assert set(policy.written("send")) == {"desk"}
    assert policy.written("nudge") == policy.written(None) == {}


def test_a_deadline_counts_working_time_and_some_states_have_none():
    office = {"zone": "UTC", "hours": {"tue": ["09:00-17:00"]}}
    policy = case_policy(calendars={"office": office}, calendar="office")
    assert str(policy.deadline("sent", NOW)) == "2026-03-03 10:00:00+00:00"  # NOW is a Monday
    assert policy.deadline("settled", NOW) is None


@pytest.mark.parametrize(
    ("customer", "answers"),
    [({}, {"asked": True, "complained": True, "deadline_passed": False}),
     ({"answered_by": ["complained"]}, {"asked": False, "complained": True, "deadline_passed": False})],
)  # fmt: skip
def test_which_events_are_the_customers_answer(customer, answers):
    policy = case_policy(customer=customer)
    assert {event: policy.answers(event) for event in answers} == answers


@pytest.mark.parametrize(
    ("changes", "known"),
    [({"two_people_above": None}, False), ({"two_people_above": "5 EUR"}, True),
     ({"two_people_above": None} | changed("actions", "send", approvals=2), True),
     ({"two_people_above": "5 EUR", "review": {"proven": False}}, False),
     ({"two_people_above": None, "review": {"proven": "link"}}, True),
     ({"two_people_above": None, "review": {"proven": True}}, True)],
)  # fmt: skip
def test_where_two_must_agree_only_those_count_who_are_known_unless_the_file_says_otherwise(changes, known):
    assert case_policy(**changes).knows_reviewers is known


@pytest.mark.parametrize(
    ("changes", "several"),
    [({"two_people_above": None}, False), ({"two_people_above": "5 EUR"}, True),
     ({"two_people_above": None, "review": {"people": 2}}, True),
     ({"two_people_above": None} | changed("actions", "send", approvals=2), True)],
)  # fmt: skip
def test_where_anything_needs_more_than_one_person(changes, several):
    assert case_policy(**changes).several_agree is several


CONTRADICTIONS = [
    pytest.param({"routes": {}}, "'routes' follow from the actions here; remove them", id="routes are not written"),
    pytest.param({"initial": "gone"}, "initial: no state 'gone'; use one of: idle", id="the initial state exists"),
    pytest.param(changed("states", "sent", to=["gone"]), "states.sent.to.0: no state 'gone'",
                 id="states lead to states"),
    pytest.param({"customer": {"known_by": "email"}}, "customer.known_by: the events of a case are its customer's",
                 id="a case's customer needs no field"),
    pytest.param({"customer": {"answered_by": ["complained", "boom"]}}, "customer.answered_by.1: no event 'boom'; use",
                 id="an answer is one of the events"),
    pytest.param({"customer": {"answered_by": ["deadline_passed"]}}, "customer.answered_by.0: no event 'deadline_pass",
                 id="that nothing was heard is no answer"),
    pytest.param({"look_ups": {"messages": tiny_cases()["look_ups"]["parcel"]}},
                 "look_ups.messages: every agent has a look-up 'messages'", id="its own look-ups keep their names"),
    pytest.param(changed("look_ups", "parcel", values={}), "a look-up needs a 'record_key', or 'values'",
                 id="a look-up looks for something"),
    pytest.param({"calendar": "office"}, "calendar: no calendar 'office'", id="deadlines are in known time"),
    pytest.param(changed("states", "sent", events=["boom"]), "states.sent.events.0: no event 'boom'",
                 id="states know their events"),
    pytest.param(changed("events", DEADLINE, description="a deadline of mine"), "'deadline_passed' is our own",
                 id="the deadline is ours"),
    pytest.param(changed("events", "paid", fields={"price": "number"}), "'price' is money elsewhere; give it one type",
                 id="a field has one type"),
    pytest.param(changed("events", "paid", required=["weeks"]), "'weeks' is none of the event's fields",
                 id="what is required is a field"),
    pytest.param(changed("actions", "send", writes=["fax"]), "actions.send.writes.0: no destination 'fax'",
                 id="actions write to what there is"),
    pytest.param(changed("actions", "send", to="idle"), "actions.send.to: no state leads to 'idle'",
                 id="an action's step is some state's"),
    pytest.param(changed("actions", "send", requires=[{"must": "nonsense > 1", "message": "it must hold"}]),
                 "actions.send.requires.0.must: rule 'nonsense > 1': no field 'nonsense'", id="requirements compile"),
    pytest.param({"two_people_above": "a lot"}, "write an amount with its currency", id="limits are amounts"),
    pytest.param({"rules": [{"name": "r", "when": "seen_boom > 1", "route": "send"}]}, "no field 'seen_boom'",
                 id="rules see the counts of the events that there are"),
    pytest.param({"privacy": {"mask": ["email"]}}, "is not masked: remove 'privacy.mask'", id="an agent is not masked"),
    pytest.param({"actions": "none"}, "actions: Input should be a valid dictionary", id="parts are mappings"),
    pytest.param({"input": 7}, "input: Input should be", id="the input too"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "fault"), CONTRADICTIONS)
def test_a_policy_that_contradicts_itself_says_where_and_the_mend(changes, fault):
    assert fault in faults(**changes)


def test_an_action_is_not_named_as_states_or_events_are():
    actions = {"send_it": tiny_cases()["actions"]["send"], **tiny_cases()["actions"]}
    states = tiny_cases()["states"]
    assert "messages would seem to name it" in faults(actions=actions, states=states | {"send_it_late": states["idle"]})


def test_fields_of_the_input_are_not_written():
    whole = tiny_cases()["input"]
    assert "'fields' follow from the events here" in faults(input=whole | {"fields": {"x": "text"}})


def test_a_policy_is_a_mapping():
    with pytest.raises(ValidationError):
        CasePolicy.model_validate(["x"])


def test_the_loader_knows_a_policy_about_cases_and_names_the_line(tmp_path: Path):
    workflow = load_workflow(write_cases(tmp_path))
    assert cases_of(workflow).initial == "idle"
    path = Path(write_cases(tmp_path, initial="gone"))
    with pytest.raises(PolicyInvalid, match=r"parcels.yaml:\d+: initial: no state 'gone'"):
        load_workflow(str(path))
    assert len(EXAMPLES["send"]) == 2


def test_a_policy_about_messages_is_none_about_cases():
    workflow = load_workflow("lead_routing")
    assert workflow.cases is None
    with pytest.raises(PolicyInvalid, match=r"run flows.route on it"):
        cases_of(workflow)


def test_an_event_in_its_case_sees_what_was_said_before_and_its_own_words_first():
    here = met(
        "paid", case(values={"price": "40.00 EUR", "note": "old"}, seen={"asked": 1}), amount="39,50 EUR", note="new"
    )
    assert here.checked.values["note"] == "new"
    assert here.checked.values["price"] == "40.00 EUR"
    assert (here.checked.numbers["amount_amount"], here.checked.values["amount_currency"]) == (39.5, "EUR")
    assert (here.checked.numbers["seen_asked"], here.checked.numbers["done_send"]) == (1, 0)
    assert here.fields == {"parcel": "p-1", "amount": "39.50 EUR", "note": "new"}
    assert here.claimed.item.text == "paid while sent\nnew"
    assert here.evidence["case.price"] == "40.00 EUR"


def test_senders_cannot_set_what_the_case_says_of_itself():
    here = met("complained", note="x", state="idle", seen_asked="9", price="1 EUR", price_amount="1")
    assert (here.checked.values["state"], here.checked.numbers["seen_asked"]) == ("sent", 0)
    assert here.checked.values["price"] == "40.00 EUR"


def test_what_an_event_must_bring_and_does_not_is_missing():
    policy = case_policy(**changed("events", "complained", required=["weeks", "parcel"]))
    assert met("complained", policy=policy, weeks="many").checked.missing == ("weeks",)
    assert met("complained", policy=policy, weeks="2").checked.missing == ()


def test_values_that_make_a_template_fail_leave_the_case_unnamed():
    policy = case_policy(input=tiny_cases()["input"] | {"case": "{% if weeks == '0' %}{{ 1 // 0 }}{% endif %}"})
    item = event("complained", weeks="0")
    assert case_key(policy, item) == ""
    unnamed = situate(policy, claimed(item), policy.unheard(""))
    assert unnamed.barred == (Reason.CASE_UNNAMED,)


def test_a_deadline_names_its_case_and_what_happened_before():
    late = case(due_at=NOW, seen={"asked": 1}, done={"send": 1})
    item = deadline_item(late, NOW)
    assert item.text == "The case stayed in sent longer than it may. Before: asked 1, send 1."
    assert item.external_id == deadline_item(late, NOW).external_id
    assert case_key(case_policy(), item) == "p-1"
    assert situate(case_policy(), claimed(item), late).gate is Gate.ALLOWED
    assert situate(case_policy(), claimed(item), case(due_at=None)).gate is Gate.MOOT
    assert deadline_item(case(), NOW).fields["due_at"] == ""


def test_only_what_the_state_and_the_requirements_allow_is_possible():
    policy = case_policy()
    assert possible(policy, met("asked", case("idle"))) == ("send", "explain", "nudge")
    assert possible(policy, met("paid", amount="40 EUR")) == ("settle", "explain", "nudge", "give_back")
    assert possible(policy, met("paid", amount="39 EUR")) == ("explain", "nudge", "give_back")
    assert "nudge" not in possible(policy, met("paid", case(done={"nudge": 2})))


def values(made: object) -> dict[str, tuple[str, str]]:
    return {name: (one.value, one.evidence) for name, one in made.parameters.items()}  # type: ignore[attr-defined]


PARAMETERS = [
    pytest.param("give_back", {}, {}, {}, {"amount": ("40.00 EUR", "policy")}, (), id="the policy's template says it"),
    pytest.param("give_back", {"amount": "40 euros"}, {}, {}, {"amount": ("40.00 EUR", "policy")}, (),
                 id="the agent says the same in other words"),
    pytest.param("give_back", {"amount": "30 EUR"}, {}, {}, {"amount": ("40.00 EUR", "policy")},
                 (Reason.PARAMETERS_UNSUPPORTED,), id="the agent says another"),
    pytest.param("give_back", {}, {}, {"amount": "35 EUR"}, {"amount": ("35.00 EUR", "person")}, (),
                 id="a person's word counts"),
    pytest.param("give_back", {}, {}, {"amount": "45 EUR"}, {"amount": ("45.00 EUR", "person")},
                 (Reason.PRECONDITION_FAILED,), id="and the requirements hold for it too"),
    pytest.param("explain", {"place": "Linz"}, {"parcel.place": "Linz"}, {}, {"place": ("Linz", "parcel.place")}, (),
                 id="a look-up said it"),
    pytest.param("explain", {"place": "in linz"}, {"parcel.place": "depot in Linz, hall 2"}, {},
                 {"place": ("in linz", "parcel.place")}, (), id="word for word in a look-up's text"),
    pytest.param("explain", {"place": "Lin"}, {"parcel.place": "Linz"}, {}, {}, (Reason.PARAMETERS_UNSUPPORTED,),
                 id="a part of a word is no evidence"),
    pytest.param("explain", {"place": "Paris"}, {}, {}, {}, (Reason.PARAMETERS_UNSUPPORTED,), id="nobody said it"),
    pytest.param("explain", {}, {}, {}, {}, (), id="what may be left out may"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "said", "found", "by_person", "parameters", "doubts"), PARAMETERS)
def test_a_parameter_is_taken_only_with_evidence(action, said, found, by_person, parameters, doubts):
    made, against = plan(case_policy(), met(note="where is it"), action, said, found, by_person)
    assert made is not None
    assert (values(made), against) == (parameters, doubts)


NEEDED = {"place": {"type": "text"}, "weeks": {"type": "number"}, "fee": {"type": "money"}}


def asking(**requires: object) -> CasePolicy:
    return case_policy(**changed("actions", "explain", parameters=NEEDED, **requires))


def test_a_parameter_that_is_needed_and_malformed_is_missing():
    made, against = plan(asking(), met(note="2 weeks"), "explain", {"place": "weeks", "weeks": "two"})
    assert made is not None
    assert against == (Reason.PARAMETERS_MISSING,)
    assert made.faults == ("weeks: needed, and not known", "fee: needed, and not known")


def test_nothing_stands_in_for_what_a_person_filled_in_and_cannot_be_read():
    made, against = plan(case_policy(), met(), "give_back", {"amount": "40 EUR"}, {}, {"amount": "20"})
    assert made is not None
    assert (made.parameters, against[0]) == ({}, Reason.PARAMETERS_MISSING)
    assert made.faults[0] == "amount: this is not an amount with its currency, such as 1234.50 EUR"


def test_requirements_see_parameters_as_numbers_and_amounts():
    policy = asking(
        requires=[{"must": "weeks > 1 and fee_amount < 5 and fee_currency == 'EUR'", "message": "too much"}]
    )
    here = met(note="2 weeks here for 4.50 EUR, and 7 EUR")
    said = {"place": "here", "weeks": "2", "fee": "4.50 EUR"}
    assert plan(policy, here, "explain", said)[1] == ()
    assert plan(policy, here, "explain", said | {"fee": "7 EUR"})[1] == (Reason.PRECONDITION_FAILED,)
    assert "explain" in possible(policy, here)


def test_there_is_no_plan_of_nothing_or_of_what_the_policy_does_not_have():
    for action in (None, "none_of_these", "fly"):
        assert plan(case_policy(), met(), action) == (None, ())


def test_a_step_that_the_state_does_not_allow_is_told():
    made, against = plan(case_policy(), met("asked", case("settled")), "send")
    assert made is not None
    assert against == (Reason.ACTION_NOT_ALLOWED,)
    assert made.faults == ("from settled nothing leads there",)


def test_a_plan_stands_until_its_case_moves_on():
    policy, here = case_policy(), met()
    made, _ = plan(policy, here, "give_back")
    assert made is not None
    assert (made.approvals, stands(policy, here, made)) == (1, True)
    assert not stands(policy, met(standing=case(version=2)), made)
    assert not stands(policy, met(standing=case(values={"price": "1.00 EUR"})), made)


def test_a_cost_that_cannot_be_read_needs_two():
    made, _ = plan(case_policy(), met(standing=case(values={})), "give_back")
    assert made is not None
    assert made.approvals == 2


COSTLY = [
    pytest.param("order_processing", "delivered", "send_replacement", {"total": "5000 EUR"}, 2, id="a dear order"),
    pytest.param("order_processing", "delivered", "send_replacement", {"total": "500 EUR"}, 1, id="one that is not"),
    pytest.param("order_processing", "delivered", "send_replacement", {}, 2, id="one of an unknown total"),
    pytest.param("order_processing", "packing", "cancel_order", {"total": "5000 EUR"}, 2, id="a dear cancellation"),
    pytest.param("onboarding", "being_checked", "stop_onboarding", {"setup_fee": "5000 EUR"}, 2, id="a dear contract"),
    pytest.param("onboarding", "being_checked", "stop_onboarding", {"setup_fee": "500 EUR"}, 1, id="a small one"),
    pytest.param("onboarding", "waiting_for_payment", "waive_setup_fee", {"setup_fee": "5000 EUR"}, 2, id="a dear fee"),
]


@pytest.mark.parametrize(("name", "state", "action", "values", "people"), COSTLY)
def test_how_many_people_a_shipped_action_needs_follows_from_the_case_not_from_what_one_of_them_fills_in(
    name, state, action, values, people
):
    policy = cases_of(load_workflow(name))
    here = met("customer_wrote", case(state, policy=name, values=values), policy)
    cheap = dict.fromkeys(("worth", "total", "amount", "setup_fee"), "1 EUR")
    made, _ = plan(policy, here, action, by_person=cheap)
    assert made is not None
    assert made.approvals == people
