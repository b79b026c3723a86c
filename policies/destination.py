"""The policy's section on what is written: to which system, when, under which key, with which values."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from domain.delivery import Patience
from domain.values import Frozen
from policies.duplicates import Duplicates
from policies.templates import check_template

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Lower case, digits and underscores, as in Prefect's and the databases' names."""

Template = Annotated[str, AfterValidator(check_template)]
"""A Jinja2 template over the input's fields."""


class Moment(StrEnum):
    """When a destination is written."""

    DECIDED = "decided"
    """Once it is decided that the item is written."""
    INCOMPLETE = "incomplete"
    """As soon as a person is asked because of the fields: such as a mail that asks the sender for them."""


class Destination(Frozen):
    """A record that each decided item becomes in another system.

    Attributes:
        system: name of the connector.
        at: when it is written.
        when: expression in the rules' language that must hold of the item, over the input's fields,
            `text`, `missing`, `unsure`, `faults`, `flags` and `route`; without one it is always written.
        record_key: template of the record's own key; the same key, the same record.
        values: template of each of the record's fields; empty ones are left out. Beside the
            input's fields they see `route`, `flags`, `missing`, `unsure`, `faults`, `text`, `item_id` and `by`.
        options: what the connector is told beside them, such as the kind of record.
        duplicates: whether the system is searched for the record before a new one is written, and by
            which of the values; without it, only the record key counts.
    """

    system: Name
    at: Moment = Moment.DECIDED
    when: str | None = None
    options: dict[Name, str] = Field(default_factory=dict)
    record_key: Template
    values: dict[Name, Template] = Field(min_length=1)
    duplicates: Duplicates | None = None
    patience: Patience = Patience()
