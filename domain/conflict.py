"""A field of which systems say different things: what a person can make of it, and what rules would."""

from collections.abc import Collection, Mapping

from domain.entity import Standing
from domain.merge import FieldRule, Kind, Side, Spelling, merge
from domain.review import Answer

AGREED = "agreed"
"""The choice of what the systems agreed on before."""
OTHER = "other"
"""The choice of what is filled in as `VALUE`."""
VALUE = "value"
ALWAYS = "_always"
"""Ends the choice of a system whose edits are to go first from now on, too."""


def choices(standing: Standing) -> dict[str, str]:
    """What can be chosen, with what each means."""
    taken = {name: f"what {name} says: {_shown(value)}" for name, value in standing.contested.items()}
    always = {
        f"{name}{ALWAYS}": f"what {name} says, and propose that its edits of this field go first from now on"
        for name in standing.contested
    }
    return {**taken, AGREED: f"what was agreed on before: {_shown(standing.agreed)}", OTHER: "what I fill in", **always}


def value_of(answer: Answer, standing: Standing) -> str:
    """The value that an answer chooses."""
    match answer.choice:
        case "agreed":
            return standing.agreed
        case "other":
            return answer.inputs.get(VALUE, "").strip()
        case choice:
            return standing.contested[choice.removesuffix(ALWAYS)]


def owner_in(choice: str, systems: Collection[str]) -> str | None:
    """The one of these systems that is to own the field from now on, if that was chosen."""
    name = choice.removesuffix(ALWAYS)
    return name if choice.endswith(ALWAYS) and name in systems else None


def outcomes(standing: Standing, sides: Mapping[str, Side], spelling: Spelling) -> dict[str, str]:
    """What each rule would make of the field, by the rule in words; rules that would ask a person are left out.

    So is the union, unless one of the values is several tags: of two names it would make a third.
    """
    rules = {f"{name} owns it": FieldRule(owner=name) for name in sorted(standing.contested)}
    union = FieldRule(kind=Kind.UNION)
    if any(union.separator in value for value in (standing.agreed, *standing.contested.values())):
        rules["union of the tags"] = union
    rules["append what was added"] = FieldRule(kind=Kind.APPEND)
    merged = {
        told: merge(rule, standing.agreed, sides, spelling, standing.set_by, standing.since)
        for told, rule in rules.items()
    }
    return {told: one.value for told, one in merged.items() if one.writes}


def _shown(value: str) -> str:
    return f"'{value}'" if value.strip() else "nothing"
