"""Where the parts of a policy contradict each other."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails, PydanticCustomError

from domain.assignment import Overload
from domain.decision import RuleAction
from domain.proposal import NONE_OF_THESE
from domain.sla import ClockName
from policies.rules import check_expression

if TYPE_CHECKING:
    from policies.model import Policy


def disagreements(policy: "Policy") -> Iterator[InitErrorDetails]:
    """Each place that contradicts another, so that the loader can name its line."""
    yield from _in_routes(policy)
    yield from _in_rules(policy)
    yield from _in_overload(policy)
    yield from _in_target(policy)
    yield from _in_validation(policy)
    for name, destination in policy.destinations.items():
        if destination.when is not None:
            yield from in_expression(destination.when, policy.input.numeric, "destinations", name, "when", decided=True)
    yield from _in_calendars(policy)
    yield from _in_promises(policy)
    if (known_by := policy.customer.known_by) is not None and known_by not in policy.input.fields:
        yield at("customer", "known_by", fault=_unknown(known_by))
    for name in policy.extract.fields if policy.extract else ():
        if name not in policy.input.fields:
            yield at("extract", "fields", name, fault=_unknown(name))
    yield from _in_destinations(policy)
    for name in policy.intake.webhook.fields:
        if name not in policy.input.fields:
            yield at("intake", "webhook", "fields", name, fault=_unknown(name))
    for index, source in enumerate(policy.intake.sources):
        for name in source.fields:
            if name not in policy.input.fields:
                yield at("intake", "sources", index, "fields", name, fault=_unknown(name))


def _in_routes(policy: "Policy") -> Iterator[InitErrorDetails]:
    """Routes go with labelled examples; without either the fields decide, so there must be some."""
    if NONE_OF_THESE in policy.routes:
        yield at("routes", NONE_OF_THESE, fault=f"'{NONE_OF_THESE}' is always a label; remove it from the routes")
    if len(policy.routes) == 1:
        fault = "one route is nothing to choose among; add another, or remove 'routes' and 'examples': fields decide"
        yield at("routes", fault=fault)
    if policy.routes and policy.examples is None:
        yield at("routes", fault="routes are told apart by labelled examples; name their file in 'examples'")
    if not policy.routes and policy.examples is not None:
        yield at("examples", fault="examples teach routes, and there are none; add 'routes' or remove this")
    if not policy.routes and not policy.validation.required:
        fault = "without routes the fields decide; name those that no write can do without in 'validation.required'"
        yield at("validation", fault=fault)


def _in_rules(policy: "Policy") -> Iterator[InitErrorDetails]:
    names = [rule.name for rule in policy.rules]
    for index, rule in enumerate(policy.rules):
        if rule.route and rule.route not in policy.routes:
            known = ", ".join(policy.routes)
            mend = f"add it or use one of: {known}" if known else "use action person or reject"
            yield at("rules", index, "route", fault=f"no route '{rule.route}'; {mend}")
        if rule.name in names[:index]:
            yield at("rules", index, "name", fault=f"'{rule.name}' is used twice; give each rule its own name")
        yield from in_expression(rule.when, policy.input.numeric, "rules", index, "when")


def _in_overload(policy: "Policy") -> Iterator[InitErrorDetails]:
    assign = policy.review.assign
    if assign is None or assign.overload is not Overload.RULES:
        return
    if not any(rule.action is RuleAction.ROUTE for rule in policy.rules):
        fault = "no rule names what is to be done, so 'rules' would take nothing; add such a rule, or use wait or widen"
        yield at("review", "assign", "overload", fault=fault)


def _in_target(policy: "Policy") -> Iterator[InitErrorDetails]:
    for route, bound in policy.target.routes.items():
        if route not in policy.routes:
            yield at("target", "routes", route, fault=f"no route '{route}'; add it to the routes or remove it here")
        elif bound > policy.target.misroute:
            fault = f"looser than target.misroute ({policy.target.misroute}); make it stricter or remove it"
            yield at("target", "routes", route, fault=fault)


def _in_validation(policy: "Policy") -> Iterator[InitErrorDetails]:
    for index, name in enumerate(policy.validation.required):
        if name not in policy.input.fields:
            yield at("validation", "required", index, fault=_unknown(name))
    for index, check in enumerate(policy.validation.checks):
        if check.field not in policy.input.fields:
            yield at("validation", "checks", index, "field", fault=_unknown(check.field))
        yield from in_expression(check.must, policy.input.numeric, "validation", "checks", index, "must")


def _in_calendars(policy: "Policy") -> Iterator[InitErrorDetails]:
    named = [(("sla", clock.value), promised.calendar) for clock, promised in policy.sla.items()]
    sections = (("review", policy.review), ("escalation", policy.escalation), ("customer", policy.customer))
    others = [((name,), section.calendar) for name, section in sections]
    for loc, name in [*named, *others]:
        yield from in_calendar(policy, name, *loc, "calendar")


def _in_promises(policy: "Policy") -> Iterator[InitErrorDetails]:
    if ClockName.SYNCED in policy.sla and not policy.keeps_in_step:
        fault = "only records that are kept in step are synced; promise 'delivered' instead"
        yield at("sla", ClockName.SYNCED.value, fault=fault)
    if policy.customer.answered_by is not None and not policy.has_events:
        fault = "only cases have events; say in 'known_by' which field tells who the customer is"
        yield at("customer", "answered_by", fault=fault)


def _in_destinations(policy: "Policy") -> Iterator[InitErrorDetails]:
    for name, destination in policy.destinations.items():
        duplicates = destination.duplicates
        if duplicates and duplicates.search and not destination.values.keys() & {*duplicates.every}:
            known = ", ".join(destination.values)
            fault = f"none of the values tells a person apart; say which of {known} is email, phone or name"
            yield at("destinations", name, "duplicates", fault=fault)


def in_calendar(policy: "Policy", name: str | None, *loc: str | int) -> Iterator[InitErrorDetails]:
    """The fault of the name of a calendar that the policy does not have."""
    if name is not None and name not in policy.calendars:
        known = ", ".join(policy.calendars) or "none"
        yield at(*loc, fault=f"no calendar '{name}'; add it to calendars (there: {known}) or remove it")


def in_expression(
    expression: str, fields: Mapping[str, bool], *loc: str | int, decided: bool = False
) -> Iterator[InitErrorDetails]:
    """The fault of an expression over these fields, if it has one; see `policies.rules.check_expression`."""
    try:
        check_expression(expression, fields, decided=decided)
    except ValueError as exc:
        yield at(*loc, fault=str(exc))


def _unknown(name: str) -> str:
    return f"'{name}' is not in input.fields; add it there or remove it here"


def at(*loc: str | int, fault: str) -> InitErrorDetails:
    """A fault at a path inside the file, with its mend."""
    return InitErrorDetails(type=PydanticCustomError("policy", "{fault}", {"fault": fault}), loc=loc, input=None)
