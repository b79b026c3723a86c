"""Reads a workflow from its files: the policy, its labelled examples, its calibration record.

Every error names the file, the line, the path inside the file and the mend.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from domain.calibration import Calibration
from domain.decision import Terms
from domain.errors import PolicyInvalid
from domain.values import Frozen, digest
from policies.model import Policy

HERE = Path(__file__).parent


class Example(Frozen):
    """A labelled text. `intent` is a finer label, where the data have one."""

    id: str
    text: str
    label: str
    intent: str | None = None


@dataclass(frozen=True)
class Workflow:
    """A policy with all that its files bring along."""

    path: Path
    policy: Policy
    examples: tuple[Example, ...]
    calibration: Calibration | None

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


def find_policy(name: str) -> Path:
    """The file of a policy: a path as it is, a bare name from this folder.

    Raises:
        PolicyInvalid: there is no such file; names those that there are.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else HERE / f"{name}.yaml"
    if not path.is_file():
        shipped = ", ".join(sorted(file.stem for file in HERE.glob("*.yaml")))
        raise PolicyInvalid(f"{path}: no such policy. Give the path of a YAML file or one of: {shipped}")
    return path.resolve()


def load_workflow(name: str) -> Workflow:
    """Read and check a whole workflow.

    Raises:
        PolicyInvalid: with every fault of the first file that has any.
    """
    path = find_policy(name)
    policy = load_policy(path)
    examples = load_examples(path.parent / policy.examples, policy.labels)
    if silent := [route for route in policy.routes if route not in {example.label for example in examples}]:
        raise PolicyInvalid(f"{path.parent / policy.examples}: no example for {silent}. Add at least one of each.")
    record = path.with_name(f"{path.stem}.calibration.json")
    return Workflow(path, policy, examples, load_calibration(record) if record.is_file() else None)


def load_policy(path: Path) -> Policy:
    """The policy in `path`, checked.

    Raises:
        PolicyInvalid: one line a fault.
    """
    source = _read(path)
    try:
        node = yaml.compose(source, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(source)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise PolicyInvalid(f"{path}:{line}: not YAML: {exc.problem}. Look at the indentation and quotes.") from exc
    except (yaml.YAMLError, ValueError) as exc:  # a control character, or a date such as 2026-13-45
        raise PolicyInvalid(f"{path}: not YAML: {exc}. Remove the character or quote the value.") from exc
    if not isinstance(node, yaml.MappingNode):
        raise PolicyInvalid(f"{path}:1: not a mapping. Begin with 'name: <workflow>'.")
    if doubled := list(_doubled_keys(node, ())):
        raise PolicyInvalid("\n".join(f"{path}:{line}: {key}: written twice. Remove one." for key, line in doubled))
    try:
        return Policy.model_validate(raw)
    except ValidationError as exc:
        faults = [_fault(path, node, fault) for fault in exc.errors(include_url=False)]
        raise PolicyInvalid("\n".join(faults)) from exc


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
    for number, line in enumerate(_read(path).split("\n"), start=1):
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
        return Calibration.model_validate_json(_read(path))
    except ValidationError as exc:
        raise PolicyInvalid(
            f"{path}: not a calibration record. Remove the file and make it again with 'evals calibrate'."
        ) from exc


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise PolicyInvalid(f"{path}: not UTF-8. Save the file as UTF-8.") from exc


def _doubled_keys(node: yaml.Node, at: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _doubled_keys(child, (*at, str(index)))
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, child in node.value:
            here = (*at, key.value)
            if key.value in seen:
                yield ".".join(here), key.start_mark.line + 1
            seen.add(key.value)
            yield from _doubled_keys(child, here)


def _fault(path: Path, root: yaml.Node, fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    message = str(fault["msg"]).removeprefix("Value error, ")
    line = f"{path}:{_line(root, fault['loc'])}: "
    return f"{line}{where + ': ' if where else ''}{message}{_mend(fault)}"


def _line(node: yaml.Node, loc: tuple[str | int, ...]) -> int:
    """The line of the deepest node that `loc` reaches."""
    line = node.start_mark.line + 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, child) for key, child in node.value if key.value == str(part)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _mend(fault: Any) -> str:
    match fault["type"]:
        case "missing":
            return ". Add it."
        case "extra_forbidden":
            known = _fields_at(fault["loc"][:-1])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
            return f". Did you mean '{near[0]}'?" if near else f". Remove it; known here: {', '.join(known)}."
        case "string_pattern_mismatch" if fault["ctx"]["pattern"].startswith("^[a-z]"):
            return ". Use lower case letters, digits and underscores, beginning with a letter."
        case _:
            return "."


def _fields_at(loc: tuple[str | int, ...]) -> list[str]:
    """The names that the models know at a path, by the JSON schema."""
    schema = Policy.model_json_schema()
    here = schema
    for part in loc:
        here = _resolve(here, schema)
        of_any_name: dict[str, Any] = next(iter(here.get("patternProperties", {}).values()), {})
        here = here.get("properties", {}).get(str(part)) or here.get("items") or of_any_name
    return sorted(_resolve(here, schema).get("properties", {}))


def _resolve(here: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = str(here.get("$ref", "")).removeprefix("#/$defs/")
    return schema["$defs"][name] if name else here
