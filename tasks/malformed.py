"""Tells people of values that are none of their field's type: they go nowhere, and nobody else would hear of it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from connectors.store.crosswalk_rows import Due
from connectors.store.engine import Transaction
from domain.escalation import Cause
from tasks.escalate import escalate


def tell_malformed(tx: Transaction, due: Due, malformed: Mapping[str, Collection[str]], now: datetime) -> None:
    """Escalate the malformed values that a merge met.

    All of one field in one system are one escalation while it stands, which names the record that was the first: a
    system that is linked for the first time may have thousands.

    Args:
        malformed: by field, the systems that have such a value.
    """
    policy = due.row.policy
    for field, system in [(field, system) for field, systems in malformed.items() for system in systems]:
        subject = f"{field.replace('_', ' ')} of {due.row.object} in {system}"
        if tx.escalations.stands(policy, Cause.RECORDS_REFUSED, subject):
            continue
        record = due.records[system].external_id
        told = f"{subject}: what record {record} has cannot be read, and goes nowhere until it is mended"
        escalate(tx, Cause.RECORDS_REFUSED, subject, policy, told, now)
