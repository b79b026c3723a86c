"""A tiny policy about cases on disk, a parcel that is asked for, sent and paid: what tests of cases run."""

import json
from pathlib import Path
from typing import Any

import yaml
from builders import NOW
from tiny import write_people

from domain.case import Case
from domain.item import ClaimedItem, InboundItem
from policies.cases import CasePolicy
from policies.situations import Situation, situate
from policies.templates import render

EXAMPLES = {
    "send": ["asked while idle\nplease send the parcel", "asked while idle\nI would like the parcel"],
    "give_back": ["complained while sent\nmy money back please", "complained while sent\nrefund it"],
    "explain": ["complained while sent\nwhere is my parcel", "complained while sent\nwhen does it come"],
    "nudge": ["deadline_passed while sent\nThe case stayed in sent longer than it may."],
    "none_of_these": ["complained while sent\nwin a prize"],
}


def tiny_cases(**changes: Any) -> dict[str, Any]:
    """The policy as the file has it, with top-level keys replaced."""
    parcel = {"parcel": "text"}
    return {
        "name": "parcels",
        "version": 1,
        "description": "parcels that people ask for, of a test",
        "mode": "auto",
        "input": {"case": "{{ parcel }}", "text": "{{ note or 'nothing said' }}", "wait_minutes": 30},
        "events": {
            "asked": {
                "description": "somebody asks for a parcel",
                "fields": {**parcel, "note": "text", "price": "money", "email": "email"},
                "required": ["parcel"],
            },
            "paid": {"description": "it was paid", "fields": {**parcel, "amount": "money", "note": "text"}},
            "complained": {"description": "a complaint", "fields": {**parcel, "note": "text", "weeks": "number"}},
        },
        "initial": "idle",
        "states": {
            "idle": {"description": "nothing yet", "events": ["asked"], "to": ["sent"]},
            "sent": {
                "description": "on its way",
                "events": ["paid", "complained"],
                "to": ["settled", "returned"],
                "deadline_minutes": 60,
                "owner": "the post",
            },
            "settled": {"description": "paid and done", "events": ["complained"]},
            "returned": {"description": "money given back"},
        },
        "actions": {
            "send": {"description": "send the parcel off", "writes": ["desk"], "to": "sent"},
            "settle": {
                "description": "close it as it is paid",
                "requires": [{"must": "amount_amount >= price_amount", "message": "less was paid than it costs"}],
                "writes": ["desk"],
                "to": "settled",
            },
            "explain": {
                "description": "tell where the parcel is",
                "parameters": {"place": {"required": False}},
                "writes": ["desk"],
            },
            "nudge": {
                "description": "ask for the payment kindly",
                "requires": [{"must": "done_nudge < 2", "message": "asked twice already"}],
            },
            "give_back": {
                "description": "give the money back",
                "parameters": {"amount": {"type": "money", "take": "{{ price }}"}},
                "requires": [{"must": "amount_amount <= price_amount", "message": "more than it cost"}],
                "irreversible": True,
                "cost": "{{ amount }}",
                "writes": ["desk"],
                "to": "returned",
            },
        },
        "two_people_above": "100 EUR",
        "examples": "parcels.examples.jsonl",
        "classifier": {"prompt": "act", "neighbours": 1, "retries": 0},
        "audit": {"share": 0},
        "rules": [
            {"name": "asked", "when": 'event == "asked"', "route": "send"},
            {"name": "paid", "when": 'event == "paid"', "route": "settle"},
            {"name": "late", "when": 'event == "deadline_passed"', "route": "nudge"},
            {"name": "back", "when": 'event == "complained" and text =~~ "money"', "route": "give_back"},
            {"name": "spam", "when": 'text =~~ "prize"', "action": "reject"},
        ],
        "look_ups": {
            "parcel": {
                "description": "where the parcel is now",
                "system": "sandbox_help_desk",
                "values": {"parcel": "{{ parcel }}"},
                "fields": ["place"],
            }
        },
        "destinations": {
            "desk": {
                "system": "sandbox_help_desk",
                "record_key": "{{ item_id }}",
                "values": {"queue": "{{ action }}", "subject": "{{ case }}", "body": "{{ amount or place or to }}"},
                "patience": {"attempts": 5, "first_delay_s": 0.01, "longest_delay_s": 0.05},
            }
        },
        "escalation": {"to": "the postmaster"},
        "batch": {"chunk": 4},
        **changes,
    }


def case_policy(**changes: Any) -> CasePolicy:
    """The tiny policy."""
    return CasePolicy.model_validate(tiny_cases(**changes))


def write_cases(folder: Path, **changes: Any) -> str:
    """Write the tiny policy with its examples into `folder`; returns its path."""
    path = folder / "parcels.yaml"
    told = f"parcels that people ask for, of the test in {folder}"  # its own, so that no test meets another's cache
    said = {"description": told, "people": "people.yaml", **changes}
    path.write_text(yaml.safe_dump(tiny_cases(**said), sort_keys=False), encoding="utf-8")
    write_people(folder, {"people": {"Ada": {}, "Bo": {}, "Cy": {}}})
    labels = ["send", "settle", "explain", "nudge", "give_back", "none_of_these"]
    lines = [
        json.dumps({"id": f"{label}-{number}", "text": text, "label": label})
        for label in labels
        for number, text in enumerate(EXAMPLES.get(label, [f"paid while sent\n{label}"]))
    ]
    (folder / "parcels.examples.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def event(kind: str, external_id: str = "1", source: str = "test", **fields: str) -> InboundItem:
    """What came in: an event of parcel p-1, if nothing else is said."""
    said = {"parcel": "p-1", **fields}
    text = render("{{ note or 'nothing said' }}", said)
    return InboundItem(
        source=source, external_id=external_id, received_at=NOW, text=text, fields=said | {"event": kind}
    )


def claimed(item: InboundItem) -> ClaimedItem:
    """The item as a run holds it."""
    return ClaimedItem(item_id="it-1", policy="parcels", item=item)


def case(state: str = "sent", **changes: Any) -> Case:
    """Parcel p-1, sent, of a price of 40 EUR."""
    values = {"key": "p-1", "policy": "parcels", "state": state, "version": 1, "values": {"price": "40.00 EUR"}}
    return Case.model_validate(values | changes)


def met(
    kind: str = "complained", standing: Case | None = None, policy: CasePolicy | None = None, **fields: str
) -> Situation:
    """An event as it meets a case."""
    return situate(policy or case_policy(), claimed(event(kind, **fields)), standing or case())
