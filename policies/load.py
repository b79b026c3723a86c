"""Reads a workflow from its files: the policy, its labelled examples, its calibration record.

Every error names the file, the line, the path inside the file and the mend.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from domain.calibration import Calibration
from domain.decision import Terms
from domain.errors import PolicyInvalid
from domain.people import People
from domain.values import Frozen, digest
from policies.cases import CasePolicy
from policies.model import Policy
from policies.people import load_people, unknown_people
from policies.strict_yaml import parse_yaml, read_text
from policies.sync import SyncPolicy

HERE = Path(__file__).parent
PEOPLE = "people.yaml"
"""Who the people of the policies in this folder are."""

_OF_CASES = re.compile(r"(?m)^states\s*:")
"""What only a policy about cases has."""
_OF_RECORDS = re.compile(r"(?m)^objects\s*:")
"""What only a policy about records that are kept in step has."""


class Example(Frozen):
    """A labelled text. `intent` is a finer label, where the data have one."""

    id: str
    text: str
    label: str
    intent: str | None = None


@dataclass(frozen=True)
class Workflow:
    """A policy with all that its files bring along; one without routes has no examples.

    Attributes:
        source: what the policy's file says, or said.
        past: names the version, where it is one that the file had before.
    """

    path: Path
    policy: Policy
    examples: tuple[Example, ...]
    calibration: Calibration | None
    people: People = field(default_factory=People)
    source: str = ""
    past: str | None = None

    @property
    def version(self) -> str:
        """Names what the policy says: the fingerprint that decisions have of it."""
        return self.past or self.policy.fingerprint

    @property
    def cases(self) -> CasePolicy | None:
        """The policy, where it is about cases."""
        return self.policy if isinstance(self.policy, CasePolicy) else None

    @property
    def sync(self) -> SyncPolicy | None:
        """The policy, where it keeps records in step."""
        return self.policy if isinstance(self.policy, SyncPolicy) else None

    @property
    def reference(self) -> str:
        """What `load_workflow` takes to load it again, from any working directory."""
        return self.path.stem if self.path.parent == HERE else str(self.path)

    @property
    def terms(self) -> Terms:
        """What `decide` needs to know of this workflow."""
        return self.policy.terms(self.calibration)

    @property
    def examples_fingerprint(self) -> str:
        """Digest of the labelled examples, in their order."""
        return digest([(example.text, example.label, example.intent) for example in self.examples])

    @property
    def calibration_path(self) -> Path:
        """Where this workflow's calibration record is, or would be."""
        return self.path.with_name(f"{self.path.stem}.calibration.json")


def cases_of(workflow: Workflow) -> CasePolicy:
    """The policy of a workflow that is about cases.

    Raises:
        PolicyInvalid: it is not.
    """
    if workflow.cases is None:
        raise PolicyInvalid(f"{workflow.path} is not about cases: run flows.route on it")
    return workflow.cases


def sync_of(workflow: Workflow) -> SyncPolicy:
    """The policy of a workflow that keeps records in step.

    Raises:
        PolicyInvalid: it is about something else.
    """
    if workflow.sync is None:
        raise PolicyInvalid(f"{workflow.path} keeps no records in step: it has no 'objects'")
    return workflow.sync


def find_policy(name: str) -> Path:
    """The file of a policy: a path as it is, a bare name from this folder.

    Raises:
        PolicyInvalid: there is no such file; names those that there are.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else HERE / f"{name}.yaml"
    if not path.is_file():
        raise PolicyInvalid(
            f"{path}: no such policy. Give the path of a YAML file or one of: {', '.join(shipped_policies())}"
        )
    return path.resolve()


def shipped_policies() -> list[str]:
    """Names of the policies in this folder."""
    return sorted(path.stem for path in HERE.glob("*.yaml") if path.name != PEOPLE)


def load_workflow(name: str) -> Workflow:
    """Read and check a whole workflow.

    Raises:
        PolicyInvalid: with every fault of the first file that has any.
    """
    path = find_policy(name)
    source = read_text(path)
    policy = _parsed(source, path)
    examples = _taught(path.parent / policy.examples, policy) if policy.examples else ()
    record = path.with_name(f"{path.stem}.calibration.json")
    calibration = load_calibration(record) if record.is_file() else None
    return Workflow(path, policy, examples, calibration, _people(path, policy), source)


def as_it_was(now: Workflow, version: str, source: str) -> Workflow:
    """The workflow with what its policy said before, for what began under that; people and mode are those of `now`.

    It asks nobody: examples and calibration of the time are not there.

    Args:
        version: the fingerprint that decisions have of it.
        source: what the file said.

    Raises:
        PolicyInvalid: what the file said is no policy any more, to this version of Interlock.
    """
    policy = _parsed(source, Path(f"{now.path}@{version[:12]}"))
    policy = policy.model_copy(update={"mode": now.policy.mode})
    return replace(now, policy=policy, examples=(), calibration=None, source=source, past=version)


def replace_policy(path: Path, source: str) -> None:
    """Write a policy's file anew, once that is found to be one.

    Raises:
        PolicyInvalid: it is not; the file stays as it is.
    """
    draft = path.with_name(f"{path.stem}.draft{path.suffix}")
    try:
        draft.write_text(source, encoding="utf-8")
        load_workflow(str(draft))
        draft.chmod(path.stat().st_mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _people(path: Path, policy: Policy) -> People:
    """Who the policy's people are; all that it names are there, and can be reached as it says."""
    people = People()
    if policy.people is not None:
        if not (beside := path.parent / policy.people).is_file():
            raise PolicyInvalid(f"{path}: people: no such file: {beside}. Write it, or remove the line.")
        people = load_people(beside).everybody
    if faults := list(unknown_people(policy, people)):
        raise PolicyInvalid("\n".join(f"{path}: {fault}." for fault in faults))
    return people


def load_classifier(name: str) -> Workflow:
    """`load_workflow` of a policy that chooses among routes.

    Raises:
        PolicyInvalid: it is wrong, or has no routes.
    """
    workflow = load_workflow(name)
    if not workflow.policy.classifies:
        raise PolicyInvalid(f"{workflow.path}: it has no routes, so it classifies nothing. Use 'evals extract'.")
    return workflow


def _taught(path: Path, policy: Policy) -> tuple[Example, ...]:
    examples = load_examples(path, policy.labels)
    if silent := [route for route in policy.routes if route not in {example.label for example in examples}]:
        raise PolicyInvalid(f"{path}: no example for {silent}. Add at least one of each.")
    return examples


def load_policy(path: Path) -> Policy:
    """The policy in `path`, checked.

    Raises:
        PolicyInvalid: one line a fault.
    """
    return _parsed(read_text(path), path)


def _parsed(source: str, path: Path) -> Policy:
    model = CasePolicy if _OF_CASES.search(source) else SyncPolicy if _OF_RECORDS.search(source) else Policy
    return parse_yaml(source, path, model, "name: <workflow>")


def load_examples(path: Path, labels: tuple[str, ...]) -> tuple[Example, ...]:
    """The labelled examples in a JSON Lines file.

    Raises:
        PolicyInvalid: a line that is no example, an unknown label, an empty text, a doubled id or text.
    """
    if not path.is_file():
        raise PolicyInvalid(f"{path}: no such file. Write one JSON object a line: id, text, label, optional intent.")
    adapter, examples, faults = TypeAdapter(Example), [], []
    seen: dict[str, int] = {}
    told: dict[str, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            example = adapter.validate_json(line)
        except ValidationError as exc:
            faults.append(f"{path}:{number}: {exc.errors(include_url=False)[0]['msg']}. Write id, text and label.")
            continue
        if example.label not in labels:
            faults.append(f"{path}:{number}: label '{example.label}' is unknown. Use one of: {', '.join(labels)}")
        if not example.text.strip():
            faults.append(f"{path}:{number}: the text is empty. Remove the line or fill it in.")
        if (first := seen.setdefault(example.id, number)) != number:
            faults.append(f"{path}:{number}: id '{example.id}' stands on line {first} already. Give it its own.")
        if (first := told.setdefault(example.text, number)) != number:
            faults.append(f"{path}:{number}: the text stands on line {first} already. Remove one of them.")
        examples.append(example)
    if faults:
        raise PolicyInvalid("\n".join(faults))
    return tuple(examples)


def load_calibration(path: Path) -> Calibration:
    """The calibration record in `path`.

    Raises:
        PolicyInvalid: the file is not one.
    """
    try:
        return Calibration.model_validate_json(read_text(path))
    except ValidationError as exc:
        raise PolicyInvalid(
            f"{path}: not a calibration record. Remove the file and make it again with 'evals calibrate'."
        ) from exc
