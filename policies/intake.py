"""From a record as it came in to an item, and to what rules, checks and writes see of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from email_validator import EmailNotValidError, validate_email
from pydantic import ValidationError

from domain.decision import RuleMatch
from domain.errors import InputInvalid
from domain.item import InboundItem
from policies import rules
from policies.model import FieldType, Policy, Rule
from policies.templates import render

LARGEST_NUMBER = 1e15
"""Beyond it a float no longer counts in ones."""

LONGEST_TEXT = 20_000
"""Characters of text that are classified; a longer message is refused, not cut."""


@dataclass(frozen=True)
class Checked:
    """An item's fields after the policy's checks.

    Attributes:
        values: what may be written, normalised, all text; malformed and empty ones left out.
        numbers: the numeric fields' values.
        missing: required fields that are absent or malformed.
    """

    values: dict[str, str]
    numbers: dict[str, float]
    missing: tuple[str, ...]


def make_item(
    policy: Policy, source: str, external_id: str, received_at: datetime, fields: Mapping[str, object]
) -> InboundItem:
    """The item that a record becomes under `policy`.

    Raises:
        InputInvalid: there is nothing to classify, or more than can be.
    """
    filled = {
        storable(str(name)): text
        for name, value in fields.items()
        if value is not None and (text := storable(str(value)).strip())
    }
    text = render(policy.input.text, filled)
    if not text:
        raise InputInvalid(f"nothing to classify: {', '.join(policy.input.fields)} are all empty")
    if len(text) > LONGEST_TEXT:
        raise InputInvalid(f"{len(text)} characters; at most {LONGEST_TEXT} are classified")
    try:
        return InboundItem(
            source=storable(source),
            external_id=storable(external_id),
            received_at=received_at,
            text=text,
            fields={name: value for name, value in filled.items() if name in policy.input.fields},
            other={name: value for name, value in filled.items() if name not in policy.input.fields},
        )
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        raise InputInvalid(f"{fault['loc'][0]}: {fault['msg']}") from exc


def check(item: InboundItem, policy: Policy) -> Checked:
    """An item's fields, each by the type that the policy declares."""
    values: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for name, kind in policy.input.fields.items():
        raw = item.fields.get(name, "")
        match kind:
            case FieldType.EMAIL:
                value = _email(raw)
            case FieldType.NUMBER:
                number = _number(raw)
                value = "" if number is None else f"{number:.15g}"
                if number is not None:
                    numbers[name] = number
            case FieldType.TEXT:
                value = raw
            case _:
                assert_never(kind)
        if value:
            values[name] = value
    missing = tuple(name for name in policy.validation.required if name not in values)
    return Checked(values, numbers, missing)


def match_rule(item: InboundItem, checked: Checked, policy: Policy) -> RuleMatch | None:
    """The first of the policy's rules that holds for an item."""
    kinds = {name: kind is FieldType.NUMBER for name, kind in policy.input.fields.items()}
    seen = {
        **checked.values,
        **checked.numbers,
        "text": item.text,
        "source": item.source,
        "missing": list(checked.missing),
    }
    for rule in policy.rules:
        if rules.matches(rule.when, kinds, seen):
            return matched(rule)
    return None


def matched(rule: Rule) -> RuleMatch:
    """What decisions see of a rule that holds for an item."""
    return RuleMatch(name=rule.name, action=rule.action, route=rule.route, flags=rule.flags)


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with a mark for each NUL and half surrogate pair, which UTF-8 and databases refuse."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


_GROUPED = re.compile(r"\d{1,3}([.,]\d{3})+")


def _email(raw: str) -> str:
    try:
        return validate_email(raw, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError:
        return ""


def _number(raw: str) -> float | None:
    """A plain count such as `1,200`, `1.200` or `500+`; None for anything else."""
    digits = raw.strip().rstrip("+").replace(" ", "")
    try:
        number = float(re.sub("[.,]", "", digits) if _GROUPED.fullmatch(digits) else digits)
    except ValueError:
        return None
    return number if 0 <= number < LARGEST_NUMBER else None
