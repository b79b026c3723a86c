"""The files of a new workflow: policy, examples, labelled items, and its deployments."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from console.init_decisions import Decision, Split, route_name
from domain.errors import InputInvalid
from evals.items import load_data
from policies.load import load_workflow
from tasks.prepare import check_systems

FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = frozenset({"id", "source", "external_id", "received_at", "route", "flags", "missing", "faults", "unsure"})
"""Columns that are no fields of a message: what names a record, and what templates see besides."""
MOST_FIELDS = 20
TICKET = {"subject": "{{ text | truncate(60) }}", "tags": "{{ flags | join(', ') }}"}
WRITES: Mapping[str, Mapping[str, str]] = {
    "sandbox_help_desk": {"queue": "{{ route }}", **TICKET, "body": "{{ text }}", "requester": "{{ email }}"},
    "sandbox_crm": {"queue": "{{ route }}", "message": "{{ text }}", "email": "{{ email }}"},
    "request_tracker": {
        "queue": "{{ route }}",
        "subject": TICKET["subject"],
        "content": "{{ text }}",
        "requestor": "{{ email }}",
    },
    "zendesk": {**TICKET, "tags": "{{ route }}", "body": "{{ text }}", "requester": "{{ email }}"},
}
"""Systems that a new workflow can begin with, and what is written there; others are a few lines in the policy."""


@dataclass(frozen=True)
class Wanted:
    """A workflow that is to be made.

    Attributes:
        routes: by name, what belongs there, for the model and for people.
        text: the field that holds the text; `fields` are the others.
        to: whom escalations are told to.
    """

    name: str
    description: str
    routes: Mapping[str, str]
    text: str
    fields: Sequence[str]
    system: str
    to: str


@dataclass(frozen=True)
class Made:
    """The files of a new workflow."""

    policy: Path
    examples: Path
    labelled: Path
    evaluated: Path
    deployments: Path

    @classmethod
    def at(cls, folder: Path, name: str) -> "Made":
        """Those of a workflow of this name in a folder."""
        ends = ("yaml", "examples.jsonl", "labelled.jsonl", "eval.jsonl", "prefect.yaml")
        return cls(*(folder / f"{name}.{end}" for end in ends))

    @property
    def all(self) -> tuple[Path, ...]:
        """Every one of them."""
        return (self.policy, self.examples, self.labelled, self.evaluated, self.deployments)


def field_of(column: str) -> str:
    """The name of the field that a column of texts becomes."""
    return column if FIELD.fullmatch(column) and column not in RESERVED | {"text"} else "message"


def fields_of(decisions: Sequence[Decision], text: str) -> list[str]:
    """The columns beside the text that can be fields by their own names."""
    columns = dict.fromkeys(name for one in decisions for name in one.others)
    return [name for name in columns if FIELD.fullmatch(name) and name not in RESERVED | {text, "text"}][:MOST_FIELDS]


def make(folder: Path, wanted: Wanted, parts: Split) -> Made:
    """Write the files, all of them or none, once the workflow is found to hold.

    Raises:
        InputInvalid: one of them is there already; it is left as it is.
        PolicyInvalid: the workflow does not hold.
    """
    made = Made.at(folder, wanted.name)
    if there := [path for path in made.all if path.exists()]:
        raise InputInvalid(f"{there[0]} is there already, and is not overwritten. Give another name, or another folder")
    with TemporaryDirectory() as draft:
        drafted = Made.at(Path(draft), wanted.name)
        drafted.policy.write_text(_policy(wanted, made), encoding="utf-8")
        for path, decisions in (
            (drafted.examples, parts.examples),
            (drafted.labelled, parts.labelled),
            (drafted.evaluated, parts.evaluated),
        ):
            path.write_text(_lines(wanted.name, path.name.split(".")[1], decisions), encoding="utf-8")
        drafted.deployments.write_text(_deployments(wanted, made), encoding="utf-8")
        workflow = load_workflow(str(drafted.policy))
        check_systems(workflow)
        for path in (drafted.labelled, drafted.evaluated):
            load_data(path, workflow)
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in zip(drafted.all, made.all, strict=True):
            with target.open("x", encoding="utf-8") as file:  # never over another's, whatever came meanwhile
                file.write(source.read_text(encoding="utf-8"))
    return made


def _lines(name: str, part: str, decisions: Sequence[Decision]) -> str:
    rows = [
        {"id": f"{name}-{part}-{number:04}", "text": one.text, "label": route_name(one.label)}
        for number, one in enumerate(decisions, start=1)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _quoted(text: str) -> str:
    """A text as a YAML scalar on one line; JSON's strings are YAML's too."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def _kind(name: str) -> str:
    return "email" if name in ("email", "mail", "e_mail") else "text"


def _policy(wanted: Wanted, made: Made) -> str:
    email = next((name for name in wanted.fields if _kind(name) == "email"), None)
    values = {
        name: template.replace("{{ email }}", f"{{{{ {email} }}}}")
        for name, template in WRITES[wanted.system].items()
        if email is not None or template != "{{ email }}"
    }
    fields = "".join(f"    {name}: {_kind(name)}\n" for name in (wanted.text, *wanted.fields))
    routes = "".join(f"  {name}:\n    description: {_quoted(told)}\n" for name, told in wanted.routes.items())
    written = "".join(f"      {name}: {_quoted(template)}\n" for name, template in values.items())
    return f"""# Check it with 'interlock policy check {made.policy.name}'.
name: {wanted.name}
version: 1
description: {_quoted(wanted.description)}
mode: shadow # decides and writes nothing; then assist, canary, auto

input:
  fields:
{fields}  text: "{{{{ {wanted.text} }}}}"

# What belongs to each route, in a sentence: the model and the reviewers read it.
routes:
{routes}
examples: {made.examples.name}

# At most this share of what acts alone goes wrong, with this confidence: 'evals calibrate' proves it.
target:
  misroute: 0.10
  confidence: 0.90

audit:
  share: 0.05

destinations:
  target:
    system: {wanted.system}
    record_key: "{{{{ item_id }}}}"
    values:
{written}
escalation:
  to: {_quoted(wanted.to)}
"""


def _deployments(wanted: Wanted, made: Made) -> str:
    name, policy = wanted.name.replace("_", "-"), _quoted(str(made.policy.absolute()))
    pool = '    work_pool: { name: interlock, job_variables: { env: { PREFECT_FLOWS_HEARTBEAT_FREQUENCY: "30" } } }'
    every = "    concurrency_limit: { limit: 1, collision_strategy: CANCEL_NEW }\n    tags: [with-heartbeats]\n" + pool
    return f"""# prefect deploy --all --no-prompt --prefect-file {made.deployments.name}
# Workers must find the policy at the path below. Flows 'deliver' and 'review' serve every policy: deployed twice they
# are the same.
name: interlock
prefect-version: 3.8.8
pull: []

deployments:
  - name: {name}
    description: {_quoted(f"Routes what waits in the inbox of {wanted.name}.")}
    entrypoint: flows.route.route
    parameters: {{ policy: {policy} }}
    schedules: [{{ interval: 60 }}]
{every}

  - name: watch-{name}
    description: Escalates late reviews, brings lost forms back, tests audit and drift, checks the books.
    entrypoint: flows.watch.watch
    parameters: {{ policy: {policy} }}
    schedules: [{{ interval: 300 }}]
{every}

  - name: report-{name}
    description: Tells the operations lead once a day what came in, what was done and what waits.
    entrypoint: flows.report.report
    parameters: {{ policy: {policy} }}
    schedules: [{{ cron: "0 7 * * *", timezone: UTC }}]
{every}

  - name: retain-{name}
    description: Erases what is over for longer than the policy's `retention` keeps it; without one, nothing.
    entrypoint: flows.retain.retain
    parameters: {{ policies: [{policy}] }}
    schedules: [{{ cron: "30 3 * * *", timezone: UTC }}]
{every}

  - name: deliver
    description: Sends what the outbox holds.
    entrypoint: flows.deliver.deliver
    schedules: [{{ interval: 60 }}]
{every}

  - name: review
    description: Asks a person about one item; started for each decision that waits.
    entrypoint: flows.review.review
{pool}
"""
