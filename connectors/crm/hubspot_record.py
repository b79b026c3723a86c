"""A HubSpot record that a write is about: where it is kept, how it is read, and which one a refusal names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from connectors.crm.hubspot_api import NAME, Answer, ReadBatch, ReadInput, Stored, path_of
from connectors.http_outcomes import HttpApi
from domain.delivery import Ambiguous, Conflict, Invalid, Operation, RetryAfter

EXISTING = re.compile(r"Existing ID: *(\d+)")
"""The only place where a 409 says which record it means."""


@dataclass(frozen=True)
class Target:
    """Where an operation's record is kept, by its options."""

    object: str
    key: str
    operation_property: str

    @property
    def path(self) -> str:
        """Of the object's records."""
        return path_of(self.object)


async def record_of(
    api: HttpApi, operation: Operation, target: Target, wanted: Sequence[str] = (), past: Sequence[str] = ()
) -> Stored | Invalid | RetryAfter | None:
    """The operation's record, by HubSpot's id where that is known, else by our key; None where there is none.

    Args:
        wanted: names of properties to read, beside the key's and the operation's.
        past: names of properties whose past values are to be read, beside the operation's.
    """
    read = ReadBatch(
        inputs=[ReadInput(id=operation.external_id or operation.record_key)],
        id_property=None if operation.external_id else target.key,
        properties=sorted({target.key, target.operation_property, *wanted}),
        properties_with_history=sorted({target.operation_property, *past}),
    )
    match await api.ask(Answer, f"{target.path}/batch/read", {}, read):
        case Answer(results=[record, *_]):
            return record
        case Answer(errors=errors):
            strange = [error for error in errors if error.category != "OBJECT_NOT_FOUND"]
            return RetryAfter(detail=f"{NAME}: {strange[0].message}") if strange else None
        case Invalid() | RetryAfter() as failure:
            return failure
        case other:
            assert_never(other)


def refused_as(outcome: Conflict | Invalid, operation: Operation, target: Target) -> Conflict | Ambiguous | Invalid:
    """A conflict with a record that HubSpot names is one that trying again will not end."""
    match outcome:
        case Conflict(detail=detail) if existing := EXISTING.search(detail):
            mend = f"if {existing[1]} is the same, set its {target.key} to '{operation.record_key}' and try again"
            return Ambiguous(detail=f"{detail}; {mend}")
        case _:
            return outcome
