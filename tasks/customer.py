"""Records that a customer owes an answer, or has given it: clocks stand still in between."""

from collections.abc import Mapping
from datetime import datetime

from connectors.store.engine import Transaction
from domain.customer import Arrived, Owed, answers, overdue
from domain.errors import InputInvalid
from domain.extraction import Extraction
from domain.item import InboundItem
from policies.cases import CasePolicy
from policies.intake import check, storable
from policies.model import Policy
from policies.situations import case_key
from tasks.alert import alert
from tasks.resources import Resources


def ask_customer(here: Resources, item_id: str, what: str, by: str) -> bool:
    """The customer was asked for `what`; False if an answer was owed already.

    Raises:
        InputInvalid: it is not said what for, or by whom.
    """
    if not what.strip() or not by.strip():
        raise InputInvalid("say what the customer was asked for, and who asked, so that the ledger knows")
    with here.store.transaction() as tx:
        return tx.customers.asked(item_id, storable(what.strip()), storable(by.strip()), here.now())


def customer_answered(here: Resources, item_id: str, by: str) -> bool:
    """The customer's answer is there; False if none was owed.

    Raises:
        InputInvalid: it is not said who recorded it.
    """
    if not by.strip():
        raise InputInvalid("say who recorded the answer, so that the ledger knows")
    with here.store.transaction() as tx:
        return tx.customers.answered(item_id, storable(by.strip()), here.now())


def whom(policy: Policy, item: InboundItem, extraction: Extraction | None) -> str:
    """The case that an item belongs to, or its sender where the policy says how they are known; else empty."""
    if isinstance(policy, CasePolicy):
        return case_key(policy, item)
    known_by = policy.customer.known_by
    return check(item, policy, extraction).values.get(known_by, "").casefold() if known_by else ""


def hear(tx: Transaction, policy: Policy, arrived: Mapping[str, str], now: datetime) -> None:
    """Take what came in for the answers that its senders owed, as of when it was accepted; an act, safe to repeat.

    Args:
        arrived: items by id, each with `whom` it is from.
    """
    if not any(arrived.values()) or not (owing := _owing(tx, policy)):
        return
    accepted_at = tx.customers.accepted_at(arrived)
    came = [Arrived(item_id=one, whom=arrived[one], accepted_at=at) for one, at in accepted_at.items()]
    for answered in answers(owing, came):
        tx.customers.answered_by_item(answered, now)


def give_up(here: Resources, policy: Policy) -> int:
    """Let clocks run on where a customer has not answered for the longest time, and tell of it once.

    Returns how many customers were silent.
    """
    now = here.now()
    with here.store.transaction() as tx:
        silent = list(overdue(_owing(tx, policy), policy.longest_pause, now))
        for owed, over_at in silent:
            tx.customers.silent(owed.item_id, over_at, now)
    for owed, over_at in silent:
        message = f"{owed.item_id}: the customer has not answered by {over_at:%Y-%m-%d %H:%M} UTC; the clocks run on"
        alert("customer.silent", "item", owed.item_id, message, policy=policy.name)
    return len(silent)


def _owing(tx: Transaction, policy: Policy) -> list[Owed]:
    questions = tx.customers.owing(policy.name)
    extracted = tx.extractions.of([one.item_id for one in questions]) if questions else {}
    return [
        Owed(item_id=one.item_id, whom=whom(policy, one.item, extracted.get(one.item_id)), asked_at=one.asked_at)
        for one in questions
    ]
