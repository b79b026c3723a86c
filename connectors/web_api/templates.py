"""The templates of a description: text, parts of a path, and JSON, each filled in so that no value can break out."""

import base64
import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import ChainableUndefined, Template, TemplateError, Undefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue

from domain.errors import InputInvalid


class Kind(StrEnum):
    """Where a template stands, which decides what becomes of each `{{ … }}` in it."""

    TEXT = "text"
    """The value as it is: headers and query parameters, which the HTTP client encodes."""
    PATH = "path"
    """The value as one part of a path, whatever signs are in it."""
    JSON = "json"
    """The value as JSON: a text in quotes, a list in brackets, null where there is none."""


def _part(value: object) -> str:
    text = "" if isinstance(value, Undefined) else str(value)
    if text in {"", ".", ".."}:
        raise ValueError(f"'{text}' cannot be a part of a path")
    return quote(text, safe="")


def _json(value: object) -> str:
    return json.dumps(None if isinstance(value, Undefined) else value, ensure_ascii=False)


def _environment(finalize: Any) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=finalize
    )
    environment.filters["tojson"] = lambda value: value  # every value of a body becomes JSON without being asked
    environment.filters["base64"] = lambda text: base64.b64encode(str(text).encode()).decode()
    return environment


_ENVIRONMENTS = {Kind.TEXT: _environment(None), Kind.PATH: _environment(_part), Kind.JSON: _environment(_json)}
RECORD = ("values", "changed")
"""The mappings of the operation's values that a template can see."""


class _Filled(dict[str, str]):
    """Values in a trial: whatever is asked for is there."""

    def __missing__(self, name: str) -> str:
        return "x"


def check(kind: Kind, source: str, known: Iterable[str]) -> None:
    """Render `source` in a trial, with every value there and with every one missing.

    Args:
        known: the names that a template may use in this place.

    Raises:
        ValueError: it cannot be rendered, uses an unknown name, or does not give JSON; says why.
    """
    environment, names = _ENVIRONMENTS[kind], sorted(known)
    try:
        used = find_undeclared_variables(environment.parse(source))
    except TemplateError as exc:
        raise ValueError(f"not a Jinja2 template: {exc}; mend the braces or the tag") from exc
    if strange := sorted(used - set(names)):
        raise ValueError(f"no '{strange[0]}' here; known are {', '.join(names)}")
    trials: tuple[dict[str, str], ...] = (_Filled(), {})
    for values in trials:
        seen = {name: values if name in (*RECORD, "fields") else "x" for name in names}
        try:
            render(kind, source, seen)
        except InputInvalid as exc:
            raise ValueError(f"{exc.__cause__}; {_ADVICE[kind]}") from exc


_ADVICE = {
    Kind.TEXT: "a value can be missing: write (values.name or '')",
    Kind.PATH: "a part of a path must be there: use record_key, operation_id or id",
    Kind.JSON: "write JSON with {{ … }} for whole values, without quotes around them; a value can be missing: "
    "write (values.name or '')",
}


def render(kind: Kind, source: str, seen: Mapping[str, object]) -> str:
    """`source` with the values filled in; of kind JSON it is checked to be that.

    Raises:
        InputInvalid: these very values make the template fail.
    """
    try:
        text = _compiled(kind, source).render(seen).strip()
        if kind is Kind.JSON:
            json.loads(text)
    except Exception as exc:  # whatever an expression of the author's can raise
        raise InputInvalid(f"the template '{source[:60]}' fails on it: {exc}") from exc
    return text


def render_json(source: str, seen: Mapping[str, object]) -> JsonValue:
    """The JSON that a body's template gives.

    Raises:
        InputInvalid: these very values make the template fail.
    """
    value: JsonValue = json.loads(render(Kind.JSON, source, seen))
    return value


def values_used(kind: Kind, sources: Iterable[str]) -> frozenset[str] | None:
    """Which of the operation's values the templates pass on; None if all of them."""
    used: set[str] = set()
    for source in sources:
        tree = _ENVIRONMENTS[kind].parse(source)
        alone = [(node.node, node.attr) for node in tree.find_all(nodes.Getattr) if not hasattr(dict, node.attr)] + [
            (node.node, node.arg.value) for node in tree.find_all(nodes.Getitem) if isinstance(node.arg, nodes.Const)
        ]
        singled_out = [(node, name) for node, name in alone if isinstance(node, nodes.Name) and node.name in RECORD]
        used.update(str(name) for _, name in singled_out)
        whole = {id(node) for node in tree.find_all(nodes.Name) if node.name in RECORD}
        if whole - {id(node) for node, _ in singled_out}:
            return None
    return frozenset(used)


@cache
def _compiled(kind: Kind, source: str) -> Template:
    return _ENVIRONMENTS[kind].from_string(source)
