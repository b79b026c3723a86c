"""Who decides about an item: the whole of `domain.decide.decide`, as a table."""

from math import nextafter

import pytest
from builders import GUARDS, NOW, proof, proposal, terms

from domain.confidence import Source, judge
from domain.decide import decide
from domain.decision import (
    ENRICH,
    OF_CASES,
    OF_RECORDS,
    SETTLED,
    Decision,
    Kind,
    Mode,
    Reason,
    RuleAction,
    RuleMatch,
    Terms,
)
from domain.proposal import SILENCE, AskOutcome, Proposal, ScoresFrom
from domain.values import share

LOT = "item-1"

SURE = proposal()
UNSURE = proposal(confidence=0.79)
SAMPLED = proposal(scores_from=ScoresFrom.SAMPLES)
NO_ROUTE = proposal(label="none_of_these", opinion="none_of_these", confidence=1)
STRANGE = proposal(label="refunds", opinion="refunds", confidence=1)
STEERED = proposal(tampering=("chat_markup",))
SAYS_SALES_MEANS_REPAIRS = SURE.model_copy(update={"scores": proposal("repairs", 0.9).scores})

REPAIRS = RuleMatch(name="broken", action=RuleAction.ROUTE, route="repairs", flags=("urgent",))
NOWHERE = RuleMatch(name="broken", action=RuleAction.ROUTE, route="a_route_that_was_removed")
PERSON = RuleMatch(name="threat", action=RuleAction.PERSON)
REJECT = RuleMatch(name="auto_reply", action=RuleAction.REJECT)

AUTO, ASSIST, SHADOW = terms(), terms(Mode.ASSIST), terms(Mode.SHADOW)
ALL_OF_IT, NONE_OF_IT = terms(Mode.CANARY, canary_share=1), terms(Mode.CANARY, canary_share=0)
UNPROVEN = terms(threshold=None)
JUST_ENOUGH = terms(threshold=judge(SURE, {source: one.fusion for source, one in AUTO.proofs.items()}).confidence)
REPAIRS_STRICTER = terms(proofs=(proof(repairs=0.95),))
REPAIRS_UNPROVEN = terms(proofs=(proof(repairs=None),))
ONLY_REPAIRS = terms(proofs=(proof(threshold=None, repairs=0.8),))
ALONE = terms(proofs=(proof(), proof(Source.EXAMPLES, threshold=0.7)))
ALONE_FOR_REPAIRS = terms(proofs=(proof(Source.EXAMPLES, threshold=None, repairs=0.7),))
ALONE_FOR_NOTHING = terms(proofs=(proof(), proof(Source.EXAMPLES, threshold=None)))
AUDITED = terms(audit_share=1)
ENDS = terms(ends_out_of_scope=True)
GAP = ("email",)


def failed(outcome: AskOutcome, opinion: str | None = "sales", **more: object) -> Proposal:
    return proposal(label=None, confidence=None, opinion=opinion, outcome=outcome, **more)


def silent(opinion: str | None = "sales", **more: object) -> Proposal:
    return failed(AskOutcome.NO_MODEL, opinion, **more)


TABLE = [
    # The model acts alone only if nothing at all speaks against it.
    pytest.param(SURE, None, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a sure model that the examples agree with acts alone"),
    pytest.param(SURE, None, JUST_ENOUGH, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="exactly the threshold is enough"),
    pytest.param(SURE, REPAIRS, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a sure model goes before a rule that routes"),
    pytest.param(SURE, NOWHERE, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a sure model is not disturbed by a rule without a place to route to"),
    # Each doubt sends the item to a person.
    pytest.param(UNSURE, None, AUTO, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="less confidence than the threshold asks for a person"),
    pytest.param(proposal(opinion="repairs"), None, AUTO, (), Kind.HUMAN, Reason.OPINIONS_DISAGREE, None,
                 (Reason.OPINIONS_DISAGREE,), False,
                 id="a sure model that the examples contradict asks for a person"),
    pytest.param(proposal(opinion=None), None, AUTO, (), Kind.HUMAN, Reason.NO_SECOND_OPINION, None,
                 (Reason.NO_SECOND_OPINION, Reason.NO_CONFIDENCE), False,
                 id="without a second opinion there is no confidence, and a person is asked"),
    pytest.param(SAYS_SALES_MEANS_REPAIRS, None, AUTO, (), Kind.HUMAN, Reason.OPINIONS_DISAGREE, None,
                 (Reason.OPINIONS_DISAGREE,), False,
                 id="a model that writes one label and finds another likelier asks for a person"),
    pytest.param(proposal(confidence=None), None, AUTO, (), Kind.HUMAN, Reason.NO_CONFIDENCE, None,
                 (Reason.NO_CONFIDENCE,), False,
                 id="an answer without probabilities never acts alone"),
    pytest.param(proposal(confidence=1), None, UNPROVEN, (), Kind.HUMAN, Reason.NO_CALIBRATION, None,
                 (Reason.NO_CALIBRATION,), False,
                 id="without a calibration not even certainty is enough"),
    pytest.param(proposal(confidence=1, classifier="another prompt"), None, AUTO, (), Kind.HUMAN,
                 Reason.STALE_CALIBRATION, None, (Reason.STALE_CALIBRATION,), False,
                 id="a threshold that was proven for another classifier is not trusted"),
    pytest.param(proposal(voter="other examples"), None, AUTO, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="beside a model the voter's own fingerprint does not count: the classifier's holds it"),
    pytest.param(SURE, None, AUTO, GAP, Kind.HUMAN, Reason.FIELDS_MISSING, None, (Reason.FIELDS_MISSING,), False,
                 id="a sure model waits for a person when required fields are missing"),
    pytest.param(proposal(confidence=0.5, opinion="repairs"), None, AUTO, GAP, Kind.HUMAN, Reason.OPINIONS_DISAGREE,
                 None, (Reason.OPINIONS_DISAGREE, Reason.BELOW_THRESHOLD, Reason.FIELDS_MISSING), False,
                 id="every doubt is kept and the weightiest is the reason"),
    # Messages that are too strange, however sure everyone is.
    pytest.param(proposal(similarity=GUARDS.similarity, weakest=GUARDS.weakest, dissent=GUARDS.dissent), None, AUTO, (),
                 Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="exactly at every guard is not too strange"),
    pytest.param(proposal(similarity=0.39), None, AUTO, (), Kind.HUMAN, Reason.UNLIKE_EXAMPLES, None,
                 (Reason.UNLIKE_EXAMPLES,), False,
                 id="a message unlike every example asks for a person"),
    pytest.param(proposal(weakest=0.29), None, AUTO, (), Kind.HUMAN, Reason.UNLIKE_EXAMPLES, None,
                 (Reason.UNLIKE_EXAMPLES,), False,
                 id="a message with one part unlike every example asks for a person"),
    pytest.param(proposal(dissent=0.61), None, AUTO, (), Kind.HUMAN, Reason.PARTS_DISAGREE, None,
                 (Reason.PARTS_DISAGREE,), False,
                 id="a message with a part that points elsewhere asks for a person"),
    pytest.param(proposal(confidence=0.5, opinion="repairs", similarity=0, weakest=0, dissent=1), None, AUTO, (),
                 Kind.HUMAN, Reason.OPINIONS_DISAGREE, None,
                 (Reason.OPINIONS_DISAGREE, Reason.UNLIKE_EXAMPLES, Reason.PARTS_DISAGREE, Reason.BELOW_THRESHOLD),
                 False, id="strangeness stands between disagreement and the threshold"),
    pytest.param(proposal(similarity=0, weakest=0, dissent=1), None, UNPROVEN, (), Kind.HUMAN, Reason.NO_CALIBRATION,
                 None, (Reason.NO_CALIBRATION,), False,
                 id="without a calibration there are no guards to be beyond"),
    pytest.param(proposal(similarity=0), REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs",
                 (Reason.UNLIKE_EXAMPLES,), True,
                 id="a rule routes what is unlike the examples"),
    # Messages that show signs of tampering.
    pytest.param(STEERED, None, AUTO, (), Kind.HUMAN, Reason.TAMPERING, None, (Reason.TAMPERING,), False,
                 id="a sign of tampering asks for a person, however sure everyone is"),
    pytest.param(STEERED, REPAIRS, AUTO, (), Kind.HUMAN, Reason.TAMPERING, None, (Reason.TAMPERING,), False,
                 id="a sign of tampering beats a rule that routes"),
    pytest.param(STEERED, REJECT, AUTO, (), Kind.REJECT, Reason.RULE_REJECTS, None, (Reason.TAMPERING,), False,
                 id="a rule that rejects goes before a sign of tampering"),
    pytest.param(STEERED, PERSON, AUTO, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (Reason.TAMPERING,), False,
                 id="a rule that wants a person is the reason before a sign of tampering"),
    pytest.param(silent(tampering=("chat_markup",)), REPAIRS, AUTO, GAP, Kind.HUMAN, Reason.TAMPERING, None,
                 (Reason.TAMPERING, Reason.NO_MODEL, Reason.FIELDS_MISSING), False,
                 id="a sign of tampering is the weightiest of all reasons"),
    pytest.param(silent(tampering=("chat_markup",)), None, ALONE, (), Kind.HUMAN, Reason.TAMPERING, None,
                 (Reason.TAMPERING,), False,
                 id="a sign of tampering holds the examples too when they serve alone"),
    pytest.param(STEERED, None, SHADOW, (), Kind.HUMAN, Reason.TAMPERING, None, (Reason.TAMPERING,), False,
                 id="a sign of tampering asks for a person in shadow mode too"),
    # Thresholds are by source and by route.
    pytest.param(SAMPLED, None, terms(proofs=(proof(threshold=None), proof(Source.SAMPLES_AND_EXAMPLES))), (),
                 Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="votes of samples act by a proof of their own"),
    pytest.param(SAMPLED, None, AUTO, (), Kind.HUMAN, Reason.NO_CALIBRATION, None, (Reason.NO_CALIBRATION,), False,
                 id="votes of samples are not trusted by a proof for log-probabilities"),
    pytest.param(SAMPLED, None, terms(proofs=(proof(), proof(Source.SAMPLES_AND_EXAMPLES, threshold=0.95))), (),
                 Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="votes of samples are held against their own threshold"),
    pytest.param(SAMPLED, None, terms(proofs=(proof(Source.SAMPLES_AND_EXAMPLES, classifier="other samples"),)), (),
                 Kind.HUMAN, Reason.STALE_CALIBRATION, None, (Reason.STALE_CALIBRATION,), False,
                 id="a proof for samples goes out of date as any other"),
    pytest.param(proposal("repairs", opinion="repairs"), None, REPAIRS_STRICTER, (), Kind.HUMAN,
                 Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="a route with a bound of its own has a threshold of its own"),
    pytest.param(proposal("repairs", 0.96, "repairs"), None, REPAIRS_STRICTER, (), Kind.AUTO, Reason.CONFIDENT,
                 "repairs", (), True, id="a route acts above its own threshold"),
    pytest.param(SURE, None, REPAIRS_STRICTER, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a route's own threshold is not the others'"),
    pytest.param(proposal("repairs", 1, "repairs"), None, REPAIRS_UNPROVEN, (), Kind.HUMAN, Reason.ROUTE_UNPROVEN,
                 None, (Reason.ROUTE_UNPROVEN,), False,
                 id="for a route whose bound could not be proven not even certainty is enough"),
    pytest.param(SURE, None, REPAIRS_UNPROVEN, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="a route without a proof does not hold the others"),
    pytest.param(SURE, None, ONLY_REPAIRS, (), Kind.HUMAN, Reason.ROUTE_UNPROVEN, None, (Reason.ROUTE_UNPROVEN,), False,
                 id="the routes without a bound of their own may be the ones that are unproven"),
    pytest.param(SURE, REPAIRS, ONLY_REPAIRS, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.ROUTE_UNPROVEN,),
                 True, id="a rule routes what the model has no proof for"),
    # Labels that are no routes.
    pytest.param(NO_ROUTE, None, AUTO, (), Kind.HUMAN, Reason.NONE_OF_THESE, None, (Reason.NONE_OF_THESE,), False,
                 id="none_of_these never acts, however sure"),
    pytest.param(STRANGE, None, AUTO, (), Kind.HUMAN, Reason.UNKNOWN_LABEL, None, (Reason.UNKNOWN_LABEL,), False,
                 id="a label that is no route never acts, however sure"),
    pytest.param(proposal(label=None), None, AUTO, (), Kind.HUMAN, Reason.UNKNOWN_LABEL, None,
                 (Reason.UNKNOWN_LABEL,), False,
                 id="an answer without a label never acts"),
    pytest.param(NO_ROUTE, REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.NONE_OF_THESE,), True,
                 id="a rule routes what the model found no route for"),
    # Workflows that end what is surely out of scope.
    pytest.param(NO_ROUTE, None, ENDS, (), Kind.REJECT, Reason.OUT_OF_SCOPE, None, (), False,
                 id="where the policy says so, what surely fits no route ends, and nothing is written"),
    pytest.param(NO_ROUTE, REPAIRS, ENDS, (), Kind.REJECT, Reason.OUT_OF_SCOPE, None, (), False,
                 id="what surely fits no route ends though a rule would route it"),
    pytest.param(silent("none_of_these"), None, ALONE.model_copy(update={"ends_out_of_scope": True}), (), Kind.REJECT,
                 Reason.OUT_OF_SCOPE, None, (), False,
                 id="the examples alone end what surely fits no route"),
    pytest.param(proposal("none_of_these", 1, "none_of_these", similarity=0, weakest=0), None, ENDS, (), Kind.REJECT,
                 Reason.OUT_OF_SCOPE, None, (), False,
                 id="what fits no route may well be unlike the examples"),
    pytest.param(proposal("none_of_these", 1, "none_of_these", dissent=0.61), None, ENDS, (), Kind.HUMAN,
                 Reason.PARTS_DISAGREE, None, (Reason.PARTS_DISAGREE,), False,
                 id="what fits no route but for a part that does asks for a person"),
    pytest.param(proposal("none_of_these", 0.79, "none_of_these"), None, ENDS, (), Kind.HUMAN, Reason.BELOW_THRESHOLD,
                 None, (Reason.BELOW_THRESHOLD,), False,
                 id="what perhaps fits no route asks for a person"),
    pytest.param(NO_ROUTE, None, UNPROVEN.model_copy(update={"ends_out_of_scope": True}), (), Kind.HUMAN,
                 Reason.NO_CALIBRATION, None, (Reason.NO_CALIBRATION,), False,
                 id="without a calibration nothing ends by itself"),
    pytest.param(NO_ROUTE.model_copy(update={"tampering": ("chat_markup",)}), None, ENDS, (), Kind.HUMAN,
                 Reason.TAMPERING, None, (Reason.TAMPERING,), False,
                 id="what shows a sign of tampering does not end by itself"),
    pytest.param(NO_ROUTE, None, ENDS, GAP, Kind.HUMAN, Reason.FIELDS_MISSING, None, (Reason.FIELDS_MISSING,), False,
                 id="what lacks fields does not end by itself"),
    pytest.param(STRANGE, None, ENDS, (), Kind.HUMAN, Reason.UNKNOWN_LABEL, None, (Reason.UNKNOWN_LABEL,), False,
                 id="a label that is no route is not the same as none of these"),
    # Asking failed, and nothing is proven of the examples alone.
    *[
        pytest.param(failed(outcome), None, AUTO, (), Kind.HUMAN, reason, None, (reason,), False,
                     id=f"asking that ended {outcome.value} asks for a person")
        for outcome, reason in {
            AskOutcome.NO_MODEL: Reason.NO_MODEL,
            AskOutcome.UNAVAILABLE: Reason.LLM_UNAVAILABLE,
            AskOutcome.TIMED_OUT: Reason.LLM_TIMED_OUT,
            AskOutcome.THROTTLED: Reason.LLM_THROTTLED,
            AskOutcome.REFUSED: Reason.LLM_REFUSED,
            AskOutcome.CUT_OFF: Reason.ANSWER_CUT_OFF,
            AskOutcome.NONSENSE: Reason.ANSWER_NONSENSE,
            AskOutcome.UNKNOWN_LABEL: Reason.UNKNOWN_LABEL,
        }.items()
    ],
    pytest.param(proposal(outcome=AskOutcome.NONSENSE, confidence=1), None, AUTO, (), Kind.HUMAN,
                 Reason.ANSWER_NONSENSE, None, (Reason.ANSWER_NONSENSE,), False,
                 id="a label and a confidence count for nothing if asking failed"),
    pytest.param(failed(AskOutcome.NO_MODEL), REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs",
                 (Reason.NO_MODEL,), True,
                 id="without a model the rules go on routing"),
    pytest.param(failed(AskOutcome.TIMED_OUT), None, AUTO, GAP, Kind.HUMAN, Reason.LLM_TIMED_OUT, None,
                 (Reason.LLM_TIMED_OUT, Reason.FIELDS_MISSING), False,
                 id="a failed call is the reason even where fields are missing too"),
    # No model answered, and the examples serve alone.
    *[
        pytest.param(failed(outcome), None, ALONE, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                     id=f"when asking ended {outcome.value} the examples act alone by their own proof")
        for outcome in sorted(SILENCE)
    ],
    *[
        pytest.param(failed(outcome), None, ALONE, (), Kind.HUMAN, reason, None, (reason,), False,
                     id=f"when asking ended {outcome.value} the message may have done it, and the examples stand back")
        for outcome, reason in {
            AskOutcome.TIMED_OUT: Reason.LLM_TIMED_OUT,
            AskOutcome.REFUSED: Reason.LLM_REFUSED,
            AskOutcome.CUT_OFF: Reason.ANSWER_CUT_OFF,
            AskOutcome.NONSENSE: Reason.ANSWER_NONSENSE,
            AskOutcome.UNKNOWN_LABEL: Reason.UNKNOWN_LABEL,
        }.items()
    ],
    pytest.param(silent(votes=0.69), None, ALONE, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None,
                 (Reason.BELOW_THRESHOLD,), False,
                 id="examples that are not sure enough by themselves ask for a person"),
    pytest.param(silent(), None, ALONE_FOR_NOTHING, (), Kind.HUMAN, Reason.NO_MODEL, None, (Reason.NO_MODEL,), False,
                 id="examples of which nothing is proven do not act, and the missing model is the reason"),
    pytest.param(silent(), None, ALONE_FOR_REPAIRS, (), Kind.HUMAN, Reason.ROUTE_UNPROVEN, None,
                 (Reason.ROUTE_UNPROVEN,), False,
                 id="examples act alone only for routes that are proven"),
    pytest.param(silent("repairs"), None, ALONE_FOR_REPAIRS, (), Kind.AUTO, Reason.CONFIDENT, "repairs", (), True,
                 id="examples act alone for the one route that is proven"),
    pytest.param(silent(voter="other examples"), None, ALONE, (), Kind.HUMAN, Reason.STALE_CALIBRATION, None,
                 (Reason.STALE_CALIBRATION,), False,
                 id="a proof for other examples is not trusted"),
    pytest.param(silent(classifier="no model at all"), None, ALONE, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="which model is missing does not matter to the examples alone"),
    pytest.param(silent(similarity=0.39, dissent=0.61), None, ALONE, (), Kind.HUMAN, Reason.UNLIKE_EXAMPLES, None,
                 (Reason.UNLIKE_EXAMPLES, Reason.PARTS_DISAGREE), False,
                 id="the examples alone have guards too"),
    pytest.param(silent("none_of_these", votes=1), None, ALONE, (), Kind.HUMAN, Reason.NONE_OF_THESE, None,
                 (Reason.NONE_OF_THESE,), False,
                 id="examples that find no route never act"),
    pytest.param(silent("refunds", votes=1), None, ALONE, (), Kind.HUMAN, Reason.UNKNOWN_LABEL, None,
                 (Reason.UNKNOWN_LABEL,), False,
                 id="examples of a route that was removed never act"),
    pytest.param(silent(opinion=None), None, ALONE, (), Kind.HUMAN, Reason.NO_MODEL, None, (Reason.NO_MODEL,), False,
                 id="with neither a model nor examples a person is asked"),
    pytest.param(silent(), None, ALONE, GAP, Kind.HUMAN, Reason.FIELDS_MISSING, None, (Reason.FIELDS_MISSING,), False,
                 id="the examples alone wait for a person when required fields are missing"),
    pytest.param(silent(), REPAIRS, ALONE, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="sure examples go before a rule that routes, as a sure model does"),
    # Rules.
    pytest.param(UNSURE, REPAIRS, AUTO, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.BELOW_THRESHOLD,), True,
                 id="a rule routes what the model may not"),
    pytest.param(SURE, REPAIRS, AUTO, GAP, Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.FIELDS_MISSING,), True,
                 id="a rule routes an item with missing fields"),
    pytest.param(UNSURE, NOWHERE, AUTO, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="a rule whose route is gone does not act"),
    pytest.param(SURE, PERSON, AUTO, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (), False,
                 id="a rule that wants a person beats a sure model"),
    pytest.param(UNSURE, PERSON, AUTO, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (Reason.BELOW_THRESHOLD,), False,
                 id="a rule that wants a person is the reason before the model's own doubts"),
    pytest.param(SURE, REJECT, AUTO, (), Kind.REJECT, Reason.RULE_REJECTS, None, (), False,
                 id="a rule that rejects beats a sure model, and nothing is written"),
    pytest.param(failed(AskOutcome.NO_MODEL), REJECT, AUTO, GAP, Kind.REJECT, Reason.RULE_REJECTS, None,
                 (Reason.NO_MODEL, Reason.FIELDS_MISSING), False,
                 id="a rule that rejects needs no model and no fields"),
    # Modes.
    pytest.param(SURE, None, SHADOW, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), False,
                 id="in shadow mode the decision is made and nothing is written"),
    pytest.param(UNSURE, REPAIRS, SHADOW, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.BELOW_THRESHOLD,),
                 False, id="in shadow mode a rule writes nothing either"),
    pytest.param(UNSURE, None, SHADOW, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="in shadow mode doubts go to a person as ever"),
    pytest.param(SURE, None, ASSIST, (), Kind.HUMAN, Reason.MODE_ASSIST, None, (), False,
                 id="in assist mode a person confirms the sure model"),
    pytest.param(UNSURE, REPAIRS, ASSIST, (), Kind.HUMAN, Reason.MODE_ASSIST, None, (Reason.BELOW_THRESHOLD,), False,
                 id="in assist mode a person confirms the rule"),
    pytest.param(UNSURE, None, ASSIST, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="in assist mode a doubt stays the reason"),
    pytest.param(SURE, REJECT, ASSIST, (), Kind.HUMAN, Reason.MODE_ASSIST, None, (), False,
                 id="in assist mode a person confirms a rejection too"),
    pytest.param(SURE, REJECT, NONE_OF_IT, (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (), False,
                 id="in canary mode the share holds for rejections too"),
    pytest.param(SURE, None, ALL_OF_IT, (), Kind.AUTO, Reason.CONFIDENT, "sales", (), True,
                 id="in canary mode the share acts alone"),
    pytest.param(SURE, None, terms(Mode.CANARY, canary_share=share(f"canary {LOT}")), (), Kind.HUMAN,
                 Reason.OUTSIDE_CANARY, None, (), False,
                 id="in canary mode an item on the share's very edge is outside"),
    pytest.param(SURE, None, terms(Mode.CANARY, canary_share=nextafter(share(f"canary {LOT}"), 1)), (), Kind.AUTO,
                 Reason.CONFIDENT, "sales", (), True,
                 id="in canary mode an item just within the share acts"),
    pytest.param(SURE, None, NONE_OF_IT, (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (), False,
                 id="in canary mode a person confirms what is outside the share"),
    pytest.param(UNSURE, REPAIRS, NONE_OF_IT, (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (Reason.BELOW_THRESHOLD,),
                 False, id="in canary mode the share holds for rules too"),
    pytest.param(SURE, PERSON, ALL_OF_IT, (), Kind.HUMAN, Reason.RULE_WANTS_PERSON, None, (), False,
                 id="in canary mode a rule that wants a person has its person"),
    pytest.param(NO_ROUTE, None, terms(Mode.ASSIST, ends_out_of_scope=True), (), Kind.HUMAN, Reason.MODE_ASSIST, None,
                 (), False, id="in assist mode a person confirms that no route fits"),
    pytest.param(NO_ROUTE, None, terms(Mode.CANARY, ends_out_of_scope=True), (), Kind.HUMAN, Reason.OUTSIDE_CANARY,
                 None, (), False, id="in canary mode the share holds for what is out of scope too"),
    # The blind audit.
    pytest.param(SURE, None, AUDITED, (), Kind.HUMAN, Reason.AUDIT, None, (), False,
                 id="what was drawn for the audit is decided by a person though the model is sure"),
    pytest.param(silent(), None, ALONE.model_copy(update={"audit_share": 1}), (), Kind.HUMAN, Reason.AUDIT, None, (),
                 False, id="what the examples decide alone is audited too"),
    pytest.param(NO_ROUTE, None, terms(audit_share=1, ends_out_of_scope=True), (), Kind.HUMAN, Reason.AUDIT, None, (),
                 False, id="what ends as out of scope is audited too"),
    pytest.param(SURE, None, terms(audit_share=share(f"audit {LOT}")), (), Kind.AUTO, Reason.CONFIDENT, "sales", (),
                 True, id="an item on the audit's very edge is not drawn"),
    pytest.param(SURE, None, terms(audit_share=nextafter(share(f"audit {LOT}"), 1)), (), Kind.HUMAN, Reason.AUDIT, None,
                 (), False, id="an item just within the audit's share is drawn"),
    pytest.param(UNSURE, REPAIRS, AUDITED, (), Kind.RULE, Reason.RULE_ROUTES, "repairs", (Reason.BELOW_THRESHOLD,),
                 True, id="what a rule routes is not audited"),
    pytest.param(SURE, REJECT, AUDITED, (), Kind.REJECT, Reason.RULE_REJECTS, None, (), False,
                 id="what a rule rejects is not audited"),
    pytest.param(UNSURE, None, AUDITED, (), Kind.HUMAN, Reason.BELOW_THRESHOLD, None, (Reason.BELOW_THRESHOLD,), False,
                 id="what goes to a person anyway is not audited"),
    pytest.param(SURE, None, terms(Mode.SHADOW, audit_share=1), (), Kind.AUTO, Reason.CONFIDENT, "sales", (), False,
                 id="in shadow mode nothing acts, so nothing is audited"),
    pytest.param(SURE, None, terms(Mode.ASSIST, audit_share=1), (), Kind.HUMAN, Reason.MODE_ASSIST, None, (), False,
                 id="in assist mode a person confirms all, so nothing is audited"),
    pytest.param(SURE, None, terms(Mode.CANARY, audit_share=1), (), Kind.HUMAN, Reason.OUTSIDE_CANARY, None, (), False,
                 id="in canary mode what is outside the share is not audited"),
    pytest.param(SURE, None, terms(Mode.CANARY, canary_share=1, audit_share=1), (), Kind.HUMAN, Reason.AUDIT, None, (),
                 False, id="in canary mode the share that acts is audited"),
    pytest.param(UNSURE, REPAIRS, terms(Mode.CANARY, canary_share=1, audit_share=1), (), Kind.RULE, Reason.RULE_ROUTES,
                 "repairs", (Reason.BELOW_THRESHOLD,), True,
                 id="in canary mode what a rule routes within the share is not audited"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("proposed", "rule", "under", "missing", "kind", "reason", "route", "holds", "writes"), TABLE
)  # fmt: skip
def test_decide(
    proposed: Proposal,
    rule: RuleMatch | None,
    under: Terms,
    missing: tuple[str, ...],
    kind: Kind,
    reason: Reason,
    route: str | None,
    holds: tuple[Reason, ...],
    writes: bool,
) -> None:
    decision = decide(proposed, rule, under, NOW, missing, LOT)

    assert (decision.kind, decision.reason, decision.route) == (kind, reason, route)
    assert (decision.holds, decision.writes) == (holds, writes)
    assert decision.waits == (kind is Kind.HUMAN)
    assert decision.blind == (reason is Reason.AUDIT)


def test_the_table_has_a_row_for_every_reason_that_decide_can_give() -> None:
    of_fields = {Reason.FIELDS_UNSURE, Reason.CHECK_FAILED, Reason.COMPLETE}
    others = SETTLED | of_fields | {Reason.RULE_RELIEVES} | OF_CASES | OF_RECORDS
    assert {row.values[5] for row in TABLE} == set(Reason) - others


def test_the_table_has_a_row_for_every_mode_and_every_way_that_asking_can_end() -> None:
    assert {row.values[2].mode for row in TABLE} == set(Mode)
    assert {row.values[0].outcome for row in TABLE} == set(AskOutcome)


def test_the_table_has_a_row_for_every_rule_and_every_source_that_acts() -> None:
    assert {row.values[1].action for row in TABLE if row.values[1]} == set(RuleAction)
    acting = [row.values for row in TABLE if row.values[4] is Kind.AUTO]
    assert {decide(values[0], values[1], values[2], NOW).source for values in acting} == set(Source) - {Source.NONE}


@pytest.mark.parametrize(
    ("canary", "audit", "acts", "drawn"),
    [
        pytest.param(0.5, 0.5, 0.25, 0.25, id="half and half"),
        pytest.param(0.2, 0.3, 0.14, 0.06, id="small shares"),
        pytest.param(1, 0.02, 0.8, 0.2, id="the whole canary, of which a fifth is audited at least"),
    ],
)
def test_canary_and_audit_draw_their_shares_each_by_a_lot_of_its_own(
    canary: float, audit: float, acts: float, drawn: float
) -> None:
    under = terms(Mode.CANARY, canary_share=canary, audit_share=audit)
    reasons = [decide(SURE, None, under, NOW, lot=f"item-{number}").reason for number in range(4000)]

    assert reasons.count(Reason.CONFIDENT) / 4000 == pytest.approx(acts, abs=0.02)
    assert reasons.count(Reason.AUDIT) / 4000 == pytest.approx(drawn, abs=0.01 if drawn < 0.1 else 0.02)


def test_equal_texts_of_different_items_are_drawn_each_by_its_own_lot() -> None:
    under = terms(audit_share=0.5)

    assert {decide(SURE, None, under, NOW, lot=f"item-{number}").reason for number in range(20)} == {
        Reason.CONFIDENT,
        Reason.AUDIT,
    }


@pytest.mark.parametrize(
    ("rule", "missing", "flags"),
    [
        pytest.param(None, (), (), id="nothing to flag"),
        pytest.param(REPAIRS, (), ("urgent",), id="the rule's flags"),
        pytest.param(None, GAP, (ENRICH,), id="missing fields without a rule"),
        pytest.param(REPAIRS, GAP, ("urgent", ENRICH), id="missing fields beside the rule's flags"),
        pytest.param(
            REPAIRS.model_copy(update={"flags": (ENRICH,)}),
            GAP,
            (ENRICH,),
            id="a flag that the rule set is not doubled",
        ),
    ],
)
def test_a_decision_is_flagged_by_its_rule_and_for_enrichment(
    rule: RuleMatch | None, missing: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    decision = decide(SURE, rule, AUTO, NOW, missing)

    assert decision.flags == flags
    assert decision.missing == missing


@pytest.mark.parametrize(("rule", "takes_over"), [(REPAIRS, False), (PERSON, True), (REJECT, True)])
def test_a_rule_takes_an_item_over_if_it_decides_whatever_model_and_examples_say(
    rule: RuleMatch, takes_over: bool
) -> None:
    assert rule.takes_over is takes_over
    assert (decide(SURE, rule, AUTO, NOW).reason is not Reason.CONFIDENT) is takes_over


@pytest.mark.parametrize(
    ("proposed", "rule", "by"),
    [
        pytest.param(SURE, None, "model", id="the model"),
        pytest.param(silent(), None, "examples", id="the examples alone"),
        pytest.param(UNSURE, REPAIRS, "rule", id="a rule"),
        pytest.param(SURE, REJECT, "rule", id="a rule that rejects"),
        pytest.param(UNSURE, None, "nobody yet", id="nobody yet"),
    ],
)
def test_a_decision_says_who_made_it(proposed: Proposal, rule: RuleMatch | None, by: str) -> None:
    assert decide(proposed, rule, ALONE, NOW).by == by


def test_a_decision_keeps_what_it_was_made_of() -> None:
    decision = decide(UNSURE, REPAIRS, AUTO, NOW, GAP)

    assert decision == Decision(
        kind=Kind.RULE,
        reason=Reason.RULE_ROUTES,
        route="repairs",
        proposed="sales",
        source=Source.LOGPROBS_AND_EXAMPLES,
        holds=(Reason.BELOW_THRESHOLD, Reason.FIELDS_MISSING),
        rule="broken",
        flags=("urgent", ENRICH),
        missing=GAP,
        confidence=decision.confidence,
        threshold=0.8,
        mode=Mode.AUTO,
        writes=True,
        by="rule",
        proposal_hash=UNSURE.hash,
        policy_fingerprint="policy-fingerprint",
        decided_at=NOW,
    )
    assert decision.confidence == pytest.approx(0.79)


@pytest.mark.parametrize(
    ("proposed", "under", "source", "confidence", "threshold"),
    [
        pytest.param(SURE, AUTO, Source.LOGPROBS_AND_EXAMPLES, 0.9, 0.8, id="log-probabilities"),
        pytest.param(SURE, REPAIRS_STRICTER, Source.LOGPROBS_AND_EXAMPLES, 0.9, 0.8, id="a route without its own"),
        pytest.param(
            proposal("repairs", 0.9, "repairs"),
            REPAIRS_STRICTER,
            Source.LOGPROBS_AND_EXAMPLES,
            0.9,
            0.95,
            id="a route with its own",
        ),
        pytest.param(silent(), ALONE, Source.EXAMPLES, 0.75, 0.7, id="the examples alone"),
        pytest.param(silent(), ALONE_FOR_NOTHING, Source.EXAMPLES, 0.75, None, id="nothing proven"),
        pytest.param(proposal(confidence=None), AUTO, Source.NONE, None, None, id="no confidence, no threshold"),
    ],
)
def test_a_decision_names_the_confidence_its_source_and_the_threshold_it_was_held_against(
    proposed: Proposal, under: Terms, source: Source, confidence: float | None, threshold: float | None
) -> None:
    decision = decide(proposed, None, under, NOW)

    assert (decision.source, decision.threshold) == (source, threshold)
    assert decision.confidence == (None if confidence is None else pytest.approx(confidence))
