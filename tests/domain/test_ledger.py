"""The chain that shows tampering, the story that the ledger tells, and what it counts."""

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from builders import NOW, proposal, terms
from hypothesis import given
from hypothesis import strategies as st

from domain.case import Parameter, Plan
from domain.decide import decide
from domain.decision import Decision, RuleAction, RuleMatch
from domain.delivery import Conflict, NotThere, RetryAfter, Step, Unknown, Written
from domain.duplicates import Comparison, Finding
from domain.errors import Retryable
from domain.ledger import GENESIS, GONE, Entry, Event, Sealed, blank, erased, first_break, link, personal
from domain.review import Answer
from domain.route_review import settle_route
from domain.story import tell
from domain.tally import Tally, tally

SALT = "5a17" * 8
FACTS = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=3)
HAPPENINGS = st.lists(st.tuples(st.sampled_from(Event), st.none() | st.just("item-1"), FACTS), min_size=2, max_size=6)


def chain(happened: list[tuple[Event, str | None, dict[str, Any]]], salt: str | None = SALT) -> list[Entry]:
    entries: list[Entry] = []
    for seq, (event, item_id, facts) in enumerate(happened, start=1):
        previous = entries[-1].hash if entries else GENESIS
        entries.append(link(previous, seq, item_id, NOW + timedelta(seconds=seq), event, facts, salt))
    return entries


CHAINS = HAPPENINGS.map(chain)


@given(CHAINS)
def test_an_untouched_chain_has_no_break(entries: list[Entry]) -> None:
    assert first_break(entries) is None
    assert all(after.previous == before.hash for before, after in pairwise(entries))


CHANGES = {
    "seq": lambda entry: entry.seq + 1,
    "item_id": lambda entry: f"{entry.item_id}-2",
    "at": lambda entry: entry.at + timedelta(microseconds=1),
    "event": lambda entry: Event.BALANCED if entry.event is Event.ACCEPTED else Event.ACCEPTED,
    "facts": lambda entry: entry.facts | {"more": 1},
    "previous": lambda entry: entry.previous[::-1] + "0",
    "hash": lambda entry: entry.hash[::-1] + "0",
    "sealed": lambda _: Sealed(names=("x",), salt="0" * 32),
}


@pytest.mark.parametrize("field", CHANGES)
@given(entries=CHAINS, data=st.data())
def test_a_changed_entry_is_found(field: str, entries: list[Entry], data: st.DataObject) -> None:
    here = data.draw(st.integers(0, len(entries) - 1))
    entries[here] = entries[here].model_copy(update={field: CHANGES[field](entries[here])})

    assert first_break(entries) == here + 1


def test_every_field_of_an_entry_is_in_the_chain() -> None:
    assert set(CHANGES) == set(Entry.model_fields)


@given(CHAINS)
def test_the_end_of_an_untouched_chain_follows_from_the_entry_before(entries: list[Entry]) -> None:
    assert first_break(entries[1:], entries[0]) is None
    assert first_break(entries[1:]) == 1


@given(CHAINS, st.data())
def test_an_entry_that_was_changed_and_hashed_again_breaks_the_next(entries: list[Entry], data: st.DataObject) -> None:
    here = data.draw(st.integers(0, len(entries) - 2))
    old = entries[here]
    entries[here] = link(old.previous, old.seq, old.item_id, old.at, old.event, old.facts | {"more": 1}, SALT)

    assert first_break(entries) == here + 2


@given(CHAINS, st.data())
def test_a_removed_entry_is_found(entries: list[Entry], data: st.DataObject) -> None:
    here = data.draw(st.integers(0, len(entries) - 2))
    del entries[here]

    assert first_break(entries) == here + 1


@given(CHAINS, st.data())
def test_an_inserted_entry_is_found(entries: list[Entry], data: st.DataObject) -> None:
    here = data.draw(st.integers(0, len(entries)))
    entries.insert(here, data.draw(st.sampled_from(entries)))

    assert first_break(entries) in (here + 1, here + 2)


@given(CHAINS, st.data())
def test_entries_in_another_order_are_found(entries: list[Entry], data: st.DataObject) -> None:
    one, other = sorted(
        data.draw(st.lists(st.integers(0, len(entries) - 1), min_size=2, max_size=2, unique=True)),
    )
    entries[one], entries[other] = entries[other], entries[one]

    assert first_break(entries) == one + 1


PERSONAL = {"external_id": "<m-1@example.com>", "note": "call Ann", "values": {"to": ["ann@example.com", 7]}}


@given(CHAINS, st.data())
def test_a_chain_whose_facts_were_erased_still_holds(entries: list[Entry], data: st.DataObject) -> None:
    which = data.draw(st.sets(st.integers(0, len(entries) - 1)))
    after = [erased(entry) if seq in which else entry for seq, entry in enumerate(entries)]

    assert first_break(after) is None
    assert [erased(erased(entry)) for entry in entries] == [erased(entry) for entry in entries]


@pytest.mark.parametrize("salt", [SALT, None], ids=["sealed", "older than seals"])
def test_what_may_tell_of_a_person_goes_and_the_rest_stays(salt: str | None) -> None:
    (entry,) = chain([(Event.DECIDED, "item-1", {**PERSONAL, "route": "sales", "holds": [], "empty": ""})], salt)

    after = erased(entry)

    assert entry.is_personal
    assert after.is_erased
    assert not after.is_personal
    assert after.facts == {
        "external_id": GONE,
        "note": GONE,
        "values": {"to": [GONE, 7]},
        "route": "sales",
        "holds": [],
        "empty": "",
    }
    assert after.hash == entry.hash
    assert after.sealed.salt is None
    assert first_break([after]) is None


ERASED = erased(chain([(Event.DECIDED, "item-1", {**PERSONAL, "route": "sales"})])[0])


@pytest.mark.parametrize(
    "forged",
    [
        {"facts": ERASED.facts | {"note": "call Bob"}},
        {"facts": ERASED.facts | {"route": "repairs"}},
        {"sealed": ERASED.sealed.model_copy(update={"seal": "0" * 64})},
        {"sealed": ERASED.sealed.model_copy(update={"salt": SALT})},
        {"sealed": ERASED.sealed.model_copy(update={"names": ("note",)})},
        {"sealed": ERASED.sealed.model_copy(update={"whole": True})},
        {"sealed": None},
    ],
)
def test_nothing_can_be_put_where_facts_were_erased(forged: dict[str, Any]) -> None:
    assert first_break([ERASED.model_copy(update=forged)]) == 1


def test_a_seal_tells_nobody_what_stood_under_it() -> None:
    one, other = (chain([(Event.DECIDED, None, PERSONAL)], salt)[0] for salt in (SALT, SALT[::-1]))

    assert erased(one).sealed.seal != erased(other).sealed.seal


def test_a_fact_that_nobody_has_thought_of_counts_as_personal() -> None:
    assert personal({"policy": "p", "invented": "x", "n": 3, "number": 3, "none": None}) == ("invented",)
    assert blank({"a": ["x", ("y", "")], "b": 1.5}) == {"a": [GONE, [GONE, ""]], "b": 1.5}


SURE, UNSURE = proposal(), proposal(confidence=0.5)
ROUTES = RuleMatch(name="broken", action=RuleAction.ROUTE, route="repairs", flags=("urgent",))


def decided(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(mode="json") | {"waits": decision.waits}


def answered(route: str, note: str = "") -> dict[str, Any]:
    held = decide(UNSURE, None, terms(), NOW)
    given = Answer(choice=route, reviewer="Ada", note=note, binding=UNSURE.hash)
    return decided(settle_route(given, held, terms().mode, NOW))


def attempted(outcome: Any, step: Step, *, look_up: bool = False) -> dict[str, Any]:
    facts = outcome.model_dump(mode="json", exclude={"kind"})
    return facts | {"destination": "crm", "attempt": 1, "look_up": look_up, "outcome": outcome.kind, "next": step.value}


PLAN = Plan(
    case="O-1",
    version=1,
    state="sent",
    event="complained",
    action="give_back",
    parameters={"amount": Parameter(value="40.00 EUR", evidence="case.price")},
    to="returned",
)
DOUBTED = PLAN.model_copy(update={"faults": ("too much",)})


def moved(**changes: Any) -> dict[str, Any]:
    facts = {"case": "O-1", "from": "not_paid", "to": "not_paid", "after": "money_received", "action": "send_it"}
    return facts | {"by": "rule", "due_at": None} | changes


def proposed(label: str | None = "sales", confidence: float | None = 0.9, **more: Any) -> dict[str, Any]:
    bare = {"outcome": "answered", "detail": "", "opinion": "sales", "model": "small", "cached": False, "calls": 1}
    return {"label": label, "model_label": label, "confidence": confidence} | bare | more


def compared(finding: Finding, by: str = "") -> dict[str, Any]:
    said = Comparison(finding=finding, records=("7",), why="names agree", by=by)
    return said.model_dump(mode="json") | {"operation": "op-1", "destination": "crm"}


ADA = "Ada said so: names agree."
COMPARED = [
    (Finding.OURS, (), "crm has the record under its key already; it is updated."),
    (Finding.REMEMBERED, (), "The write goes to record 7 of crm, as an earlier one of this record did."),
    (Finding.SAME, ("Ada",), f"Record 7 of crm is the same; the write goes to it. {ADA}"),
    (Finding.DIFFERENT, (), "crm has no such record; a new one is made. Why: names agree."),
    (Finding.ASK_PERSON, (), "In crm the same may be 7; the write waits for a person. Why: names agree."),
    (Finding.UNWANTED, ("Ada",), f"Nothing is written to crm. {ADA}"),
]

STORIES = [
    pytest.param(
        Event.ACCEPTED,
        {"source": "post", "external_id": "7", "policy": "tiny"},
        "Came in from post as 7 and was stored for tiny.",
        id="accepted",
    ),
    pytest.param(
        Event.DUPLICATE,
        {"external_id": "8", "how": "same_content", "content": None},
        "Came in again as 8 (same content); nothing is done twice.",
        id="duplicate",
    ),
    pytest.param(
        Event.REFUSED,
        {"where": "letters.csv:3", "why": "nothing to classify"},
        "letters.csv:3 could not be read and was set aside: nothing to classify",
        id="refused",
    ),
    pytest.param(
        Event.TAKEN_OVER,
        {},
        "The run that worked on it stopped half-way; another run took it over.",
        id="taken over",
    ),
    pytest.param(
        Event.EXTRACTED,
        {
            "found": {
                "email": {"by": "pattern", "ground": "placed", "confidence": 0.97, "sure": True},
                "company": {"by": "model", "ground": "logprobs", "confidence": 0.62, "sure": False},
            },
            "dropped": {"phone": "somebody else's, not the sender's own"},
            "outcome": "answered",
            "detail": "",
        },
        "Read from the text: email (by pattern, placed, 97%). Too unsure to be written: company (by model, logprobs, "
        "62%). What the model said and the text does not support was dropped: phone (somebody else's, not the "
        "sender's own).",
        id="extracted",
    ),
    pytest.param(
        Event.EXTRACTED,
        {"found": {}, "dropped": {}, "outcome": "timed_out", "detail": "the model did not answer in time"},
        "Read from the text: nothing that is sure enough. The model gave no usable answer (timed out): the model did "
        "not answer in time",
        id="nothing extracted",
    ),
    pytest.param(
        Event.ASK_FAILED,
        {"attempt": 2, "outcome": "timed_out", "detail": "no answer in 60 s"},
        "Asking the model failed, try 2 (timed out): no answer in 60 s",
        id="asking failed",
    ),
    pytest.param(
        Event.PROPOSED,
        proposed(),
        "Proposed sales (by small); the labelled examples say sales; 90% sure together.",
        id="proposed",
    ),
    pytest.param(
        Event.PROPOSED,
        proposed(confidence=None),
        "Proposed sales (by small); the labelled examples say sales; without a confidence.",
        id="proposed without a confidence",
    ),
    pytest.param(
        Event.PROPOSED,
        proposed(confidence=None, opinion=None, cached=True),
        "Proposed sales (remembered from the same text before), without a confidence.",
        id="proposed from memory without a confidence",
    ),
    pytest.param(
        Event.PROPOSED,
        proposed(None, None, opinion=None, outcome="no_model", detail="none is set up"),
        "The model gave no usable answer (no model): none is set up",
        id="no proposal",
    ),
    pytest.param(
        Event.PROPOSED,
        proposed(model_label=None, outcome="unavailable", detail="the endpoint is down"),
        "The model gave no usable answer (unavailable): the endpoint is down; the labelled examples say sales.",
        id="the examples alone",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(SURE, None, terms(), NOW)),
        "Routed to sales automatically: it is sure enough by a proven threshold, and nothing speaks against it.",
        id="decided by the model",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(UNSURE, ROUTES, terms(), NOW, ("email",))),
        "Routed to repairs by the rule broken: a rule matches. The model may not act alone: it is less sure than the "
        "threshold asks; required fields are missing or malformed. Flagged: urgent, needs enrichment. "
        "Missing: email.",
        id="decided by a rule",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(UNSURE, None, terms(), NOW)),
        "Left to a person: it is less sure than the threshold asks. The model may not act alone: it is less sure than "
        "the threshold asks.",
        id="left to a person",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(SURE, RuleMatch(name="spam", action=RuleAction.REJECT), terms(), NOW)),
        "Ended without a write by the rule spam: a rule ends such messages.",
        id="rejected",
    ),
    pytest.param(
        Event.DECIDED,
        answered("repairs", "it squeaks"),
        "Routed to repairs by Ada: the reviewer chose another route. Note: it squeaks",
        id="overridden",
    ),
    pytest.param(
        Event.DECIDED,
        answered("none_of_these"),
        "Ended without a write by Ada: the reviewer found that nothing is to be written.",
        id="dismissed",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(SURE, None, terms(), NOW).model_copy(update={"plan": PLAN})),
        "Decided to give back with amount 40.00 EUR automatically: it is sure enough by a proven threshold, and "
        "nothing speaks against it.",
        id="an action decided",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(UNSURE, None, terms(), NOW).model_copy(update={"plan": DOUBTED})),
        "Left to a person: it is less sure than the threshold asks. The model may not act alone: it is less sure than "
        "the threshold asks. It would be to give back with amount 40.00 EUR. Against it: too much.",
        id="an action left to a person",
    ),
    pytest.param(
        Event.DECIDED,
        decided(decide(SURE, RuleMatch(name="r", action=RuleAction.REJECT), terms(), NOW))
        | {"reason": "deadline_moot", "rule": None},
        "Ended without a write automatically: the case had moved on before its deadline was looked at.",
        id="a deadline that is moot",
    ),
    pytest.param(
        Event.EVENT_WAITS,
        {"case": "O-1", "state": "not_paid", "until": "noon"},
        "Came before its turn: O-1 is not paid. Waits until noon.",
        id="an event waits",
    ),
    pytest.param(
        Event.LINKED,
        {"system": "crm", "record": "7", "by": ""},
        "Record 7 of crm was linked.",
        id="linked",
    ),
    pytest.param(
        Event.LINKED,
        {"system": "crm", "record": "7", "by": "a person"},
        "Record 7 of crm was linked by a person.",
        id="linked by a person",
    ),
    pytest.param(Event.LINKED, {"merged_into": "en-2"}, "Was found to be the same as en-2.", id="two that are one"),
    pytest.param(
        Event.LINKED,
        {"system": "crm", "record": "7", "gone": True},
        "Record 7 was deleted in crm; another one is made.",
        id="deleted",
    ),
    pytest.param(
        Event.MERGED,
        {"object": "person", "fields": {"name": "one_edit", "tags": "union"}, "by": ""},
        "Edits were heard: name (one edit), tags (union).",
        id="merged",
    ),
    pytest.param(
        Event.MERGED,
        {"object": "person", "fields": {"name": "decided"}, "by": "a person"},
        "Edits were heard by a person: name (decided).",
        id="decided",
    ),
    pytest.param(
        Event.CASE_MOVED,
        moved(to="sent_off", due_at="noon"),
        "Case O-1 went from not paid to sent off after money received: send it by rule. Something must happen by noon.",
        id="a case moved",
    ),
    pytest.param(
        Event.CASE_MOVED,
        moved(action=None, by="Ada"),
        "Case O-1 stays not paid after money received: nothing done, by Ada.",
        id="a case stayed",
    ),
    pytest.param(
        Event.QUEUED,
        {"destination": "crm", "record_key": "7"},
        "The write to crm (record 7) was put in the outbox.",
        id="queued",
    ),
    pytest.param(
        Event.REVIEW_OPENED,
        {"due_at": "2026-03-02T10:30+00:00"},
        "A person was asked; an answer is due by 2026-03-02T10:30+00:00.",
        id="review opened",
    ),
    pytest.param(
        Event.REVIEW_SHOWN,
        {"flow_run": "brave-lynx"},
        "The review form was opened in Prefect (run brave-lynx).",
        id="review shown",
    ),
    pytest.param(
        Event.REVIEW_RESUMED,
        {"flow_run": "brave-lynx"},
        "The review's run in Prefect (run brave-lynx) ended with an answer in it, and runs again.",
        id="review resumed",
    ),
    pytest.param(
        Event.REVIEW_CANCELLED,
        {"flow_run": "brave-lynx", "again": True},
        "Somebody cancelled the review's run in Prefect (run brave-lynx), which keeps neither who nor why. "
        "The review goes on waiting; it will be shown once more.",
        id="review cancelled",
    ),
    pytest.param(
        Event.REVIEW_CANCELLED,
        {"flow_run": "brave-lynx", "again": False},
        "Somebody cancelled the review's run in Prefect (run brave-lynx), which keeps neither who nor why. "
        "The review goes on waiting; no further form is opened.",
        id="review cancelled once more",
    ),
    pytest.param(
        Event.REVIEW_AGREED,
        {"by": "Ada", "proven": "link", "choice": "refund_all", "missing": 1},
        "Ada (proven by a signed link) agreed to refund all; one more person must agree.",
        id="one of two agreed",
    ),
    pytest.param(
        Event.REVIEW_AGREED,
        {"by": "Ada", "proven": "claimed", "choice": "refund", "missing": 2},
        "Ada (name as given) agreed to refund; 2 more people must agree.",
        id="one of three agreed",
    ),
    pytest.param(
        Event.REVIEW_ANSWERED,
        {"by": "Ada", "proven": "link", "choice": "none_of_these"},
        "Ada (proven by a signed link) answered: none of these.",
        id="review answered",
    ),
    pytest.param(
        Event.ANSWER_REFUSED,
        {"reviewer": "Ada", "proven": "claimed", "why": "That is not among the choices."},
        "An answer from Ada (name as given) was not taken: That is not among the choices.",
        id="somebody's answer refused",
    ),
    pytest.param(
        Event.ANSWER_REFUSED,
        {"reviewer": "", "why": "Please fill in your name."},
        "An answer from somebody was not taken: Please fill in your name.",
        id="answer refused",
    ),
    pytest.param(
        Event.ESCALATED,
        {"escalation": "es-1", "message": "nobody answered"},
        "Escalated (es-1): nobody answered",
        id="escalated",
    ),
    pytest.param(
        Event.RECURRED,
        {"escalation": "es-1", "message": "nobody answered", "occurrences": 3},
        "Seen 3 times now (es-1): nobody answered",
        id="seen again",
    ),
    pytest.param(
        Event.NOTIFIED,
        {"to": ["the shop"], "by": "slack", "why": "begun", "others": 0},
        "Told the shop by slack.",
        id="told",
    ),
    pytest.param(
        Event.NOTIFIED,
        {"to": ["Ann", "Ben"], "by": "mail", "why": "unanswered", "others": 4},
        "Nobody has acknowledged: told Ann, Ben by mail, with 4 more in one message.",
        id="told again, folded",
    ),
    pytest.param(
        Event.NOTICE_FAILED,
        {"to": ["Ann"], "by": "mail"},
        "Ann could not be told by mail; the next step of the ladder is due.",
        id="a notice that failed",
    ),
    pytest.param(
        Event.ACKNOWLEDGED,
        {"escalation": "es-1", "by": "Ada"},
        "Ada (name as given) takes es-1 over; nobody else is told.",
        id="acknowledged",
    ),
    pytest.param(
        Event.ACKNOWLEDGED,
        {"escalation": "es-1", "by": "Ada", "proven": "link"},
        "Ada (proven by a signed link) takes es-1 over; nobody else is told.",
        id="acknowledged by who came by a link",
    ),
    pytest.param(
        Event.RESOLVED,
        {"escalation": "es-1", "why": "Ada has answered"},
        "The escalation es-1 is over: Ada has answered.",
        id="resolved",
    ),
    pytest.param(
        Event.ASSIGNED,
        {"to": "Ben", "why": "unanswered", "before": "Ann"},
        "The review is with Ben now (unanswered, before Ann).",
        id="assigned",
    ),
    pytest.param(
        Event.ASSIGNED,
        {"to": "Ben", "why": "new", "before": None, "notice": "as-1"},
        "The review is with Ben now (new). They are told (as-1).",
        id="assigned and told",
    ),
    pytest.param(
        Event.ASSIGNED,
        {"to": None, "why": "off_shift", "before": None},
        "The review is with nobody for now (off shift).",
        id="assigned to nobody",
    ),
    pytest.param(
        Event.REVIEW_OPENED,
        {"asks": "duplicate", "due_at": "noon"},
        "A person was asked whether another system has the record already; an answer is due by noon.",
        id="duplicate review opened",
    ),
    *[
        pytest.param(Event.COMPARED, compared(finding, *more), story, id=f"compared: {finding.value}")
        for finding, more, story in COMPARED
    ],
    pytest.param(
        Event.ATTEMPTED,
        attempted(RetryAfter(detail="busy"), Step.LOOK_UP, look_up=True) | {"search": True},
        "Searching for duplicates in crm ended retry after: busy. Next: look up.",
        id="searched in vain",
    ),
    pytest.param(
        Event.ATTEMPTED,
        attempted(Written(kind="created", external_id="7"), Step.DONE),
        "Written to crm: created, record 7.",
        id="written",
    ),
    pytest.param(
        Event.ATTEMPTED,
        attempted(Written(kind="created", external_id="7", found=True), Step.DONE, look_up=True),
        "Written to crm: created, record 7. An earlier try had gone through after all; nothing was sent again.",
        id="found",
    ),
    pytest.param(
        Event.ATTEMPTED,
        attempted(Conflict(detail="stage is not what it was", moved=True), Step.DONE),
        "Not written to crm: the record has changed since the write was decided (stage is not what it was). "
        "It must be decided anew.",
        id="moved",
    ),
    pytest.param(
        Event.ATTEMPTED,
        attempted(Unknown(detail="no answer"), Step.LOOK_UP),
        "Try 1 to write to crm ended unknown: no answer. Next: look up.",
        id="unknown",
    ),
    pytest.param(
        Event.ATTEMPTED,
        attempted(NotThere(), Step.SEND_AGAIN, look_up=True),
        "Looking the write up in crm ended not there: no trace of the earlier try. Next: send again.",
        id="not there",
    ),
    pytest.param(
        Event.DEAD_LETTERED,
        {"destination": "crm", "why": "gave up after 8 tries: busy"},
        "The write to crm was given up and needs mending: gave up after 8 tries: busy",
        id="dead-lettered",
    ),
    pytest.param(
        Event.PUT_BACK,
        {"destination": "crm", "by": "Ann"},
        "The write to crm was put back by Ann (name as given); it is tried again.",
        id="put back",
    ),
    pytest.param(
        Event.SUPERSEDED,
        {"destination": "crm", "by": "Ann", "newer": "it-9"},
        "The write to crm was ended unwritten by Ann (name as given): a later one of the same record, of it-9, had "
        "gone out.",
        id="superseded",
    ),
    pytest.param(
        Event.SUPERSEDED,
        {"destination": "crm", "by": "Ann", "newer": None},
        "The write to crm was ended unwritten: what is to be written is decided anew.",
        id="superseded by a merge",
    ),
    pytest.param(
        Event.STEPPED_BACK,
        {"policy": "lead_routing", "from": "auto", "to": "canary", "n": 40, "wrong": 8, "target": 0.05},
        "Stepped back from auto to canary in lead routing: 8 of 40 audited decisions were wrong, with at most 5.0% "
        "promised.",
        id="stepped back",
    ),
    pytest.param(
        Event.RELEASED,
        {"policy": "lead_routing", "from": "canary", "to": "auto", "by": "Ada", "note": ""},
        "Released from canary to auto in lead routing by Ada (name as given).",
        id="released",
    ),
    pytest.param(
        Event.RELEASED,
        {"policy": "lead_routing", "from": "canary", "to": "auto", "by": "Ada", "note": "mended the examples"},
        "Released from canary to auto in lead routing by Ada (name as given). Note: mended the examples",
        id="released with a note",
    ),
    pytest.param(
        Event.DRIFTED,
        {
            "policy": "lead_routing",
            "drifts": [
                {"which": "labels", "expected": "60% sales", "found": "20% sales", "p": 0.000123},
                {"which": "disagreements", "expected": "5%", "found": "30%", "p": 0.01},
            ],
        },
        "What lead routing is sent has changed since its thresholds were proven: labels were 60% sales and are 20% "
        "sales (p = 0.00012); disagreements were 5% and are 30% (p = 0.01).",
        id="drifted",
    ),
    pytest.param(
        Event.SYSTEM_PAUSED,
        {"system": "hubspot", "until": "2026-03-01T12:00:30+00:00", "why": "limit daily: HTTP 429"},
        "Nothing is sent to hubspot until 2026-03-01T12:00:30+00:00: limit daily: HTTP 429",
        id="system paused",
    ),
    pytest.param(
        Event.SYSTEM_RESUMED,
        {"system": "hubspot", "failures": 6},
        "hubspot answers again after 6 failures in a row.",
        id="system resumed",
    ),
    pytest.param(
        Event.SOURCE_PAUSED,
        {"source": "imap", "policy": "lead_routing", "until": "2026-03-01T12:00:30+00:00", "why": "no answer"},
        "The source imap of lead routing is not read until 2026-03-01T12:00:30+00:00, and then tried now and then: "
        "no answer",
        id="source paused",
    ),
    pytest.param(
        Event.SOURCE_REFUSED,
        {"source": "hubspot (contacts)", "policy": "lead_routing", "why": "wrong key"},
        "The source hubspot (contacts) of lead routing refuses to be read: wrong key",
        id="source refused",
    ),
    pytest.param(
        Event.SOURCE_RESUMED,
        {"source": "imap", "policy": "lead_routing", "since": "2026-03-01T12:00:30+00:00"},
        "The source imap of lead routing is read again; it was not since 2026-03-01T12:00:30+00:00.",
        id="source resumed",
    ),
    pytest.param(
        Event.ECHOED,
        {"operation": "op-1", "change": "hubspot/contacts 7@1", "where": "HubSpot contacts 7"},
        "The write came back as a change of HubSpot contacts 7, and was not taken in again.",
        id="echoed",
    ),
    pytest.param(
        Event.CUSTOMER_ASKED,
        {"what": "the order number", "by": "Ada"},
        "Ada asked the customer for the order number; the clocks stand still until the answer.",
        id="customer asked",
    ),
    pytest.param(
        Event.CUSTOMER_ANSWERED,
        {"by": "Ada"},
        "Ada recorded the customer's answer; the clocks run on.",
        id="customer answered",
    ),
    pytest.param(
        Event.CUSTOMER_ANSWERED,
        {"by": "", "through": "it-2", "since": "2026-03-02T10:00:00+00:00"},
        "The customer answered, by it-2; the clocks run on.",
        id="customer answered by an item",
    ),
    pytest.param(
        Event.CUSTOMER_SILENT,
        {"until": "2026-03-16T10:00+00:00", "since": "2026-03-16T10:00:00+00:00"},
        "The customer has not answered by 2026-03-16T10:00+00:00; the clocks run on from then.",
        id="customer silent",
    ),
    pytest.param(
        Event.SLA_WARNED,
        {"clock": "first_decision", "due_at": "2026-03-02T10:00+00:00"},
        "Time is running out (first decision): due by 2026-03-02T10:00+00:00.",
        id="warned",
    ),
    pytest.param(
        Event.SLA_BREACHED,
        {"clock": "delivered", "due_at": "2026-03-02T10:00+00:00", "ended_at": None},
        "Late (delivered): due by 2026-03-02T10:00+00:00, and it has not come yet.",
        id="breached",
    ),
    pytest.param(
        Event.SLA_BREACHED,
        {"clock": "delivered", "due_at": "2026-03-02T10:00+00:00", "ended_at": "2026-03-02T11:00+00:00"},
        "Late (delivered): due by 2026-03-02T10:00+00:00, and it came at 2026-03-02T11:00+00:00.",
        id="breached, and done",
    ),
    pytest.param(
        Event.OUT_OF_STEP,
        {"spell": 1, "since": "2026-03-02T10:00:00+00:00"},
        "A change was observed at 2026-03-02T10:00:00+00:00 that not every system holds yet.",
        id="out of step",
    ),
    pytest.param(
        Event.IN_STEP,
        {"spell": 1, "since": "2026-03-02T10:00:00+00:00", "merged_into": None},
        "Every system holds what was out of step since 2026-03-02T10:00:00+00:00.",
        id="in step",
    ),
    pytest.param(
        Event.IN_STEP,
        {"spell": 1, "since": "2026-03-02T10:00:00+00:00", "merged_into": "en-2"},
        "What was out of step since 2026-03-02T10:00:00+00:00 is so as a part of en-2 now.",
        id="in step as a part of another",
    ),
    pytest.param(
        Event.ERASED,
        {"by": "Ada", "why": "asked to", "items": 2, "cases": 0, "records": 1, "escalations": 0, "entries": 9},
        "Erased by Ada: 2 items, 1 records, and with it facts of 9 entries. Why: asked to.",
        id="erased",
    ),
    pytest.param(
        Event.ERASED,
        {"by": "Ada", "why": "asked to", "items": 0, "cases": 0, "records": 0, "escalations": 0, "entries": 1},
        "Erased by Ada: nothing but what the ledger said of it, and with it facts of 1 entries. Why: asked to.",
        id="erased from the ledger alone",
    ),
    pytest.param(
        Event.BALANCED, {"accepted": 9, "unaccounted": 0}, "Books checked: 9 accepted, 0 unaccounted.", id="balanced"
    ),
]


@pytest.mark.parametrize(("event", "facts", "sentence"), STORIES)
def test_the_ledger_tells_what_happened(event: Event, facts: dict[str, Any], sentence: str) -> None:
    told = tell(event, facts)

    assert told == sentence
    assert not re.search(r"_|None|\s\s|\s$", told)


def test_there_is_a_story_for_every_event() -> None:
    assert {story.values[0] for story in STORIES} == set(Event)


def test_the_tally_counts_what_the_ledger_says() -> None:
    conflict = Conflict(detail="changed")
    happened = [
        (Event.ACCEPTED, {}),
        (Event.ACCEPTED, {}),
        (Event.ACCEPTED, {}),
        (Event.DUPLICATE, {}),
        (Event.REFUSED, {}),
        (Event.TAKEN_OVER, {}),
        (Event.ASK_FAILED, {"calls": 1}),
        (Event.PROPOSED, proposed(calls=2)),
        (Event.PROPOSED, proposed(calls=0, cached=True)),
        (Event.DECIDED, decided(decide(SURE, None, terms(), NOW))),
        (Event.DECIDED, decided(decide(UNSURE, ROUTES, terms(), NOW))),
        (Event.DECIDED, decided(decide(SURE, RuleMatch(name="r", action=RuleAction.REJECT), terms(), NOW))),
        (Event.DECIDED, decided(decide(UNSURE, None, terms(), NOW))),
        (Event.EXTRACTED, {"calls": 2}),
        (Event.REVIEW_OPENED, {}),
        (Event.ESCALATED, {}),
        (Event.DECIDED, answered("repairs")),
        (Event.ATTEMPTED, attempted(conflict, Step.SEND_AGAIN)),
        (Event.ATTEMPTED, attempted(Unknown(detail="?"), Step.LOOK_UP)),
        (Event.ATTEMPTED, attempted(Written(kind="created", external_id="7"), Step.DONE)),
        (Event.ATTEMPTED, attempted(conflict, Step.DEAD_LETTER)),
        (Event.ATTEMPTED, attempted(Conflict(detail="409", moved=True), Step.DONE)),
        (Event.DEAD_LETTERED, {}),
        (Event.BALANCED, {}),
    ]

    assert tally(chain([(event, "item-1", facts) for event, facts in happened])) == Tally(
        accepted=3,
        duplicates=1,
        refused=1,
        auto=1,
        by_rule=1,
        rejected=1,
        to_person=1,
        answered=1,
        escalated=1,
        written=1,
        moved=1,
        retried=3,
        dead_lettered=1,
        llm_calls=5,
        cache_hits=1,
    )


def test_an_empty_ledger_counts_nothing() -> None:
    assert tally([]) == Tally()
    assert first_break([]) is None


def test_a_retryable_error_says_how_long_the_other_side_wants_to_be_left_alone() -> None:
    assert Retryable("busy", retry_after_s=3).retry_after_s == 3
    assert Retryable("busy").retry_after_s is None
