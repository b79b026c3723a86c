"""Writes what a person decided about one record into the policy, as a rule for all: as a change of the YAML text."""

import difflib
import re
from pathlib import Path

from policies.strict_yaml import line_of, read_text


def with_owner(source: str, object_name: str, field: str, owner: str) -> str:
    """A sync policy's text, in which a system owns a field; comments and layout stay.

    Raises:
        LookupError: there is no such field, or it is not written as a block.
    """
    lines = source.splitlines(keepends=True)
    begin = line_of(source, ("objects", object_name, "fields", field))
    indent = _indent(lines[begin])
    body = begin + 1
    if body >= len(lines) or lines[begin].split("#")[0].rstrip()[-1:] != ":":
        raise LookupError(f"the field {field} is not written as a block")
    inner = _indent(next((line for line in lines[body:] if line.strip() and not line.lstrip().startswith("#")), ""))
    if len(inner) <= len(indent):
        raise LookupError(f"the field {field} is not written as a block")
    for number in range(body, len(lines)):
        line = lines[number]
        if line.strip() and len(_indent(line)) <= len(indent):
            break
        if re.match(rf"{inner}owner\s*:", line):
            comment = line.split("#", 1)[1:] and f"  #{line.split('#', 1)[1].rstrip()}"
            lines[number] = f"{inner}owner: {owner}{comment or ''}\n"
            return "".join(lines)
    return "".join([*lines[:body], f"{inner}owner: {owner}\n", *lines[body:]])


def owner_diff(path: Path, object_name: str, field: str, owner: str) -> str:
    """What would change in a policy's file if a system owned a field; empty if nothing does, or it cannot be said."""
    source = read_text(path)
    try:
        changed = with_owner(source, object_name, field, owner)
    except LookupError:
        return ""
    told = difflib.unified_diff(source.splitlines(), changed.splitlines(), path.name, path.name, lineterm="", n=2)
    return "\n".join(told)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]
