"""An event in its case: what decides see of it, which actions are possible, and the plan of each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from domain.action import BARRED, people_needed
from domain.case import BY_PERSON, DEADLINE, Case, Gate, Parameter, Plan
from domain.decision import Reason
from domain.errors import InputInvalid
from domain.intake import Gap
from domain.item import ClaimedItem, InboundItem
from domain.proposal import NONE_OF_THESE
from policies import rules
from policies.cases import Action, CasePolicy, ParameterKind
from policies.fields import TAKES, FieldType, normalised
from policies.intake import Checked, check, seen
from policies.money import money
from policies.templates import render

WATCH = "interlock_watch"
"""The source of events of our own making; no other may say that a deadline has passed."""

LONGEST_HEAD = 80
"""Characters of a stranger's event name that are shown beside a message."""


@dataclass(frozen=True)
class Situation:
    """An event as it meets its case.

    Attributes:
        claimed: the event's item, with the case's values beside its own, and both in its text.
        fields: what the event itself says, normalised.
        checked: all values that expressions and templates see, the case's included.
        evidence: by where it stands, everything that a parameter may be taken from.
    """

    claimed: ClaimedItem
    case: Case
    event: str
    gate: Gate
    fields: dict[str, str]
    checked: Checked
    evidence: dict[str, str]

    @property
    def barred(self) -> tuple[Reason, ...]:
        """Why this goes to a person whatever is proposed."""
        if not self.case.key:
            return (Reason.CASE_UNNAMED,)
        return (BARRED[self.gate],) if self.gate in BARRED else ()


def case_key(policy: CasePolicy, item: InboundItem) -> str:
    """The key of the case that an event belongs to; empty where it does not say."""
    if item.source == WATCH:
        return item.other["case"]
    return _named(policy.input.case, item)[:300]


def _named(template: str, item: InboundItem) -> str:
    """What a template makes of an event; empty where its values make it fail, so that a person looks at it."""
    try:
        return render(template, item.fields)
    except InputInvalid:
        return ""


def deadline_item(case: Case, now: datetime) -> InboundItem:
    """The event that says that a case's deadline has passed: the same deadline, the same event."""
    due_at = case.due_at.isoformat() if case.due_at else ""
    counts = [f"{name.replace('_', ' ')} {count}" for name, count in sorted((case.seen | case.done).items())]
    before = f" Before: {', '.join(counts)}." if counts else ""
    return InboundItem(
        source=WATCH,
        external_id=f"{case.key}@{due_at}",
        received_at=now,
        text=f"The case stayed in {case.state} longer than it may.{before}",
        fields={"event": DEADLINE, "due_at": due_at, "state": case.state},
        other={"case": case.key},
    )


def headed(event: str, state: str, text: str) -> str:
    """What is classified of an event: its kind, the state that its case is in, and what it says."""
    return f"{event[:LONGEST_HEAD]} while {state}\n{text}"


def situate(policy: CasePolicy, claimed: ClaimedItem, case: Case) -> Situation:
    """An event as it meets `case`."""
    item = claimed.item
    event = DEADLINE if item.source == WATCH else _named(policy.input.event, item)
    gate = _gate(policy, item, event, case)
    kind = policy.events.get(event)
    own = {name: item.fields[name] for name in (kind.fields if kind else ()) if name in item.fields}
    told = {"fields": {**case.values, **own}, "text": headed(event, case.state, item.text)}
    inside = item.model_copy(update=told)
    checked = _in_case(policy, check(inside, policy), event, case)
    fields = {name: checked.values[name] for name in own if name in checked.values}
    required = kind.required if kind else ()
    lacking = tuple(name for name in required if name not in fields and name not in checked.missing)
    evidence = {f"case.{name}": value for name, value in case.values.items()}
    evidence |= {f"event.{name}": value for name, value in fields.items()} | {"message": item.text}
    return Situation(
        claimed=claimed.model_copy(update={"item": inside}),
        case=case,
        event=event,
        gate=gate,
        fields=fields,
        checked=replace(checked, gaps=checked.gaps | dict.fromkeys(lacking, Gap.ABSENT)),
        evidence=evidence,
    )


def _gate(policy: CasePolicy, item: InboundItem, event: str, case: Case) -> Gate:
    if item.source == WATCH:
        return policy.machine.gate(case, DEADLINE, datetime.fromisoformat(item.fields["due_at"]))
    return Gate.UNKNOWN if event == DEADLINE else policy.machine.gate(case, event)


def _in_case(policy: CasePolicy, checked: Checked, event: str, case: Case) -> Checked:
    """With what the case adds: its state, its counts, and the amounts of its sums of money."""
    values, numbers = {**checked.values, "event": event, "state": case.state}, dict(checked.numbers)
    numbers |= {f"seen_{name}": float(case.seen.get(name, 0)) for name in (*policy.events, DEADLINE)}
    numbers |= {f"done_{name}": float(case.done.get(name, 0)) for name in policy.actions}
    for name, kind in policy.input.fields.items():
        if kind is FieldType.MONEY and name in values:
            amount, _, values[f"{name}_currency"] = values[name].partition(" ")
            numbers[f"{name}_amount"] = float(amount)
    return replace(checked, values=values, numbers=numbers)


def possible(policy: CasePolicy, situation: Situation) -> tuple[str, ...]:
    """The actions that may be proposed, before any is: the step is allowed, and what must hold holds.

    What depends on parameters that are not known yet is looked at once they are.
    """
    return tuple(name for name in policy.actions if not _objections(policy, situation, name, {}, unknown_hold=True)[0])


def plan(
    policy: CasePolicy,
    situation: Situation,
    action: str | None,
    said: Mapping[str, str] | None = None,
    found: Mapping[str, str] | None = None,
    by_person: Mapping[str, str] | None = None,
) -> tuple[Plan | None, tuple[Reason, ...]]:
    """The plan of an action, and why it may not be carried out; no plan where there is no such action.

    Args:
        said: parameters as the agent gave them; one for which nothing speaks is never taken.
        found: what look-ups answered, by where it stands.
        by_person: parameters that a person filled in; they need no other evidence.
    """
    if action is None or action == NONE_OF_THESE or (wanted := policy.actions.get(action)) is None:
        return None, ()
    evidence = {**situation.evidence, **(found or {})}
    parameters: dict[str, Parameter] = {}
    doubts: list[Reason] = []
    faults: list[str] = []
    for name, kind in wanted.parameters.items():
        one, why = _parameter(policy, situation, name, kind, said or {}, evidence, by_person or {})
        if one is not None:
            parameters[name] = one
        if why is not None:
            doubts.append(why)
            faults.append(f"{name}: {_fault(why, kind, (by_person or {}).get(name, ''))}")
    against, told = _objections(policy, situation, action, parameters)
    cost = None if wanted.cost is None else money(render(wanted.cost, _known(situation, parameters)), None)
    made = Plan(
        case=situation.case.key,
        version=situation.case.version,
        state=situation.case.state,
        event=situation.event,
        action=action,
        parameters=parameters,
        to=wanted.to or situation.case.state,
        cost=cost,
        approvals=people_needed(wanted.approvals, wanted.irreversible, cost, policy.two_people_above),
        faults=(*faults, *told),
    )
    return made, tuple(dict.fromkeys((*doubts, *against)))


def _parameter(
    policy: CasePolicy,
    situation: Situation,
    name: str,
    kind: ParameterKind,
    said: Mapping[str, str],
    evidence: Mapping[str, str],
    by_person: Mapping[str, str],
) -> tuple[Parameter | None, Reason | None]:
    """A parameter's value with its evidence, or why it has none; the policy's own template counts before the agent.

    What a person filled in counts before both: where it is malformed nothing stands in for it.
    """

    def spelt(raw: str) -> str:
        return normalised(kind.type, raw, policy.input.conventions).strip()

    if filled := by_person.get(name, "").strip():
        value = spelt(filled)
        return (Parameter(value=value, evidence=BY_PERSON), None) if value else (None, Reason.PARAMETERS_MISSING)
    given, taken = spelt(said.get(name, "")), spelt(render(kind.take, situation.checked.values))
    if taken:
        differs = bool(given) and given.casefold() != taken.casefold()
        return Parameter(value=taken, evidence="policy"), Reason.PARAMETERS_UNSUPPORTED if differs else None
    if given:
        where = _standing(said[name], given, evidence, spelt)
        return (Parameter(value=given, evidence=where), None) if where else (None, Reason.PARAMETERS_UNSUPPORTED)
    malformed = bool(said.get(name, "").strip())
    return None, Reason.PARAMETERS_MISSING if kind.required or malformed else None


def _fault(why: Reason, kind: ParameterKind, filled: str) -> str:
    """What is wrong with a parameter, for the person who filled it in or may."""
    if filled.strip():
        return f"this is not {TAKES[kind.type]}"
    return "needed, and not known" if why is Reason.PARAMETERS_MISSING else "unsupported"


def _standing(raw: str, value: str, evidence: Mapping[str, str], spelt: Callable[[str], str]) -> str | None:
    """Where a value stands: as a whole field or answer, or word for word in a longer text."""
    for where, text in evidence.items():
        if spelt(text).casefold() == value.casefold():
            return where
    quoted = re.compile(rf"(?<![\w.,]){re.escape(' '.join(raw.split()))}(?!\w|[.,]\d)", re.IGNORECASE)
    return next((where for where, text in evidence.items() if quoted.search(" ".join(text.split()))), None)


def stands(policy: CasePolicy, situation: Situation, made: Plan) -> bool:
    """Whether a plan may still be carried out: nothing happened to the case since, and all that must hold holds."""
    same = (made.case, made.version, made.state) == (situation.case.key, situation.case.version, situation.case.state)
    return same and not _objections(policy, situation, made.action, made.parameters)[0]


def _known(situation: Situation, parameters: Mapping[str, Parameter]) -> dict[str, str]:
    return {**situation.checked.values, **{name: one.value for name, one in parameters.items()}}


def _objections(
    policy: CasePolicy,
    situation: Situation,
    action: str,
    parameters: Mapping[str, Parameter],
    *,
    unknown_hold: bool = False,
) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Why an action may not be taken here: the step, and what must hold; in words too.

    Args:
        unknown_hold: whether what speaks of parameters holds while they are not known.
    """
    wanted = policy.actions[action]
    numeric = policy.input.numeric | wanted.numeric
    names = _seen(situation, wanted, parameters)
    failed = [
        one.message
        for one in wanted.requires
        if not rules.matches(one.must, numeric, names) and not (unknown_hold and _speaks_of(one.must, wanted))
    ]
    reasons = (Reason.PRECONDITION_FAILED,) if failed else ()
    if not policy.machine.allows(situation.case.state, wanted.to):
        return (Reason.ACTION_NOT_ALLOWED, *reasons), (f"from {situation.case.state} nothing leads there", *failed)
    return reasons, tuple(failed)


def _seen(situation: Situation, wanted: Action, parameters: Mapping[str, Parameter]) -> dict[str, object]:
    """What an action's preconditions see: its parameters, over the event's and the case's values."""
    told: dict[str, object] = {
        name: float(one.value) if wanted.parameters[name].type is FieldType.NUMBER else one.value
        for name, one in parameters.items()
    }
    for name, one in parameters.items():
        if wanted.parameters[name].type is FieldType.MONEY:
            amount, _, currency = one.value.partition(" ")
            told |= {f"{name}_amount": float(amount), f"{name}_currency": currency}
    return {**seen(situation.claimed.item, situation.checked), **told}


def _speaks_of(must: str, wanted: Action) -> bool:
    return any(re.search(rf"\b{name}(_amount|_currency)?\b", must) for name in wanted.parameters)
