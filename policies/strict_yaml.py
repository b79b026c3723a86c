"""Reads a YAML file into a strict model; every error names the file, the line, the path inside it and the mend."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from domain.errors import PolicyInvalid

Model = TypeVar("Model", bound=BaseModel)


def load_yaml(path: Path, model: type[Model], begin: str) -> Model:
    """The model in `path`, checked.

    Args:
        begin: how such a file begins, for whoever wrote something else.

    Raises:
        PolicyInvalid: one line a fault.
    """
    return parse_yaml(read_text(path), path, model, begin)


def parse_yaml(source: str, path: Path, model: type[Model], begin: str) -> Model:
    """`load_yaml` of a text that is, or was, in `path`."""
    try:
        node = yaml.compose(source, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(source)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise PolicyInvalid(f"{path}:{line}: not YAML: {exc.problem}. Look at the indentation and quotes.") from exc
    except (yaml.YAMLError, ValueError) as exc:  # a control character, or a date such as 2026-13-45
        raise PolicyInvalid(f"{path}: not YAML: {exc}. Remove the character or quote the value.") from exc
    if not isinstance(node, yaml.MappingNode):
        raise PolicyInvalid(f"{path}:1: not a mapping. Begin with '{begin}'.")
    if doubled := list(_doubled_keys(node, ())):
        raise PolicyInvalid("\n".join(f"{path}:{line}: {key}: written twice. Remove one." for key, line in doubled))
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        faults = [_fault(path, node, model, fault) for fault in exc.errors(include_url=False)]
        raise PolicyInvalid("\n".join(faults)) from exc


def read_text(path: Path) -> str:
    """A file's text.

    Raises:
        PolicyInvalid: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise PolicyInvalid(f"{path}: not UTF-8. Save the file as UTF-8.") from exc


def line_of(source: str, at: Sequence[str]) -> int:
    """The number, from 0, of the line that a key of a YAML text stands on.

    Args:
        at: the keys that lead to it.

    Raises:
        LookupError: there is no such key.
    """
    node, line = yaml.compose(source, Loader=yaml.SafeLoader), 0
    for name in at:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, child) for key, child in pairs if key.value == name), None)
        if found is None:
            raise LookupError(f"no {'.'.join(at)}")
        line, node = found[0].start_mark.line, found[1]
    return line


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


def _fault(path: Path, root: yaml.Node, model: type[BaseModel], fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    message = str(fault["msg"]).removeprefix("Value error, ")
    line = f"{path}:{_line(root, fault['loc'])}: "
    return f"{line}{where + ': ' if where else ''}{message}{_mend(model, fault)}"


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


def _mend(model: type[BaseModel], fault: Any) -> str:
    match fault["type"]:
        case "missing":
            return ". Add it."
        case "extra_forbidden":
            known = _fields_at(model, fault["loc"][:-1])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
            return f". Did you mean '{near[0]}'?" if near else f". Remove it; known here: {', '.join(known)}."
        case "string_pattern_mismatch" if fault["ctx"]["pattern"].startswith("^[a-z]"):
            return ". Use lower case letters, digits and underscores, beginning with a letter."
        case _:
            return "."


def _fields_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The names that the models know at a path, by the JSON schema."""
    schema = model.model_json_schema()
    here = schema
    for part in loc:
        here = _resolve(here, schema)
        of_any_name: dict[str, Any] = next(iter(here.get("patternProperties", {}).values()), {})
        of_any_name = of_any_name or here.get("additionalProperties") or {}
        here = here.get("properties", {}).get(str(part)) or here.get("items") or of_any_name
    return sorted(_resolve(here, schema).get("properties", {}))


def _resolve(here: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What stands behind a reference; of a choice between a model and nothing, the model."""
    chosen = next((choice for choice in here.get("anyOf", []) if "$ref" in choice), here)
    name = str(chosen.get("$ref", "")).removeprefix("#/$defs/")
    resolved: dict[str, Any] = schema["$defs"][name] if name else here
    return resolved
