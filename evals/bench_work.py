"""The work that `evals bench` measures: tickets, what the stand-in for a model says of them, and the workflow.

A ticket is classified, passes a gate at a confidence of 0.7, and is written under an idempotency key or
held for a person. One in five is held. Every number below is a ticket's, from 0.
"""

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from connectors.examples.index import LabelledExamples
from domain.calibration import OTHERS, Baseline, Calibration, Promise, Proof, rate
from domain.confidence import Fusion, Source
from domain.values import digest
from policies.load import load_workflow
from prompts.render import classifier_parts

MODEL = "stand-in"
LABEL = "billing"
THRESHOLD = 0.7
"""The gate, for the flow and the floor."""
HELD = 5
"""One ticket in so many is held, as the stand-in is not sure of it."""
SOURCE = "bench"
API = "records"
API_URL = "INTERLOCK_API_BENCH_URL"

_NUMBER = re.compile(r"ticket ([0-9]+):")

_EXAMPLES = {
    "billing": ["my invoice is wrong", "refund the charge on the invoice", "invoice and payment question"],
    "access": ["cannot log in", "password reset please", "my login is locked, new password"],
    "none_of_these": ["win a prize now", "cheap links for your site"],
}


def text_of(number: int) -> str:
    """A ticket's text."""
    return f"ticket {number}: my invoice is wrong"


def number_of(text: str) -> int:
    """The ticket that a text is about, the last that it names.

    Raises:
        ValueError: it names none.
    """
    if not (found := _NUMBER.findall(text)):
        raise ValueError("the text names no ticket")
    return int(found[-1])


def confidence(number: int) -> float:
    """How sure the stand-in is of a ticket's label: 0.5 to 0.696 for one in `HELD`, else 0.8 to 0.996."""
    drawn = sha256(str(number).encode()).digest()
    return (0.5 if drawn[1] % HELD == 0 else 0.8) + drawn[2] / 1300


def written(numbers: range) -> set[str]:
    """The keys of the tickets that are to be written; the others are held."""
    return {str(number) for number in numbers if confidence(number) >= THRESHOLD}


def policy(concurrency: int, items: int, chunk: int, lease_minutes: float) -> dict[str, Any]:
    """The workflow: what the peers' scripts do, as a policy."""
    return {
        "name": "bench",
        "version": 1,
        "description": "tickets of a benchmark: classified, gated, written or held",
        "mode": "auto",
        "input": {
            "fields": {"message": "text", "ticket": "text"},
            "text": "{{ message }}",
            "duplicate_window_hours": 0,
        },
        "routes": {
            "billing": {"description": "invoices and payments"},
            "access": {"description": "logins and passwords"},
        },
        "examples": "bench.examples.jsonl",
        "classifier": {"neighbours": 2, "concurrency": concurrency},
        "destinations": {
            "records": {
                "system": "described",
                "options": {"api": API},
                "record_key": "{{ ticket }}",
                "values": {"label": "{{ route }}"},
            }
        },
        "review": {"forms": 0},
        "escalation": {"to": "nobody, it is a benchmark"},
        "audit": {"share": 0},
        "batch": {"items": items, "chunk": chunk, "lease_minutes": lease_minutes},
    }


DESCRIPTION = {
    "description": "A system that takes records and knows a repeated write by its key",
    "base_url_variable": API_URL,
    "idempotency_header": "Idempotency-Key",
    "after_unknown": "send_again",
    "create": {
        "path": "/records",
        "body": '{"external_id": {{ record_key }}, "label": {{ values.label }}}',
        "id": "/id",
    },
}
"""The system that is written to: one request a write, as the peers make it."""


def write_workflow(home: Path, concurrency: int, items: int, chunk: int, lease_minutes: float) -> Path:
    """Write policy, examples, calibration and description below `home`; returns the policy's path.

    The calibration is made, not proven: the stand-in's confidences are drawn, and what is measured is time.

    Args:
        concurrency: tickets that are asked about at the same time.
        items: most that one run takes, and `chunk` that one of its tasks does.
        lease_minutes: how long nobody takes over what a killed worker held.
    """
    apis = home / "apis"
    apis.mkdir(parents=True, exist_ok=True)
    (apis / f"{API}.yaml").write_text(yaml.safe_dump(DESCRIPTION), encoding="utf-8")
    path = home / "bench.yaml"
    path.write_text(yaml.safe_dump(policy(concurrency, items, chunk, lease_minutes)), encoding="utf-8")
    lines = [
        json.dumps({"id": f"{label}-{number}", "text": text, "label": label})
        for label, texts in _EXAMPLES.items()
        for number, text in enumerate(texts)
    ]
    (home / "bench.examples.jsonl").write_text("\n".join(lines), encoding="utf-8")
    workflow = load_workflow(str(path))
    workflow.calibration_path.write_text(_calibration(path).model_dump_json(), encoding="utf-8")
    return path


def _calibration(path: Path) -> Calibration:
    workflow = load_workflow(str(path))
    parts = classifier_parts(workflow, MODEL, LabelledExamples([], None, path).name)
    target = workflow.policy.target
    proof = Proof(
        source=Source.LOGPROBS_AND_EXAMPLES,
        classifier=digest(parts),
        model=MODEL,
        parts=parts,
        fusion=Fusion(examples=0, model=1),
        promises={OTHERS: Promise(target=target.misroute, threshold=THRESHOLD)},
        fitted_on=0,
        n=0,
        coverage=rate(0, 0),
        baseline=Baseline(n=0, labels={}, confidences=(0,) * 10, disagreements=0),
    )
    return Calibration(
        policy="bench",
        data="none",
        target=target.misroute,
        delta=target.delta,
        proofs=(proof,),
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
