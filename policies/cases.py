"""A policy about cases: events come in, and each leads to one action out of a closed list.

It is a policy like any other, whose routes are the actions; what is decided about an event is
decided by the same code as where a message goes. The file names no routes and no input fields:
they follow from its actions and events.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from domain.case import DEADLINE, Case, Machine, State
from domain.values import Frozen
from policies.agreement import at, in_calendar, in_expression
from policies.destination import Destination, Name, Template
from policies.fields import FieldType
from policies.model import Classifier, Input, Policy, Route
from policies.money import money


def _amount(raw: str) -> str:
    if not (plain := money(raw, None)):
        raise ValueError("write an amount with its currency, such as 1000 EUR")
    return plain


Amount = Annotated[str, AfterValidator(_amount)]
"""An amount with its currency, such as `1000 EUR`."""


class CaseInput(Input):
    """How an event is made of what comes in.

    Attributes:
        fields: follow from the events; not written in the file.
        event: template of the event's name, `case` of the case's key, over what came in.
        wait_minutes: how long an event that came before its turn waits for what should come first.
        duplicate_window_hours: as of any policy; without it no content is compared, as the same may
            happen to a case twice.
    """

    fields: dict[Name, FieldType] = Field(default_factory=dict)
    event: Template = "{{ event }}"
    case: Template
    wait_minutes: float = Field(default=60, ge=0)
    duplicate_window_hours: float = Field(default=0, ge=0)


class EventKind(Frozen):
    """Something that can happen to a case: the fields that it brings, by type, and those that it must bring."""

    description: str = Field(min_length=5)
    fields: dict[Name, FieldType] = Field(default_factory=dict)
    required: tuple[Name, ...] = ()


class ParameterKind(Frozen):
    """A value that an action is taken with.

    Attributes:
        take: template over the event's and the case's values; without it, or where it is empty,
            the agent or a person says it, from something that stands in event, case or look-up.
    """

    type: FieldType = FieldType.TEXT
    take: Template = ""
    required: bool = True


class Requirement(Frozen):
    """What must hold before an action: an expression in the rules' language, and what a person reads otherwise."""

    must: str
    message: str = Field(min_length=5)


class Action(Frozen):
    """Something that may be done about an event.

    Attributes:
        requires: each must hold when the action is proposed, decided, and carried out.
        writes: destinations that it writes to.
        to: the state that it leaves the case in; without it the case stays.
        irreversible: whether it cannot be undone; then a person must approve it.
        cost: template of what it costs, `1234.50 EUR`; an action with a cost needs a person.
        approvals: people who must agree in any case.
    """

    description: str = Field(min_length=10)
    parameters: dict[Name, ParameterKind] = Field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()
    writes: tuple[Name, ...] = ()
    to: Name | None = None
    irreversible: bool = False
    cost: Template | None = None
    approvals: int = Field(default=0, ge=0, le=2)

    @property
    def numeric(self) -> dict[str, bool]:
        """Whether preconditions see each parameter as a number; of money they see amount and currency too."""
        sums = [name for name, kind in self.parameters.items() if kind.type is FieldType.MONEY]
        names = {name: kind.type is FieldType.NUMBER for name, kind in self.parameters.items()}
        return names | {f"{name}_amount": True for name in sums} | {f"{name}_currency": False for name in sums}


class LookUp(Frozen):
    """Something that the agent may look up, by its connector's search; it changes nothing.

    Attributes:
        record_key: our key of the record, a template over the event's and the case's values and `case`;
            a record that has it is the one. Without it the case's key.
        values: what else it is searched by, such as an address; templates over the same.
        fields: what the agent is shown of a record; all else stays where it is.
    """

    description: str = Field(min_length=10)
    system: Name
    options: dict[Name, str] = Field(default_factory=dict)
    record_key: Template = ""
    values: dict[Name, Template] = Field(default_factory=dict)
    fields: tuple[Name, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _looks_for_something(self) -> "LookUp":
        if not self.record_key and not self.values:
            raise ValueError("a look-up needs a 'record_key', or 'values' to search by; add one of them")
        return self


HISTORY, MESSAGES = "history", "messages"
"""The look-ups that every agent has: what happened to the case before, and what was said."""


class Agent(Frozen):
    """How far the agent may go for one event: requests to the model, look-ups, seconds in all and for each look-up."""

    requests: int = Field(default=4, ge=1, le=20)
    look_ups: int = Field(default=4, ge=0, le=20)
    timeout_s: float = Field(default=60, gt=0)
    look_up_timeout_s: float = Field(default=10, gt=0)


class CasePolicy(Policy):
    """A workflow of cases as state machines.

    Attributes:
        initial: the state of a case that was never heard of.
        calendar: one of `calendars`, in whose time deadlines pass; without it every minute counts.
        two_people_above: the largest cost that one person may agree to alone.
    """

    has_events: ClassVar[bool] = True

    input: CaseInput
    routes: dict[Name, Route] = Field(default_factory=dict)
    classifier: Classifier = Classifier(prompt="act")
    calendar: Name | None = None
    initial: Name
    states: dict[Name, State] = Field(min_length=2)
    events: dict[Name, EventKind] = Field(min_length=1)
    actions: dict[Name, Action] = Field(min_length=2)
    two_people_above: Amount | None = None
    look_ups: dict[Name, LookUp] = Field(default_factory=dict)
    agent: Agent = Agent()

    @property
    def knows_reviewers(self) -> bool:
        """The same; where an action or its cost needs two people, unless the file says otherwise."""
        return self._twice if self.review.proven is None else super().knows_reviewers

    @property
    def several_agree(self) -> bool:
        """The same, or whether an action or its cost does."""
        return self._twice or super().several_agree

    @property
    def _twice(self) -> bool:
        return self.two_people_above is not None or any(action.approvals > 1 for action in self.actions.values())

    @cached_property
    def machine(self) -> Machine:
        """The states and events, as the domain knows them."""
        return Machine(initial=self.initial, events=frozenset(self.events), states=self.states)

    def answers(self, event: str) -> bool:
        """Whether an event is the answer that the case's customer owed; that nothing was heard is none."""
        listed = self.customer.answered_by
        return event != DEADLINE if listed is None else event in listed

    def unheard(self, key: str) -> Case:
        """A case of which nothing was heard yet."""
        return Case(key=key, policy=self.name, state=self.initial)

    def deadline(self, state: str, now: datetime) -> datetime | None:
        """When a case that comes to `state` now must have moved on."""
        minutes = self.machine.state(state).deadline_minutes
        return None if minutes is None else self._calendar(self.calendar).add(now, timedelta(minutes=minutes))

    def written(self, route: str | None) -> dict[str, Destination]:
        """The destinations that an action writes to."""
        action = self.actions.get(route or "")
        return {name: self.destinations[name] for name in action.writes} if action else {}

    @model_validator(mode="after")
    def _masks_nothing(self) -> "CasePolicy":
        if self.privacy.mask:
            raise ValueError("what the agent of a case looks up is not masked: remove 'privacy.mask', or ask no model")
        return self

    @model_validator(mode="before")
    @classmethod
    def _what_follows(cls, raw: Any) -> Any:
        """Fill in the routes and the fields; what is malformed is named where it stands."""
        if not isinstance(raw, dict) or not isinstance(raw.get("input"), dict):
            return raw
        for where, name, follows in ((raw, "routes", "actions"), (raw["input"], "fields", "events")):
            if name in where:
                raise ValueError(f"'{name}' follow from the {follows} here; remove them")
        told = [one for one in _mappings(raw.get("actions")) if isinstance(one[1].get("description"), str)]
        routes = {name: {"description": action["description"]} for name, action in told}
        return raw | {"routes": routes, "input": raw["input"] | {"fields": _fields(raw)}}

    @model_validator(mode="after")
    def _parts_agree(self) -> "CasePolicy":
        if faults := list(_disagreements(self)):
            raise ValidationError.from_exception_data("CasePolicy", faults)
        return self


def _mappings(raw: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(name, one) for name, one in raw.items() if isinstance(one, dict)] if isinstance(raw, dict) else []


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    """All that expressions and templates see of an event in its case, by type.

    Beside the events' fields, `event` and `state`: how often each event was seen and each action
    done before, and the amount and currency of each sum of money.
    """
    events = _mappings(raw.get("events"))
    fields = {name: kind for _, event in events for name, kind in (event.get("fields") or {}).items()}
    sums = [name for name, kind in fields.items() if kind == "money"]
    counted = [f"seen_{name}" for name in (*(name for name, _ in events), DEADLINE)]
    counted += [f"done_{name}" for name, _ in _mappings(raw.get("actions"))]
    numbers = [*counted, *(f"{name}_amount" for name in sums)]
    texts = ["event", "state", "due_at", *(f"{name}_currency" for name in sums)]
    return {**fields, **dict.fromkeys(numbers, "number"), **dict.fromkeys(texts, "text")}


def _disagreements(policy: CasePolicy) -> Iterator[InitErrorDetails]:
    yield from in_calendar(policy, policy.calendar, "calendar")
    if policy.customer.known_by is not None:
        fault = "the events of a case are its customer's answers; remove this, or list them in 'answered_by'"
        yield at("customer", "known_by", fault=fault)
    for index, event in enumerate(policy.customer.answered_by or ()):
        if event not in policy.events:
            fault = f"no event '{event}'; use one of: {', '.join(policy.events)}"
            yield at("customer", "answered_by", index, fault=fault)
    for name in (HISTORY, MESSAGES):
        if name in policy.look_ups:
            yield at("look_ups", name, fault=f"every agent has a look-up '{name}'; give this one another name")
    yield from _in_states(policy)
    yield from _in_events(policy)
    for name, action in policy.actions.items():
        yield from _in_action(policy, name, action)


def _in_states(policy: CasePolicy) -> Iterator[InitErrorDetails]:
    if policy.initial not in policy.states:
        yield at("initial", fault=f"no state '{policy.initial}'; use one of: {', '.join(policy.states)}")
    for name, state in policy.states.items():
        for index, to in enumerate(state.to):
            if to not in policy.states:
                yield at("states", name, "to", index, fault=f"no state '{to}'; add it or remove it here")
        for index, event in enumerate(state.events):
            if event not in policy.events:
                yield at("states", name, "events", index, fault=f"no event '{event}'; add it or remove it here")


def _in_events(policy: CasePolicy) -> Iterator[InitErrorDetails]:
    if DEADLINE in policy.events:
        yield at("events", DEADLINE, fault=f"'{DEADLINE}' is our own; remove it, and write 'deadline_minutes'")
    kinds: dict[str, FieldType] = {}
    for name, event in policy.events.items():
        for field, kind in event.fields.items():
            if kinds.setdefault(field, kind) is not kind:
                fault = f"'{field}' is {kinds[field].value} elsewhere; give it one type"
                yield at("events", name, "fields", field, fault=fault)
        for index, field in enumerate(event.required):
            if field not in event.fields:
                yield at("events", name, "required", index, fault=f"'{field}' is none of the event's fields")


def _in_action(policy: CasePolicy, name: str, action: Action) -> Iterator[InitErrorDetails]:
    for index, destination in enumerate(action.writes):
        if destination not in policy.destinations:
            yield at("actions", name, "writes", index, fault=f"no destination '{destination}'; add it or remove it")
    if action.to is not None and not any(action.to in state.to for state in policy.states.values()):
        yield at("actions", name, "to", fault=f"no state leads to '{action.to}'; add it to some state's 'to'")
    if "_" in name and any(name in told for told in (*policy.states, *policy.events)):
        yield at("actions", name, fault="a state or event has this name in its own; messages would seem to name it")
    numbers = policy.input.numeric | action.numeric
    for index, requirement in enumerate(action.requires):
        yield from in_expression(requirement.must, numbers, "actions", name, "requires", index, "must")
