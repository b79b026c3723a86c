"""Tells people of values that are none of their field's type: they go nowhere, and nobody else would hear of it."""

from datetime import datetime

from connectors.store.crosswalk_rows import Due
from connectors.store.engine import Transaction
from domain.entity import Entity
from domain.escalation import Cause
from policies.fields import normalised
from policies.load import Workflow, sync_of
from tasks.escalate import escalate


def tell_malformed(tx: Transaction, workflow: Workflow, due: Due, after: Entity, now: datetime) -> None:
    """Escalate the malformed values that an entity has after a merge.

    All of one field in one system are one escalation while it stands, which names the record that was the first: a
    system that is linked for the first time may have thousands.
    """
    policy = sync_of(workflow)
    fields = policy.objects[due.row.object].fields
    for system, held in after.records.items():
        unheard = [field for field, text in held.now.items() if text.strip() and held.base.get(field) != text]
        for field in unheard if held.external_id and not held.gone else ():
            if field not in fields or normalised(fields[field].type, held.now[field].strip(), policy.input.conventions):
                continue
            named = field.replace("_", " ")
            subject = f"{named} of {due.row.object} in {system}"
            if not tx.escalations.stands(policy.name, Cause.RECORDS_REFUSED, subject):
                told = (
                    f"{subject}: what record {held.external_id} has cannot be read, and goes nowhere until it is mended"
                )
                escalate(tx, Cause.RECORDS_REFUSED, subject, policy.name, told, now)
