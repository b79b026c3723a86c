"""Where the parts of a policy contradict each other."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails, PydanticCustomError

from domain.proposal import NONE_OF_THESE
from policies.rules import check_expression

if TYPE_CHECKING:
    from policies.model import Policy


def disagreements(policy: "Policy") -> Iterator[InitErrorDetails]:
    """Each place that contradicts another, so that the loader can name its line."""
    if NONE_OF_THESE in policy.routes:
        yield _at("routes", NONE_OF_THESE, fault=f"'{NONE_OF_THESE}' is always a label; remove it from the routes")
    yield from _in_rules(policy)
    yield from _in_target(policy)
    yield from _in_validation(policy)
    for name in policy.extract.fields if policy.extract else ():
        if name not in policy.input.fields:
            yield _at("extract", "fields", name, fault=_unknown(name))
    yield from _in_destinations(policy)
    for name in policy.intake.webhook.fields:
        if name not in policy.input.fields:
            yield _at("intake", "webhook", "fields", name, fault=_unknown(name))


def _in_rules(policy: "Policy") -> Iterator[InitErrorDetails]:
    names = [rule.name for rule in policy.rules]
    for index, rule in enumerate(policy.rules):
        if rule.route and rule.route not in policy.routes:
            known = ", ".join(policy.routes)
            yield _at("rules", index, "route", fault=f"no route '{rule.route}'; add it or use one of: {known}")
        if rule.name in names[:index]:
            yield _at("rules", index, "name", fault=f"'{rule.name}' is used twice; give each rule its own name")
        yield from _in_expression(policy, rule.when, "rules", index, "when")


def _in_target(policy: "Policy") -> Iterator[InitErrorDetails]:
    for route, bound in policy.target.routes.items():
        if route not in policy.routes:
            yield _at("target", "routes", route, fault=f"no route '{route}'; add it to the routes or remove it here")
        elif bound > policy.target.misroute:
            fault = f"looser than target.misroute ({policy.target.misroute}); make it stricter or remove it"
            yield _at("target", "routes", route, fault=fault)


def _in_validation(policy: "Policy") -> Iterator[InitErrorDetails]:
    for index, name in enumerate(policy.validation.required):
        if name not in policy.input.fields:
            yield _at("validation", "required", index, fault=_unknown(name))
    for index, check in enumerate(policy.validation.checks):
        if check.field not in policy.input.fields:
            yield _at("validation", "checks", index, "field", fault=_unknown(check.field))
        yield from _in_expression(policy, check.must, "validation", "checks", index, "must")


def _in_destinations(policy: "Policy") -> Iterator[InitErrorDetails]:
    for name, destination in policy.destinations.items():
        duplicates = destination.duplicates
        if duplicates and duplicates.search and not destination.values.keys() & {*duplicates.every}:
            known = ", ".join(destination.values)
            fault = f"none of the values tells a person apart; say which of {known} is email, phone or name"
            yield _at("destinations", name, "duplicates", fault=fault)


def _in_expression(policy: "Policy", expression: str, *loc: str | int) -> Iterator[InitErrorDetails]:
    try:
        check_expression(expression, policy.input.numeric)
    except ValueError as exc:
        yield _at(*loc, fault=str(exc))


def _unknown(name: str) -> str:
    return f"'{name}' is not in input.fields; add it there or remove it here"


def _at(*loc: str | int, fault: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("policy", "{fault}", {"fault": fault}), loc=loc, input=None)
