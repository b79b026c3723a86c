"""The story that the ledger's entries tell, in plain sentences for people who never saw the code."""

from typing import Any, assert_never

from domain.decision import Reason
from domain.delivery import MOVED
from domain.duplicates import Comparison
from domain.explain import BECAUSE
from domain.ledger import Event


def tell(event: Event, facts: dict[str, Any]) -> str:
    """One plain sentence about what happened, for people who never saw the code."""
    match event:
        case Event.ACCEPTED:
            return f"Came in from {facts['source']} as {facts['external_id']} and was stored for {facts['policy']}."
        case Event.DUPLICATE:
            other = (
                " Its content differs; it is kept in the ledger, and nobody has looked at it."
                if facts["content"]
                else ""
            )
            return f"Came in again as {facts['external_id']} ({_words(facts['how'])}); nothing is done twice.{other}"
        case Event.REFUSED:
            return f"{facts['where']} could not be read and was set aside: {facts['why']}"
        case Event.TAKEN_OVER:
            return "The run that worked on it stopped half-way; another run took it over."
        case Event.EXTRACTED:
            return _extracted(facts)
        case Event.ASK_FAILED:
            return f"Asking the model failed, try {facts['attempt']} ({_words(facts['outcome'])}): {facts['detail']}"
        case Event.PROPOSED:
            return _proposed(facts)
        case Event.DECIDED:
            return _decided(facts)
        case Event.QUEUED:
            return f"The write to {facts['destination']} (record {facts['record_key']}) was put in the outbox."
        case Event.REVIEW_OPENED:
            return f"A person was asked{_ABOUT[facts.get('asks', 'route')]}; an answer is due by {facts['due_at']}."
        case Event.REVIEW_SHOWN:
            return f"The review form was opened in Prefect (run {facts['flow_run']})."
        case Event.REVIEW_RESUMED:
            return f"The review's run in Prefect (run {facts['flow_run']}) ended with an answer in it, and runs again."
        case Event.REVIEW_CANCELLED:
            then = "it will be shown once more" if facts["again"] else "no further form is opened"
            return (
                f"Somebody cancelled the review's run in Prefect (run {facts['flow_run']}), which keeps neither who "
                f"nor why. The review goes on waiting; {then}."
            )
        case Event.REVIEW_AGREED:
            more = "one more person" if facts["missing"] == 1 else f"{facts['missing']} more people"
            return f"{_who(facts['by'], facts)} agreed to {_words(facts['choice'])}; {more} must agree."
        case Event.REVIEW_ANSWERED:
            return f"{_who(facts['by'], facts)} answered: {_words(facts['choice'])}."
        case Event.ANSWER_REFUSED:
            return f"An answer from {_who(facts['reviewer'], facts)} was not taken: {facts['why']}"
        case Event.ESCALATED:
            return f"Escalated ({facts['escalation']}): {facts['message']}"
        case Event.RECURRED:
            return f"Seen {facts['occurrences']} times now ({facts['escalation']}): {facts['message']}"
        case Event.NOTIFIED:
            others = f", with {facts['others']} more in one message" if facts["others"] else ""
            return f"{_told(facts)} {', '.join(facts['to'])} by {facts['by']}{others}."
        case Event.NOTICE_FAILED:
            return f"{', '.join(facts['to'])} could not be told by {facts['by']}; the next step of the ladder is due."
        case Event.ACKNOWLEDGED:
            return f"{_who(facts['by'], facts)} takes {facts['escalation']} over; nobody else is told."
        case Event.RESOLVED:
            return f"The escalation {facts['escalation']} is over: {facts['why']}."
        case Event.ASSIGNED:
            return _assigned(facts)
        case Event.COMPARED:
            return Comparison.of(facts).told(facts["destination"])
        case Event.ATTEMPTED:
            return _attempted(facts)
        case Event.DEAD_LETTERED:
            return f"The write to {facts['destination']} was given up and needs mending: {facts['why']}"
        case Event.PUT_BACK:
            who = _who(facts["by"], facts)
            return f"The write to {facts['destination']} was put back by {who}; it is tried again."
        case Event.SUPERSEDED if facts["newer"] is None:
            return f"The write to {facts['destination']} was ended unwritten: what is to be written is decided anew."
        case Event.SUPERSEDED:
            who = _who(facts["by"], facts)
            return (
                f"The write to {facts['destination']} was ended unwritten by {who}: a later one of the same record, "
                f"of {facts['newer']}, had gone out."
            )
        case Event.BALANCED:
            return f"Books checked: {facts['accepted']} accepted, {facts['unaccounted']} unaccounted."
        case Event.STEPPED_BACK:
            return (
                f"Stepped back from {facts['from']} to {facts['to']} in {_words(facts['policy'])}: {facts['wrong']} of "
                f"{facts['n']} audited decisions were wrong, with at most {facts['target']:.1%} promised."
            )
        case Event.RELEASED:
            note = f" Note: {facts['note']}" if facts["note"] else ""
            return (
                f"Released from {facts['from']} to {facts['to']} in {_words(facts['policy'])} by {facts['by']} "
                f"(name as given).{note}"
            )
        case Event.DRIFTED:
            changes = "; ".join(_drifted(drift) for drift in facts["drifts"])
            return f"What {_words(facts['policy'])} is sent has changed since its thresholds were proven: {changes}."
        case Event.SYSTEM_PAUSED:
            return f"Nothing is sent to {facts['system']} until {facts['until']}: {facts['why']}"
        case Event.SYSTEM_RESUMED:
            return f"{facts['system']} answers again after {facts['failures']} failures in a row."
        case Event.SOURCE_PAUSED:
            return f"{_source(facts)} is not read until {facts['until']}, and then tried now and then: {facts['why']}"
        case Event.SOURCE_REFUSED:
            return f"{_source(facts)} refuses to be read: {facts['why']}"
        case Event.SOURCE_RESUMED:
            return f"{_source(facts)} is read again; it was not since {facts['since']}."
        case Event.ECHOED:
            return f"The write came back as a change of {facts['where']}, and was not taken in again."
        case Event.CUSTOMER_ASKED:
            return f"{facts['by']} asked the customer for {facts['what']}; the clocks stand still until the answer."
        case Event.CUSTOMER_ANSWERED:
            who = f"{facts['by']} recorded the customer's answer"
            told = f"The customer answered, by {facts['through']}" if facts.get("through") else who
            return f"{told}; the clocks run on."
        case Event.CUSTOMER_SILENT:
            return f"The customer has not answered by {facts['until']}; the clocks run on from then."
        case Event.SLA_WARNED:
            return f"Time is running out ({_words(facts['clock'])}): due by {facts['due_at']}."
        case Event.SLA_BREACHED:
            ended = f"it came at {facts['ended_at']}" if facts["ended_at"] else "it has not come yet"
            return f"Late ({_words(facts['clock'])}): due by {facts['due_at']}, and {ended}."
        case Event.EVENT_WAITS:
            return f"Came before its turn: {facts['case']} is {_words(facts['state'])}. Waits until {facts['until']}."
        case Event.CASE_MOVED:
            return _moved(facts)
        case Event.LINKED:
            return _linked(facts)
        case Event.MERGED:
            made = ", ".join(f"{_words(name)} ({_words(why)})" for name, why in facts["fields"].items())
            return f"Edits were heard{' by ' + facts['by'] if facts['by'] else ''}: {made}."
        case Event.OUT_OF_STEP:
            return f"A change was observed at {facts['since']} that not every system holds yet."
        case Event.IN_STEP if facts.get("merged_into"):
            return f"What was out of step since {facts['since']} is so as a part of {facts['merged_into']} now."
        case Event.IN_STEP:
            return f"Every system holds what was out of step since {facts['since']}."
        case Event.ERASED:
            return _erased(facts)
        case _:
            assert_never(event)


_ABOUT = {
    "route": "",
    "fields": " about its fields",
    "action": " what to do",
    "duplicate": " whether another system has the record already",
    "conflict": " what a field is",
    "link": " what a record is of",
}
"""What a review of each kind asks."""


def _erased(facts: dict[str, Any]) -> str:
    counts = [f"{facts[name]} {name}" for name in ("items", "cases", "records", "escalations") if facts[name]]
    what = ", ".join(counts) or "nothing but what the ledger said of it"
    return f"Erased by {facts['by']}: {what}, and with it facts of {facts['entries']} entries. Why: {facts['why']}."


def _linked(facts: dict[str, Any]) -> str:
    if into := facts.get("merged_into"):
        return f"Was found to be the same as {into}."
    if facts.get("gone"):
        return f"Record {facts['record']} was deleted in {facts['system']}; another one is made."
    return f"Record {facts['record']} of {facts['system']} was linked{' by ' + facts['by'] if facts['by'] else ''}."


def _source(facts: dict[str, Any]) -> str:
    return f"The source {facts['source']} of {_words(facts['policy'])}"


def _who(name: str, facts: dict[str, Any]) -> str:
    """Somebody, and how it is known that it was them."""
    if not name.strip():
        return "somebody"
    return f"{name} ({'proven by a signed link' if facts.get('proven') == 'link' else 'name as given'})"


def _extracted(facts: dict[str, Any]) -> str:
    sure = [_field(name, one) for name, one in facts["found"].items() if one["sure"]]
    unsure = [_field(name, one) for name, one in facts["found"].items() if not one["sure"]]
    told = f"Read from the text: {', '.join(sure) or 'nothing that is sure enough'}."
    told += f" Too unsure to be written: {', '.join(unsure)}." if unsure else ""
    dropped = [f"{_words(name)} ({why})" for name, why in facts["dropped"].items()]
    told += f" What the model said and the text does not support was dropped: {', '.join(dropped)}." if dropped else ""
    failed = f" The model gave no usable answer ({_words(facts['outcome'])}): {facts['detail']}"
    return told + (failed if facts["outcome"] not in ("answered", "no_model") else "")


def _field(name: str, found: dict[str, Any]) -> str:
    return f"{_words(name)} (by {found['by']}, {_words(found['ground'])}, {found['confidence']:.0%})"


def _proposed(facts: dict[str, Any]) -> str:
    second = f"the labelled examples say {facts['opinion']}" if facts["opinion"] else ""
    if facts["outcome"] != "answered":
        why = f"The model gave no usable answer ({_words(facts['outcome'])}): {facts['detail']}"
        return f"{why}; {second}." if second else why
    source = "remembered from the same text before" if facts["cached"] else f"by {facts['model']}"
    sure = "without a confidence" if facts["confidence"] is None else f"{facts['confidence']:.0%} sure together"
    return f"Proposed {facts['model_label']} ({source}){f'; {second}; {sure}' if second else f', {sure}'}."


def _decided(facts: dict[str, Any]) -> str:
    why = BECAUSE[Reason(facts["reason"])]
    flags = f" Flagged: {', '.join(map(_words, facts['flags']))}." if facts["flags"] else ""
    missing = f" Missing: {', '.join(facts['missing'])}." if facts["missing"] else ""
    held = f" The model may not act alone: {'; '.join(BECAUSE[Reason(hold)] for hold in facts['holds'])}."
    tail = f"{held if facts['holds'] else ''}{flags}{missing}"
    by_rule = f"by the rule {facts['rule']}" if facts["rule"] else "automatically"
    who = {"auto": "automatically", "human": f"by {facts['by']}"}.get(facts["kind"], by_rule)
    if facts["waits"]:
        plan = facts.get("plan")
        return f"Left to a person: {why}.{tail}{_proposed_plan(plan) if plan else ''}"
    note = f" Note: {facts['note']}" if facts["note"] else ""
    if plan := facts.get("plan"):
        unwritten = "" if facts["writes"] else " Nothing is written in this mode."
        return (
            f"Decided to {_planned(plan)} {who}: {why}.{note}{tail if facts['kind'] != 'human' else flags}{unwritten}"
        )
    if facts["kind"] == "reject" or facts["reason"] == "dismissed":
        return f"Ended without a write {who}: {why}.{note}{flags}"
    unwritten = "" if facts["writes"] else " Nothing is written in this mode."
    if facts["route"] is None:
        filled = f" Filled in or corrected: {', '.join(map(_words, facts['filled']))}." if facts["filled"] else ""
        return f"Taken in {who}: {why}.{filled}{note}{flags}{missing}{unwritten}"
    return f"Routed to {facts['route']} {who}: {why}.{note}{tail if facts['kind'] != 'human' else flags}{unwritten}"


def _planned(plan: dict[str, Any]) -> str:
    with_ = ", ".join(f"{_words(name)} {one['value']}" for name, one in plan["parameters"].items())
    return _words(plan["action"]) + (f" with {with_}" if with_ else "")


def _proposed_plan(plan: dict[str, Any]) -> str:
    faults = f" Against it: {'; '.join(plan['faults'])}." if plan["faults"] else ""
    return f" It would be to {_planned(plan)}.{faults}"


def _moved(facts: dict[str, Any]) -> str:
    stayed = facts["from"] == facts["to"]
    where = f"stays {_words(facts['to'])}" if stayed else f"went from {_words(facts['from'])} to {_words(facts['to'])}"
    due = f" Something must happen by {facts['due_at']}." if facts["due_at"] else ""
    done = f"{_words(facts['action'])} by {facts['by']}" if facts["action"] else f"nothing done, by {facts['by']}"
    return f"Case {facts['case']} {where} after {_words(facts['after'])}: {done}.{due}"


def _attempted(facts: dict[str, Any]) -> str:
    where, outcome = facts["destination"], facts["outcome"]
    if outcome in ("created", "updated", "unchanged"):
        found = " An earlier try had gone through after all; nothing was sent again." if facts["found"] else ""
        return f"Written to {where}: {outcome}, record {facts['external_id']}.{found}"
    if facts.get("moved"):
        wrote = f"{', '.join(facts['wrote'])} written" if facts.get("wrote") else "Not written"
        return f"{wrote} to {where}: {MOVED} ({facts['detail']}). It must be decided anew."
    what = "Looking the write up in" if facts["look_up"] else f"Try {facts['attempt']} to write to"
    what = "Searching for duplicates in" if facts.get("search") else what
    return f"{what} {where} ended {_words(outcome)}: {facts['detail']}. Next: {_words(facts['next'])}."


def _told(facts: dict[str, Any]) -> str:
    return "Told" if facts["why"] == "begun" else "Nobody has acknowledged: told"


def _assigned(facts: dict[str, Any]) -> str:
    former = f", before {facts['before']}" if facts["before"] else ""
    if facts["to"] is None:
        return f"The review is with nobody for now ({_words(facts['why'])}{former})."
    told = f" They are told ({facts['notice']})." if facts.get("notice") else ""
    return f"The review is with {facts['to']} now ({_words(facts['why'])}{former}).{told}"


def _drifted(drift: dict[str, Any]) -> str:
    return f"{drift['which']} were {drift['expected']} and are {drift['found']} (p = {drift['p']:.2g})"


def _words(code: str) -> str:
    return code.replace("_", " ")
