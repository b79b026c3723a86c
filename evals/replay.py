"""What-if questions answered from recorded proposals: other thresholds, weights, guards, costs, rules.

No model is called. What is replayed is `domain.decide` as in the mode `auto` and without an
audit: what a policy would do if it were let. A what-if threshold is a question, not a proof.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import assert_never

from pydantic import Field

from domain.calibration import OTHERS, Baseline, Guards, Promise, Proof, Rate, rate
from domain.confidence import UNFITTED, Fusion, Source
from domain.decide import weigh
from domain.decision import SETTLED, Decision, Kind, Reason, RuleAction, RuleMatch, Terms
from domain.item import ClaimedItem
from domain.proposal import NONE_OF_THESE, Proposal
from domain.values import Frozen
from evals.items import Item
from evals.recorded import Row
from evals.ruled import inbound, rule_match
from policies.intake import check, matched
from policies.load import Workflow
from policies.model import Policy

MOST_NAMED = 10
"""Changed items that are named one by one."""

Fate = tuple[Kind, str | None]
"""Who decides about an item, and the label, if any, that it is dealt with by at once."""


class Weights(StrEnum):
    """Whose word counts in a what-if, in place of the fitted weights."""

    BOTH = "both"
    """Both sides, by the weights that stand before anything is fitted."""
    EXAMPLES = "examples"
    MODEL = "model"
    """The model alone; where none answered, nothing acts."""


class WhatIf(Frozen):
    """What shall be otherwise than the workflow says; what is None stays.

    Attributes:
        threshold: one for all routes and sources, 0 to 1. It also stands in where nothing was
            proven, or was for another classifier: the question is what would happen.
        guards_off: no item is too strange to act on.
        wrong_cost: of one item that goes to a wrong place without a person, in any currency.
        review_cost: of one item that a person decides: minutes times the price of a minute.
    """

    threshold: float | None = Field(default=None, ge=0, le=1)
    fusion: Weights | None = None
    guards_off: bool = False
    wrong_cost: float | None = Field(default=None, ge=0)
    review_cost: float | None = Field(default=None, ge=0)

    @property
    def asks_about_proofs(self) -> bool:
        """Whether anything but the costs is otherwise."""
        return self.threshold is not None or self.fusion is not None or self.guards_off


class Replayed(Frozen):
    """What would have happened.

    Attributes:
        n: items; `unscored` of them, on which asking failed, are in no other figure.
        auto: routed on the proposal. ended: ended on it, as out of scope. by_rule: routed by a
            rule. rejected: ended by one. to_person: the rest; the five sum to the scored items.
        wrong_auto: of `auto` and `ended`, those that their label contradicts; wrong_rule: of `by_rule`.
        coverage: share of the scored items that `auto` and `ended` make up.
        misroute_rate: share of those two that `wrong_auto` makes up.
        cost: of wrong routes and of reviews, in the currency of the prices; None without a price.
        changed: items decided by another, or otherwise, than under the workflow as it stands.
        changed_ids: the first 10 of them.
    """

    n: int
    unscored: int
    auto: int
    ended: int
    by_rule: int
    rejected: int
    to_person: int
    wrong_auto: int
    wrong_rule: int
    coverage: Rate
    misroute_rate: Rate
    cost: float | None
    changed: int
    changed_ids: tuple[str, ...]


def replay(
    rows: Sequence[Row],
    workflow: Workflow,
    what_if: WhatIf | None = None,
    other: Workflow | None = None,
    fields_known: bool = False,
) -> Replayed:
    """What would have happened to recorded items.

    Args:
        workflow: as it stands; the rules that `rows` recorded are taken to be its own.
        other: another version of it, to be replayed in its place with its own rules.
        fields_known: whether the items carry all fields that came in, as the ledger's do;
            then an item without a required one is held, as it was.
    """
    asked = what_if or WhatIf()
    scored = [row for row in rows if not row.unscored]
    stands = list(_fates(scored, workflow, WhatIf(), fields_known, anew=False))
    if other is None and not asked.asks_about_proofs:
        fates = stands
    else:
        anew = other is not None and other.policy.rules != workflow.policy.rules
        fates = list(_fates(scored, other or workflow, asked, fields_known, anew))
    changed = [row.item.id for row, was, now in zip(scored, stands, fates, strict=True) if was != now]
    return _summary(rows, scored, fates, changed, asked)


def from_ledger(decided: Iterable[tuple[ClaimedItem, Proposal, Decision]], policy: Policy) -> tuple[list[Row], int]:
    """The production items whose right answer a person told, and the number of all others.

    People mostly see what the model may not decide, so these items are harder than the rest;
    of the blind audit's alone, those with no `holds`, a rate is honest.

    Args:
        decided: items of `policy` with the decision that stands; waiting ones count as unknown.
    """
    rules = {rule.name: rule for rule in policy.rules}
    rows, unknown = [], 0
    for claimed, proposal, decision in decided:
        label = _told(decision)
        if label not in policy.labels:
            unknown += 1
            continue
        item = Item(id=claimed.item_id, text=claimed.item.text, label=label, fields=claimed.item.fields)
        rule = rules.get(decision.rule or "")
        rows.append(Row(item=item, proposal=proposal, rule=matched(rule) if rule else None))
    return rows, unknown


def _told(decision: Decision) -> str | None:
    """The label that a person gave, if one did: it is taken for the truth."""
    if decision.kind is not Kind.HUMAN or decision.reason not in SETTLED:
        return None
    return NONE_OF_THESE if decision.reason is Reason.DISMISSED else decision.route


def _fates(rows: Sequence[Row], workflow: Workflow, what_if: WhatIf, fields_known: bool, anew: bool) -> Iterator[Fate]:
    """Each row's, in order."""
    base, policy = workflow.terms, workflow.policy
    by_classifier: dict[tuple[str, str], Terms] = {}
    for row in rows:
        proposal = row.proposal
        named = (proposal.classifier, proposal.voter)
        if (terms := by_classifier.get(named)) is None:
            terms = by_classifier[named] = _terms(base, what_if, proposal)
        rule = rule_match(policy, row.item) if anew else row.rule
        missing = check(inbound(policy, row.item), policy).missing if fields_known else ()
        yield _fate(proposal, rule, terms, missing)


def _fate(proposal: Proposal, rule: RuleMatch | None, terms: Terms, missing: tuple[str, ...]) -> Fate:
    """`domain.decide.decide` in the mode `auto`, without its record; a test holds the two together."""
    if rule and rule.action is RuleAction.REJECT:
        return Kind.REJECT, None
    if proposal.tampering or (rule and rule.action is RuleAction.PERSON):
        return Kind.HUMAN, None
    judgement, holds = weigh(proposal, terms, missing)
    if not holds:
        return Kind.REJECT if judgement.label == NONE_OF_THESE else Kind.AUTO, judgement.label
    if rule and rule.route in terms.routes:
        return Kind.RULE, rule.route
    return Kind.HUMAN, None


def _terms(base: Terms, what_if: WhatIf, proposal: Proposal) -> Terms:
    """A policy's terms with the what-if's changes, for the classifier that made a proposal."""
    if not what_if.asks_about_proofs:
        return base
    proofs = {}
    for source in UNFITTED:
        proof = base.proofs.get(source)
        if what_if.threshold is not None:
            own = proposal.voter if source is Source.EXAMPLES else proposal.classifier
            everywhere = {OTHERS: Promise(target=0.5, threshold=what_if.threshold)}  # of the target nobody asks
            proof = (proof or _unproven(source)).model_copy(update={"classifier": own, "promises": everywhere})
        fusion = _fusion(what_if.fusion, source, proof)
        if proof is not None and fusion is not None:
            guards = Guards() if what_if.guards_off else proof.guards
            proofs[source] = proof.model_copy(update={"fusion": fusion, "guards": guards})
    return base.model_copy(update={"proofs": proofs})


def _fusion(weights: Weights | None, source: Source, proof: Proof | None) -> Fusion | None:
    """How both sides are put together under a what-if; None where there is nothing to go by."""
    match weights:
        case None:
            return proof.fusion if proof else None
        case Weights.BOTH:
            return UNFITTED[source]
        case Weights.EXAMPLES:
            return Fusion(examples=1, model=0)
        case Weights.MODEL:
            return None if source is Source.EXAMPLES else Fusion(examples=0, model=1)
        case _:
            assert_never(weights)


def _unproven(source: Source) -> Proof:
    return Proof(
        source=source,
        classifier="",
        model="",
        fusion=UNFITTED[source],
        promises={OTHERS: Promise(target=0.5)},
        fitted_on=0,
        n=0,
        coverage=rate(0, 0),
        baseline=Baseline(n=0, labels={}, confidences=(), disagreements=0),
    )


def _summary(
    rows: Sequence[Row], scored: Sequence[Row], fates: Sequence[Fate], changed: Sequence[str], asked: WhatIf
) -> Replayed:
    wrong = [kind for row, (kind, label) in zip(scored, fates, strict=True) if label not in (None, row.item.label)]
    wrong_rule = wrong.count(Kind.RULE)
    kinds, ended = [kind for kind, _ in fates], fates.count((Kind.REJECT, NONE_OF_THESE))
    auto, to_person = kinds.count(Kind.AUTO), kinds.count(Kind.HUMAN)
    priced = asked.wrong_cost is not None or asked.review_cost is not None
    return Replayed(
        n=len(rows),
        unscored=len(rows) - len(scored),
        auto=auto,
        ended=ended,
        by_rule=kinds.count(Kind.RULE),
        rejected=kinds.count(Kind.REJECT) - ended,
        to_person=to_person,
        wrong_auto=len(wrong) - wrong_rule,
        wrong_rule=wrong_rule,
        coverage=rate(auto + ended, len(scored)),
        misroute_rate=rate(len(wrong) - wrong_rule, auto + ended),
        cost=len(wrong) * (asked.wrong_cost or 0) + to_person * (asked.review_cost or 0) if priced else None,
        changed=len(changed),
        changed_ids=tuple(changed[:MOST_NAMED]),
    )
