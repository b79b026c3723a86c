"""What several tests build: a proposal, terms, a tiny policy and its workflow."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from domain.decision import Mode, Terms, Threshold
from domain.item import ClaimedItem, InboundItem
from domain.proposal import AskOutcome, ConfidenceSource, Opinion, Proposal
from policies.load import Example, Workflow
from policies.model import Policy

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CLASSIFIER = "the classifier that was calibrated"

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


def proposal(
    label: str | None = "sales",
    confidence: float | None = 0.9,
    opinion: str | None = "sales",
    outcome: AskOutcome = AskOutcome.ANSWERED,
    key: str = "key",
    classifier: str = CLASSIFIER,
    detail: str = "",
) -> Proposal:
    """What the model says, by default `sales`, 90 % sure, and the examples agree."""
    return Proposal(
        key=key,
        outcome=outcome,
        label=label,
        confidence=confidence,
        confidence_source=ConfidenceSource.NONE if confidence is None else ConfidenceSource.LOGPROB_AND_EXAMPLES,
        opinion=None if opinion is None else Opinion(scores={opinion: 0.75, "any other": 0.25}, similarity=0.5),
        model="small-model",
        classifier=classifier,
        detail=detail,
    )


def terms(mode: Mode = Mode.AUTO, threshold: float | None = 0.8, canary_share: float = 0) -> Terms:
    """A policy's terms, by default automatic at 80 %, with the routes `sales` and `repairs`."""
    return Terms(
        policy="tiny",
        fingerprint="policy-fingerprint",
        mode=mode,
        routes=frozenset({"sales", "repairs"}),
        canary_share=canary_share,
        threshold=None if threshold is None else Threshold(value=threshold, classifier=CLASSIFIER),
    )


def policy(**changes: object) -> Policy:
    """The tiny policy, with whole top-level keys replaced."""
    return Policy.model_validate(yaml.safe_load(POLICY) | changes)


def workflow(**changes: object) -> Workflow:
    """The tiny policy with its three examples and no calibration."""
    examples = tuple(Example.model_validate_json(line) for line in EXAMPLES.splitlines())
    return Workflow(Path("tiny.yaml"), policy(**changes), examples, None)


def claimed(text: str = "How much is the train?", external_id: str = "letter-7", **fields: str) -> ClaimedItem:
    """An item of the tiny policy."""
    item = InboundItem(source="post", external_id=external_id, received_at=NOW, text=text, fields=fields)
    return ClaimedItem(item_id="item-1", policy="tiny", item=item)
