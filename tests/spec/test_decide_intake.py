"""Whether an item's fields are written: the whole of `domain.intake.decide_intake`, as a table."""

import pytest
from builders import NOW, proposal, terms
from hypothesis import given
from hypothesis import strategies as st

from domain.decision import ENRICH, INCOMPLETE, Decision, Kind, Mode, Reason, RuleAction, RuleMatch, Terms
from domain.intake import Gap, decide_intake
from domain.proposal import AskOutcome, Proposal


def read(outcome: AskOutcome = AskOutcome.ANSWERED, **more: object) -> Proposal:
    """What was read from a text, without a label."""
    return proposal(label=None, confidence=None, opinion=None, outcome=outcome, **more)


LOT = "item-1"
READ, STEERED, DOWN = read(), read(tampering=("chat_markup",)), read(AskOutcome.UNAVAILABLE)
PERSON = RuleMatch(name="threat", action=RuleAction.PERSON, flags=("urgent",))
REJECT = RuleMatch(name="auto_reply", action=RuleAction.REJECT)
AUTO, ASSIST, SHADOW = terms(threshold=None), terms(Mode.ASSIST), terms(Mode.SHADOW)
CANARY, NO_CANARY = terms(Mode.CANARY, canary_share=1), terms(Mode.CANARY, canary_share=0)
AUDITED = terms(audit_share=1)
ABSENT, MALFORMED = {"email": Gap.ABSENT}, {"email": Gap.MALFORMED}
UNSURE, FAULTY = {"phone": Gap.UNSURE}, {"quantity": Gap.FAULTY}

TABLE = [
    # What is complete is written; nothing is classified, so nothing needs to be calibrated.
    pytest.param(READ, {}, None, AUTO, Kind.AUTO, Reason.COMPLETE, (), True, id="complete fields are written"),
    pytest.param(DOWN, {}, None, AUTO, Kind.AUTO, Reason.COMPLETE, (), True,
                 id="a model that failed does not matter where nothing is missing"),
    # Each gap asks a person, the weightiest for the reason.
    pytest.param(READ, ABSENT, None, AUTO, Kind.HUMAN, Reason.FIELDS_MISSING, (Reason.FIELDS_MISSING,), False,
                 id="a required field that is not there"),
    pytest.param(READ, MALFORMED, None, AUTO, Kind.HUMAN, Reason.FIELDS_MISSING, (Reason.FIELDS_MISSING,), False,
                 id="a required field that came in malformed"),
    pytest.param(READ, UNSURE, None, AUTO, Kind.HUMAN, Reason.FIELDS_UNSURE, (Reason.FIELDS_UNSURE,), False,
                 id="a required field that was not found surely enough"),
    pytest.param(READ, FAULTY, None, AUTO, Kind.HUMAN, Reason.CHECK_FAILED, (Reason.CHECK_FAILED,), False,
                 id="a check that does not hold"),
    pytest.param(READ, ABSENT | FAULTY | UNSURE, None, AUTO, Kind.HUMAN, Reason.CHECK_FAILED,
                 (Reason.CHECK_FAILED, Reason.FIELDS_UNSURE, Reason.FIELDS_MISSING), False,
                 id="of several gaps the weightiest is the reason, and all are told"),
    pytest.param(READ, ABSENT | {"name": Gap.MALFORMED}, None, AUTO, Kind.HUMAN, Reason.FIELDS_MISSING,
                 (Reason.FIELDS_MISSING,), False, id="the same reason is told once"),
    pytest.param(DOWN, ABSENT, None, AUTO, Kind.HUMAN, Reason.FIELDS_MISSING,
                 (Reason.FIELDS_MISSING, Reason.LLM_UNAVAILABLE), False,
                 id="that the model failed is told where something is missing"),
    pytest.param(read(AskOutcome.NO_MODEL), ABSENT, None, AUTO, Kind.HUMAN, Reason.FIELDS_MISSING,
                 (Reason.FIELDS_MISSING,), False, id="no model is no reason where patterns do"),
    # Tampering and rules go before everything.
    pytest.param(STEERED, {}, None, AUTO, Kind.HUMAN, Reason.TAMPERING, (Reason.TAMPERING,), False,
                 id="a sign of tampering asks a person though everything is there"),
    pytest.param(READ, {}, PERSON, AUTO, Kind.HUMAN, Reason.RULE_WANTS_PERSON, (), False,
                 id="a rule leaves a complete item to a person"),
    pytest.param(READ, ABSENT, REJECT, AUTO, Kind.REJECT, Reason.RULE_REJECTS, (Reason.FIELDS_MISSING,), False,
                 id="a rule ends an item, complete or not"),
    pytest.param(STEERED, {}, REJECT, AUTO, Kind.REJECT, Reason.RULE_REJECTS, (Reason.TAMPERING,), False,
                 id="a rule ends what shows signs of tampering"),
    # The mode and the audit hold as they do for routes.
    pytest.param(READ, {}, None, SHADOW, Kind.AUTO, Reason.COMPLETE, (), False, id="in shadow mode nothing is written"),
    pytest.param(READ, {}, None, ASSIST, Kind.HUMAN, Reason.MODE_ASSIST, (), False,
                 id="in assist mode a person confirms"),
    pytest.param(READ, {}, REJECT, ASSIST, Kind.HUMAN, Reason.MODE_ASSIST, (), False,
                 id="in assist mode a person confirms an end too"),
    pytest.param(READ, {}, None, CANARY, Kind.AUTO, Reason.COMPLETE, (), True, id="the canary's share acts"),
    pytest.param(READ, {}, None, NO_CANARY, Kind.HUMAN, Reason.OUTSIDE_CANARY, (), False, id="the rest does not"),
    pytest.param(READ, {}, None, AUDITED, Kind.HUMAN, Reason.AUDIT, (), False, id="what is drawn is decided blindly"),
    pytest.param(READ, ABSENT, None, AUDITED, Kind.HUMAN, Reason.FIELDS_MISSING, (Reason.FIELDS_MISSING,), False,
                 id="what a person decides anyway is not drawn"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "gaps", "rule", "under", "kind", "reason", "holds", "writes"), TABLE)
def test_who_decides_about_an_items_fields(
    read: Proposal,
    gaps: dict[str, Gap],
    rule: RuleMatch | None,
    under: Terms,
    kind: Kind,
    reason: Reason,
    holds: tuple[Reason, ...],
    writes: bool,
) -> None:
    decision = decide_intake(read, gaps, rule, under, NOW, LOT)

    assert (decision.kind, decision.reason, decision.holds, decision.writes) == (kind, reason, holds, writes)
    assert (decision.route, decision.missing, decision.waits) == (None, tuple(gaps), kind is Kind.HUMAN)
    assert (ENRICH in decision.flags) == bool(gaps)


def test_the_table_has_a_row_for_every_gap_and_every_mode() -> None:
    assert {gap for row in TABLE for gap in row.values[1].values()} == set(Gap)
    assert {row.values[3].mode for row in TABLE} == set(Mode)


def test_who_decided_is_told() -> None:
    assert decide_intake(READ, {}, None, AUTO, NOW).by == "checks"
    assert decide_intake(READ, {}, REJECT, AUTO, NOW).by == "rule"
    assert decide_intake(READ, ABSENT, None, AUTO, NOW).by == "nobody yet"


def test_a_flag_of_the_rule_is_kept_beside_the_one_for_enrichment() -> None:
    assert decide_intake(READ, ABSENT, PERSON, AUTO, NOW).flags == ("urgent", ENRICH)


@given(
    gaps=st.dictionaries(st.sampled_from("abc"), st.sampled_from(Gap)),
    read=st.sampled_from([READ, STEERED, DOWN]),
    rule=st.sampled_from([None, PERSON, REJECT]),
    under=st.sampled_from([AUTO, ASSIST, SHADOW, CANARY, NO_CANARY, AUDITED]),
)
def test_nothing_with_a_gap_or_a_sign_is_ever_written_alone(
    gaps: dict[str, Gap], read: Proposal, rule: RuleMatch | None, under: Terms
) -> None:
    decision = decide_intake(read, gaps, rule, under, NOW, LOT)

    assert not (decision.writes and (gaps or read.tampering or rule))
    assert decision == decide_intake(read, gaps, rule, under, NOW, LOT)


@pytest.mark.parametrize(
    ("reason", "mode", "incomplete"),
    [(reason, Mode.AUTO, True) for reason in sorted(INCOMPLETE)]
    + [
        (Reason.FIELDS_MISSING, Mode.CANARY, True),
        (Reason.FIELDS_MISSING, Mode.ASSIST, False),
        (Reason.FIELDS_MISSING, Mode.SHADOW, False),
        (Reason.TAMPERING, Mode.AUTO, False),
        (Reason.AUDIT, Mode.AUTO, False),
    ],
)
def test_the_sender_may_be_asked_only_about_fields_and_where_something_may_go_out(
    reason: Reason, mode: Mode, incomplete: bool
) -> None:
    held: Decision = decide_intake(READ, ABSENT, None, terms(mode), NOW, LOT)

    assert held.model_copy(update={"reason": reason, "kind": Kind.HUMAN}).incomplete is incomplete
