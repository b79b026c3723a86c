"""A case: one customer's or order's way through a workflow's states, and what may happen to it.

Events come in, each leads to one action, and an action moves the case on. A case has a version,
which every settled event raises: what was decided at one version is never done at another.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import AwareDatetime, Field

from domain.values import Frozen, digest

DEADLINE = "deadline_passed"
"""The event of our own making: a case stayed in its state longer than the policy allows."""

BY_PERSON = "person"
"""Evidence of a parameter that a person filled in."""


class State(Frozen):
    """Where a case can stand.

    Attributes:
        events: those that may come here; `deadline_passed` may wherever there is a deadline.
        to: states that an action may move the case to from here; one that names no state stays.
        deadline_minutes: working minutes after which somebody must do something; None for never.
        owner: who answers for cases here, for people.
    """

    description: str = Field(min_length=5)
    events: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    deadline_minutes: float | None = Field(default=None, gt=0)
    owner: str = ""


LOST = State(description="the policy does not have this state any more; an action may lead anywhere from here")
"""Where a case stands whose state was removed from the policy, or renamed: only people lead it out."""


class Case(Frozen):
    """How a case stands; one that was never heard of stands in the initial state at version 0.

    Attributes:
        key: its own within the policy, such as an order's number.
        version: number of events that were settled.
        due_at: when its state's deadline passes; None where there is none.
        values: what events said of it, the latest of each field.
        seen: how often each event was settled; done: how often each action was taken.
    """

    key: str
    policy: str
    state: str
    version: int = Field(default=0, ge=0)
    due_at: AwareDatetime | None = None
    values: dict[str, str] = Field(default_factory=dict)
    seen: dict[str, int] = Field(default_factory=dict)
    done: dict[str, int] = Field(default_factory=dict)


class Gate(StrEnum):
    """Whether an event may come to a case now."""

    ALLOWED = "allowed"
    EARLY = "early"
    """Not in this state, but in one that the case can still reach: its predecessor may be on its way."""
    NOT_ALLOWED = "not_allowed"
    UNKNOWN = "unknown"
    MOOT = "moot"
    """A deadline of ours that no longer stands: the case has moved on meanwhile."""


class Machine(Frozen):
    """A policy's states and events."""

    initial: str
    events: frozenset[str]
    states: dict[str, State]

    def state(self, name: str) -> State:
        """A state; `LOST` where the policy has none of that name any more."""
        return self.states.get(name, LOST)

    def gate(self, case: Case, event: str, due_at: AwareDatetime | None = None) -> Gate:
        """Whether `event` may come to `case`.

        Args:
            due_at: the deadline that a `deadline_passed` event is about.
        """
        if event == DEADLINE and (due_at is None or due_at != case.due_at):
            return Gate.MOOT
        if event not in {*self.events, DEADLINE}:
            return Gate.UNKNOWN
        if case.state not in self.states:
            return Gate.NOT_ALLOWED
        if event == DEADLINE or event in self.states[case.state].events:
            return Gate.ALLOWED
        ahead = self.reachable(case.state)
        return Gate.EARLY if any(event in self.states[name].events for name in ahead) else Gate.NOT_ALLOWED

    def reachable(self, state: str) -> frozenset[str]:
        """The states that a case can still come to from `state`."""
        found: set[str] = set()
        ahead = list(self.state(state).to)
        while ahead:
            if (name := ahead.pop()) not in found:
                found.add(name)
                ahead += self.states[name].to
        return frozenset(found)

    def allows(self, state: str, to: str | None) -> bool:
        """Whether an action may leave a case of `state` in `to`; None stays, which every state allows.

        From a state that the policy lost every step is allowed: a person takes it.
        """
        return to is None or state not in self.states or to in self.states[state].to


class Parameter(Frozen):
    """A value that an action is taken with.

    Attributes:
        evidence: where it stands: `event.amount`, `case.email`, `message`, `order.total` of a look-up's
            answer, `policy` for one that the policy's template makes of these, or `person`.
    """

    value: str
    evidence: str


class Plan(Frozen):
    """One action with its parameters, on one version of a case: what is approved is what is done.

    Attributes:
        to: the state that it leaves the case in.
        cost: what it costs, `1234.50 EUR`; empty where that could not be read, None where it costs nothing.
        approvals: how many different people must agree before it is done.
        approved_by: those who did.
        faults: what speaks against it, for the person who looks at it.
    """

    case: str
    version: int = Field(ge=0)
    state: str
    event: str
    action: str
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    to: str
    cost: str | None = None
    approvals: int = Field(default=0, ge=0, le=2)
    approved_by: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def binding(self) -> str:
        """Digest of what would be done: the action, its parameters, and the version of the case."""
        parameters = {name: one.value for name, one in self.parameters.items()}
        return digest(self.case, self.version, self.action, parameters, self.to)


def moved(case: Case, event: str, fields: Mapping[str, str], plan: Plan | None, renewed: AwareDatetime | None) -> Case:
    """The case after an event was settled: by an action, or by none when a person found that none fits.

    Args:
        fields: what the event says; remembered where an action was taken on it.
        renewed: the deadline of the state that it comes to, counted from now. It counts where the
            state changes, and where the deadline was what happened; else the old one goes on.
    """
    to = plan.to if plan else case.state
    restarts = to != case.state or event == DEADLINE
    return case.model_copy(
        update={
            "state": to,
            "version": case.version + 1,
            "due_at": renewed if restarts else case.due_at,
            "values": {**case.values, **fields} if plan else case.values,
            "seen": _one_more(case.seen, event),
            "done": _one_more(case.done, plan.action) if plan else case.done,
        }
    )


def _one_more(counts: Mapping[str, int], name: str) -> dict[str, int]:
    return {**counts, name: counts.get(name, 0) + 1}
