"""A tiny workflow on disk, with a calibration for the fake model: what flow tests run."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from connectors.examples import TfidfExamples
from domain.calibration import Calibration
from domain.item import InboundItem
from policies.load import load_workflow
from prompts.render import classifier_fingerprint

EXAMPLES = {
    "billing": ["my invoice is wrong", "refund the charge on the invoice", "invoice and payment question"],
    "access": ["cannot log in", "password reset please", "my login is locked, new password"],
    "none_of_these": ["win a prize now", "cheap links for your site"],
}


def write_tiny(folder: Path, *, model: str = "fake-model", threshold: float = 0.5, **changes: Any) -> str:
    """Write the workflow into `folder`; returns the policy's path. `changes` replace top-level keys."""
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
    record = Calibration(
        policy="tiny",
        classifier=classifier_fingerprint(workflow, model, TfidfExamples.name),
        model=model,
        data="test",
        target=workflow.policy.target.misroute,
        delta=round(1 - workflow.policy.target.confidence, 9),
        threshold=threshold,
        n=100,
        accepted=60,
        errors=0,
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    workflow.calibration_path.write_text(record.model_dump_json(), encoding="utf-8")
    return str(path)


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
