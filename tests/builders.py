"""What several tests build: a proposal, terms, a tiny policy and its workflow."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from domain.calibration import OTHERS, Baseline, Calibration, Guards, Promise, Proof, rate
from domain.confidence import Fusion, Source
from domain.decision import Decision, Mode, Reason, Terms
from domain.item import ClaimedItem, InboundItem
from domain.proposal import NONE_OF_THESE, AskOutcome, Opinion, Proposal, ScoresFrom
from domain.review import Review, ReviewKind
from policies.load import Example, Workflow
from policies.model import Policy

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CLASSIFIER = "the classifier that was calibrated"
VOTER = "the examples that were calibrated"
LABELS = ("sales", "repairs", NONE_OF_THESE)
FUSIONS = {
    Source.LOGPROBS_AND_EXAMPLES: Fusion(examples=0, model=1),
    Source.SAMPLES_AND_EXAMPLES: Fusion(examples=0, model=1),
    Source.EXAMPLES: Fusion(examples=1, model=0),
}
"""One side counts alone, so that a table shows the confidence that `decide` sees."""
GUARDS = Guards(similarity=0.4, weakest=0.3, dissent=0.6)

POLICY = """\
name: tiny
version: 1
description: letters to a toy shop
mode: auto
input:
  fields:
    message: text
    email: email
    toys: number
  text: "{{ message }}"
routes:
  sales:
    description: wants to buy something
  repairs:
    description: something is broken
examples: tiny.examples.jsonl
classifier:
  neighbours: 2
rules:
  - name: many_toys
    when: toys >= 100
    route: sales
    flags: [bulk]
  - name: threat
    when: text =~~ "(?i)lawyer"
    action: person
validation:
  required: [email]
destinations:
  crm:
    system: sandbox_crm
    record_key: "{{ email or item_id }}"
    values:
      email: "{{ email }}"
      toys: "{{ toys }}"
      queue: "{{ route }}"
escalation:
  to: the shop
"""

EXAMPLES = """\
{"id": "1", "text": "How much is the red train?", "label": "sales"}
{"id": "2", "text": "The wheel came off.", "label": "repairs"}
{"id": "3", "text": "Win money now", "label": "none_of_these"}
"""


def shares(label: str, probability: float) -> dict[str, float]:
    """`probability` for a label; the tiny policy's other labels share the rest."""
    others = [other for other in LABELS if other != label]
    return {other: (1 - probability) / len(others) for other in others} | {label: probability}


def proposal(
    label: str | None = "sales",
    confidence: float | None = 0.9,
    opinion: str | None = "sales",
    outcome: AskOutcome = AskOutcome.ANSWERED,
    key: str = "key",
    classifier: str = CLASSIFIER,
    detail: str = "",
    *,
    scores_from: ScoresFrom = ScoresFrom.LOGPROBS,
    votes: float = 0.75,
    similarity: float = 0.5,
    weakest: float = 0.5,
    dissent: float = 0.1,
    tampering: tuple[str, ...] = (),
    voter: str = VOTER,
) -> Proposal:
    """What model and examples say, by default `sales`: the model 90 % sure, the examples 75 %.

    Args:
        confidence: the model's probability of `label`; None is an endpoint that tells none.
        votes: the examples' probability of `opinion`.
    """
    scores = {} if label is None or confidence is None else shares(label, confidence)
    said = None
    if opinion is not None:
        said = Opinion(scores=shares(opinion, votes), similarity=similarity, weakest=weakest, dissent=dissent)
    return Proposal(
        key=key,
        outcome=outcome,
        label=label,
        scores=scores,
        scores_from=scores_from if scores else ScoresFrom.NOWHERE,
        opinion=said,
        tampering=tampering,
        model="small-model",
        classifier=classifier,
        voter=voter,
        detail=detail,
    )


def proof(
    source: Source = Source.LOGPROBS_AND_EXAMPLES,
    threshold: float | None = 0.8,
    classifier: str | None = None,
    guards: Guards = GUARDS,
    **named: float | None,
) -> Proof:
    """What was proven for a source, by default 80 %; `named` are the thresholds of routes with their own bound."""
    promises = {OTHERS: Promise(target=0.05, threshold=threshold)}
    return Proof(
        source=source,
        classifier=classifier or (VOTER if source is Source.EXAMPLES else CLASSIFIER),
        model="small-model",
        fusion=FUSIONS[source],
        guards=guards,
        promises=promises | {route: Promise(target=0.01, threshold=own) for route, own in named.items()},
        fitted_on=30,
        n=100,
        coverage=rate(60, 100),
        baseline=Baseline(n=100, labels={"sales": 60, "repairs": 40}, confidences=(10,) * 10, disagreements=5),
    )


def calibration(*proofs: Proof, **changes: object) -> Calibration:
    """The record of the tiny policy's target, by default with one proof."""
    values = {"policy": "tiny", "data": "d", "target": 0.05, "delta": 0.05, "proofs": proofs or (proof(),)}
    return Calibration.model_validate(values | {"made_at": NOW} | changes)


def terms(
    mode: Mode = Mode.AUTO,
    threshold: float | None = 0.8,
    canary_share: float = 0,
    *,
    audit_share: float = 0,
    ends_out_of_scope: bool = False,
    proofs: tuple[Proof, ...] = (),
) -> Terms:
    """A policy's terms, by default automatic at 80 %, with the routes `sales` and `repairs`.

    Args:
        threshold: of a proof for log-probabilities and examples; None for no proof.
        proofs: instead of that one.
    """
    known = proofs or (() if threshold is None else (proof(threshold=threshold),))
    return Terms(
        policy="tiny",
        fingerprint="policy-fingerprint",
        mode=mode,
        routes=frozenset({"sales", "repairs"}),
        canary_share=canary_share,
        audit_share=audit_share,
        ends_out_of_scope=ends_out_of_scope,
        proofs={one.source: one for one in known},
    )


def policy(**changes: object) -> Policy:
    """The tiny policy, with whole top-level keys replaced."""
    return Policy.model_validate(yaml.safe_load(POLICY) | changes)


def workflow(**changes: object) -> Workflow:
    """The tiny policy with its three examples and no calibration."""
    examples = tuple(Example.model_validate_json(line) for line in EXAMPLES.splitlines())
    return Workflow(Path("tiny.yaml"), policy(**changes), examples, None)


def route_review(
    item: ClaimedItem,
    workflow: str,
    binding: str,
    due_at: datetime,
    held: Decision | None = None,
    classifier: str | None = None,
) -> Review:
    """The review of a decision that waits for a person, by default of a doubtful one."""
    return Review(
        kind=ReviewKind.ROUTE,
        item_id=item.item_id,
        policy=item.policy,
        workflow=workflow,
        binding=binding,
        why=(held.reason if held else Reason.BELOW_THRESHOLD).value,
        proposed=held.proposed if held else None,
        classifier=classifier,
        due_at=due_at,
    )


def claimed(text: str = "How much is the train?", external_id: str = "letter-7", **fields: str) -> ClaimedItem:
    """An item of the tiny policy."""
    item = InboundItem(source="post", external_id=external_id, received_at=NOW, text=text, fields=fields)
    return ClaimedItem(item_id="item-1", policy="tiny", item=item)
