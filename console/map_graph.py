"""A workflow as a graph: what starts it, who decides, what they fall back on, where it writes, who is told when."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.decision import RuleAction
from domain.sla import ClockName
from policies.cases import CasePolicy
from policies.destination import Destination, Moment
from policies.load import Workflow
from policies.model import OutOfScope, Policy
from policies.sync import SyncPolicy, Way
from policies.webhooks import Signature

MINUTES_AN_HOUR, HOURS_A_DAY = 60, 24


class Kind(StrEnum):
    """What a node is, which decides how it looks."""

    TRIGGER = "trigger"
    STEP = "step"
    DECIDE = "decide"
    PERSON = "person"
    SYSTEM = "system"
    TOLD = "told"
    STATE = "state"
    END = "end"


@dataclass(frozen=True)
class Node:
    """A box; `notes` are small lines below its title."""

    id: str
    kind: Kind
    title: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """An arrow; `counts` names what is counted on it, `dashed` that it is taken when something is late or wrong."""

    source: str
    target: str
    label: str = ""
    counts: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Graph:
    """A drawing."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(workflow: Workflow) -> Graph:
    """The graph of any policy."""
    policy = workflow.policy
    more: list[Node | Edge] = []
    match policy:
        case SyncPolicy():
            nodes, edges = _sync(policy)
        case CasePolicy():
            nodes, edges = _decided(policy, workflow)
            more += _states(policy)
        case _:
            nodes, edges = _decided(policy, workflow)
    more += _told(policy)
    nodes += [one for one in more if isinstance(one, Node)]
    edges += [one for one in more if isinstance(one, Edge)]
    return Graph(f"{policy.name}, version {policy.version}, mode {policy.mode.value}", tuple(nodes), tuple(edges))


def _decided(policy: Policy, workflow: Workflow) -> tuple[list[Node], list[Edge]]:
    """From what comes in to what is written."""
    cases = workflow.cases
    nodes = [*_triggers(policy), Node("inbox", Kind.STEP, "inbox", ("stored before it is acknowledged",))]
    edges = [Edge(one.id, "inbox", counts=one.id) for one in nodes[:-1]]
    last = "inbox"
    if policy.extract:
        nodes.append(Node("extract", Kind.STEP, "extract", (f"{len(policy.extract.fields)} fields, with evidence",)))
        edges.append(Edge(last, "extract", counts="accepted"))
        last = "extract"
    if policy.classifies:
        who = "agent and examples" if cases else "model and examples"
        told = f"{len(policy.routes)} {'actions' if cases else 'routes'}, {len(workflow.examples)} examples"
        nodes.append(Node("propose", Kind.STEP, who, (told,)))
        edges.append(Edge(last, "propose", counts="accepted" if last == "inbox" else ""))
        last = "propose"
    asks = "sure, proven, agreed?" if policy.classifies else "fields complete, checks hold?"
    nodes.append(Node("decide", Kind.DECIDE, asks, _promised(policy, ClockName.FIRST_DECISION, "decided")))
    edges.append(Edge(last, "decide", counts="accepted" if last == "inbox" else ""))
    nodes.append(Node("outbox", Kind.STEP, "outbox", _promised(policy, ClockName.DELIVERED, "delivered")))
    nodes.append(Node("person", Kind.PERSON, "a person", _promised(policy, ClockName.REVIEW_ANSWERED, "answered")))
    edges.append(Edge("decide", "outbox", "yes", "auto"))
    edges += _fallbacks(policy, nodes)
    edges.append(Edge("person", "outbox", "decides", "answered"))
    for name, destination in policy.destinations.items():
        nodes.append(_system(name, destination))
        if destination.at is Moment.INCOMPLETE:
            edges.append(Edge("person", f"to:{name}", "a field is missing", f"written:{name}"))
        else:
            edges.append(Edge("outbox", f"to:{name}", "sometimes" if destination.when else "", f"written:{name}"))
    return nodes, edges


def _triggers(policy: Policy) -> Iterator[Node]:
    webhook = policy.intake.webhook
    proven = "from this machine alone" if webhook.signature is Signature.LOOPBACK else webhook.signature.value
    yield Node(f"from:{webhook.source}", Kind.TRIGGER, "webhook", (f"/intake/{policy.name}", proven))
    seen = {webhook.source}
    for source in policy.intake.sources:
        if source.source not in seen:
            seen.add(source.source)
            yield Node(f"from:{source.source}", Kind.TRIGGER, source.source, tuple(source.options.values())[:2])
    yield Node("from:", Kind.TRIGGER, "others", ("interlock run FILE",))


def _fallbacks(policy: Policy, nodes: list[Node]) -> Iterator[Edge]:
    """What is done where it is not sure."""
    routing = [rule for rule in policy.rules if rule.action is RuleAction.ROUTE]
    ending = [rule for rule in policy.rules if rule.action is RuleAction.REJECT]
    if policy.rules:
        nodes.append(Node("rules", Kind.STEP, f"{len(policy.rules)} rules", ("read in order; always beside",)))
        yield Edge("decide", "rules", "no")
        if routing:
            yield Edge("rules", "outbox", "one matches", "by_rule")
        yield Edge("rules", "person", "none matches", "to_person")
    else:
        yield Edge("decide", "person", "no", "to_person")
    if ending or policy.out_of_scope is OutOfScope.END:
        nodes.append(Node("end", Kind.END, "ends unwritten"))
        yield Edge("rules" if ending else "decide", "end", "rejected", "rejected")


def _system(name: str, destination: Destination) -> Node:
    told = [text for text in destination.options.values() if text][:2]
    return Node(f"to:{name}", Kind.SYSTEM, name, (destination.system, *told))


def _states(policy: CasePolicy) -> Iterator[Node | Edge]:
    """The states of a case, and the actions that lead from one to another."""
    for name, state in policy.states.items():
        deadline = f"at most {_time(state.deadline_minutes)}" if state.deadline_minutes else ""
        yield Node(f"state:{name}", Kind.STATE, name, tuple(filter(None, (state.owner, deadline))))
    yield Edge("decide", f"state:{policy.initial}", "a case begins", dashed=True)
    for name, state in policy.states.items():
        for to in state.to:
            if to != name:
                actions = [one for one, action in policy.actions.items() if action.to == to]
                yield Edge(f"state:{name}", f"state:{to}", _few(actions), f"{name}>{to}")


def _sync(policy: SyncPolicy) -> tuple[list[Node], list[Edge]]:
    """Systems as they are heard, the merge of each kind of record, and systems as they are written."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    nodes.append(Node("person", Kind.PERSON, "a person", _promised(policy, ClockName.REVIEW_ANSWERED, "answered")))
    for kept_name, kept in policy.objects.items():
        merge = f"merge:{kept_name}"
        asks = sum(field.rule.value == "ask" and field.owner is None for field in kept.fields.values())
        notes = (
            f"{len(kept.fields)} fields, {asks} without rule or owner",
            *_promised(policy, ClockName.SYNCED, "in step"),
        )
        nodes.append(Node(merge, Kind.DECIDE, f"{kept_name}: merge by field", notes))
        edges.append(Edge(merge, "person", "contradictions", dashed=True))
        for name, side in kept.systems.items():
            places = kept.places(name).values()
            told = (side.system, *list(side.options.values())[:1])
            if any(place.way is not Way.TO for place in places):
                nodes.append(Node(f"of:{kept_name}.{name}", Kind.TRIGGER, name, told))
                edges.append(Edge(f"of:{kept_name}.{name}", merge, "edits"))
            if any(place.way is not Way.FROM for place in places):
                nodes.append(Node(f"to:{kept_name}.{name}", Kind.SYSTEM, name, told))
                label = "compare and set" + (", makes" if side.creates else "")
                edges.append(Edge(merge, f"to:{kept_name}.{name}", label, f"written:{kept_name}.{name}"))
    return nodes, edges


def _told(policy: Policy) -> Iterator[Node | Edge]:
    """The ladder: who is told of what is late or given up."""
    before = "person"
    for index, step in enumerate(policy.escalation.all_steps):
        yield Node(f"told:{index}", Kind.TOLD, step.to, (f"told by {step.by.value}",))
        after = f"after {_time(step.after_minutes)}" if step.after_minutes else ""
        late = f"late after {_time(policy.review.answer_within_minutes)}"
        yield Edge(before, f"told:{index}", after if index else late, "" if index else "escalated", dashed=True)
        before = f"told:{index}"


def _promised(policy: Policy, clock: ClockName, what: str) -> tuple[str, ...]:
    promise = policy.sla.get(clock)
    return (f"SLA: {what} in {_time(promise.minutes)}",) if promise else ()


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:2])
    return f"{shown} +{len(names) - 2}" if len(names) > 2 else shown  # noqa: PLR2004  two fit


def _time(minutes: float) -> str:
    if minutes >= 2 * MINUTES_AN_HOUR * HOURS_A_DAY:
        return f"{minutes / MINUTES_AN_HOUR / HOURS_A_DAY:g} d"
    return f"{minutes / MINUTES_AN_HOUR:g} h" if minutes >= 2 * MINUTES_AN_HOUR else f"{minutes:g} min"
