"""A policy's terms, its writes and its fingerprint."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from builders import NOW, calibration, claimed, policy, proof, proposal, terms, workflow
from pydantic import ValidationError

from domain.calibration import Calibration
from domain.confidence import Source
from domain.decide import decide
from domain.decision import ENRICH, Mode
from domain.delivery import operation_id
from domain.sla import Clock, ClockName, LongestPause
from policies.intake import check
from policies.load import Workflow
from policies.model import Policy
from policies.templates import render
from policies.writes import operations

TINY = policy()


def tiny(here: Policy) -> Workflow:
    return replace(workflow(), policy=here)


STRICT_REPAIRS = policy(target={"routes": {"repairs": 0.01}})


def test_a_calibration_for_the_policys_target_gives_its_proofs_by_source() -> None:
    both = (proof(repairs=0.9), proof(Source.EXAMPLES, threshold=None))

    assert TINY.terms(calibration(*both)).proofs == {Source.LOGPROBS_AND_EXAMPLES: both[0], Source.EXAMPLES: both[1]}


@pytest.mark.parametrize(
    ("wants", "record", "covers"),
    [
        pytest.param(TINY, calibration(), True, id="exactly the promise"),
        pytest.param(TINY, calibration(target=0.1), False, id="a looser target"),
        pytest.param(TINY, calibration(delta=0.1), False, id="a weaker confidence"),
        pytest.param(TINY, calibration(target=0.01, delta=0.01), True, id="a stricter promise"),
        pytest.param(TINY, calibration(target=0.01, delta=0.1), False, id="a stricter target by a weaker confidence"),
        pytest.param(TINY, calibration(named={"repairs": 0.01}), True, id="a bound more than is asked for"),
        pytest.param(STRICT_REPAIRS, calibration(), False, id="a bound that was not proven"),
        pytest.param(STRICT_REPAIRS, calibration(named={"sales": 0.01}), False, id="a bound of another route"),
        pytest.param(STRICT_REPAIRS, calibration(named={"repairs": 0.02}), False, id="a bound that is looser"),
        pytest.param(STRICT_REPAIRS, calibration(named={"repairs": 0.01}), True, id="the very bound"),
        pytest.param(STRICT_REPAIRS, calibration(named={"repairs": 0.005}), True, id="a bound that is stricter"),
        pytest.param(
            policy(target={"routes": {"repairs": 0.01, "sales": 0.02}}),
            calibration(named={"repairs": 0.01}),
            False,
            id="one of two bounds",
        ),
    ],
)
def test_a_calibration_is_trusted_if_it_proves_at_least_what_the_policy_promises(
    wants: Policy, record: Calibration, covers: bool
) -> None:
    assert wants.covers(record) is covers
    assert bool(wants.terms(record).proofs) is covers


def test_terms_say_of_a_policy_what_decide_must_know() -> None:
    found = policy(mode="canary", canary_share=0.3, audit={"share": 0.07}, out_of_scope="end").terms(None)

    assert (found.policy, found.mode, found.canary_share, found.audit_share) == ("tiny", Mode.CANARY, 0.3, 0.07)
    assert found.routes == {"sales", "repairs"}
    assert found.ends_out_of_scope
    assert found.proofs == {}


def test_without_a_word_on_them_two_in_a_hundred_are_audited_and_people_see_what_fits_no_route() -> None:
    assert (TINY.audit.share, TINY.audit.step_back) == (0.02, True)
    assert not TINY.terms(None).ends_out_of_scope


def test_without_a_word_on_them_answers_are_sampled_and_guards_cost_two_in_a_hundred() -> None:
    assert (TINY.classifier.samples, TINY.classifier.guard) == (5, 0.02)


def test_the_chance_that_a_promise_is_broken_is_what_its_confidence_leaves() -> None:
    assert policy(target={"confidence": 0.9}).target.delta == 0.1


def test_a_workflow_without_a_record_has_no_proofs() -> None:
    assert workflow().terms.proofs == {}


def test_the_examples_fingerprint_changes_with_texts_labels_and_order_and_not_with_ids() -> None:
    tiny = workflow()
    texts = [example.model_copy(update={"id": f"{example.id}-new"}) for example in tiny.examples]
    changed = [
        tiny.examples[:2],
        tiny.examples[::-1],
        (tiny.examples[0].model_copy(update={"label": "repairs"}), *tiny.examples[1:]),
        (tiny.examples[0].model_copy(update={"intent": "price"}), *tiny.examples[1:]),
    ]

    assert replace(tiny, examples=tuple(texts)).examples_fingerprint == tiny.examples_fingerprint
    assert tiny.examples_fingerprint not in {replace(tiny, examples=one).examples_fingerprint for one in changed}


def test_the_fingerprint_changes_with_anything_the_file_says() -> None:
    changed = [TINY, policy(version=2), policy(escalation={"to": "the owner"}), policy(rules=[])]

    assert len({one.fingerprint for one in changed}) == len(changed)
    assert policy().fingerprint == TINY.fingerprint


OFFICE = {"zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}
FRIDAY = datetime(2026, 3, 6, 16, 30, tzinfo=UTC)


def test_a_reviewers_time_runs_always_or_on_the_calendar_that_the_policy_names() -> None:
    always = policy(review={"answer_within_minutes": 90})
    at_work = policy(calendars={"office": OFFICE}, review={"answer_within_minutes": 90, "calendar": "office"})

    assert always.review_due_at(FRIDAY) == FRIDAY + timedelta(minutes=90)
    assert at_work.review_due_at(FRIDAY) == FRIDAY + timedelta(days=2, hours=17, minutes=30)


def test_promises_become_clocks() -> None:
    promised = {
        "first_decision": {"minutes": 15},
        "delivered": {"minutes": 60, "warn_at": 0.5, "pauses": False, "calendar": "office"},
    }
    decision, delivered = policy(calendars={"office": OFFICE}, sla=promised).clocks

    longest = LongestPause(within=timedelta(days=14))
    assert decision == Clock(name=ClockName.FIRST_DECISION, within=timedelta(minutes=15), warn_at=0.8, longest=longest)
    assert (delivered.name, delivered.within, delivered.warn_at) == (ClockName.DELIVERED, timedelta(hours=1), 0.5)
    assert not delivered.pauses
    assert delivered.calendar.add(FRIDAY, timedelta(minutes=31)).isoformat() == "2026-03-09T09:01:00+00:00"


def test_clocks_wait_for_customers_in_working_time() -> None:
    waits = {"longest_pause_minutes": 31, "calendar": "office"}
    (clock,) = policy(calendars={"office": OFFICE}, sla={"delivered": {"minutes": 60}}, customer=waits).clocks

    assert clock.longest is not None
    assert clock.longest.over_at(FRIDAY).isoformat() == "2026-03-09T09:01:00+00:00"


@pytest.mark.parametrize(
    ("customer", "fault"),
    [
        ({"known_by": "shoe_size"}, "'shoe_size' is not in input.fields"),
        ({"calendar": "nobody's"}, "String should match"),
        ({"calendar": "moon"}, "no calendar 'moon'"),
        ({"answered_by": ["paid"]}, "only cases have events; say in 'known_by'"),
        ({"answered_by": []}, "at least 1 item"),
    ],
)
def test_how_customers_are_waited_for_is_checked(customer, fault) -> None:
    with pytest.raises(ValidationError, match=fault):
        policy(customer=customer)


def test_only_what_is_kept_in_step_is_promised_to_be_synced() -> None:
    with pytest.raises(ValidationError, match="only records that are kept in step are synced; promise 'delivered'"):
        policy(sla={"synced": {"minutes": 60}})


def test_a_policy_that_promises_nothing_has_no_clocks() -> None:
    assert TINY.clocks == ()


def test_an_operation_renders_checked_values_only() -> None:
    fields = {"email": "Ada@Example.com", "toys": "a lot", "website": "evil.example"}
    values = {"mail": "{{ email }}", "toys": "{{ toys }}", "site": "{{ website }}", "queue": "{{ route }}"}
    values |= {"flags": "{{ flags | join(', ') }}", "by": "{{ by }}", "text": "{{ text }}", "id": "{{ item_id }}"}
    destination = {"system": "sandbox_crm", "record_key": "{{ email or item_id }}", "values": values}
    wide = policy(destinations={"crm": destination, "help_desk": destination | {"record_key": "{{ item_id }}"}})
    here = claimed("A train, please", **fields)
    checked = check(here.item, wide)

    crm, help_desk = operations(here, checked, decide(proposal(), None, terms(), NOW), tiny(wide))

    assert crm.values == {
        "mail": "ada@example.com",
        "queue": "sales",
        "by": "model",
        "text": "A train, please",
        "id": "item-1",
    }
    assert (crm.record_key, help_desk.record_key) == ("ada@example.com", "item-1")
    assert (crm.system, crm.policy, crm.item_id) == ("sandbox_crm", "tiny", "item-1")
    assert (crm.operation_id, help_desk.operation_id) == (
        operation_id("item-1", "crm"),
        operation_id("item-1", "help_desk"),
    )


def test_an_operation_carries_its_flags_and_what_is_missing() -> None:
    values = {"flags": "{{ flags | join(', ') }}", "missing": "{{ missing | join(', ') }}"}
    wide = policy(destinations={"crm": {"system": "sandbox_crm", "record_key": "{{ item_id }}", "values": values}})
    here = claimed("A train, please")
    decision = decide(proposal(), None, terms(), NOW, ("email",)).model_copy(update={"writes": True, "route": "sales"})

    (crm,) = operations(here, check(here.item, wide), decision, tiny(wide))

    assert crm.values == {"flags": ENRICH, "missing": "email"}


@pytest.mark.parametrize(
    "under", [pytest.param(terms(Mode.SHADOW), id="shadow"), pytest.param(terms(Mode.ASSIST), id="waiting")]
)
def test_a_decision_that_writes_nothing_asks_for_no_operation(under: object) -> None:
    here = claimed()

    assert operations(here, check(here.item, TINY), decide(proposal(), None, under, NOW), tiny(TINY)) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ email.__class__.__base__.__subclasses__ }}",
        "{{ nobody.knows.this }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(source: str) -> None:
    assert render(source, {"email": "ada@example.com"}) == ""


def test_what_is_filled_in_is_not_a_template_itself() -> None:
    assert render("{{ text }}", {"text": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    ("when", "toys", "written"),
    [
        pytest.param(None, "9", True, id="without a condition"),
        pytest.param("toys > 5 and route == 'sales'", "9", True, id="a condition that holds"),
        pytest.param("toys > 5", "3", False, id="one that does not"),
        pytest.param("'email' in missing", "9", True, id="over what is missing"),
        pytest.param("faults.length > 0", "9", False, id="over checks that do not hold"),
        pytest.param("'bulk' in flags", "9", False, id="over flags"),
    ],
)
def test_a_destination_is_written_where_its_condition_holds(when: str | None, toys: str, written: bool) -> None:
    values = {"toys": "{{ toys }}"}
    crm = {"system": "sandbox_crm", "record_key": "{{ item_id }}", "values": values, "when": when}
    wide = policy(destinations={"crm": crm})
    here = claimed("A train, please", toys=toys)
    held = decide(proposal(), None, terms(), NOW, ("email",)).model_copy(update={"writes": True, "route": "sales"})

    assert bool(operations(here, check(here.item, wide), held, tiny(wide))) is written
