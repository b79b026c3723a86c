"""The rules' expression language: rule-engine's, typed, with no access to Python.

rule-engine takes half a second to import, hence only when there is a rule to compile.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

_BUILT_IN = ("text", "source", "missing", "faults", "unsure")
"""Names that every expression sees beside the policy's fields."""

_DECIDED = ("flags", "route")
"""Names that are known once an item is decided."""

_PURE = frozenset({"abs", "all", "any", "filter", "map", "max", "min", "parse_float", "split", "sum"})
"""rule-engine's functions that depend on their arguments alone: a rule sees no clock and no dice."""

_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_CALLED = re.compile(r"\$(\w+)")


def check_expression(expression: str, fields: Mapping[str, bool], *, decided: bool = False) -> None:
    """Raise ValueError, with the mend, unless `expression` compiles over these names.

    Args:
        fields: name of each field, and whether rules see it as a number.
        decided: whether it is asked of an item that is decided, so that `flags` and `route` are known.
    """
    import rule_engine  # noqa: PLC0415

    try:
        _compiled(expression, tuple(sorted(fields.items())), decided)
    except rule_engine.SymbolResolutionError as exc:
        known = ", ".join(sorted({*_BUILT_IN, *(_DECIDED if decided else ()), *fields}))
        raise ValueError(f"rule '{expression}': no field '{exc.symbol_name}'; known are {known}") from exc
    except rule_engine.EngineError as exc:
        raise ValueError(f"rule '{expression}': {exc.message}; see the expression language in the docs") from exc
    if strange := sorted({*_CALLED.findall(_QUOTED.sub("''", expression))} - _PURE):
        raise ValueError(f"rule '{expression}': no function '${strange[0]}'; there are ${', $'.join(sorted(_PURE))}")


def matches(expression: str, fields: Mapping[str, bool], values: Mapping[str, object]) -> bool:
    """Whether `expression` holds for `values`; a field that is absent is null.

    A comparison that null makes impossible (`employees >= 500` of a lead that does not say)
    does not hold, as in SQL.
    """
    import rule_engine  # noqa: PLC0415

    names = {**dict.fromkeys(fields), **dict.fromkeys((*_BUILT_IN, *_DECIDED)), **values}
    try:
        return bool(_compiled(expression, tuple(sorted(fields.items())), True).matches(names))
    except (rule_engine.EvaluationError, TypeError, ValueError, ArithmeticError):  # `'a' in company` of null
        return False


@lru_cache(maxsize=1024)
def _compiled(expression: str, fields: Sequence[tuple[str, bool]], decided: bool) -> Any:
    import rule_engine  # noqa: PLC0415

    text, number = rule_engine.DataType.STRING, rule_engine.DataType.FLOAT
    types = {name: number if is_number else text for name, is_number in fields}
    texts = rule_engine.DataType.ARRAY(text)
    faults = rule_engine.DataType.MAPPING(text, text)
    built_in = {"text": text, "source": text, "missing": texts, "faults": faults, "unsure": texts}
    built_in |= {"flags": texts, "route": text} if decided else {}
    context = rule_engine.Context(type_resolver=rule_engine.type_resolver_from_dict({**types, **built_in}))
    return rule_engine.Rule(expression, context=context)
