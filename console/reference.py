"""Makes the reference pages of the documentation from the code: `python -m console.reference FOLDER`.

`make docs` calls it. The pages are not kept, so that none can say what the code no longer does.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import tasks
from connectors.capabilities import Capabilities
from connectors.registry import KEPT, SOURCES, SYSTEMS
from connectors.settings import Settings
from connectors.spec import Option, SystemSpec, Variable
from console.main import app as interlock
from domain.escalation import Cause, kind
from domain.ledger import Event
from evals.main import app as evals
from policies.cases import CasePolicy
from policies.model import Policy
from policies.sync import SyncPolicy

MADE = "*Made from the code by `make docs`.*"


def command_line() -> str:
    """Every command of both programs, with its arguments and options."""
    lines = ["# Command line", MADE]
    for name, app in (("interlock", interlock), ("evals", evals)):
        lines += _command(get_command(app), name)
    return _page(lines)


def _command(command: Any, name: str, parent: Any = None) -> Iterable[str]:
    context = command.context_class(command, info_name=name, parent=parent)
    path = context.command_path
    yield f"{'##' if parent is None else '###'} {path}"
    yield _escaped(inspect.cleandoc(command.help or ""))
    if isinstance(command, TyperGroup):
        for below in command.list_commands(context):
            if isinstance(child := command.get_command(context, below), TyperCommand | TyperGroup):
                yield from _command(child, below, context)
        return
    yield f"```text\n{' '.join([path, *command.collect_usage_pieces(context)])}\n```"
    rows = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    yield _table(("option", "meaning"), [(f"`{names}`", text) for names, text in rows if "--help" not in names])


def policy_fields(title: str, model: type[BaseModel]) -> str:
    """What a policy's file may say, from its JSON schema."""
    schema = model.model_json_schema()
    lines = [f"# {title}", MADE, *_object(schema)]
    for name, part in sorted(schema["$defs"].items()):
        lines += [f"## {name}", *_object(part)]
    return _page(lines)


def _object(schema: Mapping[str, Any]) -> Iterable[str]:
    text, meanings = described(schema.get("description", ""))
    yield _escaped(text)
    if "enum" in schema:
        yield "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
    required = schema.get("required", ())
    yield _table(
        ("field", "type", "default", "meaning"),
        [
            (
                f"`{name}`",
                _type(field),
                "required" if name in required else _default(field.get("default")),
                field.get("description") or meanings.get(name, ""),
            )
            for name, field in schema.get("properties", {}).items()
        ],
    )


def described(docstring: str) -> tuple[str, dict[str, str]]:
    """A docstring's text, and what its section `Attributes` says of each; every meaning on one line."""
    text, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    section = section.partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return text.strip(), {name: " ".join(meaning.split()) for name, meaning in found}


LIMITS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
    "minLength": "length ≥",
    "maxLength": "length ≤",
    "minItems": "at least",
    "maxItems": "at most",
}


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(_type(one) for one in field[several])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}" + _limits(field)
    if field.get("type") == "object":
        values: Any = field.get("additionalProperties") or next(iter(field.get("patternProperties", {}).values()), {})
        return f"names to {_type(values)}" if isinstance(values, Mapping) and values else "names to values"
    plain = str(field.get("type", "any"))
    return ("nothing" if plain == "null" else plain) + _limits(field)


def _limits(field: Mapping[str, Any]) -> str:
    limits = [f"{sign} {field[name]}" for name, sign in LIMITS.items() if name in field]
    return f" ({', '.join(limits)})" if limits else ""


def _default(value: Any) -> str:
    match value:
        case None:
            return ""
        case dict() | list():
            return "" if not value else "see there"
        case _:
            return f"`{value}`"


def systems() -> str:
    """What each connector can do, reads from the environment and takes from a policy."""
    lines = ["# Systems and sources", MADE, "## What systems can do"]
    lines += [_table(("system", *CAPABILITIES), [(f"`{name}`", *_can(spec)) for name, spec in SYSTEMS.items()])]
    lines += [f"**{name}**: {meaning}" for name, meaning in CAPABILITIES.items()]
    for title, specs in (("System", SYSTEMS), ("Source", SOURCES), ("Kept in step:", KEPT)):
        for name, spec in specs.items():
            lines += [f"## {title} {name}", *_spec(spec.variables, spec.options)]
    return _page(lines)


CAPABILITIES = {
    "upsert": "how it is made to hold one record under our key.",
    "idempotency": "what keeps a repeated send from acting twice.",
    "versioning": "what protects a change that somebody else made since we read.",
    "batch": "most operations in one request.",
    "deltas": "whether it tells what changed.",
    "searchable": "whether it can be searched for duplicates before a write.",
}


def _can(spec: SystemSpec) -> tuple[str, ...]:
    module = vars(import_module(spec.open.__module__))
    known = (getattr(one, "capabilities", None) for one in module.values() if inspect.isclass(one))
    can = next((one for one in known if isinstance(one, Capabilities)), None)
    searchable = "yes" if spec.searchable else ""
    if can is None:
        return (*["as described"] * 4, "", searchable)
    return can.upsert, can.idempotency, can.versioning, str(can.batch), "yes" if can.deltas else "", searchable


def _spec(variables: Sequence[Variable], options: Sequence[Option]) -> Iterable[str]:
    yield _table(("variable", "meaning", "default"), [_variable(one) for one in variables])
    yield _table(
        ("option in the policy", "meaning", "default"),
        [(f"`{one.name}`", one.meaning, _needed(one.default)) for one in options],
    )


def _variable(variable: Variable) -> tuple[str, str, str]:
    secret = " (a secret)" if variable.secret else ""
    return f"`{variable.name}`", variable.meaning + secret, _needed(variable.default)


def _needed(default: str | None) -> str:
    return "required" if default is None else f"`{default}`" if default else ""


def environment() -> str:
    """Every environment variable: Interlock's own, and the connectors'."""
    _, meanings = described(Settings.__doc__ or "")
    own = [
        (f"`INTERLOCK_{name.upper()}`", meanings.get(name, ""), _plain(field))
        for name, field in Settings.model_fields.items()
    ]
    specs = (spec for specs in (SYSTEMS, SOURCES, KEPT) for spec in specs.values())
    theirs = sorted({_variable(one) for spec in specs for one in spec.variables})
    head = ("variable", "meaning", "default")
    return _page(
        ["# Environment", MADE, "## Interlock's own", _table(head, own), "## Connectors'", _table(head, theirs)]
    )


def _plain(field: FieldInfo) -> str:
    if isinstance(field.default, Path):
        return f"`{str(field.default).replace(str(Path.home()), '~')}`"
    return f"`{field.default}`" if isinstance(field.default, str | int | float) and field.default != "" else ""


def ledger() -> str:
    """Every event of the ledger."""
    rows = [(f"`{event.value}`", said) for event, said in members(Event).items()]
    return _page(["# Events of the ledger", MADE, _table(("event", "what happened"), rows)])


def members(enum: type[Event | Cause]) -> dict[Any, str]:
    """What stands below each member of an enumeration in its source; empty where nothing does."""
    body = next(node for node in ast.parse(inspect.getsource(enum)).body if isinstance(node, ast.ClassDef)).body
    said: dict[Any, str] = dict.fromkeys(enum, "")
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(after, ast.Expr):
            said[enum[node.targets[0].id]] = ast.literal_eval(after.value)
    return said


def prefect_events() -> str:
    """Every event that is told to Prefect."""
    named: dict[str, tuple[str, str]] = {cause.value: (kind(cause), "a step of a ladder") for cause in Cause}
    for path in sorted(Path(next(iter(tasks.__path__))).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "alert":
                event, subject = node.args[:2]
                if isinstance(event, ast.Constant) and isinstance(subject, ast.Constant):
                    named.setdefault(str(event.value), (str(subject.value), "told at once, without a ladder"))
    rows = [(f"`interlock.{event}`", f"`interlock.{about}.NAME`", how) for event, (about, how) in sorted(named.items())]
    how = (
        "What the labels hold, and how people are told: [Tell people by Prefect](../how-to/tell-people-by-prefect.md)."
    )
    return _page(["# Events for Prefect", MADE, how, _table(("event", "resource", "when it is told"), rows)])


PAGES: dict[str, Callable[[], str]] = {
    "command-line.md": command_line,
    "policy.md": lambda: policy_fields("Policies", Policy),
    "case-policy.md": lambda: policy_fields("Policies about cases", CasePolicy),
    "sync-policy.md": lambda: policy_fields("Policies about records", SyncPolicy),
    "systems.md": systems,
    "environment.md": environment,
    "ledger.md": ledger,
    "prefect-events.md": prefect_events,
}
"""Makers of the pages, by file name."""


def write(folder: Path) -> None:
    """Write every page into `folder`, over what stands there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: Any) -> str:
    plain = str(text.value if isinstance(text, Enum) else text)
    return _escaped(" ".join(plain.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Plain text whose angle brackets are no HTML; code is left as it is."""
    return re.sub(r"`[^`]*`|<", lambda found: found[0] if found[0] != "<" else "&lt;", text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
