"""From a record as it came in to an item, and to what rules, checks and writes see of it."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from domain.decision import RuleAction, RuleMatch
from domain.errors import InputInvalid
from domain.extraction import Extraction, Found
from domain.intake import Gap
from domain.item import InboundItem
from policies import rules
from policies.extract import at_home
from policies.fields import FieldType, normalised
from policies.model import Policy, Rule
from policies.templates import render

LONGEST_TEXT = 20_000
"""Characters of text that are classified; a longer message is refused, or cut where nobody would hear of that."""

LONGEST_FIELD = 200_000
"""Characters that are kept of a field of a message that is cut."""

NOT_WHOLE = "not_read_whole"
"""The rule, and the flag, of items whose text is not all that was said."""


@dataclass(frozen=True)
class Checked:
    """An item's fields after the policy's checks.

    Attributes:
        values: what may be written, normalised, all text; malformed and empty ones left out.
        numbers: the numeric fields' values.
        gaps: required fields that have no value, and fields of which a check does not hold, each with why.
        found: those of `values` that were found in the text.
        faults: by field, the message of the check that does not hold.
        unsure: what was found for fields that have no value, too unsure to be written: `amount: 1234.50 EUR`.
    """

    values: dict[str, str]
    numbers: dict[str, float]
    gaps: dict[str, Gap]
    found: dict[str, Found] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unsure: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The fields that have a gap."""
        return tuple(self.gaps)


def make_item(
    policy: Policy,
    source: str,
    external_id: str,
    received_at: datetime,
    fields: Mapping[str, object],
    envelope: frozenset[str] = frozenset(),
    *,
    unheard: bool = False,
) -> InboundItem:
    """The item that a record becomes under `policy`.

    Args:
        envelope: fields that tell who sent it. Where a policy extracts, they are the item's own only if
            they hold: a colleague who passes a message on is not its author, and `info` is nobody's name.
        unheard: whether its sender would not hear of a refusal. Then a text that is too long is cut, visibly,
            and attachments without a text are named instead; both make an item that is not whole.

    Raises:
        InputInvalid: there is nothing to classify, or more than can be.
    """
    filled = {
        storable(str(name)): text
        for name, value in fields.items()
        if value is not None and (text := storable(str(value)).strip())
    }
    text, whole = render(policy.input.text, filled), True
    if unheard:
        text, whole = _in_part(text, filled)
        filled = filled if whole else {name: value[:LONGEST_FIELD] for name, value in filled.items()}
    own = policy.input.fields.keys() - _not_its_own(policy, filled, envelope)
    if not text:
        raise InputInvalid(f"nothing to classify: {', '.join(policy.input.fields)} are all empty")
    if whole and len(text) > LONGEST_TEXT:
        raise InputInvalid(f"{len(text)} characters; at most {LONGEST_TEXT} are classified")
    try:
        return InboundItem(
            source=storable(source),
            external_id=storable(external_id),
            received_at=received_at,
            text=text,
            fields={name: value for name, value in filled.items() if name in own},
            other={name: value for name, value in filled.items() if name not in own},
            whole=whole,
        )
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        raise InputInvalid(f"{fault['loc'][0]}: {fault['msg']}") from exc


def _in_part(text: str, filled: Mapping[str, str]) -> tuple[str, bool]:
    """The text that stands for what is too long or only attached, and whether it is all there is."""
    if len(text) > LONGEST_TEXT:
        return f"{text[:LONGEST_TEXT]}\n[cut here: {len(text)} characters came]", False
    if not text and (attached := filled.get("attachments")):
        return f"[no text; attached: {'; '.join(attached.splitlines())}]", False
    return text, True


def _not_its_own(policy: Policy, filled: Mapping[str, str], envelope: frozenset[str]) -> frozenset[str]:
    """The envelope's fields that the text is to tell instead."""
    extract, kinds, conventions = policy.extract, policy.input.fields, policy.input.conventions
    told = {name: filled[name] for name in envelope & filled.keys() & kinds.keys()}
    if extract is None:
        return frozenset()
    if any(at_home(address, extract.ours) for name, address in told.items() if kinds[name] is FieldType.EMAIL):
        return frozenset(told)
    return frozenset(name for name, raw in told.items() if not normalised(kinds[name], raw, conventions))


def check(item: InboundItem, policy: Policy, extraction: Extraction | None = None) -> Checked:
    """An item's fields, each by the type that the policy declares.

    Args:
        extraction: what was found in the text, if anything was looked for. It fills in fields that
            did not come in at all; one that came in malformed is missing, not replaced.
    """
    came_in = {name: item.fields[name] for name in policy.input.fields if name in item.fields}
    kinds, conventions = policy.input.fields, policy.input.conventions
    values = {name: text for name, raw in came_in.items() if (text := normalised(kinds[name], raw, conventions))}
    found = _found(policy, extraction, came_in)
    values |= {name: one.value for name, one in found.items()}
    faults = _faults(item, policy, values)
    values = {name: values[name] for name in kinds if name in values and name not in faults}
    required = [name for name in policy.validation.required if name not in values]
    return Checked(
        values=values,
        numbers=_numbers(values, policy),
        gaps={name: _gap(name, came_in, faults, extraction) for name in dict.fromkeys([*required, *faults])},
        found={name: one for name, one in found.items() if name in values},
        faults=faults,
        unsure=tuple(_unsure(policy, extraction, {**came_in, **found})),
    )


def complete(
    item: InboundItem, policy: Policy, extraction: Extraction | None, inputs: Mapping[str, str | None]
) -> Checked:
    """`check` with what a person filled in instead of what came in or was found; None for what is left out."""
    fields = {name: text for name, text in {**item.fields, **inputs}.items() if text is not None}
    if extraction is not None:
        found = {name: one for name, one in extraction.found.items() if name not in inputs}
        extraction = extraction.model_copy(update={"found": found})
    return check(item.model_copy(update={"fields": fields}), policy, extraction)


def asked_fields(policy: Policy) -> tuple[str, ...]:
    """The fields that a person may fill in, in the policy's order: those that are extracted, required or checked."""
    wanted = {*policy.validation.required, *(one.field for one in policy.validation.checks)}
    wanted |= policy.extract.fields.keys() if policy.extract else set()
    return tuple(name for name in policy.input.fields if name in wanted)


def _gap(name: str, came_in: Mapping[str, str], faults: Mapping[str, str], extraction: Extraction | None) -> Gap:
    if name in faults:
        return Gap.FAULTY
    if name in came_in:
        return Gap.MALFORMED
    return Gap.UNSURE if extraction is not None and name in extraction.found else Gap.ABSENT


def _found(policy: Policy, extraction: Extraction | None, came_in: Mapping[str, str]) -> dict[str, Found]:
    """What may be filled in: found for a field that the policy wants from the text, and surely enough."""
    if policy.extract is None or extraction is None:
        return {}
    wanted = policy.extract.fields.keys() - came_in.keys()
    return {name: one for name, one in extraction.sure(policy.extract.threshold).items() if name in wanted}


def _unsure(policy: Policy, extraction: Extraction | None, known: Container[str]) -> Iterator[str]:
    """What was found for fields that are wanted and not known otherwise, each with its field's name."""
    if policy.extract is not None and extraction is not None:
        for name in policy.extract.fields:
            if name in extraction.found and name not in known:
                yield f"{name}: {extraction.found[name].value}"


def _faults(item: InboundItem, policy: Policy, values: dict[str, str]) -> dict[str, str]:
    """By field, the message of the first of its checks that does not hold."""
    faults: dict[str, str] = {}
    for one in policy.validation.checks:
        asked = one.field in values and one.field not in faults
        known = _seen(item, values, _numbers(values, policy))
        if asked and not rules.matches(one.must, policy.input.numeric, known):
            faults[one.field] = one.message
    return faults


def _numbers(values: Mapping[str, str], policy: Policy) -> dict[str, float]:
    kinds = policy.input.fields
    return {name: float(text) for name, text in values.items() if kinds[name] is FieldType.NUMBER}


def _seen(item: InboundItem, values: Mapping[str, str], numbers: Mapping[str, float]) -> dict[str, object]:
    return {**values, **numbers, "text": item.text, "source": item.source, "missing": [], "unsure": []}


def seen(item: InboundItem, checked: Checked) -> dict[str, object]:
    """What expressions see of an item: numeric fields as numbers, others as text."""
    told = {"missing": list(checked.missing), "faults": checked.faults, "unsure": list(checked.unsure)}
    return _seen(item, checked.values, checked.numbers) | told


def match_rule(item: InboundItem, checked: Checked, policy: Policy) -> RuleMatch | None:
    """The first of the policy's rules that holds for an item; of one that is not whole only those that end it.

    What else is not whole goes to a person: nothing was seen of what may count most.
    """
    known = seen(item, checked)
    for rule in policy.rules:
        if rules.matches(rule.when, policy.input.numeric, known):
            if item.whole or rule.action is RuleAction.REJECT:
                return matched(rule)
            break  # it may be another's matter, but not without a look
    return None if item.whole else RuleMatch(name=NOT_WHOLE, action=RuleAction.PERSON, flags=(NOT_WHOLE,))


def matched(rule: Rule) -> RuleMatch:
    """What decisions see of a rule that holds for an item."""
    return RuleMatch(name=rule.name, action=rule.action, route=rule.route, flags=rule.flags)


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with a mark for each NUL and half surrogate pair, which UTF-8 and databases refuse."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
