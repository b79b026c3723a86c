"""A tiny workflow on disk, with a calibration for the fake model: what flow tests run."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from builders import FUSIONS

from connectors.examples.index import LabelledExamples
from domain.calibration import OTHERS, Baseline, Calibration, Promise, Proof, rate
from domain.confidence import Source
from domain.item import InboundItem
from domain.values import digest
from policies.load import Workflow, load_workflow
from prompts.render import VOTER_PARTS, classifier_parts

EXAMPLES = {
    "billing": ["my invoice is wrong", "refund the charge on the invoice", "invoice and payment question"],
    "access": ["cannot log in", "password reset please", "my login is locked, new password"],
    "none_of_these": ["win a prize now", "cheap links for your site"],
}


def write_tiny(
    folder: Path,
    *,
    model: str = "fake-model",
    threshold: float = 0.5,
    source: Source = Source.LOGPROBS_AND_EXAMPLES,
    alone: float | None = None,
    **changes: Any,
) -> str:
    """Write the workflow into `folder`; returns the policy's path.

    Args:
        threshold: proven for `model` with confidences from `source`; examples are compared by words.
        alone: proven for the examples when no model answers; None for nothing proven.
        changes: replace top-level keys of the policy.
    """
    policy = {
        "name": "tiny",
        "version": 1,
        "description": f"messages of the test in {folder}",  # its own, so that no test meets another's cache
        "mode": "auto",
        "input": {
            "fields": {"message": "text", "email": "email", "company": "text"},
            "text": "{{ message }}",
            "duplicate_window_hours": 1,
        },
        "routes": {
            "billing": {"description": "invoices and payments"},
            "access": {"description": "logins and passwords"},
        },
        "examples": "tiny.examples.jsonl",
        "classifier": {"neighbours": 2, "reasks": 0, "retries": 2},
        "rules": [{"name": "says_invoice", "when": 'text =~~ "(?i)invoice"', "route": "billing"}],
        "validation": {"required": ["email"]},
        "destinations": {
            "desk": {
                "system": "sandbox_help_desk",
                "record_key": "{{ item_id }}",
                "values": {"queue": "{{ route }}", "subject": "{{ text }}", "body": "{{ text }}"},
                "patience": {"attempts": 5, "first_delay_s": 0.01, "longest_delay_s": 0.05},
            }
        },
        "escalation": {"to": "the lead"},
        "audit": {"share": 0},
        "batch": {"chunk": 4},
        **changes,
    }
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    lines = [
        json.dumps({"id": f"{label}-{number}", "text": text, "label": label})
        for label, texts in EXAMPLES.items()
        for number, text in enumerate(texts)
    ]
    (folder / "tiny.examples.jsonl").write_text("\n".join(lines), encoding="utf-8")
    workflow = load_workflow(str(path))
    proofs = [_proof(workflow, source, model, threshold)]
    if alone is not None:
        proofs.append(_proof(workflow, Source.EXAMPLES, model, alone))
    target = workflow.policy.target
    record = Calibration(
        policy="tiny",
        data="test",
        target=target.misroute,
        delta=target.delta,
        named=target.routes,
        proofs=tuple(proofs),
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    workflow.calibration_path.write_text(record.model_dump_json(), encoding="utf-8")
    return str(path)


def write_orders(folder: Path, **changes: Any) -> str:
    """Write a tiny workflow without routes into `folder`; returns the policy's path.

    It takes orders: an e-mail address and a number found in the text or filled in, and a quantity of at most 100.
    """
    policy = {
        "name": "tiny",
        "version": 1,
        "description": f"orders of the test in {folder}",
        "mode": "auto",
        "input": {
            "fields": {"message": "text", "email": "email", "order_number": "text", "quantity": "number"},
            "text": "{{ message }}",
            "duplicate_window_hours": 1,
        },
        "extract": {
            "ask": False,
            "fields": {
                "email": {"description": "address of the sender"},
                "order_number": {
                    "description": "number of the order",
                    "about": "message",
                    "cues": ["docks", "order", "send"],
                    "pattern": r"SO-\d{6}",
                },
                "quantity": {"description": "how many pieces", "about": "message", "labels": ["Quantity"]},
            },
        },
        "validation": {
            "required": ["email", "order_number"],
            "checks": [{"field": "quantity", "must": "quantity <= 100", "message": "nobody orders so many"}],
        },
        "audit": {"share": 0},
        "destinations": {
            "crm": {
                "system": "sandbox_crm",
                "record_key": "{{ email }}",
                "values": {"email": "{{ email }}", "order": "{{ order_number }}", "quantity": "{{ quantity }}"},
                "patience": {"attempts": 5, "first_delay_s": 0.01, "longest_delay_s": 0.05},
            }
        },
        "escalation": {"to": "the desk"},
        "batch": {"chunk": 4},
        **changes,
    }
    path = folder / "orders.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    return str(path)


def _proof(workflow: Workflow, source: Source, model: str, threshold: float) -> Proof:
    parts = classifier_parts(workflow, model, LabelledExamples([], None, workflow.path).name)
    trusted = {name: parts[name] for name in VOTER_PARTS} if source is Source.EXAMPLES else parts
    targets = {OTHERS: workflow.policy.target.misroute, **workflow.policy.target.routes}
    return Proof(
        source=source,
        classifier=digest(trusted),
        model=model,
        parts=parts,
        fusion=FUSIONS[source],
        promises={group: Promise(target=target, threshold=threshold, accepted=60) for group, target in targets.items()},
        fitted_on=30,
        n=100,
        coverage=rate(60, 100),
        baseline=Baseline(n=100, labels={"billing": 60, "access": 40}, confidences=(10,) * 10, disagreements=5),
    )


def message(external_id: str, text: str, email: str | None = "a@example.com") -> InboundItem:
    """An item of the tiny workflow."""
    fields = {"message": text} | ({"email": email} if email else {})
    return InboundItem(
        source="test",
        external_id=external_id,
        received_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        text=text,
        fields=fields,
    )


def write_people(folder: Path, people: dict[str, Any]) -> None:
    """Write the people file that a policy names as `people.yaml`."""
    (folder / "people.yaml").write_text(yaml.safe_dump(people), encoding="utf-8")
